/* The list of examples: growing, freeing, hashing. */
#include "train/dataset.h"

#include "base/file.h"
#include "base/hash.h"
#include "base/memory.h"

#include <stdlib.h>
#include <string.h>

void pbt_example_free(pbt_example *example) {
    free(example->prompt.items);
    free(example->chosen.items);
    free(example->rejected.items);
    free(example->mask);
    free(example->group);
    memset(example, 0, sizeof *example);
}

void pbt_dataset_free(pbt_dataset *dataset) {
    for (size_t i = 0; i < dataset->count; i++) pbt_example_free(&dataset->items[i]);
    free(dataset->items);
    pbt_text_free(&dataset->dropped_list);
    pbt_text_free(&dataset->same_list);
    pbt_text_free(&dataset->half_list);
    memset(dataset, 0, sizeof *dataset);
}

pbt_code pbt_dataset_push(pbt_dataset *dataset, pbt_example *example, pbt_error *error) {
    PBT_TRY(pbt_grow(dataset->items, &dataset->capacity, dataset->count + 1, error));
    dataset->items[dataset->count++] = *example;
    memset(example, 0, sizeof *example);
    return PBT_OK;
}

static uint64_t hash_ids(const pbt_ids *ids, uint64_t hash) {
    hash = pbt_hash(&ids->count, sizeof ids->count, hash);
    return ids->count > 0 ? pbt_hash(ids->items, ids->count * sizeof *ids->items, hash) : hash;
}

uint64_t pbt_dataset_hash(const pbt_dataset *dataset) {
    uint64_t hash = pbt_hash(&dataset->count, sizeof dataset->count, 1);
    for (size_t i = 0; i < dataset->count; i++) {
        const pbt_example *example = &dataset->items[i];
        hash = hash_ids(&example->prompt, hash);
        hash = hash_ids(&example->chosen, hash);
        hash = hash_ids(&example->rejected, hash);
        if (example->mask)
            hash = pbt_hash(example->mask, example->prompt.count + example->chosen.count, hash);
        hash = pbt_hash(&example->ref_chosen_logp, sizeof(double), hash);
        hash = pbt_hash(&example->ref_rejected_logp, sizeof(double), hash);
        if (example->group) hash = pbt_hash(example->group, strlen(example->group), hash);
    }
    return hash;
}
