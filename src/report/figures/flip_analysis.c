#include "report/figures/flip_analysis.h"

#include "base/memory.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *const pbt_flip_features[PBT_FLIP_FEATURES] = {
    "entropy",          "logp_original", "logp_alternative", "confidence_original", "confidence_alternative",
    "alternative_right"};
const char *const pbt_flip_feature_labels[PBT_FLIP_FEATURES] = {"answer entropy",     "log P(original)",
                                                                "log P(alternative)", "conf. original",
                                                                "conf. alternative",  "alternative right"};
static const size_t two_features[2] = {PBT_LOGP_ORIGINAL, PBT_LOGP_ALTERNATIVE};

pbt_code pbt_flips_add(pbt_flips *flips, const json_t *item, const char *where, size_t seed, uint32_t cluster,
                       pbt_error *error) {
    const json_t *features, *flipped = json_object_get(item, "flipped");
    PBT_TRY(pbt_json_object(item, "features", NULL, where, &features, error));
    if (!json_is_boolean(flipped))
        return pbt_fail(error, PBT_BAD_INPUT, "%s: \"flipped\": expected true or false", where);
    PBT_TRY(pbt_grow(flips->points, &flips->capacity, flips->n + 1, error));
    pbt_flip_point *p = &flips->points[flips->n];
    *p = (pbt_flip_point){.flipped = json_is_true(flipped), .seed = seed, .cluster = cluster};
    for (int f = 0; f < PBT_FLIP_FEATURES; f++)
        PBT_TRY(pbt_json_number(features, pbt_flip_features[f], NULL, where, &p->features[f], error));
    flips->n++;
    flips->n_flipped += p->flipped;
    return PBT_OK;
}

/* A table of some points and some features; the arrays belong to whoever made it. */
typedef struct selection {
    pbt_cases_table table;
    double *x;
    unsigned char *y;
    uint32_t *cluster;
    size_t *point; /* [n]: where a row came from */
} selection;

static void selection_free(selection *s) {
    free(s->x);
    free(s->y);
    free(s->cluster);
    free(s->point);
}

/* Points of one seed, or of all (seed SIZE_MAX), with all features or the two log-probabilities. */
static pbt_code select_points(const pbt_flips *flips, size_t seed, bool two, selection *s, pbt_error *error) {
    size_t d = two ? 2 : PBT_FLIP_FEATURES, n = 0;
    *s = (selection){.x = pbt_alloc(flips->n * d + 1, sizeof *s->x),
                     .y = pbt_alloc(flips->n + 1, sizeof *s->y),
                     .cluster = pbt_alloc(flips->n + 1, sizeof *s->cluster),
                     .point = pbt_alloc(flips->n + 1, sizeof *s->point)};
    if (!s->x || !s->y || !s->cluster || !s->point) {
        selection_free(s);
        return pbt_fail_memory(error, flips->n * d * sizeof(double), "a regression");
    }
    for (size_t i = 0; i < flips->n; i++) {
        const pbt_flip_point *p = &flips->points[i];
        if (seed != SIZE_MAX && p->seed != seed) continue;
        for (size_t j = 0; j < d; j++) s->x[n * d + j] = p->features[two ? two_features[j] : j];
        s->y[n] = p->flipped;
        s->cluster[n] = p->cluster;
        s->point[n++] = i;
    }
    s->table = (pbt_cases_table){n, d, s->x, s->y, s->cluster};
    return PBT_OK;
}

static bool can_be_learned(const pbt_cases_table *t) {
    size_t ones = 0;
    for (size_t r = 0; r < t->n; r++) ones += t->y[r];
    return t->n >= PBT_FLIP_FOLDS && ones > 0 && ones < t->n;
}

