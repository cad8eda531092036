/* From the store to a pbt_report: which items belong to which figure. */
#include "report/figures/gather.h"

#include "base/file.h"
#include "base/memory.h"
#include "base/text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const pbt_measure_name pbt_report_measures[PBT_REPORT_MEASURES] = {
    {"balanced", "plus_minus", "+ → −"},       {"balanced", "minus_plus", "− → +"},
    {"balanced", "overall", "overall"},        {"balanced_mixed", "plus_minus", "+ → −"},
    {"balanced_mixed", "minus_plus", "− → +"}, {"balanced_mixed", "overall", "overall"},
    {"flipflop", "before", "before"},          {"flipflop", "after", "after"},
    {"flipflop", "difference", "difference"},  {"farm", "misinformed", "misinformed"},
    {"team", "strong_first", "strong first"},  {"team", "weak_first", "weak first"},
    {"team", "order_gap", "order gap"},        {"team", "solo_strong", "solo strong"},
    {"team", "solo_weak", "solo weak"},
};
const char *const pbt_report_arms[PBT_REPORT_ARMS] = {"base", "accept", "resist", "pbt"};

/* The kinds of items in the store; a kind may feed several groups. */
static const char *const kinds[] = {"balanced", "flipflop", "farm", "team", "flips"};

/* Which arms are set against which. */
static const char *const opponents[][2] = {
    {"pbt", "base"}, {"pbt", "accept"}, {"pbt", "resist"}, {"accept", "base"}, {"resist", "base"}};
enum { OPPONENTS = sizeof opponents / sizeof *opponents };

/* Items of one arm, sorted into the figures they belong to. */
typedef struct gathering {
    json_t *clusters; /* question id -> number, over the whole report */
    size_t seed;
    const char *kind;
    pbt_report_arm *arm;
    pbt_figure_items items[PBT_REPORT_MEASURES];
    pbt_paired_items paired[PBT_REPORT_MEASURES];
} gathering;

static pbt_code cluster_of(gathering *g, const char *question, uint32_t *cluster, pbt_error *error) {
    const json_t *known = json_object_get(g->clusters, question);
    *cluster = (uint32_t)(known ? json_integer_value(known) : (json_int_t)json_object_size(g->clusters));
    if (!known && json_object_set_new(g->clusters, question, json_integer(*cluster)) != 0)
        return pbt_fail_memory(error, strlen(question), "the questions of a report");
    return PBT_OK;
}

static pbt_code visit_item(void *user, const char *name, json_t *value, pbt_error *error) {
    gathering *g = user;
    const char *question;
    const json_t *scores;
    uint32_t cluster;
    PBT_TRY(pbt_json_string(value, "question", NULL, name, &question, error));
    PBT_TRY(pbt_json_object(value, "scores", NULL, name, &scores, error));
    PBT_TRY(cluster_of(g, question, &cluster, error));
    PBT_TRY(pbt_details_add(&g->arm->details, json_object_get(value, "details"), g->seed, cluster, error));
    if (strcmp(g->kind, "flips") == 0)
        PBT_TRY(pbt_flips_add(&g->arm->flips, value, name, g->seed, cluster, error));
    uint64_t id = pbt_hash(name, strlen(name), pbt_hash(g->kind, strlen(g->kind), g->seed));
    for (size_t m = 0; m < PBT_REPORT_MEASURES; m++) {
        char full[64];
        snprintf(full, sizeof full, "%s.%s", pbt_report_measures[m].group, pbt_report_measures[m].figure);
        const json_t *score = json_object_get(scores, full);
        if (!json_is_number(score)) continue;
        PBT_TRY(pbt_figure_add(&g->items[m], g->seed, cluster, json_number_value(score), error));
        PBT_TRY(pbt_paired_add(&g->paired[m], id, cluster, json_number_value(score), error));
    }
    return PBT_OK;
}

const pbt_figure *pbt_report_figure(const pbt_report_arm *arm, const char *group, const char *figure) {
    for (size_t m = 0; m < PBT_REPORT_MEASURES; m++) {
        if (strcmp(pbt_report_measures[m].group, group) == 0 &&
            strcmp(pbt_report_measures[m].figure, figure) == 0)
            return &arm->figures[m];
    }
    return NULL;
}

static size_t measure_index(const char *group, const char *figure) {
    for (size_t m = 0; m < PBT_REPORT_MEASURES; m++) {
        if (strcmp(pbt_report_measures[m].group, group) == 0 &&
            strcmp(pbt_report_measures[m].figure, figure) == 0)
            return m;
    }
    return 0;
}

