/*
 * The tokenizer itself: opening a folder, freeing, and what can be asked of it. How text becomes ids stands
 * in encode.c and steps.c.
 */
#include "base/file.h"
#include "tokenizer/internal.h"

#include <stdlib.h>
#include <string.h>

#define CONFIG_LIMIT ((size_t)64 << 20)

pbt_code pbt_ids_push(pbt_ids *ids, int32_t id, pbt_error *error) {
    PBT_TRY(pbt_grow((void **)&ids->items, &ids->capacity, ids->count + 1, sizeof *ids->items, error));
    ids->items[ids->count++] = id;
    return PBT_OK;
}

static pbt_code make_id_room(pbt_tokenizer *tokenizer, size_t size, pbt_error *error) {
    if (size <= tokenizer->size) return PBT_OK;
    PBT_TRY(pbt_grow((void **)&tokenizer->pieces, &tokenizer->pieces_capacity, size,
                     sizeof *tokenizer->pieces, error));
    PBT_TRY(pbt_grow((void **)&tokenizer->lengths, &tokenizer->lengths_capacity, size,
                     sizeof *tokenizer->lengths, error));
    for (size_t i = tokenizer->size; i < size; i++) {
        tokenizer->pieces[i] = NULL;
        tokenizer->lengths[i] = 0;
    }
    tokenizer->size = size;
    return PBT_OK;
}

static pbt_code put_piece(pbt_tokenizer *tokenizer, int32_t id, const char *string, size_t length,
                          pbt_error *error) {
    PBT_TRY(make_id_room(tokenizer, (size_t)id + 1, error));
    char *copy = pbt_arena_copy(tokenizer->arena, string, length);
    if (!copy) return pbt_fail_memory(error, length, "the vocabulary");
    tokenizer->pieces[id] = copy;
    tokenizer->lengths[id] = (uint32_t)length;
    return PBT_OK;
}

pbt_code pbt_tokenizer_set_piece(pbt_tokenizer *tokenizer, int32_t id, const char *string, size_t length,
                                 const char *where, pbt_error *error) {
    if ((size_t)id < tokenizer->size && tokenizer->pieces[id])
        return pbt_fail_at(error, PBT_BAD_INPUT, tokenizer->file, where,
                           "the tokens \"%.80s\" and \"%.80s\" have the same id %d", tokenizer->pieces[id],
                           string, id);
    return put_piece(tokenizer, id, string, length, error);
}

pbt_code pbt_tokenizer_add_token(pbt_tokenizer *tokenizer, const pbt_added *added, pbt_error *error) {
    size_t length = strlen(added->content);
    PBT_TRY(put_piece(tokenizer, added->id, added->content, length, error));
    PBT_TRY(pbt_grow((void **)&tokenizer->added, &tokenizer->added_capacity, tokenizer->n_added + 1,
                     sizeof *tokenizer->added, error));
    pbt_added *copy = &tokenizer->added[tokenizer->n_added++];
    *copy = *added;
    copy->content = copy->normalized = tokenizer->pieces[added->id];
    copy->normalized_length = (uint32_t)length;
    return PBT_OK;
}

/* What an added token looks like after the normalizer. */
static pbt_code normalize_added(pbt_tokenizer *tokenizer, size_t n_normalizers, pbt_added *added,
                                pbt_error *error) {
    pbt_pieces pieces = {0}, other = {0};
    pbt_search search = {0};
    pbt_code code;
    PBT_GOTO(pbt_pieces_write(&pieces, added->content, strlen(added->content), 0, 0, error));
    PBT_GOTO(pbt_pieces_close(&pieces, 0, -1, error));
    PBT_GOTO(pbt_steps_run(tokenizer, 0, n_normalizers, &pieces, &other, &search, error));
    added->normalized =
        pbt_arena_copy(tokenizer->arena, pieces.count ? pieces.bytes + pieces.items->start : "",
                       pieces.count ? pieces.items->length : 0);
    added->normalized_length = pieces.count ? pieces.items->length : 0;
    if (!added->normalized) code = pbt_fail_memory(error, pieces.length, "the vocabulary");
done:
    pbt_pieces_free(&pieces);
    pbt_pieces_free(&other);
    pbt_search_free(&search);
    return code;
}

static pbt_code index_added(pbt_tokenizer *tokenizer, pbt_error *error) {
    tokenizer->added_of = pbt_alloc(tokenizer->size, sizeof *tokenizer->added_of);
    if (!tokenizer->added_of) return pbt_fail_memory(error, tokenizer->size * 4, "the vocabulary");
    for (size_t i = 0; i < tokenizer->size; i++) tokenizer->added_of[i] = -1;
    for (size_t i = 0; i < tokenizer->n_added; i++) tokenizer->added_of[tokenizer->added[i].id] = (int32_t)i;
    for (size_t i = 0; i < tokenizer->n_added; i++) {
        const pbt_added *added = &tokenizer->added[i];
        if (tokenizer->added_of[added->id] != (int32_t)i) continue; /* said again further down */
        pbt_trie *trie = added->is_normalized ? &tokenizer->normalized : &tokenizer->raw;
        PBT_TRY(pbt_trie_add(trie, added->normalized, added->normalized_length, (int32_t)i, error));
    }
    return PBT_OK;
}