/* Which predictions are right, of one seed. */
static pbt_code validate_seed(pbt_flips *flips, size_t seed, int64_t name, bool two, bool by_question,
                              pbt_figure_items *items, pbt_error *error) {
    selection s;
    PBT_TRY(select_points(flips, seed, two, &s, error));
    double *predicted = pbt_alloc(s.table.n + 1, sizeof *predicted);
    pbt_key key = pbt_key_named(pbt_key_of_seed((uint64_t)name), "flip folds");
    pbt_code code = predicted ? PBT_OK : pbt_fail_memory(error, s.table.n, "a regression");
    bool learned = can_be_learned(&s.table);
    if (code == PBT_OK && learned)
        code = pbt_cross_validate(&s.table, PBT_FLIP_FOLDS, by_question, key, predicted, error);
    for (size_t r = 0; r < s.table.n && code == PBT_OK && learned; r++) {
        pbt_flip_point *p = &flips->points[s.point[r]];
        if (!by_question) *(two ? &p->predicted_two : &p->predicted) = predicted[r];
        code = pbt_figure_add(items, seed, p->cluster, (predicted[r] > 0.5) == p->flipped, error);
    }
    free(predicted);
    selection_free(&s);
    return code;
}

static pbt_code validate(pbt_flips *flips, const int64_t *seeds, size_t n_seeds, size_t draws, bool two,
                         bool by_question, const char *name, pbt_figure *figure, pbt_error *error) {
    pbt_figure_items items = {0};
    pbt_code code = PBT_OK;
    for (size_t s = 0; s < n_seeds && code == PBT_OK; s++)
        code = validate_seed(flips, s, seeds[s], two, by_question, &items, error);
    if (code == PBT_OK) code = pbt_figure_make(&items, n_seeds, draws, name, figure, error);
    pbt_figure_items_free(&items);
    return code;
}

/* How often one is right by always saying what is more frequent in the seed. */
static pbt_code majority_of(const pbt_flips *flips, size_t n_seeds, size_t draws, const char *name,
                            pbt_figure *figure, pbt_error *error) {
    pbt_figure_items items = {0};
    pbt_code code = PBT_OK;
    for (size_t s = 0; s < n_seeds; s++) {
        size_t n = 0, flipped = 0;
        for (size_t i = 0; i < flips->n; i++) {
            n += flips->points[i].seed == s;
            flipped += flips->points[i].seed == s && flips->points[i].flipped;
        }
        for (size_t i = 0; i < flips->n && code == PBT_OK; i++) {
            const pbt_flip_point *p = &flips->points[i];
            if (p->seed == s)
                code = pbt_figure_add(&items, s, p->cluster, p->flipped == (2 * flipped > n), error);
        }
    }
    if (code == PBT_OK) code = pbt_figure_make(&items, n_seeds, draws, name, figure, error);
    pbt_figure_items_free(&items);
    return code;
}

/* Weights over all seeds' cases together. */
static pbt_code fit_all(pbt_flips *flips, bool two, pbt_regression *fit, pbt_error *error) {
    selection s;
    double mean[PBT_MAX_FEATURES], scale[PBT_MAX_FEATURES];
    PBT_TRY(select_points(flips, SIZE_MAX, two, &s, error));
    pbt_standardize(s.x, s.table.n, s.table.d, mean, scale);
    pbt_code code = pbt_logistic_fit_safe(&s.table, fit, error);
    selection_free(&s);
    if (code != PBT_OK || !two) return code;
    flips->boundary[0] = fit->weights[0];
    for (int j = 0; j < 2; j++) {
        flips->boundary[1 + j] = scale[j] > 0 ? fit->weights[1 + j] / scale[j] : 0;
        flips->boundary[0] -= flips->boundary[1 + j] * mean[j];
    }
    return code;
}

static void fill_bins(pbt_flips *flips) {
    for (size_t i = 0; i < flips->n; i++) {
        const pbt_flip_point *p = &flips->points[i];
        size_t at = (size_t)(p->predicted * PBT_FLIP_BINS);
        pbt_flip_bin *bin = &flips->bins[at < PBT_FLIP_BINS ? at : PBT_FLIP_BINS - 1];
        bin->n++;
        bin->predicted += p->predicted;
        bin->observed += p->flipped;
    }
    for (int b = 0; b < PBT_FLIP_BINS; b++) {
        if (flips->bins[b].n == 0) continue;
        pbt_wilson((int64_t)flips->bins[b].observed, flips->bins[b].n, flips->bins[b].interval);
        flips->bins[b].predicted /= (double)flips->bins[b].n;
        flips->bins[b].observed /= (double)flips->bins[b].n;
    }
}