/* solo_strong - solo_weak of the base models, item by item: what an order gap is a share of. */
static pbt_code solo_difference(const gathering *base, pbt_figure_items *out, pbt_error *error) {
    const pbt_figure_items *strong = &base->items[measure_index("team", "solo_strong")];
    const pbt_figure_items *weak = &base->items[measure_index("team", "solo_weak")];
    size_t n = strong->count < weak->count ? strong->count : weak->count;
    for (size_t i = 0; i < n; i++) {
        double difference = strong->items[i].value - weak->items[i].value;
        PBT_TRY(pbt_figure_add(out, strong->seed[i], strong->items[i].cluster, difference, error));
    }
    return PBT_OK;
}

/* FARM's rate is the mean of its sets' rates (Table 1). */
static pbt_code make_farm(const pbt_report *r, const gathering *g, const char *name, pbt_figure *figure,
                          pbt_error *error) {
    pbt_figure_items even = {0};
    pbt_code code = pbt_details_even(&g->arm->details, "farm.by_set.", r->n_seeds, &even, error);
    const pbt_figure_items *items = even.count ? &even : &g->items[measure_index("farm", "misinformed")];
    if (code == PBT_OK) code = pbt_figure_make(items, r->n_seeds, r->draws, name, figure, error);
    pbt_figure_items_free(&even);
    return code;
}

static pbt_code make_figures(pbt_report *r, size_t arm, const gathering *g, const pbt_figure_items *solo,
                             pbt_error *error) {
    for (size_t m = 0; m < PBT_REPORT_MEASURES; m++) {
        char name[96];
        snprintf(name, sizeof name, "%s/%s/%s", pbt_report_arms[arm], pbt_report_measures[m].group,
                 pbt_report_measures[m].figure);
        pbt_figure *figure = &r->arms[arm].figures[m];
        if (m == measure_index("team", "order_gap"))
            PBT_TRY(pbt_figure_ratio(&g->items[m], solo, r->n_seeds, r->draws, name, figure, error));
        else if (m == measure_index("farm", "misinformed"))
            PBT_TRY(make_farm(r, g, name, figure, error));
        else
            PBT_TRY(pbt_figure_make(&g->items[m], r->n_seeds, r->draws, name, figure, error));
    }
    PBT_TRY(pbt_details_make(&r->arms[arm].details, r->n_seeds, r->draws, pbt_report_arms[arm], error));
    return pbt_flips_analyse(&r->arms[arm].flips, r->seeds, r->n_seeds, r->draws, pbt_report_arms[arm],
                             error);
}

static size_t arm_index(const char *name) {
    size_t arm = 0;
    while (arm + 1 < PBT_REPORT_ARMS && strcmp(pbt_report_arms[arm], name) != 0) arm++;
    return arm;
}

static pbt_code compare_arms(pbt_report *r, const gathering *arms, pbt_error *error) {
    r->comparisons = pbt_alloc(OPPONENTS * PBT_REPORT_MEASURES, sizeof *r->comparisons);
    if (!r->comparisons) return pbt_fail_memory(error, 0, "comparisons");
    for (size_t m = 0; m < PBT_REPORT_MEASURES; m++) {
        for (size_t o = 0; o < OPPONENTS; o++) {
            const pbt_measure_name *measure = &pbt_report_measures[m];
            const pbt_paired_items *a = &arms[arm_index(opponents[o][0])].paired[m],
                                   *b = &arms[arm_index(opponents[o][1])].paired[m];
            if (a->count == 0 || b->count == 0) continue;
            pbt_comparison *c = &r->comparisons[r->n_comparisons];
            *c = (pbt_comparison){.group = measure->group,
                                  .figure = measure->figure,
                                  .arm = opponents[o][0],
                                  .against = opponents[o][1]};
            char name[128];
            snprintf(name, sizeof name, "%s/%s/%s/%s", c->arm, c->against, c->group, c->figure);
            PBT_TRY(pbt_compare_items(a, b, r->draws, name, c, error));
            if (c->n > 0) r->n_comparisons++;
        }
    }
    return PBT_OK;
}

static pbt_code gather_arm(pbt_store *store, pbt_report *r, size_t arm, gathering *g, pbt_error *error) {
    for (size_t s = 0; s < r->n_seeds; s++) {
        g->seed = s;
        for (size_t k = 0; k < sizeof kinds / sizeof *kinds; k++) {
            pbt_artefact_key key = {"eval", r->seeds[s], pbt_report_arms[arm], kinds[k], ""};
            g->kind = kinds[k];
            int64_t n;
            PBT_TRY(pbt_store_count(store, &key, &n, error));
            if (n > 0) r->arms[arm].present = true;
            PBT_TRY(pbt_store_each(store, &key, visit_item, g, error));
        }
        json_t *summary;
        pbt_artefact_key key = {"train", r->seeds[s], pbt_report_arms[arm], "summary", "result"};
        PBT_TRY(pbt_store_get(store, &key, &summary, error));
        if (summary && json_array_append_new(r->arms[arm].training, summary) != 0)
            return pbt_fail_memory(error, 0, "a report");
    }
    return PBT_OK;
}

