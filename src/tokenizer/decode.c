/*
 * Decoding: ids to text, through the decoders of tokenizer.json. The list of token strings is kept as one
 * buffer and the ends of its entries.
 */
#include "tokenizer/characters.h"
#include "tokenizer/pattern.h"

#include <stdlib.h>
#include <string.h>

typedef struct strings {
    pbt_text bytes;
    size_t *ends;
    size_t count, capacity;
} strings;

static void strings_free(strings *s) {
    pbt_text_free(&s->bytes);
    free(s->ends);
    *s = (strings){0};
}

/* Ends the entry that was being appended. */
static pbt_code strings_close(strings *s, pbt_error *error) {
    PBT_TRY(pbt_grow(s->ends, &s->capacity, s->count + 1, error));
    s->ends[s->count++] = s->bytes.length;
    return PBT_OK;
}

static const char *entry(const strings *s, size_t i, size_t *length) {
    size_t start = i ? s->ends[i - 1] : 0;
    *length = s->ends[i] - start;
    return pbt_text_string(&s->bytes) + start;
}

/* One token's bytes, if every character is of the byte-level alphabet; else its own text. */
static void append_bytes(pbt_text *text, const char *token, size_t length) {
    size_t size;
    for (size_t i = 0; i < length; i += size) {
        if (pbt_character_byte(pbt_utf8_decode(token + i, length - i, &size)) >= 0) continue;
        pbt_text_append(text, token, length);
        return;
    }
    for (size_t i = 0; i < length; i += size) {
        char byte = (char)pbt_character_byte(pbt_utf8_decode(token + i, length - i, &size));
        pbt_text_append(text, &byte, 1);
    }
}

static pbt_code run_byte_level(const strings *in, strings *out, pbt_error *error) {
    pbt_text bytes = {0};
    for (size_t i = 0; i < in->count; i++) {
        size_t length;
        const char *token = entry(in, i, &length);
        append_bytes(&bytes, token, length);
    }
    pbt_text_append_lossy(&out->bytes, pbt_text_string(&bytes), bytes.length);
    bool failed = bytes.failed;
    pbt_text_free(&bytes);
    return failed ? pbt_fail_memory(error, 0, "decoded text") : strings_close(out, error);
}

static pbt_code run_replace(const pbt_decoder *decoder, const strings *in, strings *out, pbt_error *error) {
    pbt_search search = {0};
    pbt_code code = PBT_OK;
    for (size_t i = 0; i < in->count; i++) {
        size_t length, done = 0;
        const char *token = entry(in, i, &length);
        PBT_GOTO(pbt_search_begin(&search, decoder->pattern, token, length, error));
        for (;;) {
            bool found;
            PBT_GOTO(pbt_search_next(&search, &found, error));
            if (!found) break;
            pbt_text_append(&out->bytes, token + done, search.start - done);
            pbt_text_append(&out->bytes, decoder->text, decoder->text_length);
            done = search.end;
        }
        pbt_text_append(&out->bytes, token + done, length - done);
        PBT_GOTO(strings_close(out, error));
    }
done:
    pbt_search_free(&search);
    return code;
}

/* The byte of a token <0x..>, or -1. */
static int byte_of(const char *token, size_t length) {
    if (length != 6 || memcmp(token, "<0x", 3) != 0 || token[5] != '>') return -1;
    char digits[3] = {token[3], token[4], 0}, *end;
    if (digits[0] == '-' || digits[0] == ' ') return -1;
    long byte = strtol(digits[0] == '+' ? digits + 1 : digits, &end, 16);
    return *end || end == digits ? -1 : (int)byte;
}

/* A run of byte tokens is its text, or one U+FFFD for every byte when it is not UTF-8. */
static pbt_code flush_bytes(pbt_text *run, strings *out, pbt_error *error) {
    if (!run->length) return PBT_OK;
    if (pbt_utf8_valid(run->data, run->length)) {
        pbt_text_append(&out->bytes, run->data, run->length);
        PBT_TRY(strings_close(out, error));
    } else {
        for (size_t i = 0; i < run->length; i++) {
            pbt_text_append(&out->bytes, "\xef\xbf\xbd", 3);
            PBT_TRY(strings_close(out, error));
        }
    }
    pbt_text_clear(run);
    return PBT_OK;
}

static pbt_code run_byte_fallback(const strings *in, strings *out, pbt_error *error) {
    pbt_text run = {0};
    pbt_code code = PBT_OK;
    for (size_t i = 0; i < in->count; i++) {
        size_t length;
        const char *token = entry(in, i, &length);
        int byte = byte_of(token, length);
        if (byte >= 0) {
            char c = (char)byte;
            pbt_text_append(&run, &c, 1);
            continue;
        }
        PBT_GOTO(flush_bytes(&run, out, error));
        pbt_text_append(&out->bytes, token, length);
        PBT_GOTO(strings_close(out, error));
    }
    code = flush_bytes(&run, out, error);
done:
    pbt_text_free(&run);
    return code;
}

