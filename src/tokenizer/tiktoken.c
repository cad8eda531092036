/*
 * tiktoken's vocabulary files, as Llama 3 has one: lines of a token's bytes in base64 and its rank. Two
 * neighbours merge when their bytes together are a token, the lowest rank first, the leftmost among equals.
 */
#include "tokenizer/tiktoken.h"

#include "tokenizer/bpe_build.h"
#include "tokenizer/characters.h"
#include "tokenizer/model_file.h"
#include "tokenizer/tokenizer.h"
#include "tokenizer/vocabulary.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Llama 3's ranks, and how its 256 special tokens are numbered behind them (names as of Llama 3.1). */
enum { LLAMA3_RANKS = 128000, LLAMA3_SPECIALS = 256, TOKEN_LIMIT = 400 };

/* Llama 3's pattern, and steps as its tokenizer.json has them. */
static const char steps[] =
    "{\"pre_tokenizer\": {\"type\": \"Sequence\", \"pretokenizers\": [{\"type\": \"Split\", \"behavior\": "
    "\"Isolated\", \"invert\": false, \"pattern\": {\"Regex\": "
    "\"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\\\r\\\\n\\\\p{L}\\\\p{N}]?\\\\p{L}+|\\\\p{N}{1,3}|"
    " ?[^\\\\s\\\\p{L}\\\\p{N}]+[\\\\r\\\\n]*|\\\\s*[\\\\r\\\\n]+|\\\\s+(?!\\\\S)|\\\\s+\"}}, "
    "{\"type\": \"ByteLevel\", \"add_prefix_space\": false, \"use_regex\": false}]}, "
    "\"decoder\": {\"type\": \"ByteLevel\"}}";

static int digit_of(char c) {
    if (c >= 'A' && c <= 'Z') return c - 'A';
    if (c >= 'a' && c <= 'z') return c - 'a' + 26;
    if (c >= '0' && c <= '9') return c - '0' + 52;
    return c == '+' ? 62 : c == '/' ? 63 : -1;
}

/* Decodes base64 into the byte-level alphabet; false when it is none. */
static bool read_base64(const char *text, size_t length, pbt_text *out) {
    uint32_t bits = 0;
    size_t padding = 0, n_bits = 0;
    if (length % 4 != 0 || length == 0) return false;
    while (padding < 2 && text[length - 1 - padding] == '=') padding++;
    for (size_t i = 0; i + padding < length; i++) {
        int digit = digit_of(text[i]);
        if (digit < 0) return false;
        bits = (bits << 6 | (uint32_t)digit) & 0xffff;
        n_bits += 6;
        if (n_bits < 8) continue;
        n_bits -= 8;
        char utf8[4];
        pbt_text_append(out, utf8,
                        pbt_utf8_encode(pbt_byte_character((unsigned char)(bits >> n_bits)), utf8));
    }
    return true;
}

static pbt_code read_line(pbt_tokenizer *tokenizer, const char *line, size_t length, const char *where,
                          pbt_error *error) {
    const char *space = memchr(line, ' ', length);
    size_t digits = space ? length - (size_t)(space + 1 - line) : 0;
    pbt_text token = {0};
    char number[12] = {0}, *end = number;
    if (digits && digits < sizeof number) memcpy(number, space + 1, digits);
    long rank = strtol(number, &end, 10);
    if (!space || !*number || *end || rank < 0 || rank >= PBT_ID_LIMIT || length > TOKEN_LIMIT ||
        !read_base64(line, (size_t)(space - line), &token)) {
        pbt_text_free(&token);
        return pbt_fail_at(error, PBT_BAD_INPUT, tokenizer->file, where,
                           "expected base64 of a token, a space and its rank");
    }
    pbt_code code = token.failed ? pbt_fail_memory(error, token.length, "the vocabulary")
                                 : pbt_tokenizer_set_piece(tokenizer, (int32_t)rank, token.data, token.length,
                                                           where, error);
    if (code == PBT_OK && pbt_names_find(&tokenizer->bpe.names, token.data, token.length) >= 0)
        code = pbt_fail_at(error, PBT_BAD_INPUT, tokenizer->file, where, "the token is listed twice");
    if (code == PBT_OK)
        code =
            pbt_names_put(&tokenizer->bpe.names, tokenizer->pieces[rank], token.length, (int32_t)rank, error);
    pbt_text_free(&token);
    return code;
}