pbt_code pbt_tokenizer_finish(pbt_tokenizer *tokenizer, size_t n_normalizers, pbt_error *error) {
    for (size_t i = 0; i < tokenizer->n_added && n_normalizers; i++)
        if (tokenizer->added[i].is_normalized)
            PBT_TRY(normalize_added(tokenizer, n_normalizers, &tokenizer->added[i], error));
    PBT_TRY(index_added(tokenizer, error));
    pbt_step cut = {.kind = PBT_STEP_ADDED};
    PBT_TRY(pbt_step_push(tokenizer, &cut, error));
    PBT_TRY(pbt_step_push(tokenizer, &cut, error));
    pbt_step *steps = tokenizer->steps;
    size_t rest = tokenizer->n_steps - 2 - n_normalizers;
    memmove(steps + n_normalizers + 2, steps + n_normalizers, rest * sizeof *steps);
    memmove(steps + 1, steps, n_normalizers * sizeof *steps);
    cut.trie = &tokenizer->raw;
    steps[0] = cut;
    cut.trie = &tokenizer->normalized;
    steps[n_normalizers + 1] = cut;
    return PBT_OK;
}

/* "bos_token": "<s>" or {"content": "<s>", ...}. */
static const char *special_content(const json_t *value) {
    return json_string_value(json_is_object(value) ? json_object_get(value, "content") : value);
}

static pbt_code read_specials(pbt_tokenizer *tokenizer, json_t *config, pbt_error *error) {
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
        code = pbt_json_read(path, CONFIG_LIMIT, config, error);
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
        code = pbt_tokenizer_load_model(tokenizer, model, config, error);
    } else {
        code = pbt_fail_at(error, PBT_BAD_INPUT, folder, NULL,
                           "expected tokenizer.json or tokenizer.model in the folder, found neither");
    }
    free(json);
    free(model);
    return code;
}

static pbt_code open_folder(pbt_tokenizer *tokenizer, const char *folder, pbt_error *error) {
    json_t *config = NULL, *map = NULL;
    pbt_code code;
    PBT_GOTO(read_config(folder, "tokenizer_config.json", &config, error));
    PBT_GOTO(read_config(folder, "special_tokens_map.json", &map, error));
    PBT_GOTO(load_vocabulary(tokenizer, folder, config, error));
    if (config) PBT_GOTO(read_specials(tokenizer, config, error));
    if (map) PBT_GOTO(read_specials(tokenizer, map, error));
    PBT_GOTO(default_special(tokenizer, "bos_token", tokenizer->default_bos, error));
    PBT_GOTO(default_special(tokenizer, "eos_token", tokenizer->default_eos, error));
    if (tokenizer->n_model) PBT_GOTO(default_special(tokenizer, "unk_token", tokenizer->bpe.unknown, error));
    const char *bos = pbt_tokenizer_special(tokenizer, "bos_token");
    const char *eos = pbt_tokenizer_special(tokenizer, "eos_token");
    if (bos) tokenizer->bos = pbt_tokenizer_id(tokenizer, bos);
    if (eos) tokenizer->eos = pbt_tokenizer_id(tokenizer, eos);
done:
    json_decref(config);
    json_decref(map);
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
    pbt_code code = open_folder(made, folder, error);
    if (code != PBT_OK) {
        pbt_tokenizer_free(made);
        return code;
    }
    *tokenizer = made;
    return PBT_OK;
}

void pbt_tokenizer_free(pbt_tokenizer *tokenizer) {
    if (!tokenizer) return;
    for (size_t i = 0; i < tokenizer->n_steps; i++) pbt_pattern_free(tokenizer->steps[i].pattern);
    for (size_t i = 0; i < tokenizer->n_decoders; i++) pbt_pattern_free(tokenizer->decoders[i].pattern);
    free(tokenizer->steps);
    free(tokenizer->decoders);
    free(tokenizer->bpe.names.slots);
    free(tokenizer->bpe.merges);
    free(tokenizer->pieces);
    free(tokenizer->lengths);
    free(tokenizer->added);
    free(tokenizer->added_of);
    free(tokenizer->raw.nodes);
    free(tokenizer->normalized.nodes);
    free(tokenizer->before.items);
    free(tokenizer->after.items);
    pbt_arena_free(tokenizer->arena);
    free(tokenizer);
}

int32_t pbt_tokenizer_size(const pbt_tokenizer *tokenizer) {
    return (int32_t)tokenizer->size;
}

int32_t pbt_tokenizer_id(const pbt_tokenizer *tokenizer, const char *piece) {
    for (size_t i = tokenizer->n_added; i-- > 0;)
        if (strcmp(tokenizer->added[i].content, piece) == 0) return tokenizer->added[i].id;
    return pbt_names_find(&tokenizer->bpe.names, piece, strlen(piece));
}

const char *pbt_tokenizer_piece(const pbt_tokenizer *tokenizer, int32_t id) {
    return id >= 0 && (size_t)id < tokenizer->size ? tokenizer->pieces[id] : NULL;
}

bool pbt_tokenizer_is_special(const pbt_tokenizer *tokenizer, int32_t id) {
    if (id < 0 || (size_t)id >= tokenizer->size || tokenizer->added_of[id] < 0) return false;
    return tokenizer->added[tokenizer->added_of[id]].special;
}

int32_t pbt_tokenizer_bos(const pbt_tokenizer *tokenizer) {
    return tokenizer->bos;
}

int32_t pbt_tokenizer_eos(const pbt_tokenizer *tokenizer) {
    return tokenizer->eos;
}

const char *pbt_tokenizer_special(const pbt_tokenizer *tokenizer, const char *name) {
    for (size_t i = 0; i < tokenizer->n_specials; i++)
        if (strcmp(tokenizer->specials[i].name, name) == 0) return tokenizer->specials[i].content;
    return NULL;
}
