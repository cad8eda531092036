/* Free rows of the key/value buffers. */
#include "engine/rows.h"

#include "base/memory.h"

#include <stdlib.h>
#include <string.h>

pbt_code pbt_free_rows_create(int32_t capacity, pbt_free_rows *rows, pbt_error *error) {
    /* Ranges never touch, so there are never more than this. */
    size_t most = (size_t)capacity / 2 + 2;
    *rows = (pbt_free_rows){.ranges = pbt_alloc(most, sizeof *rows->ranges), .total = capacity};
    if (!rows->ranges) return pbt_fail_memory(error, most * sizeof *rows->ranges, "the list of free rows");
    if (capacity > 0) rows->ranges[rows->n++] = (pbt_row_range){0, capacity};
    return PBT_OK;
}

void pbt_free_rows_free(pbt_free_rows *rows) {
    free(rows->ranges);
    *rows = (pbt_free_rows){0};
}

int32_t pbt_free_rows_largest(const pbt_free_rows *rows) {
    int32_t most = 0;
    for (int32_t i = 0; i < rows->n; i++)
        if (rows->ranges[i].length > most) most = rows->ranges[i].length;
    return most;
}

static void remove_range(pbt_free_rows *rows, int32_t i) {
    memmove(rows->ranges + i, rows->ranges + i + 1, (size_t)(rows->n - i - 1) * sizeof *rows->ranges);
    rows->n--;
}

/* The first `n` rows of range i. */
static void cut(pbt_free_rows *rows, int32_t i, int32_t n) {
    rows->ranges[i].start += n;
    rows->ranges[i].length -= n;
    rows->total -= n;
    if (rows->ranges[i].length == 0) remove_range(rows, i);
}

int32_t pbt_free_rows_take(pbt_free_rows *rows, int32_t want, int32_t *start) {
    int32_t best = -1;
    for (int32_t i = 0; i < rows->n; i++) {
        int32_t length = rows->ranges[i].length;
        if (best < 0) {
            best = i;
            continue;
        }
        int32_t standing = rows->ranges[best].length;
        /* The smallest that is large enough, so that large ones last; else the largest. */
        if (standing < want ? length > standing : length >= want && length < standing) best = i;
    }
    if (best < 0 || want < 1) return 0;
    int32_t got = rows->ranges[best].length < want ? rows->ranges[best].length : want;
    *start = rows->ranges[best].start;
    cut(rows, best, got);
    return got;
}

/* The first range that does not lie before `start`. */
static int32_t range_from(const pbt_free_rows *rows, int32_t start) {
    int32_t low = 0, high = rows->n;
    while (low < high) {
        int32_t middle = low + (high - low) / 2;
        if (rows->ranges[middle].start < start)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

int32_t pbt_free_rows_take_at(pbt_free_rows *rows, int32_t start, int32_t want) {
    int32_t i = range_from(rows, start);
    if (i == rows->n || rows->ranges[i].start != start || want < 1) return 0;
    int32_t got = rows->ranges[i].length < want ? rows->ranges[i].length : want;
    cut(rows, i, got);
    return got;
}

void pbt_free_rows_give(pbt_free_rows *rows, int32_t start, int32_t length) {
    if (length < 1) return;
    int32_t i = range_from(rows, start);
    pbt_row_range *at = rows->ranges + i;
    bool joins_before = i > 0 && at[-1].start + at[-1].length == start;
    bool joins_after = i < rows->n && start + length == at->start;
    rows->total += length;
    if (joins_before && joins_after) {
        at[-1].length += length + at->length;
        remove_range(rows, i);
    } else if (joins_before) {
        at[-1].length += length;
    } else if (joins_after) {
        at->start = start;
        at->length += length;
    } else {
        memmove(at + 1, at, (size_t)(rows->n - i) * sizeof *at);
        *at = (pbt_row_range){start, length};
        rows->n++;
    }
}