static pbt_code read_lines(pbt_tokenizer *tokenizer, const char *data, size_t length, pbt_error *error) {
    size_t number = 0;
    for (size_t at = 0; at < length;) {
        const char *end = memchr(data + at, '\n', length - at);
        size_t n = end ? (size_t)(end - data) - at : length - at;
        char where[32];
        snprintf(where, sizeof where, "line %zu", ++number);
        size_t whole = n && data[at + n - 1] == '\r' ? n - 1 : n;
        if (whole) PBT_TRY(read_line(tokenizer, data + at, whole, where, error));
        at += n + 1;
    }
    for (int byte = 0; byte < 256; byte++) {
        char utf8[4];
        size_t size = pbt_utf8_encode(pbt_byte_character((unsigned char)byte), utf8);
        if (pbt_names_find(&tokenizer->bpe.names, utf8, size) < 0)
            return pbt_fail_at(error, PBT_BAD_INPUT, tokenizer->file, NULL, "the byte %02X has no token",
                               byte);
    }
    return PBT_OK;
}

/* Llama 3.1's name of the special token 128000 + n. */
static void llama3_name(int n, char *name, size_t size) {
    static const struct {
        int place;
        const char *name;
    } named[] = {{0, "<|begin_of_text|>"},   {1, "<|end_of_text|>"},   {4, "<|finetune_right_pad_id|>"},
                 {6, "<|start_header_id|>"}, {7, "<|end_header_id|>"}, {8, "<|eom_id|>"},
                 {9, "<|eot_id|>"},          {10, "<|python_tag|>"}};
    int reserved = n;
    for (size_t i = 0; i < sizeof named / sizeof *named; i++) {
        if (named[i].place == n) {
            snprintf(name, size, "%s", named[i].name);
            return;
        }
        if (named[i].place < n) reserved--;
    }
    snprintf(name, size, "<|reserved_special_token_%d|>", reserved);
}

static pbt_code add_llama3(pbt_tokenizer *tokenizer, pbt_error *error) {
    for (int i = 0; i < LLAMA3_SPECIALS; i++) {
        char name[48];
        llama3_name(i, name, sizeof name);
        if (pbt_tokenizer_piece(tokenizer, LLAMA3_RANKS + i)) continue; /* the configuration names it */
        PBT_TRY(pbt_model_add_special(tokenizer, LLAMA3_RANKS + i, name, true, error));
    }
    tokenizer->default_bos = LLAMA3_RANKS;
    tokenizer->default_eos = LLAMA3_RANKS + 1;
    return PBT_OK;
}

pbt_code pbt_tokenizer_load_tiktoken(pbt_tokenizer *tokenizer, const char *path, const char *data,
                                     size_t length, const json_t *config, pbt_error *error) {
    size_t n_normalizers;
    (void)path;
    PBT_TRY(read_lines(tokenizer, data, length, error));
    pbt_bpe *bpe = &tokenizer->bpe;
    bpe->ignore_merges = true;
    tokenizer->n_model = (int32_t)tokenizer->size;
    PBT_TRY(pbt_bpe_merge_all(tokenizer, NULL, error));
    pbt_bpe_index(bpe);
    PBT_TRY(pbt_model_steps(tokenizer, steps, &n_normalizers, error));
    bool llama3 = bpe->names.count == LLAMA3_RANKS && tokenizer->size == LLAMA3_RANKS;
    PBT_TRY(pbt_model_add_configured(tokenizer, config, error));
    if (llama3) PBT_TRY(add_llama3(tokenizer, error));
    PBT_TRY(pbt_model_add_ends(tokenizer, config, tokenizer->default_bos, -1, error));
    tokenizer->n_normalizers = n_normalizers;
    return PBT_OK;
}
