/*
 * Two arms on the same items: the paired difference with its interval, and the exact McNemar test over
 * questions.
 */
#ifndef PBT_REPORT_FIGURES_PAIRED_H
#define PBT_REPORT_FIGURES_PAIRED_H

#include "measures/arms.h"
#include "measures/measures.h"
#include "report/figures/figure.h"

#include <stdbool.h>

/* Judged items of one measure and arm, each known by where it stands in the store. */
typedef struct pbt_paired_item {
    uint64_t id; /* of seed, kind and name */
    uint32_t cluster;
    double value;
} pbt_paired_item;
typedef struct pbt_paired_items {
    pbt_paired_item *items;
    size_t count, capacity;
} pbt_paired_items;
pbt_code pbt_paired_add(pbt_paired_items *items, uint64_t id, uint32_t cluster, double value,
                        pbt_error *error);
void pbt_paired_free(pbt_paired_items *items);

typedef struct pbt_comparison {
    pbt_measure_id measure;
    pbt_arm arm, against;
    double difference; /* arm - against, points of a percent, over items that both have */
    double ci95[2];    /* pbt_mean_interval over questions */
    int64_t n;         /* items */
    /* Questions (their items of all seeds together, by the mean): how many both have, and in how many of them
     * which arm's mean is higher. */
    int64_t questions, higher, lower;
    double p; /* exact McNemar test on `higher` and `lower` */
} pbt_comparison;

/* The one rule of finding, cards and tables: a difference is clear where the McNemar test says p < 0.05 and
 * the mean difference has the sign of what most questions say. */
bool pbt_comparison_is_clear(const pbt_comparison *comparison);

/* measure, arm and against are left to the caller. `name` keys the bootstrap. */
pbt_code pbt_compare_items(const pbt_paired_items *arm, const pbt_paired_items *against, size_t draws,
                           const char *name, pbt_comparison *comparison, pbt_error *error);
json_t *pbt_comparison_json(const pbt_comparison *comparison);

#endif
