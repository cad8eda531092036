/*
 * The tokenizer itself: its vocabulary and added tokens, freeing, and what can be asked of it.
 * tokenizer_folder.c opens it; how text becomes ids stands in encode.c and steps.c.
 */
#include "tokenizer/tokenizer.h"

#include "base/hash.h"
#include "tokenizer/added.h"
#include "tokenizer/pattern.h"
#include "tokenizer/pieces.h"
#include "tokenizer/step_json.h"
#include "tokenizer/steps.h"
#include "tokenizer/vocabulary.h"

#include <stdlib.h>
#include <string.h>

pbt_code pbt_ids_push(pbt_ids *ids, int32_t id, pbt_error *error) {
    PBT_TRY(pbt_grow(ids->items, &ids->capacity, ids->count + 1, error));
    ids->items[ids->count++] = id;
    return PBT_OK;
}

static pbt_code make_id_room(pbt_tokenizer *tokenizer, size_t size, pbt_error *error) {
    if (size <= tokenizer->size) return PBT_OK;
    PBT_TRY(pbt_grow(tokenizer->pieces, &tokenizer->pieces_capacity, size, error));
    PBT_TRY(pbt_grow(tokenizer->lengths, &tokenizer->lengths_capacity, size, error));
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
    PBT_TRY(pbt_grow(tokenizer->added, &tokenizer->added_capacity, tokenizer->n_added + 1, error));
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
        pbt_byte_trie *trie = added->is_normalized ? &tokenizer->normalized : &tokenizer->raw;
        PBT_TRY(pbt_byte_trie_add(trie, added->normalized, added->normalized_length, (int32_t)i, error));
    }
    return PBT_OK;
}

pbt_code pbt_tokenizer_finish(pbt_tokenizer *tokenizer, pbt_error *error) {
    const size_t n_normalizers = tokenizer->n_normalizers;
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

void pbt_tokenizer_free(pbt_tokenizer *tokenizer) {
    if (!tokenizer) return;
    for (size_t i = 0; i < tokenizer->n_steps; i++) pbt_pattern_free(tokenizer->steps[i].pattern);
    for (size_t i = 0; i < tokenizer->n_decoders; i++) pbt_pattern_free(tokenizer->decoders[i].pattern);
    free(tokenizer->steps);
    free(tokenizer->decoders);
    pbt_names_free(&tokenizer->bpe.names);
    pbt_hash_table_free(&tokenizer->bpe.merges);
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
