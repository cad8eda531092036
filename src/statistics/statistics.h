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
/* The same, where the values lie in least .. most; where it has no width, because every cluster has the same
 * mean or there is but one, pbt_interval_unseen's. */
pbt_code pbt_mean_interval(const pbt_item *items, size_t n, double least, double most, size_t draws,
                           pbt_key key, double interval[2], pbt_error *error);
/* 95% interval of a mean whose `clusters` all have that same mean. None of them was otherwise, so that by
 * Wilson's score interval a share u = z^2 / (clusters + z^2) of all clusters may be, with any values: mean -
 * u (mean - least) .. mean + u (most - mean). Of shares at 0 or 1 that is Wilson's interval, clusters as
 * trials.
 */
void pbt_interval_unseen(double mean, size_t clusters, double least, double most, double interval[2]);
/* How many clusters there are; 0 when memory is out or n is 0. */
size_t pbt_cluster_count(const pbt_item *items, size_t n);
/* The same as pbt_bootstrap for the mean of (a - b) over the same items in the same order. */
pbt_code pbt_bootstrap_paired(const pbt_item *a, const pbt_item *b, size_t n, size_t draws, pbt_key key,
                              double *difference, double interval[2], pbt_error *error);
/* Wilson's score interval of a share (95%): for counts of independent items. n = 0: NaN. */
void pbt_wilson(int64_t successes, int64_t n, double interval[2]);
/* Exact two-sided McNemar test from the two discordant counts. */
double pbt_mcnemar(int64_t only_first, int64_t only_second);

PBT_END_DECLS

#endif
