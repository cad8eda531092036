/*
 * Opening a folder or a GGUF file: tokenizer.json, or tokenizer.model (SentencePiece's protobuf or tiktoken's
 * text), and the special tokens that the configuration names.
 */
#include "base/file.h"
#include "gguf/gguf.h"
#include "tokenizer/folder_tokens.h"
#include "tokenizer/gguf_tokenizer.h"
#include "tokenizer/sentencepiece.h"
#include "tokenizer/tiktoken.h"
#include "tokenizer/tokenizer_json.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#define FILE_LIMIT ((size_t)64 << 20)

/* tiktoken's files are lines of base64, a space and a rank. */
static bool looks_like_text(const char *data, size_t length) {
    size_t n = 0;
    while (n < length && n < 512 && (isalnum((unsigned char)data[n]) || strchr("+/=", data[n]))) n++;
    return n > 0 && n < length && data[n] == ' ';
}

static pbt_code load_model(pbt_tokenizer *tokenizer, const char *path, const json_t *config,
                           pbt_error *error) {
    char *data;
    size_t length;
    PBT_TRY(pbt_file_read(path, FILE_LIMIT, &data, &length, error));
    pbt_code code = looks_like_text(data, length)
                        ? pbt_tokenizer_load_tiktoken(tokenizer, path, data, length, config, error)
                        : pbt_tokenizer_load_sentencepiece(tokenizer, path, (const unsigned char *)data,
                                                           length, config, error);
    free(data);
    return code;
}

/* "bos_token": "<s>" or {"content": "<s>", ...}. */
static const char *special_content(const json_t *value) {
    return json_string_value(json_is_object(value) ? json_object_get(value, "content") : value);
}

static pbt_code read_specials(pbt_tokenizer *tokenizer, const json_t *config, pbt_error *error) {
    static const char *const names[] = {"bos_token", "eos_token", "unk_token", "pad_token",
                                        "sep_token", "cls_token", "mask_token"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        const char *content = special_content(json_object_get(config, names[i]));
        if (!content) continue;
        for (size_t k = 0; k < tokenizer->n_specials; k++)
            if (strcmp(tokenizer->specials[k].name, names[i]) == 0) content = NULL;
        if (!content) continue;
        char *copy = pbt_arena_string(tokenizer->arena, content);
        if (!copy) return pbt_fail_memory(error, strlen(content), "the special tokens");
        tokenizer->specials[tokenizer->n_specials++] = (struct pbt_named_special){names[i], copy};
    }
    return PBT_OK;
}

/* What tokenizer.model itself says, where no configuration does. */
static pbt_code default_special(pbt_tokenizer *tokenizer, const char *name, int32_t id, pbt_error *error) {
    const char *piece = pbt_tokenizer_piece(tokenizer, id);
    if (!piece || pbt_tokenizer_special(tokenizer, name)) return PBT_OK;
    json_t *value = json_pack("{s:s}", name, piece);
    if (!value) return pbt_fail_memory(error, 0, "the special tokens");
    pbt_code code = read_specials(tokenizer, value, error);
    json_decref(value);
    return code;
}

static pbt_code read_config(const char *folder, const char *name, json_t **config, pbt_error *error) {
    char *path = pbt_path_join(folder, name);
    if (!path) return pbt_fail_memory(error, strlen(folder), "a path");
    pbt_code code = PBT_OK;
    *config = NULL;
    if (pbt_file_exists(path)) {
        code = pbt_json_read(path, FILE_LIMIT, config, error);
        if (code == PBT_OK && !json_is_object(*config)) {
            json_decref(*config);
            *config = NULL;
            code = pbt_fail_at(error, PBT_BAD_INPUT, path, NULL, "expected a JSON object");
        }
    }
    free(path);
    return code;
}

