/*
 * Free rows of the key/value buffers: ranges in ascending order, never touching each other.
 */
#ifndef PBT_ENGINE_ROWS_H
#define PBT_ENGINE_ROWS_H

#include "engine/engine.h"

typedef struct pbt_row_range {
    int32_t start, length;
} pbt_row_range;

typedef struct pbt_free_rows {
    pbt_row_range *ranges;
    int32_t n;
    int32_t total; /* rows in all ranges */
} pbt_free_rows;

/* All of 0 .. capacity-1 free. */
pbt_code pbt_free_rows_create(int32_t capacity, pbt_free_rows *rows, pbt_error *error);
void pbt_free_rows_free(pbt_free_rows *rows);
int32_t pbt_free_rows_largest(const pbt_free_rows *rows);
/* Takes `want` rows side by side, or as many as the largest range has; returns how many (0: none is free). */
int32_t pbt_free_rows_take(pbt_free_rows *rows, int32_t want, int32_t *start);
/* Takes up to `want` rows beginning exactly at `start`; returns how many. */
int32_t pbt_free_rows_take_at(pbt_free_rows *rows, int32_t start, int32_t want);
void pbt_free_rows_give(pbt_free_rows *rows, int32_t start, int32_t length);

#endif
