/*
 * The BPE model's two tables: strings to ids, and pairs of ids to merges.
 */
#include "tokenizer/vocabulary.h"
#include "base/file.h"

#include <stdlib.h>
#include <string.h>

static size_t slot_of(const pbt_names *names, const char *string, size_t length) {
    size_t mask = names->n_slots - 1;
    size_t slot = pbt_hash(string, length, 0) & mask;
    for (;; slot = (slot + 1) & mask) {
        const struct pbt_name *name = &names->slots[slot];
        if (name->id < 0 || (name->length == length && memcmp(name->string, string, length) == 0))
            return slot;
    }
}

int32_t pbt_names_find(const pbt_names *names, const char *string, size_t length) {
    return names->count ? names->slots[slot_of(names, string, length)].id : -1;
}

static pbt_code grow_names(pbt_names *names, pbt_error *error) {
    pbt_names larger = {.n_slots = names->n_slots ? names->n_slots * 2 : 64};
    larger.slots = pbt_alloc(larger.n_slots, sizeof *larger.slots);
    if (!larger.slots) return pbt_fail_memory(error, larger.n_slots * sizeof *larger.slots, "a vocabulary");
    for (size_t i = 0; i < larger.n_slots; i++) larger.slots[i].id = -1;
    for (size_t i = 0; i < names->n_slots; i++) {
        const struct pbt_name *name = &names->slots[i];
        if (name->id >= 0) larger.slots[slot_of(&larger, name->string, name->length)] = *name;
    }
    free(names->slots);
    names->slots = larger.slots;
    names->n_slots = larger.n_slots;
    return PBT_OK;
}

pbt_code pbt_names_put(pbt_names *names, const char *string, size_t length, int32_t id, pbt_error *error) {
    if (names->count * 2 >= names->n_slots) PBT_TRY(grow_names(names, error));
    struct pbt_name *name = &names->slots[slot_of(names, string, length)];
    if (name->id < 0) names->count++;
    *name = (struct pbt_name){string, (uint32_t)length, id};
    return PBT_OK;
}

static uint64_t pair_of(int32_t left, int32_t right) {
    return (uint64_t)(uint32_t)left << 32 | (uint32_t)right;
}

static size_t merge_slot(const pbt_bpe *bpe, uint64_t pair) {
    size_t mask = bpe->n_merge_slots - 1;
    uint64_t mixed = pair * 0x9e3779b97f4a7c15u;
    size_t slot = (mixed ^ mixed >> 32) & mask;
    while (bpe->merges[slot].pair != pair && bpe->merges[slot].pair != UINT64_MAX) slot = (slot + 1) & mask;
    return slot;
}

pbt_code pbt_bpe_prepare(pbt_bpe *bpe, size_t n_merges, pbt_error *error) {
    size_t slots = 16;
    while (slots < n_merges * 2 + 2) slots *= 2;
    bpe->merges = pbt_alloc(slots, sizeof *bpe->merges);
    if (!bpe->merges) return pbt_fail_memory(error, slots * sizeof *bpe->merges, "the merges");
    for (size_t i = 0; i < slots; i++) bpe->merges[i].pair = UINT64_MAX;
    bpe->n_merge_slots = slots;
    return PBT_OK;
}

void pbt_bpe_add_merge(pbt_bpe *bpe, int32_t left, int32_t right, uint32_t rank, int32_t id) {
    uint64_t pair = pair_of(left, right);
    pbt_merge *merge = &bpe->merges[merge_slot(bpe, pair)];
    if (merge->pair == UINT64_MAX) bpe->n_merges++;
    *merge = (pbt_merge){pair, rank, id};
}

const pbt_merge *pbt_bpe_merge(const pbt_bpe *bpe, int32_t left, int32_t right) {
    const pbt_merge *merge = &bpe->merges[merge_slot(bpe, pair_of(left, right))];
    return merge->pair == UINT64_MAX ? NULL : merge;
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
