/*
 * Hashing: XXH3 of bytes, and the one hash table of the program.
 *
 * The table maps 64-bit keys to 64-bit values and only grows. A number is its own key; anything longer has
 * pbt_hash of its bytes as the key, and the values (as a rule places in an array of the caller's) lead to the
 * things themselves, which pbt_hash_table_match compares: two texts of one hash stay two. The order of the
 * slots is never seen from outside, so no result can depend on it.
 */
#ifndef PBT_BASE_HASH_H
#define PBT_BASE_HASH_H

#include "base/status.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

PBT_BEGIN_DECLS

/* XXH3, 64 bits. */
uint64_t pbt_hash(const void *data, size_t length, uint64_t seed);

typedef struct pbt_hash_slot {
    uint64_t key, value; /* PBT_HASH_NONE: empty */
} pbt_hash_slot;

/* Zero-initialise; release with pbt_hash_table_free. */
typedef struct pbt_hash_table {
    pbt_hash_slot *slots;
    size_t n_slots, count; /* a power of two (or 0), at most half full */
} pbt_hash_table;

/* No value: what a search returns that found nothing. */
#define PBT_HASH_NONE UINT64_MAX

/* Whether the thing that `value` stands for is the one that is `wanted`. */
typedef bool (*pbt_hash_equal)(const void *context, uint64_t value, const void *wanted);

/* Room for `n` entries in all: as many can then be added without failing. */
pbt_code pbt_hash_table_reserve(pbt_hash_table *table, size_t n, pbt_error *error);
/* Adds an entry (value: not PBT_HASH_NONE), also where the key has one already: search first. */
pbt_code pbt_hash_table_add(pbt_hash_table *table, uint64_t key, uint64_t value, pbt_error *error);
/* The value of the entry with this key that is equal to `wanted`, or PBT_HASH_NONE. */
uint64_t pbt_hash_table_match(const pbt_hash_table *table, uint64_t key, pbt_hash_equal equal,
                              const void *context, const void *wanted);
void pbt_hash_table_free(pbt_hash_table *table);

PBT_END_DECLS

/* Where the search for a key begins: the products of consecutive numbers are far apart. */
static inline size_t pbt_hash_table_start(const pbt_hash_table *table, uint64_t key) {
    uint64_t mixed = key * 0x9e3779b97f4a7c15u;
    return (size_t)(mixed ^ mixed >> 32) & (table->n_slots - 1);
}

/* The slot of a key, or NULL; its value may be changed. Inline: the merging of tokens lives on it. */
static inline pbt_hash_slot *pbt_hash_table_find(const pbt_hash_table *table, uint64_t key) {
    if (table->n_slots == 0) return NULL;
    for (size_t at = pbt_hash_table_start(table, key);; at = (at + 1) & (table->n_slots - 1)) {
        pbt_hash_slot *slot = &table->slots[at];
        if (slot->value == PBT_HASH_NONE) return NULL;
        if (slot->key == key) return slot;
    }
}

#endif