static pbt_code run_strip(const pbt_decoder *decoder, const strings *in, strings *out, pbt_error *error) {
    char mark[4];
    size_t size = pbt_utf8_encode(decoder->character, mark);
    for (size_t i = 0; i < in->count; i++) {
        size_t length, start = 0;
        const char *token = entry(in, i, &length);
        size_t end = length;
        for (size_t n = 0; n < decoder->start && length - start >= size; n++, start += size)
            if (memcmp(token + start, mark, size) != 0) break;
        for (size_t n = 0; n < decoder->stop && end >= size + start; n++, end -= size)
            if (memcmp(token + end - size, mark, size) != 0) break;
        pbt_text_append(&out->bytes, token + start, end - start);
        PBT_TRY(strings_close(out, error));
    }
    return PBT_OK;
}

static pbt_code run_metaspace(const pbt_decoder *decoder, const strings *in, strings *out, pbt_error *error) {
    for (size_t i = 0; i < in->count; i++) {
        size_t length, size;
        const char *token = entry(in, i, &length);
        for (size_t at = 0; at < length; at += size) {
            if (pbt_utf8_decode(token + at, length - at, &size) != decoder->character)
                pbt_text_append(&out->bytes, token + at, size);
            else if (i > 0 || decoder->prepend == PBT_PREPEND_NEVER)
                pbt_text_add(&out->bytes, " ");
        }
        PBT_TRY(strings_close(out, error));
    }
    return PBT_OK;
}

static pbt_code run_decoder(const pbt_decoder *decoder, const strings *in, strings *out, pbt_error *error) {
    switch (decoder->kind) {
    case PBT_DECODER_BYTE_LEVEL:
        return run_byte_level(in, out, error);
    case PBT_DECODER_REPLACE:
        return run_replace(decoder, in, out, error);
    case PBT_DECODER_BYTE_FALLBACK:
        return run_byte_fallback(in, out, error);
    case PBT_DECODER_STRIP:
        return run_strip(decoder, in, out, error);
    case PBT_DECODER_METASPACE:
        return run_metaspace(decoder, in, out, error);
    case PBT_DECODER_FUSE:
        pbt_text_append(&out->bytes, pbt_text_string(&in->bytes), in->bytes.length);
        return strings_close(out, error);
    }
    return pbt_fail(error, PBT_FAILED, "an unknown decoder in the tokenizer");
}

static pbt_code collect(const pbt_tokenizer *tokenizer, const int32_t *ids, size_t n,
                        bool skip_special_tokens, strings *tokens, pbt_error *error) {
    for (size_t i = 0; i < n; i++) {
        if (ids[i] < 0 || (size_t)ids[i] >= tokenizer->size || !tokenizer->pieces[ids[i]]) continue;
        int32_t which = tokenizer->added_of[ids[i]];
        const pbt_added *added = which >= 0 ? &tokenizer->added[which] : NULL;
        if (skip_special_tokens && added && added->special) continue;
        if (added)
            pbt_text_append(&tokens->bytes, added->normalized, added->normalized_length);
        else
            pbt_text_append(&tokens->bytes, tokenizer->pieces[ids[i]], tokenizer->lengths[ids[i]]);
        PBT_TRY(strings_close(tokens, error));
    }
    return PBT_OK;
}

pbt_code pbt_tokenizer_decode(const pbt_tokenizer *tokenizer, const int32_t *ids, size_t n,
                              bool skip_special_tokens, pbt_text *text, pbt_error *error) {
    strings tokens = {0}, next = {0};
    pbt_code code;
    PBT_GOTO(collect(tokenizer, ids, n, skip_special_tokens, &tokens, error));
    for (size_t i = 0; i < tokenizer->n_decoders; i++) {
        PBT_GOTO(run_decoder(&tokenizer->decoders[i], &tokens, &next, error));
        strings swap = tokens;
        tokens = next;
        next = swap;
        pbt_text_clear(&next.bytes);
        next.count = 0;
    }
    for (size_t i = 0; i < tokens.count; i++) {
        size_t length;
        const char *token = entry(&tokens, i, &length);
        if (i && !tokenizer->has_decoder) pbt_text_add(text, " ");
        pbt_text_append(text, token, length);
    }
    if (tokens.bytes.failed || next.bytes.failed || text->failed)
        code = pbt_fail_memory(error, tokens.bytes.length, "decoded text");
done:
    strings_free(&tokens);
    strings_free(&next);
    return code;
}
