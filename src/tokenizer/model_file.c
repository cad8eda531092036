/*
 * What the readers of tokenizer.model's two kinds share: the steps written as tokenizer.json would have them,
 * and the added tokens tokenizer_config.json lists.
 */
#include "tokenizer/model_file.h"
#include "tokenizer/step_json.h"
#include "tokenizer/tokenizer.h"
#include "tokenizer/vocabulary.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

pbt_code pbt_model_steps(pbt_tokenizer *tokenizer, const char *json, size_t *n_normalizers,
                         pbt_error *error) {
    json_t *root;
    PBT_TRY(pbt_json_parse(json, strlen(json), tokenizer->file, NULL, &root, error));
    pbt_code code = pbt_step_read_normalizer(tokenizer, json_object_get(root, "normalizer"), error);
    *n_normalizers = tokenizer->n_steps;
    if (code == PBT_OK)
        code = pbt_step_read_pre_tokenizer(tokenizer, json_object_get(root, "pre_tokenizer"), error);
    if (code == PBT_OK) code = pbt_decoder_read(tokenizer, json_object_get(root, "decoder"), error);
    json_decref(root);
    return code;
}

pbt_code pbt_model_add_special(pbt_tokenizer *tokenizer, int32_t id, const char *content, bool special,
                               pbt_error *error) {
    pbt_added added = {.content = content, .id = id, .special = special, .said_special = special};
    return pbt_tokenizer_add_token(tokenizer, &added, error);
}

/* The id that a key of added_tokens_decoder spells, or -1. */
static int32_t id_of_key(const char *key) {
    char *end;
    long id = strtol(key, &end, 10);
    return isdigit((unsigned char)key[0]) && !*end && id < PBT_ID_LIMIT ? (int32_t)id : -1;
}

pbt_code pbt_model_add_configured(pbt_tokenizer *tokenizer, const json_t *config, pbt_error *error) {
    const json_t *listed = json_object_get(config, "added_tokens_decoder");
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)(uintptr_t)listed, key, value) {
        const char *where = "added_tokens_decoder", *file = "tokenizer_config.json";
        pbt_added added = {.id = id_of_key(key)};
        if (added.id < 0)
            return pbt_fail_at(error, PBT_BAD_INPUT, file, where, "\"%.40s\" is not a token id", key);
        PBT_TRY(pbt_json_string(value, "content", file, where, &added.content, error));
        size_t length = strlen(added.content);
        if (!length || length > PBT_ADDED_LIMIT)
            return pbt_fail_at(error, PBT_BAD_INPUT, file, where, "token %d has %zu bytes", added.id, length);
        int32_t known = pbt_names_find(&tokenizer->bpe.names, added.content, length);
        const char *other = pbt_tokenizer_piece(tokenizer, added.id);
        if ((known >= 0 && known != added.id) ||
            (other && known != added.id && added.id < tokenizer->n_model))
            return pbt_fail_at(error, PBT_BAD_INPUT, file, where,
                               "\"%.80s\" is said to be token %d, which in tokenizer.model is \"%.80s\"",
                               added.content, added.id, other ? other : "none");
        added.special = added.said_special = json_is_true(json_object_get(value, "special"));
        added.left_strip = json_is_true(json_object_get(value, "lstrip"));
        added.right_strip = json_is_true(json_object_get(value, "rstrip"));
        added.single_word = json_is_true(json_object_get(value, "single_word"));
        added.is_normalized = json_is_true(json_object_get(value, "normalized"));
        PBT_TRY(pbt_tokenizer_add_token(tokenizer, &added, error));
    }
    return PBT_OK;
}

pbt_code pbt_model_add_ends(pbt_tokenizer *tokenizer, const json_t *config, int32_t bos, int32_t eos,
                            pbt_error *error) {
    const json_t *add_bos = json_object_get(config, "add_bos_token"),
                 *add_eos = json_object_get(config, "add_eos_token");
    if (bos >= 0 && !json_is_false(add_bos)) PBT_TRY(pbt_ids_push(&tokenizer->before, bos, error));
    return eos >= 0 && json_is_true(add_eos) ? pbt_ids_push(&tokenizer->after, eos, error) : PBT_OK;
}
