/*
 * Random numbers: counter-based, so that the n-th number of a key is the same whoever asks, in whatever
 * order. A key is derived from what the number is for: (seed, stage, tree, node, token). There is no hidden
 * state. Generator: Philox4x32-10 (Salmon et al., "Parallel Random Numbers: As Easy as 1, 2, 3", SC 2011).
 */
#ifndef PBT_BASE_RANDOM_H
#define PBT_BASE_RANDOM_H

#include "base/declarations.h"

#include <stddef.h>
#include <stdint.h>

PBT_BEGIN_DECLS

typedef struct pbt_key {
    uint64_t value;
} pbt_key;

/* The root key of a seed. */
pbt_key pbt_key_of_seed(uint64_t seed);
/* The key of a stage of the work under a seed, by the stage's name. */
pbt_key pbt_key_of_stage(int64_t seed, const char *stage);
/* A key for one part of the work, by number or by name; children of different names or numbers are unrelated.
 */
pbt_key pbt_key_child(pbt_key key, uint64_t number);
pbt_key pbt_key_named(pbt_key key, const char *name);

/* The counter-th random number of the key. */
uint64_t pbt_random_bits(pbt_key key, uint64_t counter);
/* Uniform in [0, 1), 53 bits. */
double pbt_random_unit(pbt_key key, uint64_t counter);
/* Uniform in 0..bound-1 (bound > 0), without modulo bias worth naming (64-bit multiply-shift). */
uint64_t pbt_random_below(pbt_key key, uint64_t counter, uint64_t bound);
/* Standard normal (Box-Muller). */
double pbt_random_normal(pbt_key key, uint64_t counter);
/* Fisher-Yates of index[0..n-1]. */
void pbt_random_shuffle(pbt_key key, uint32_t *index, size_t n);

PBT_END_DECLS

#endif
