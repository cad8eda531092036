/* Cross-validation of a logistic regression. */
#include "base/memory.h"
#include "statistics/regression.h"

#include <stdlib.h>
#include <string.h>

/* Room for the rows that a fold is not tested on. */
typedef struct training_rows {
    double *x;
    unsigned char *y;
    uint32_t *cluster;
    size_t n;
} training_rows;

static pbt_code rows_open(training_rows *rows, size_t n, size_t d, pbt_error *error) {
    *rows = (training_rows){.x = pbt_alloc(n * d + 1, sizeof *rows->x),
                            .y = pbt_alloc(n + 1, sizeof *rows->y),
                            .cluster = pbt_alloc(n + 1, sizeof *rows->cluster)};
    bool ok = rows->x && rows->y && rows->cluster;
    return ok ? PBT_OK : pbt_fail_memory(error, n * d * sizeof(double), "a cross-validation");
}

static void rows_close(training_rows *rows) {
    free(rows->x);
    free(rows->y);
    free(rows->cluster);
}

static void take_others(training_rows *rows, const pbt_cases_table *t, const size_t *fold, size_t k) {
    rows->n = 0;
    for (size_t r = 0; r < t->n; r++) {
        if (fold[r] == k) continue;
        memcpy(rows->x + rows->n * t->d, t->x + r * t->d, t->d * sizeof *t->x);
        rows->y[rows->n] = t->y[r];
        rows->cluster[rows->n++] = t->cluster ? t->cluster[r] : (uint32_t)r;
    }
}

pbt_code pbt_cross_validate_folds(const pbt_cases_table *t, const size_t *fold, size_t k, double *predicted,
                                  pbt_error *error) {
    training_rows rows;
    pbt_code code = rows_open(&rows, t->n, t->d, error);
    for (size_t f = 0; f < k && code == PBT_OK; f++) {
        double mean[PBT_MAX_FEATURES] = {0}, scale[PBT_MAX_FEATURES] = {0}, row[PBT_MAX_FEATURES];
        pbt_regression fit;
        take_others(&rows, t, fold, f);
        if (t->d <= PBT_MAX_FEATURES) pbt_standardize(rows.x, rows.n, t->d, mean, scale);
        pbt_cases_table others = {rows.n, t->d, rows.x, rows.y, rows.cluster};
        code = pbt_logistic_fit_safe(&others, &fit, error);
        for (size_t r = 0; r < t->n && code == PBT_OK; r++) {
            if (fold[r] != f) continue;
            for (size_t j = 0; j < t->d; j++)
                row[j] = scale[j] > 0 ? (t->x[r * t->d + j] - mean[j]) / scale[j] : 0;
            predicted[r] = pbt_logistic_predict(&fit, row);
        }
    }
    rows_close(&rows);
    return code;
}

typedef struct named_row {
    uint32_t cluster;
    size_t row;
} named_row;

static int by_name(const void *a, const void *b) {
    const named_row *x = a, *y = b;
    if (x->cluster != y->cluster) return x->cluster > y->cluster ? 1 : -1;
    return (x->row > y->row) - (x->row < y->row);
}

/* unit[i]: which row or cluster row i belongs to, counted from 0; returns how many there are. */
static size_t count_units(const pbt_cases_table *t, bool by_cluster, named_row *order, size_t *unit) {
    size_t n = 0;
    for (size_t r = 0; r < t->n; r++)
        order[r] = (named_row){by_cluster && t->cluster ? t->cluster[r] : (uint32_t)r, r};
    qsort(order, t->n, sizeof *order, by_name);
    for (size_t i = 0; i < t->n; i++) {
        if (i > 0 && order[i].cluster != order[i - 1].cluster) n++;
        unit[order[i].row] = n;
    }
    return t->n ? n + 1 : 0;
}

pbt_code pbt_cross_validate(const pbt_cases_table *t, size_t k, bool by_cluster, pbt_key key,
                            double *predicted, pbt_error *error) {
    named_row *order = pbt_alloc(t->n + 1, sizeof *order);
    size_t *fold = pbt_alloc(t->n + 1, sizeof *fold);
    uint32_t *shuffled = pbt_alloc(t->n + 1, sizeof *shuffled), *place = pbt_alloc(t->n + 1, sizeof *place);
    pbt_code code = order && fold && shuffled && place ? PBT_OK : pbt_fail_memory(error, t->n, "folds");
    if (code == PBT_OK) {
        size_t units = count_units(t, by_cluster, order, fold);
        for (size_t i = 0; i < units; i++) shuffled[i] = (uint32_t)i;
        pbt_random_shuffle(key, shuffled, units);
        for (size_t i = 0; i < units; i++) place[shuffled[i]] = (uint32_t)(i % k);
        for (size_t r = 0; r < t->n; r++) fold[r] = place[fold[r]];
        code = pbt_cross_validate_folds(t, fold, k, predicted, error);
    }
    free(order);
    free(fold);
    free(shuffled);
    free(place);
    return code;
}
