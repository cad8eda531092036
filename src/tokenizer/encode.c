/*
 * Encoding: text to ids, with the bytes every id stands for.
 */
#include "tokenizer/bpe.h"
#include "tokenizer/characters.h"
#include "tokenizer/pattern.h"
#include "tokenizer/pieces.h"
#include "tokenizer/steps.h"

#include <stdlib.h>

/* What one call needs; nothing of it outlives the call, so that a tokenizer can be shared by threads. */
typedef struct encoder {
    const pbt_tokenizer *tokenizer;
    pbt_pieces pieces, other;
    pbt_search search;
    pbt_word word;
    pbt_ids *ids;
    size_t **offsets; /* NULL: not asked for */
    size_t offsets_capacity;
} encoder;

static pbt_code push(encoder *e, int32_t id, size_t from, size_t to, pbt_error *error) {
    PBT_TRY(pbt_ids_push(e->ids, id, error));
    if (!e->offsets) return PBT_OK;
    PBT_TRY(pbt_grow(*e->offsets, &e->offsets_capacity, e->ids->count * 2, error));
    (*e->offsets)[2 * e->ids->count - 2] = from;
    (*e->offsets)[2 * e->ids->count - 1] = to;
    return PBT_OK;
}

/* The input as one piece; what is not UTF-8 becomes U+FFFD. */
static pbt_code take_text(encoder *e, const char *text, size_t length, pbt_error *error) {
    if (length > PBT_TEXT_LIMIT)
        return pbt_fail(error, PBT_BAD_INPUT,
                        "a text of %zu bytes cannot be tokenized: the limit is %zu; split it", length,
                        PBT_TEXT_LIMIT);
    for (size_t i = 0; i < length;) {
        bool valid;
        size_t size = pbt_utf8_part(text + i, length - i, &valid);
        uint32_t from = (uint32_t)i, to = (uint32_t)(i + size);
        if (!valid)
            PBT_TRY(pbt_pieces_write(&e->pieces, "\xef\xbf\xbd", 3, from, to, error));
        else
            for (uint32_t at = from; at < to; at++)
                PBT_TRY(pbt_pieces_write(&e->pieces, text + at, 1, at, at + 1, error));
        i += size;
    }
    return pbt_pieces_close(&e->pieces, 0, -1, error);
}

static pbt_code merge_piece(encoder *e, const pbt_piece *piece, pbt_error *error) {
    const pbt_pieces *p = &e->pieces;
    PBT_TRY(pbt_bpe_word(&e->tokenizer->bpe, p->bytes + piece->start, piece->length, &e->word, error));
    size_t at = piece->start;
    for (size_t i = 0; i < e->word.count; i++) {
        size_t length = e->word.symbols[i].length;
        if (!length) continue;
        PBT_TRY(push(e, e->word.symbols[i].id, p->from[at], p->to[at + length - 1], error));
        at += length;
    }
    return PBT_OK;
}

static pbt_code encode(encoder *e, const char *text, size_t length, pbt_error *error) {
    const pbt_tokenizer *tokenizer = e->tokenizer;
    PBT_TRY(take_text(e, text, length, error));
    PBT_TRY(pbt_steps_run(tokenizer, 0, tokenizer->n_steps, &e->pieces, &e->other, &e->search, error));
    for (size_t i = 0; i < e->pieces.count; i++) {
        const pbt_piece *piece = &e->pieces.items[i];
        if (piece->id < 0) {
            PBT_TRY(merge_piece(e, piece, error));
            continue;
        }
        size_t end = piece->start + (size_t)piece->length;
        PBT_TRY(push(e, piece->id, piece->length ? e->pieces.from[piece->start] : 0,
                     piece->length ? e->pieces.to[end - 1] : 0, error));
    }
    return PBT_OK;
}

static void release(encoder *e) {
    pbt_pieces_free(&e->pieces);
    pbt_pieces_free(&e->other);
    pbt_search_free(&e->search);
    free(e->word.symbols);
    free(e->word.heap);
}

static pbt_code append(const pbt_ids *from, pbt_ids *ids, pbt_error *error) {
    for (size_t i = 0; i < from->count; i++) PBT_TRY(pbt_ids_push(ids, from->items[i], error));
    return PBT_OK;
}

pbt_code pbt_tokenizer_encode(const pbt_tokenizer *tokenizer, const char *text, size_t length,
                              bool add_special_tokens, pbt_ids *ids, pbt_error *error) {
    encoder e = {.tokenizer = tokenizer, .ids = ids};
    if (add_special_tokens) PBT_TRY(append(&tokenizer->before, ids, error));
    pbt_code code = encode(&e, text, length, error);
    release(&e);
    if (code == PBT_OK && add_special_tokens) code = append(&tokenizer->after, ids, error);
    return code;
}

/* The bytes of one space at text[0] or at its end, in a token's own spelling and in the text. */
static bool space_at(const char *text, size_t length, bool at_end, size_t *spelled, size_t *bytes) {
    size_t at = 0, size;
    if (!length) return false;
    if (at_end)
        for (at = length - 1; at > 0 && ((unsigned char)text[at] & 0xc0) == 0x80;) at--;
    uint32_t character = pbt_utf8_decode(text + at, length - at, &size);
    *spelled = size;
    *bytes = character == 0x120 ? 1 : size; /* GPT-2's letter for a space */
    return character == 0x120 || pbt_is_space(character);
}

/* What tokenizers' ByteLevel post-processor does to offsets. */
static void trim_offsets(const pbt_tokenizer *tokenizer, const pbt_ids *ids, size_t *offsets) {
    for (size_t i = 0; i < ids->count; i++) {
        size_t *from = &offsets[2 * i], *to = &offsets[2 * i + 1], spelled, bytes, leading = 0, trailing = 0;
        const char *piece = tokenizer->pieces[ids->items[i]];
        size_t length = tokenizer->lengths[ids->items[i]], rest = length;
        for (; space_at(piece + (length - rest), rest, false, &spelled, &bytes); rest -= spelled)
            leading += bytes;
        for (rest = length; space_at(piece, rest, true, &spelled, &bytes); rest -= spelled) trailing += bytes;
        if (leading && (i == 0 || *from == 0) && tokenizer->keeps_prefix_space) leading--;
        *from = *from + leading < *to ? *from + leading : *to;
        if (trailing && *to >= trailing) *to = *to - trailing > *from ? *to - trailing : *from;
    }
}

pbt_code pbt_tokenizer_encode_offsets(const pbt_tokenizer *tokenizer, const char *text, size_t length,
                                      pbt_ids *ids, size_t **offsets, pbt_error *error) {
    pbt_ids fresh = {0};
    encoder e = {.tokenizer = tokenizer, .ids = &fresh, .offsets = offsets};
    *offsets = NULL;
    pbt_code code = encode(&e, text, length, error);
    release(&e);
    if (code == PBT_OK && tokenizer->trim_offsets) trim_offsets(tokenizer, &fresh, *offsets);
    if (code == PBT_OK) code = append(&fresh, ids, error);
    free(fresh.items);
    if (code == PBT_OK) return PBT_OK;
    free(*offsets);
    *offsets = NULL;
    return code;
}