static pbt_code load_vocabulary(pbt_tokenizer *tokenizer, const char *folder, const json_t *config,
                                pbt_error *error) {
    char *json = pbt_path_join(folder, "tokenizer.json"), *model = pbt_path_join(folder, "tokenizer.model");
    pbt_code code;
    if (!json || !model) {
        code = pbt_fail_memory(error, strlen(folder), "a path");
    } else if (pbt_file_exists(json)) {
        tokenizer->file = pbt_arena_string(tokenizer->arena, json);
        code = pbt_tokenizer_load_json(tokenizer, json, error);
    } else if (pbt_file_exists(model)) {
        tokenizer->file = pbt_arena_string(tokenizer->arena, model);
        code = load_model(tokenizer, model, config, error);
    } else {
        code = pbt_fail_at(error, PBT_BAD_INPUT, folder, NULL,
                           "expected tokenizer.json or tokenizer.model in the folder, found neither");
    }
    free(json);
    free(model);
    return code;
}

static pbt_code load_gguf(pbt_tokenizer *tokenizer, const char *path, pbt_folder_tokens *tokens,
                          pbt_error *error) {
    tokenizer->file = pbt_arena_string(tokenizer->arena, path);
    PBT_TRY(pbt_tokenizer_load_gguf(tokenizer, path, &tokens->settings, error));
    return tokens->settings ? PBT_OK : pbt_fail_memory(error, 0, "the special tokens");
}

/* The vocabulary, and what the files beside it say. */
static pbt_code load_folder(pbt_tokenizer *tokenizer, const char *folder, pbt_folder_tokens *tokens,
                            pbt_error *error) {
    json_t *config = NULL, *map = NULL, *added = NULL;
    pbt_code code;
    PBT_GOTO(read_config(folder, "tokenizer_config.json", &config, error));
    PBT_GOTO(read_config(folder, "special_tokens_map.json", &map, error));
    PBT_GOTO(read_config(folder, "added_tokens.json", &added, error));
    PBT_GOTO(pbt_folder_tokens_read(tokens, config, map, added, error));
    PBT_GOTO(load_vocabulary(tokenizer, folder, config, error));
    PBT_GOTO(pbt_folder_tokens_add(tokenizer, tokens, error));
    tokenizer->split_special_tokens = json_is_true(json_object_get(tokens->settings, "split_special_tokens"));
done:
    json_decref(config);
    json_decref(map);
    json_decref(added);
    return code;
}

static pbt_code open_files(pbt_tokenizer *tokenizer, const char *folder, pbt_error *error) {
    pbt_folder_tokens tokens = {0};
    pbt_code code = pbt_gguf_is(folder) ? load_gguf(tokenizer, folder, &tokens, error)
                                        : load_folder(tokenizer, folder, &tokens, error);
    if (code != PBT_OK) goto done;
    PBT_GOTO(pbt_tokenizer_finish(tokenizer, error));
    PBT_GOTO(read_specials(tokenizer, tokens.settings, error));
    PBT_GOTO(default_special(tokenizer, "bos_token", tokenizer->default_bos, error));
    PBT_GOTO(default_special(tokenizer, "eos_token", tokenizer->default_eos, error));
    if (tokenizer->n_model) PBT_GOTO(default_special(tokenizer, "unk_token", tokenizer->bpe.unknown, error));
    const char *bos = pbt_tokenizer_special(tokenizer, "bos_token");
    const char *eos = pbt_tokenizer_special(tokenizer, "eos_token");
    if (bos) tokenizer->bos = pbt_tokenizer_id(tokenizer, bos);
    if (eos) tokenizer->eos = pbt_tokenizer_id(tokenizer, eos);
done:
    pbt_folder_tokens_free(&tokens);
    return code;
}

pbt_code pbt_tokenizer_open(const char *folder, pbt_tokenizer **tokenizer, pbt_error *error) {
    pbt_tokenizer *made = pbt_alloc(1, sizeof *made);
    if (made) made->arena = pbt_arena_create();
    if (!made || !made->arena) {
        free(made);
        return pbt_fail_memory(error, sizeof *made, "a tokenizer");
    }
    made->bos = made->eos = made->bpe.unknown = made->default_bos = made->default_eos = -1;
    pbt_code code = open_files(made, folder, error);
    if (code != PBT_OK) {
        pbt_tokenizer_free(made);
        return code;
    }
    *tokenizer = made;
    return PBT_OK;
}
