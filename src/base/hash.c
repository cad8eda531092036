#include "base/hash.h"

#include "base/memory.h"

#include <stdlib.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

uint64_t pbt_hash(const void *data, size_t length, uint64_t seed) {
    return XXH3_64bits_withSeed(data, length, seed);
}

static void put(pbt_hash_table *table, uint64_t key, uint64_t value) {
    size_t at = pbt_hash_table_start(table, key);
    while (table->slots[at].value != PBT_HASH_NONE) at = (at + 1) & (table->n_slots - 1);
    table->slots[at] = (pbt_hash_slot){key, value};
    table->count++;
}

pbt_code pbt_hash_table_reserve(pbt_hash_table *table, size_t n, pbt_error *error) {
    if (n <= table->n_slots / 2) return PBT_OK;
    pbt_hash_table larger = {.n_slots = table->n_slots ? table->n_slots : 16};
    while (n > larger.n_slots / 2 && larger.n_slots <= SIZE_MAX / 2) larger.n_slots *= 2;
    larger.slots = pbt_alloc(larger.n_slots, sizeof *larger.slots);
    if (!larger.slots || n > larger.n_slots / 2) {
        free(larger.slots);
        return pbt_fail_memory(error, larger.n_slots, "a hash table");
    }
    for (size_t i = 0; i < larger.n_slots; i++) larger.slots[i].value = PBT_HASH_NONE;
    for (size_t i = 0; i < table->n_slots; i++)
        if (table->slots[i].value != PBT_HASH_NONE) put(&larger, table->slots[i].key, table->slots[i].value);
    free(table->slots);
    *table = larger;
    return PBT_OK;
}

pbt_code pbt_hash_table_add(pbt_hash_table *table, uint64_t key, uint64_t value, pbt_error *error) {
    PBT_TRY(pbt_hash_table_reserve(table, table->count + 1, error));
    put(table, key, value);
    return PBT_OK;
}

uint64_t pbt_hash_table_match(const pbt_hash_table *table, uint64_t key, pbt_hash_equal equal,
                              const void *context, const void *wanted) {
    if (table->n_slots == 0) return PBT_HASH_NONE;
    for (size_t at = pbt_hash_table_start(table, key);; at = (at + 1) & (table->n_slots - 1)) {
        const pbt_hash_slot *slot = &table->slots[at];
        if (slot->value == PBT_HASH_NONE) return PBT_HASH_NONE;
        if (slot->key == key && equal(context, slot->value, wanted)) return slot->value;
    }
}

void pbt_hash_table_free(pbt_hash_table *table) {
    free(table->slots);
    *table = (pbt_hash_table){0};
}
