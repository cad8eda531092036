#include "report/figures/figure.h"

#include "base/memory.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

pbt_code pbt_figure_add(pbt_figure_items *items, size_t seed, uint32_t cluster, double value,
                        pbt_error *error) {
    PBT_TRY(pbt_grow(items->items, &items->capacity, items->count + 1, error));
    PBT_TRY(pbt_grow(items->seed, &items->seed_capacity, items->count + 1, error));
    items->items[items->count] = (pbt_item){cluster, value};
    items->seed[items->count++] = seed;
    return PBT_OK;
}

void pbt_figure_items_free(pbt_figure_items *items) {
    free(items->items);
    free(items->seed);
    *items = (pbt_figure_items){0};
}

static pbt_code prepare(pbt_figure *figure, size_t n_seeds, pbt_error *error) {
    *figure = (pbt_figure){.n_seeds = n_seeds, .per_seed = pbt_alloc(n_seeds ? n_seeds : 1, sizeof(double))};
    return figure->per_seed ? PBT_OK : pbt_fail_memory(error, n_seeds, "a figure");
}

static double seed_mean(const pbt_figure_items *items, size_t seed) {
    double sum = 0;
    size_t n = 0;
    for (size_t i = 0; i < items->count; i++) {
        if (items->seed[i] != seed) continue;
        sum += items->items[i].value;
        n++;
    }
    return n ? sum / (double)n : NAN;
}

/* Mean and spread of the seeds that have a value. */
static void summarize(pbt_figure *figure) {
    double known[256];
    size_t n = 0;
    for (size_t s = 0; s < figure->n_seeds && n < 256; s++) {
        if (!isnan(figure->per_seed[s])) known[n++] = figure->per_seed[s];
    }
    figure->known = n > 0;
    if (n) pbt_mean_std(known, n, &figure->mean, &figure->std);
}

pbt_code pbt_figure_make(const pbt_figure_items *items, size_t n_seeds, size_t draws, const char *name,
                         pbt_figure *figure, pbt_error *error) {
    PBT_TRY(prepare(figure, n_seeds, error));
    for (size_t s = 0; s < n_seeds; s++) figure->per_seed[s] = 100 * seed_mean(items, s);
    summarize(figure);
    figure->n = (int64_t)items->count;
    if (!figure->known) return PBT_OK;
    figure->questions = (int64_t)pbt_cluster_count(items->items, items->count);
    pbt_key key = pbt_key_named(pbt_key_named(pbt_key_of_seed(0), "report"), name);
    double interval[2];
    PBT_TRY(pbt_mean_interval(items->items, items->count, items->least, 1, draws, key, interval, error));
    figure->ci95[0] = 100 * interval[0];
    figure->ci95[1] = 100 * interval[1];
    return PBT_OK;
}

