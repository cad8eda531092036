/*
 * The BPE model's two tables: strings to ids, and pairs of ids to merges.
 */
#include "tokenizer/vocabulary.h"

#include "base/hash.h"

#include <stdlib.h>
#include <string.h>

typedef struct wanted_name {
    const char *string;
    size_t length;
} wanted_name;

static bool same_name(const void *context, uint64_t place, const void *wanted) {
    const struct pbt_name *name = &((const pbt_names *)context)->items[place];
    const wanted_name *w = wanted;
    return name->length == w->length && memcmp(name->string, w->string, w->length) == 0;
}

static uint64_t place_of(const pbt_names *names, uint64_t hash, const char *string, size_t length) {
    return pbt_hash_table_match(&names->table, hash, same_name, names, &(wanted_name){string, length});
}

int32_t pbt_names_find(const pbt_names *names, const char *string, size_t length) {
    uint64_t place = place_of(names, pbt_hash(string, length, 0), string, length);
    return place == PBT_HASH_NONE ? -1 : names->items[place].id;
}

pbt_code pbt_names_put(pbt_names *names, const char *string, size_t length, int32_t id, pbt_error *error) {
    uint64_t hash = pbt_hash(string, length, 0), place = place_of(names, hash, string, length);
    if (place == PBT_HASH_NONE) {
        PBT_TRY(pbt_grow(names->items, &names->capacity, names->count + 1, error));
        PBT_TRY(pbt_hash_table_add(&names->table, hash, names->count, error));
        place = names->count++;
    }
    names->items[place] = (struct pbt_name){string, (uint32_t)length, id};
    return PBT_OK;
}

void pbt_names_free(pbt_names *names) {
    free(names->items);
    pbt_hash_table_free(&names->table);
    *names = (pbt_names){0};
}

pbt_code pbt_bpe_prepare(pbt_bpe *bpe, size_t n_merges, pbt_error *error) {
    pbt_hash_table_free(&bpe->merges);
    return pbt_hash_table_reserve(&bpe->merges, n_merges + 1, error);
}

void pbt_bpe_add_merge(pbt_bpe *bpe, int32_t left, int32_t right, uint32_t rank, int32_t id) {
    uint64_t pair = pbt_pair_of(left, right), value = (uint64_t)rank << 32 | (uint32_t)id;
    pbt_hash_slot *slot = pbt_hash_table_find(&bpe->merges, pair);
    if (slot)
        slot->value = value;
    else
        pbt_hash_table_add(&bpe->merges, pair, value, NULL); /* pbt_bpe_prepare made room: cannot fail */
}

bool pbt_bpe_merge(const pbt_bpe *bpe, int32_t left, int32_t right, pbt_merge *merge) {
    const pbt_hash_slot *slot = pbt_hash_table_find(&bpe->merges, pbt_pair_of(left, right));
    if (slot) *merge = (pbt_merge){(uint32_t)(slot->value >> 32), (int32_t)(uint32_t)slot->value};
    return slot != NULL;
}

void pbt_bpe_index(pbt_bpe *bpe) {
    for (uint32_t c = 0; c < sizeof bpe->characters / sizeof *bpe->characters; c++) {
        char utf8[4];
        bpe->characters[c] = pbt_names_find(&bpe->names, utf8, pbt_utf8_encode(c, utf8));
    }
    for (unsigned byte = 0; byte < 256; byte++) {
        static const char digits[] = "0123456789ABCDEF";
        char name[] = {'<', '0', 'x', digits[byte >> 4], digits[byte & 15], '>'};
        bpe->bytes[byte] = pbt_names_find(&bpe->names, name, sizeof name);
    }
}
