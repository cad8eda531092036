/* Means, bootstrap intervals over clusters, and the exact McNemar test. */
#include "statistics/statistics.h"

#include "base/memory.h"

#include <math.h>
#include <stdlib.h>

void pbt_mean_std(const double *x, size_t n, double *mean, double *std) {
    double sum = 0, squares = 0;
    for (size_t i = 0; i < n; i++) sum += x[i];
    *mean = n ? sum / (double)n : 0;
    for (size_t i = 0; i < n; i++) squares += (x[i] - *mean) * (x[i] - *mean);
    *std = n > 1 ? sqrt(squares / (double)(n - 1)) : 0;
}

/* A cluster's sum and number of items. */
typedef struct cluster {
    uint32_t name;
    double sum, count;
} cluster;

static int by_name(const void *a, const void *b) {
    const cluster *x = a, *y = b;
    return (x->name > y->name) - (x->name < y->name);
}

static int ascending(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* One cluster a name, ascending; returns how many. */
static size_t gather(const pbt_item *items, size_t n, cluster *clusters) {
    for (size_t i = 0; i < n; i++) clusters[i] = (cluster){items[i].cluster, items[i].value, 1};
    qsort(clusters, n, sizeof *clusters, by_name);
    size_t kept = 0;
    for (size_t i = 0; i < n; i++) {
        if (kept > 0 && clusters[kept - 1].name == clusters[i].name) {
            clusters[kept - 1].sum += clusters[i].sum;
            clusters[kept - 1].count += clusters[i].count;
        } else {
            clusters[kept++] = clusters[i];
        }
    }
    return kept;
}

static double quantile(const double *sorted, size_t n, double q) {
    double at = q * (double)(n - 1);
    size_t low = (size_t)at;
    return low + 1 < n ? sorted[low] + (at - (double)low) * (sorted[low + 1] - sorted[low]) : sorted[n - 1];
}

pbt_code pbt_bootstrap(const pbt_item *items, size_t n, size_t draws, pbt_key key, double interval[2],
                       pbt_error *error) {
    interval[0] = interval[1] = NAN;
    if (n == 0 || draws == 0) return PBT_OK;
    cluster *clusters = pbt_alloc(n, sizeof *clusters);
    double *means = pbt_alloc(draws, sizeof *means);
    if (!clusters || !means) {
        free(clusters);
        free(means);
        return pbt_fail_memory(error, n * sizeof *clusters + draws * sizeof *means, "a bootstrap");
    }
    size_t count = gather(items, n, clusters);
    for (size_t d = 0; d < draws; d++) {
        double sum = 0, total = 0;
        for (size_t i = 0; i < count; i++) {
            const cluster *c = &clusters[pbt_random_below(key, (uint64_t)d * count + i, count)];
            sum += c->sum;
            total += c->count;
        }
        means[d] = sum / total;
    }
    qsort(means, draws, sizeof *means, ascending);
    interval[0] = quantile(means, draws, 0.025);
    interval[1] = quantile(means, draws, 0.975);
    free(clusters);
    free(means);
    return PBT_OK;
}

size_t pbt_cluster_count(const pbt_item *items, size_t n) {
    cluster *clusters = pbt_alloc(n ? n : 1, sizeof *clusters);
    size_t count = clusters ? gather(items, n, clusters) : 0;
    free(clusters);
    return count;
}

static const double z95 = 1.959963984540054;

void pbt_interval_unseen(double mean, size_t clusters, double least, double most, double interval[2]) {
    double unseen = z95 * z95 / ((double)clusters + z95 * z95);
    interval[0] = fmin(mean, mean - unseen * (mean - least));
    interval[1] = fmax(mean, mean + unseen * (most - mean));
}

pbt_code pbt_mean_interval(const pbt_item *items, size_t n, double least, double most, size_t draws,
                           pbt_key key, double interval[2], pbt_error *error) {
    PBT_TRY(pbt_bootstrap(items, n, draws, key, interval, error));
    if (!(interval[1] - interval[0] <= 1e-12)) return PBT_OK;
    size_t clusters = pbt_cluster_count(items, n);
    if (clusters == 0) return pbt_fail_memory(error, n * sizeof(cluster), "an interval");
    pbt_interval_unseen((interval[0] + interval[1]) / 2, clusters, least, most, interval);
    return PBT_OK;
}

pbt_code pbt_bootstrap_paired(const pbt_item *a, const pbt_item *b, size_t n, size_t draws, pbt_key key,
                              double *difference, double interval[2], pbt_error *error) {
    pbt_item *items = pbt_alloc(n, sizeof *items);
    double sum = 0;
    if (!items) return pbt_fail_memory(error, n * sizeof *items, "a bootstrap");
    for (size_t i = 0; i < n; i++) {
        items[i] = (pbt_item){a[i].cluster, a[i].value - b[i].value};
        sum += items[i].value;
    }
    *difference = n ? sum / (double)n : NAN;
    pbt_code code = pbt_bootstrap(items, n, draws, key, interval, error);
    free(items);
    return code;
}

void pbt_wilson(int64_t successes, int64_t n, double interval[2]) {
    const double z = z95;
    double N = (double)n, p = (double)successes / N, z2 = z * z;
    double center = (p + z2 / (2 * N)) / (1 + z2 / N);
    double half = z / (1 + z2 / N) * sqrt(p * (1 - p) / N + z2 / (4 * N * N));
    interval[0] = n > 0 ? fmax(0, center - half) : NAN;
    interval[1] = n > 0 ? fmin(1, center + half) : NAN;
}

double pbt_mcnemar(int64_t only_first, int64_t only_second) {
    int64_t n = only_first + only_second, least = only_first < only_second ? only_first : only_second;
    double sum = 0;
    if (n <= 0) return 1;
    for (int64_t i = 0; i <= least; i++)
        sum += exp(lgamma((double)n + 1) - lgamma((double)i + 1) - lgamma((double)(n - i) + 1) -
                   (double)n * 0.69314718055994531);
    return 2 * sum < 1 ? 2 * sum : 1;
}
