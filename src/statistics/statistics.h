/*
 * Statistics: means over seeds, bootstrap intervals clustered by question, paired tests, logistic regression.
 */
#ifndef PBT_STATISTICS_STATISTICS_H
#define PBT_STATISTICS_STATISTICS_H

#include "base/declarations.h"
#include "base/random.h"
#include "base/status.h"

PBT_BEGIN_DECLS

/* Mean and sample standard deviation (n-1; 0 when n < 2). */
void pbt_mean_std(const double *x, size_t n, double *mean, double *std);

/* One judged item: its cluster (question) and value (0/1 or any number). */
typedef struct pbt_item {
    uint32_t cluster;
    double value;
} pbt_item;
/* Percentile bootstrap of the mean over clusters drawn with replacement: 95% interval. */
pbt_code pbt_bootstrap(const pbt_item *items, size_t n, size_t draws, pbt_key key, double interval[2],
                       pbt_error *error);
/* The same for the mean of (a - b) over the same items in the same order. */
pbt_code pbt_bootstrap_paired(const pbt_item *a, const pbt_item *b, size_t n, size_t draws, pbt_key key,
                              double *difference, double interval[2], pbt_error *error);
/* Wilson's score interval of a share (95%): for counts of independent items. n = 0: NaN. */
void pbt_wilson(int64_t successes, int64_t n, double interval[2]);
/* Exact two-sided McNemar test from the two discordant counts. */
double pbt_mcnemar(int64_t only_first, int64_t only_second);

PBT_END_DECLS

#endif
