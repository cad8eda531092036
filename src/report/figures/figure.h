/*
 * A figure of the report: judged items of several seeds to a mean with its spread and its interval.
 */
#ifndef PBT_REPORT_FIGURES_FIGURE_H
#define PBT_REPORT_FIGURES_FIGURE_H

#include "base/json.h"
#include "statistics/statistics.h"

#include <stdbool.h>

typedef struct pbt_figure {
    bool known;        /* false: nothing was measured */
    double mean;       /* percent: mean over seeds of each seed's mean */
    double std;        /* over seeds (n - 1); 0 with one seed */
    double ci95[2];    /* pbt_mean_interval over questions, items of all seeds together */
    int64_t questions; /* over all seeds */
    int64_t n;         /* items over all seeds */
    double *per_seed;  /* [n_seeds]; NaN: this seed has none */
    size_t n_seeds;
} pbt_figure;

/* Items of one figure, seed after seed. Zero-initialise; values are shares (0..1) or differences. */
typedef struct pbt_figure_items {
    pbt_item *items;
    size_t *seed; /* [count]: index of the seed */
    size_t count, capacity, seed_capacity;
    double least; /* a value may have, the most being 1: 0 of shares, -1 of differences */
} pbt_figure_items;
pbt_code pbt_figure_add(pbt_figure_items *items, size_t seed, uint32_t cluster, double value,
                        pbt_error *error);
void pbt_figure_items_free(pbt_figure_items *items);

/* `name` keys the bootstrap's random numbers, so that a figure's interval does not depend on what else is
 * reported. No items: an unknown figure. */
pbt_code pbt_figure_make(const pbt_figure_items *items, size_t n_seeds, size_t draws, const char *name,
                         pbt_figure *figure, pbt_error *error);
/* 100 * (mean of `numerator` items) / (mean of `denominator` items), each seed by itself; the interval draws
 * questions for both together, and where it has no width is the numerator's pbt_interval_unseen over the mean
 * denominator. Unknown where a denominator is 0. */
pbt_code pbt_figure_ratio(const pbt_figure_items *numerator, const pbt_figure_items *denominator,
                          size_t n_seeds, size_t draws, const char *name, pbt_figure *figure,
                          pbt_error *error);
void pbt_figure_free(pbt_figure *figure);
/* {"mean", "std", "ci95", "n", "per_seed"}, or null; new reference. */
json_t *pbt_figure_json(const pbt_figure *figure);

#endif