pbt_code pbt_flips_analyse(pbt_flips *flips, const int64_t *seeds, size_t n_seeds, size_t draws,
                           const char *arm, pbt_error *error) {
    struct {
        const char *name;
        bool two, by_question;
        pbt_figure *figure;
    } const figures[] = {{"all", false, false, &flips->accuracy_all},
                         {"two", true, false, &flips->accuracy_two},
                         {"all by question", false, true, &flips->all_by_question},
                         {"two by question", true, true, &flips->two_by_question}};
    char name[96];
    if (flips->n == 0) return PBT_OK;
    for (size_t i = 0; i < sizeof figures / sizeof *figures; i++) {
        snprintf(name, sizeof name, "%s/flips/%s", arm, figures[i].name);
        PBT_TRY(validate(flips, seeds, n_seeds, draws, figures[i].two, figures[i].by_question, name,
                         figures[i].figure, error));
    }
    snprintf(name, sizeof name, "%s/flips/majority", arm);
    PBT_TRY(majority_of(flips, n_seeds, draws, name, &flips->majority, error));
    PBT_TRY(fit_all(flips, false, &flips->all, error));
    PBT_TRY(fit_all(flips, true, &flips->two, error));
    if (flips->accuracy_all.known) fill_bins(flips);
    return PBT_OK;
}

void pbt_flips_free(pbt_flips *flips) {
    free(flips->points);
    pbt_figure_free(&flips->accuracy_all);
    pbt_figure_free(&flips->accuracy_two);
    pbt_figure_free(&flips->majority);
    pbt_figure_free(&flips->all_by_question);
    pbt_figure_free(&flips->two_by_question);
    *flips = (pbt_flips){0};
}

/* Six digits, so that the last bits of a library's sums do not show. */
static json_t *rounded(double x) {
    if (!isfinite(x)) return json_null();
    char text[32];
    snprintf(text, sizeof text, "%.6g", x);
    return json_real(strtod(text, NULL) + 0.0);
}

static json_t *weights_json(const pbt_regression *fit, bool two) {
    json_t *weights = json_object();
    const size_t d = two ? 2 : PBT_FLIP_FEATURES; /* fit->d */
    for (size_t i = 0; i <= d; i++) {
        const char *name = i == 0 ? "intercept" : pbt_flip_features[two ? two_features[i - 1] : i - 1];
        json_object_set_new(weights, name,
                            json_pack("{s:o, s:o, s:o, s:o, s:o}", "weight", rounded(fit->weights[i]),
                                      "error", rounded(fit->errors[i]), "z", rounded(fit->z[i]), "p",
                                      rounded(fit->p[i]), "p_by_question", rounded(fit->robust_p[i])));
    }
    return json_pack("{s:o, s:b, s:o}", "weights", weights, "converged", (int)fit->converged, "ridge",
                     rounded(fit->ridge));
}

static json_t *bins_json(const pbt_flips *flips) {
    json_t *bins = json_array();
    for (int b = 0; b < PBT_FLIP_BINS; b++) {
        const pbt_flip_bin *bin = &flips->bins[b];
        json_array_append_new(bins,
                              json_pack("{s:I, s:o, s:o, s:[o, o]}", "n", (json_int_t)bin->n, "predicted",
                                        rounded(bin->predicted), "observed", rounded(bin->observed), "ci95",
                                        rounded(bin->interval[0]), rounded(bin->interval[1])));
    }
    return bins;
}

json_t *pbt_flips_json(const pbt_flips *flips) {
    json_t *boundary = json_array();
    for (int i = 0; i < 3; i++) json_array_append_new(boundary, rounded(flips->boundary[i]));
    return json_pack("{s:I, s:I, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "n", (json_int_t)flips->n,
                     "flipped", (json_int_t)flips->n_flipped, "accuracy_all",
                     pbt_figure_json(&flips->accuracy_all), "accuracy_two",
                     pbt_figure_json(&flips->accuracy_two), "majority", pbt_figure_json(&flips->majority),
                     "accuracy_all_by_question", pbt_figure_json(&flips->all_by_question),
                     "accuracy_two_by_question", pbt_figure_json(&flips->two_by_question), "all_features",
                     weights_json(&flips->all, false), "two_features", weights_json(&flips->two, true),
                     "boundary", boundary, "calibration", bins_json(flips));
}
