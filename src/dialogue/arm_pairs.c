/* Which pairs an arm is trained on: capped by question, then drawn; the same number for every arm. */
#include "base/memory.h"
#include "dialogue/pairs.h"

#include <stdlib.h>
#include <string.h>

/* The pairs of one kind in a seeded order, at most `cap` of a question and listener; returns how many. */
static size_t capped(const pbt_pair_list *pairs, pbt_pair_kind kind, int32_t cap, pbt_key key,
                     uint32_t *index) {
    size_t n = 0, kept = 0;
    for (size_t i = 0; i < pairs->count; i++)
        if (pairs->items[i].kind == kind) index[n++] = (uint32_t)i;
    pbt_random_shuffle(pbt_key_child(key, (uint64_t)kind), index, n);
    for (size_t i = 0; i < n; i++) {
        const pbt_pair *pair = &pairs->items[index[i]];
        int listener = pair->tree->nodes[pair->chosen].speaker;
        int32_t same = 0;
        for (size_t j = 0; cap > 0 && j < kept && same < cap; j++) {
            const pbt_pair *other = &pairs->items[index[j]];
            same += other->tree->question == pair->tree->question &&
                    other->tree->nodes[other->chosen].speaker == listener;
        }
        if (cap <= 0 || same < cap) index[kept++] = index[i];
    }
    return kept;
}

pbt_code pbt_arm_size(const pbt_pair_list *pairs, int32_t cap, size_t wanted, pbt_key key, size_t *size,
                      pbt_error *error) {
    uint32_t *index = pbt_alloc(pairs->count + 1, sizeof *index);
    if (!index) return pbt_fail_memory(error, pairs->count * sizeof *index, "the size of the arms");
    size_t resist = capped(pairs, PBT_RESIST, cap, key, index),
           accept = capped(pairs, PBT_ACCEPT, cap, key, index);
    size_t n = resist < accept ? resist : accept;
    free(index);
    if (wanted > 0 && wanted < n) n = wanted;
    *size = n - n % 2;
    return PBT_OK;
}

static int ascending(const void *a, const void *b) {
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return (x > y) - (x < y);
}

pbt_code pbt_arm_select(const pbt_pair_list *pairs, pbt_arm arm, int32_t cap, size_t n, pbt_key key,
                        uint32_t **index, size_t *count, pbt_error *error) {
    const size_t wanted[PBT_ARMS][2] = {{0, 0}, {0, n}, {n, 0}, {n - n / 2, n / 2}};
    uint32_t *drawn = pbt_alloc(pairs->count, sizeof *drawn);
    *count = 0;
    *index = pbt_alloc(n, sizeof **index);
    pbt_code code = drawn && *index ? PBT_OK : pbt_fail_memory(error, pairs->count * sizeof *drawn, "an arm");
    for (int kind = 0; kind < 2 && code == PBT_OK; kind++) {
        size_t want = wanted[arm][kind],
               have = want ? capped(pairs, (pbt_pair_kind)kind, cap, key, drawn) : 0;
        if (have < want)
            code = pbt_fail(error, PBT_USAGE, "arm %s: expected %zu pairs to %s, found %zu",
                            pbt_arm_names[arm], want, kind == PBT_RESIST ? "resist" : "accept", have);
        for (size_t i = 0; code == PBT_OK && i < want; i++) (*index)[(*count)++] = drawn[i];
    }
    free(drawn);
    if (code != PBT_OK) {
        free(*index);
        *index = NULL;
        *count = 0;
        return code;
    }
    qsort(*index, *count, sizeof **index, ascending);
    return PBT_OK;
}
