/*
 * Loops whose pieces are counted.
 */
#ifndef PBT_TESTS_TENSOR_PIECES_H
#define PBT_TESTS_TENSOR_PIECES_H

#include "tensor/cpu/pool.h"

#include <stdbool.h>

enum { PIECES = 1000 };

/* How often each piece was run: pieces belong to one thread each, so that this needs no lock. */
typedef struct counts {
    int of[PIECES];
} counts;

static void count(void *user, int64_t first, int64_t last) {
    counts *c = user;
    for (int64_t i = first; i < last; i++) c->of[i]++;
}

/* Whether each of n pieces was run once on so many threads. */
static bool all_once(int threads, int64_t n) {
    counts c = {0};
    pbt_pool_run(threads, n, count, &c);
    for (int64_t i = 0; i < PIECES; i++)
        if (c.of[i] != (i < n)) return false;
    return true;
}

#endif