static pbt_code gather_arms(pbt_store *store, pbt_report *r, pbt_error *error) {
    pbt_figure_items solo = {0};
    gathering arms[PBT_REPORT_ARMS] = {{0}};
    json_t *clusters = json_object();
    pbt_code code = clusters ? PBT_OK : pbt_fail_memory(error, 0, "a report");
    for (size_t arm = 0; arm < PBT_REPORT_ARMS && code == PBT_OK; arm++) {
        gathering *g = &arms[arm];
        *g = (gathering){.clusters = clusters, .arm = &r->arms[arm]};
        r->arms[arm].training = json_array();
        code = gather_arm(store, r, arm, g, error);
        if (code == PBT_OK && arm == 0) code = solo_difference(g, &solo, error);
        if (code == PBT_OK) code = make_figures(r, arm, g, &solo, error);
    }
    if (code == PBT_OK) code = compare_arms(r, arms, error);
    for (size_t arm = 0; arm < PBT_REPORT_ARMS; arm++) {
        for (size_t m = 0; m < PBT_REPORT_MEASURES; m++) {
            pbt_figure_items_free(&arms[arm].items[m]);
            pbt_paired_free(&arms[arm].paired[m]);
        }
    }
    pbt_figure_items_free(&solo);
    json_decref(clusters);
    return code;
}

static pbt_code gather_counts(pbt_store *store, pbt_report *r, pbt_error *error) {
    r->trees = json_array();
    r->reasons = json_array();
    for (size_t s = 0; s < r->n_seeds; s++) {
        json_t *trees, *reasons;
        PBT_TRY(pbt_store_get(store, &(pbt_artefact_key){"trees", r->seeds[s], "train", "summary", "counts"},
                              &trees, error));
        if (trees) json_array_append_new(r->trees, trees);
        PBT_TRY(pbt_store_get(store, &(pbt_artefact_key){"pairs", r->seeds[s], "", "summary", "reasons"},
                              &reasons, error));
        if (reasons) json_array_append_new(r->reasons, reasons);
    }
    return PBT_OK;
}

static pbt_code read_plan(const json_t *settings, pbt_report *r, pbt_error *error) {
    const char *name;
    const json_t *seeds;
    int64_t draws;
    PBT_TRY(pbt_json_string(settings, "name", NULL, "the experiment's settings", &name, error));
    PBT_TRY(pbt_json_array(settings, "seeds", NULL, "the experiment's settings", &seeds, error));
    PBT_TRY(pbt_json_integer(settings, "report.bootstrap_draws", 1, 10000000, NULL,
                             "the experiment's settings", &draws, error));
    r->draws = (size_t)draws;
    r->experiment = pbt_string_copy(name);
    r->seeds = pbt_alloc(json_array_size(seeds) + 1, sizeof *r->seeds);
    if (!r->experiment || !r->seeds) return pbt_fail_memory(error, strlen(name), "a report");
    for (size_t i = 0; i < json_array_size(seeds); i++)
        r->seeds[r->n_seeds++] = json_integer_value(json_array_get(seeds, i));
    return PBT_OK;
}

pbt_code pbt_report_read(pbt_store *store, pbt_report *report, pbt_error *error) {
    *report = (pbt_report){0};
    json_t *settings;
    PBT_TRY(
        pbt_store_get(store, &(pbt_artefact_key){"plan", 0, "", "experiment", "settings"}, &settings, error));
    if (!settings)
        return pbt_fail(
            error, PBT_BAD_INPUT,
            "the run store holds no experiment; the run was interrupted before it began: run it again");
    pbt_code code = read_plan(settings, report, error);
    json_decref(settings);
    if (code == PBT_OK) code = gather_arms(store, report, error);
    if (code == PBT_OK) code = gather_counts(store, report, error);
    return code;
}

void pbt_report_free(pbt_report *report) {
    for (size_t a = 0; a < PBT_REPORT_ARMS; a++) {
        for (size_t m = 0; m < PBT_REPORT_MEASURES; m++) pbt_figure_free(&report->arms[a].figures[m]);
        pbt_details_free(&report->arms[a].details);
        pbt_flips_free(&report->arms[a].flips);
        json_decref(report->arms[a].training);
    }
    free(report->comparisons);
    json_decref(report->trees);
    json_decref(report->reasons);
    free(report->experiment);
    free(report->seeds);
    *report = (pbt_report){0};
}