static int ascending(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static uint32_t clusters_of(const pbt_figure_items *a, const pbt_figure_items *b) {
    uint32_t most = 0;
    for (size_t i = 0; i < a->count; i++) most = a->items[i].cluster > most ? a->items[i].cluster : most;
    for (size_t i = 0; i < b->count; i++) most = b->items[i].cluster > most ? b->items[i].cluster : most;
    return most + 1;
}

static double weighted_mean(const pbt_figure_items *items, const uint32_t *weight) {
    double sum = 0, n = 0;
    for (size_t i = 0; i < items->count; i++) {
        sum += weight[items->items[i].cluster] * items->items[i].value;
        n += weight[items->items[i].cluster];
    }
    return n > 0 ? sum / n : 0;
}

static double mean_of(const pbt_figure_items *items) {
    double sum = 0;
    for (size_t i = 0; i < items->count; i++) sum += items->items[i].value;
    return items->count ? sum / (double)items->count : 0;
}

/* Every question had the same ratio (as where nothing ever hung on the order). */
static void widen_ratio(const pbt_figure_items *a, const pbt_figure_items *b, double interval[2]) {
    double below = mean_of(b), top[2];
    if (!(interval[1] - interval[0] <= 1e-12) || fabs(below) <= 1e-12) return;
    pbt_interval_unseen(mean_of(a), pbt_cluster_count(a->items, a->count), a->least, 1, top);
    interval[0] = top[below < 0] / below;
    interval[1] = top[below > 0] / below;
}

/* Percentile interval of the ratio over `draws` draws of clusters; draws with a denominator of 0 are left
 * out. */
static pbt_code ratio_interval(const pbt_figure_items *a, const pbt_figure_items *b, size_t draws,
                               pbt_key key, double interval[2], pbt_error *error) {
    uint32_t clusters = clusters_of(a, b);
    uint32_t *weight = pbt_alloc(clusters, sizeof *weight);
    double *ratio = pbt_alloc(draws, sizeof *ratio);
    size_t n = 0;
    if (!weight || !ratio) {
        free(weight);
        free(ratio);
        return pbt_fail_memory(error, draws * sizeof *ratio, "a bootstrap");
    }
    for (size_t d = 0; d < draws; d++) {
        memset(weight, 0, clusters * sizeof *weight);
        for (uint32_t c = 0; c < clusters; c++) weight[pbt_random_below(key, d * clusters + c, clusters)]++;
        double below = weighted_mean(b, weight);
        if (fabs(below) > 1e-12) ratio[n++] = weighted_mean(a, weight) / below;
    }
    qsort(ratio, n, sizeof *ratio, ascending);
    interval[0] = n ? ratio[(size_t)(0.025 * (double)(n - 1))] : NAN;
    interval[1] = n ? ratio[(size_t)ceil(0.975 * (double)(n - 1))] : NAN;
    free(weight);
    free(ratio);
    return PBT_OK;
}

pbt_code pbt_figure_ratio(const pbt_figure_items *numerator, const pbt_figure_items *denominator,
                          size_t n_seeds, size_t draws, const char *name, pbt_figure *figure,
                          pbt_error *error) {
    PBT_TRY(prepare(figure, n_seeds, error));
    for (size_t s = 0; s < n_seeds; s++) {
        double below = seed_mean(denominator, s);
        figure->per_seed[s] = fabs(below) > 1e-12 ? 100 * seed_mean(numerator, s) / below : NAN;
    }
    summarize(figure);
    figure->n = (int64_t)numerator->count;
    if (!figure->known) return PBT_OK;
    pbt_key key = pbt_key_named(pbt_key_named(pbt_key_of_seed(0), "report"), name);
    double interval[2];
    figure->questions = (int64_t)pbt_cluster_count(numerator->items, numerator->count);
    PBT_TRY(ratio_interval(numerator, denominator, draws, key, interval, error));
    widen_ratio(numerator, denominator, interval);
    figure->ci95[0] = 100 * interval[0];
    figure->ci95[1] = 100 * interval[1];
    return PBT_OK;
}

void pbt_figure_free(pbt_figure *figure) {
    free(figure->per_seed);
    *figure = (pbt_figure){0};
}

/* Four decimals of a percent are more than any of this can mean, and read well. */
static json_t *rounded(double x) {
    return isfinite(x) ? json_real(round(x * 1e4) / 1e4 + 0.0) : json_null();
}

json_t *pbt_figure_json(const pbt_figure *figure) {
    if (!figure->known) return json_null();
    json_t *seeds = json_array();
    for (size_t s = 0; seeds && s < figure->n_seeds; s++)
        json_array_append_new(seeds, rounded(figure->per_seed[s]));
    return json_pack("{s:o, s:o, s:[o, o], s:I, s:o}", "mean", rounded(figure->mean), "std",
                     rounded(figure->std), "ci95", rounded(figure->ci95[0]), rounded(figure->ci95[1]), "n",
                     (json_int_t)figure->n, "per_seed", seeds);
}
