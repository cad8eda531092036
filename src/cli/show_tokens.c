#include "cli/show_tokens.h"

#include "base/memory.h"
#include "base/text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

json_t *pbt_cli_json_text(const char *bytes, size_t length) {
    json_t *value = json_stringn(bytes, length);
    if (value) return value;
    pbt_text clean = {0};
    for (size_t i = 0, size; i < length; i += size) {
        char out[4];
        uint32_t c = pbt_utf8_decode(bytes + i, length - i, &size);
        pbt_text_append(&clean, out, pbt_utf8_encode(c, out));
    }
    value = json_stringn(pbt_text_string(&clean), clean.length);
    pbt_text_free(&clean);
    return value;
}

/* Special tokens yellow, tokens with loss green, without it dim; without a mask two colours in turn. */
static const char *color_of(bool special, const unsigned char *mask, size_t i) {
    if (mask && mask[i]) return special ? "\033[1;33m" : "\033[1;32m";
    if (special) return "\033[33m";
    return mask ? "\033[2m" : i % 2 ? "\033[36m" : "\033[32m";
}

void pbt_cli_print_tokens(const pbt_cli *cli, const pbt_tokenizer *tokenizer, const int32_t *ids, size_t n,
                          const unsigned char *mask) {
    size_t marked = 0;
    for (size_t i = 0; i < n; i++) {
        const char *piece = pbt_tokenizer_piece(tokenizer, ids[i]);
        const char *color = cli->color ? color_of(pbt_tokenizer_is_special(tokenizer, ids[i]), mask, i) : "";
        const char *star = !mask ? "" : mask[i] ? "* " : "  ";
        printf("%8d  %s%s%s%s\n", ids[i], star, color, piece ? piece : "(none)", cli->color ? "\033[0m" : "");
        marked += mask && mask[i];
    }
    if (mask)
        printf("%zu tokens, %zu with loss (*)\n", n, marked);
    else
        printf("%zu tokens\n", n);
}

void pbt_cli_put_tokens(json_t *object, const pbt_tokenizer *tokenizer, const int32_t *ids, size_t n,
                        const unsigned char *mask) {
    json_t *numbers = json_array(), *pieces = json_array(), *marks = mask ? json_array() : NULL;
    for (size_t i = 0; i < n; i++) {
        const char *piece = pbt_tokenizer_piece(tokenizer, ids[i]);
        json_array_append_new(numbers, json_integer(ids[i]));
        json_array_append_new(pieces, piece ? pbt_cli_json_text(piece, strlen(piece)) : json_null());
        if (mask) json_array_append_new(marks, json_integer(mask[i] != 0));
    }
    json_object_set_new(object, "ids", numbers);
    json_object_set_new(object, "pieces", pieces);
    if (mask) json_object_set_new(object, "mask", marks);
}

/* One text of an example: prompt and completion, with what carries loss. */
static pbt_code show_text(const pbt_cli *cli, const pbt_tokenizer *tokenizer, size_t number, const char *part,
                          const pbt_example *example, pbt_error *error) {
    bool rejected = strcmp(part, "rejected") == 0;
    const pbt_ids *completion = rejected ? &example->rejected : &example->chosen;
    size_t n_prompt = example->prompt.count, n = n_prompt + completion->count;
    int32_t *ids = pbt_alloc(n + 1, sizeof *ids);
    unsigned char *mask = pbt_alloc(n + 1, 1);
    pbt_code code = ids && mask ? PBT_OK : pbt_fail_memory(error, n * sizeof *ids, "tokens");
    for (size_t i = 0; code == PBT_OK && i < n; i++) {
        ids[i] = i < n_prompt ? example->prompt.items[i] : completion->items[i - n_prompt];
        mask[i] = example->mask && !rejected ? example->mask[i] : i >= n_prompt;
    }
    if (code == PBT_OK && cli->json) {
        json_t *value = json_pack("{s:I, s:s}", "example", (json_int_t)number, "part", part);
        pbt_cli_put_tokens(value, tokenizer, ids, n, mask);
        code = pbt_cli_print_json(value, error);
    } else if (code == PBT_OK) {
        printf("example %zu, %s\n", number, part);
        pbt_cli_print_tokens(cli, tokenizer, ids, n, mask);
    }
    free(ids);
    free(mask);
    return code;
}

pbt_code pbt_cli_show_examples(const pbt_cli *cli, const pbt_tokenizer *tokenizer, const pbt_dataset *dataset,
                               pbt_error *error) {
    for (size_t i = 0; i < dataset->count && i < 2; i++) {
        const pbt_example *example = &dataset->items[i];
        bool pair = example->rejected.count > 0;
        PBT_TRY(show_text(cli, tokenizer, i + 1, pair ? "chosen" : "text", example, error));
        if (pair) PBT_TRY(show_text(cli, tokenizer, i + 1, "rejected", example, error));
    }
    return PBT_OK;
}
