/* From the store to a pbt_report: which items belong to which figure. */
#include "report/figures/gather.h"

#include "base/file.h"
#include "base/hash.h"
#include "base/memory.h"
#include "base/text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The kinds of items in the store; a kind may feed several groups. */
static const pbt_evaluation_id kinds[] = {PBT_EVALUATION_BALANCED, PBT_EVALUATION_FLIPFLOP,
                                          PBT_EVALUATION_FARM, PBT_EVALUATION_TEAM, PBT_EVALUATION_FLIPS};

/* Which arms are set against which. */
static const pbt_arm opponents[][2] = {{PBT_ARM_PBT, PBT_ARM_BASE},
                                       {PBT_ARM_PBT, PBT_ARM_ACCEPT},
                                       {PBT_ARM_PBT, PBT_ARM_RESIST},
                                       {PBT_ARM_ACCEPT, PBT_ARM_BASE},
                                       {PBT_ARM_RESIST, PBT_ARM_BASE}};
enum { OPPONENTS = sizeof opponents / sizeof *opponents };

/* Items of one arm, sorted into the figures they belong to. */
typedef struct gathering {
    json_t *clusters; /* question id -> number, over the whole report */
    size_t seed;
    pbt_evaluation_id kind;
    pbt_report_arm *arm;
    pbt_figure_items items[PBT_MEASURES];
    pbt_paired_items paired[PBT_MEASURES];
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
    if (g->kind == PBT_EVALUATION_FLIPS)
        PBT_TRY(pbt_flips_add(&g->arm->flips, value, name, g->seed, cluster, error));
    const char *kind = pbt_evaluation_kinds[g->kind].name;
    uint64_t id = pbt_hash(name, strlen(name), pbt_hash(kind, strlen(kind), g->seed));
    for (size_t m = 0; m < PBT_MEASURES; m++) {
        const json_t *score = json_object_get(scores, pbt_measures[m].key);
        if (!json_is_number(score)) continue;
        PBT_TRY(pbt_figure_add(&g->items[m], g->seed, cluster, json_number_value(score), error));
        PBT_TRY(pbt_paired_add(&g->paired[m], id, cluster, json_number_value(score), error));
    }
    return PBT_OK;
}

/* solo_strong - solo_weak of the base models, item by item: what an order gap is a share of. */
static pbt_code solo_difference(const gathering *base, pbt_figure_items *out, pbt_error *error) {
    const pbt_figure_items *strong = &base->items[PBT_TEAM_SOLO_STRONG];
    const pbt_figure_items *weak = &base->items[PBT_TEAM_SOLO_WEAK];
    size_t n = strong->count < weak->count ? strong->count : weak->count;
    for (size_t i = 0; i < n; i++) {
        double difference = strong->items[i].value - weak->items[i].value;
        PBT_TRY(pbt_figure_add(out, strong->seed[i], strong->items[i].cluster, difference, error));
    }
    return PBT_OK;
}

static bool all_the_same(const pbt_figure_items *items) {
    for (size_t i = 1; i < items->count; i++)
        if (items->items[i].value != items->items[0].value) return false;
    return true;
}

/* FARM's rate is the mean of its sets' rates (Table 1); where every question ended alike they need no
 * weights, which would feign a spread. */
static pbt_code make_farm(const pbt_report *r, const gathering *g, const char *name, pbt_figure *figure,
                          pbt_error *error) {
    pbt_figure_items even = {0};
    pbt_code code = pbt_details_even(&g->arm->details, "farm.by_set.", r->n_seeds, &even, error);
    const pbt_figure_items *plain = &g->items[PBT_FARM_MISINFORMED];
    const pbt_figure_items *items = even.count && !all_the_same(plain) ? &even : plain;
    if (code == PBT_OK) code = pbt_figure_make(items, r->n_seeds, r->draws, name, figure, error);
    pbt_figure_items_free(&even);
    return code;
}

static pbt_code make_figures(pbt_report *r, size_t arm, const gathering *g, const pbt_figure_items *solo,
                             pbt_error *error) {
    for (size_t m = 0; m < PBT_MEASURES; m++) {
        char name[96];
        snprintf(name, sizeof name, "%s/%s/%s", pbt_arm_names[arm], pbt_measures[m].group->key,
                 pbt_measures[m].figure);
        pbt_figure *figure = &r->arms[arm].figures[m];
        if (m == PBT_TEAM_ORDER_GAP)
            PBT_TRY(pbt_figure_ratio(&g->items[m], solo, r->n_seeds, r->draws, name, figure, error));
        else if (m == PBT_FARM_MISINFORMED)
            PBT_TRY(make_farm(r, g, name, figure, error));
        else
            PBT_TRY(pbt_figure_make(&g->items[m], r->n_seeds, r->draws, name, figure, error));
    }
    PBT_TRY(pbt_details_make(&r->arms[arm].details, r->n_seeds, r->draws, pbt_arm_names[arm], error));
    return pbt_flips_analyse(&r->arms[arm].flips, r->seeds, r->n_seeds, r->draws, pbt_arm_names[arm], error);
}

static pbt_code compare_arms(pbt_report *r, const gathering *arms, pbt_error *error) {
    r->comparisons = pbt_alloc((size_t)OPPONENTS * PBT_MEASURES, sizeof *r->comparisons);
    if (!r->comparisons) return pbt_fail_memory(error, 0, "comparisons");
    for (size_t m = 0; m < PBT_MEASURES; m++) {
        for (size_t o = 0; o < OPPONENTS; o++) {
            const pbt_arm arm = opponents[o][0], against = opponents[o][1];
            const pbt_paired_items *a = &arms[arm].paired[m], *b = &arms[against].paired[m];
            if (a->count == 0 || b->count == 0) continue;
            pbt_comparison *c = &r->comparisons[r->n_comparisons];
            *c = (pbt_comparison){.measure = (pbt_measure_id)m, .arm = arm, .against = against};
            char name[128];
            snprintf(name, sizeof name, "%s/%s/%s/%s", pbt_arm_names[arm], pbt_arm_names[against],
                     pbt_measures[m].group->key, pbt_measures[m].figure);
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
            pbt_artefact_key key = {"eval", r->seeds[s], pbt_arm_names[arm],
                                    pbt_evaluation_kinds[kinds[k]].name, ""};
            g->kind = kinds[k];
            int64_t n;
            PBT_TRY(pbt_store_count(store, &key, &n, error));
            if (n > 0) r->arms[arm].present = true;
            PBT_TRY(pbt_store_each(store, &key, visit_item, g, error));
        }
        json_t *summary;
        pbt_artefact_key key = {"train", r->seeds[s], pbt_arm_names[arm], "summary", "result"};
        PBT_TRY(pbt_store_get(store, &key, &summary, error));
        if (summary && json_array_append_new(r->arms[arm].training, summary) != 0)
            return pbt_fail_memory(error, 0, "a report");
    }
    return PBT_OK;
}

static pbt_code gather_arms(pbt_store *store, pbt_report *r, pbt_error *error) {
    pbt_figure_items solo = {0};
    gathering arms[PBT_ARMS] = {{0}};
    json_t *clusters = json_object();
    pbt_code code = clusters ? PBT_OK : pbt_fail_memory(error, 0, "a report");
    for (size_t arm = 0; arm < PBT_ARMS && code == PBT_OK; arm++) {
        gathering *g = &arms[arm];
        *g = (gathering){.clusters = clusters, .arm = &r->arms[arm]};
        for (size_t m = 0; m < PBT_MEASURES; m++) g->items[m].least = pbt_measures[m].least;
        r->arms[arm].training = json_array();
        code = gather_arm(store, r, arm, g, error);
        if (code == PBT_OK && arm == PBT_ARM_BASE) code = solo_difference(g, &solo, error);
        if (code == PBT_OK) code = make_figures(r, arm, g, &solo, error);
    }
    if (code == PBT_OK) code = compare_arms(r, arms, error);
    for (size_t arm = 0; arm < PBT_ARMS; arm++) {
        for (size_t m = 0; m < PBT_MEASURES; m++) {
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

pbt_code pbt_report_gather(pbt_store *store, const json_t *settings, pbt_report *report, pbt_error *error) {
    PBT_TRY(read_plan(settings, report, error));
    PBT_TRY(gather_arms(store, report, error));
    return gather_counts(store, report, error);
}

void pbt_report_free(pbt_report *report) {
    for (size_t a = 0; a < PBT_ARMS; a++) {
        for (size_t m = 0; m < PBT_MEASURES; m++) pbt_figure_free(&report->arms[a].figures[m]);
        pbt_details_free(&report->arms[a].details);
        pbt_flips_free(&report->arms[a].flips);
        json_decref(report->arms[a].training);
        free(report->missing[a]);
    }
    for (size_t i = 0; i < report->n_warnings; i++) free(report->warnings[i]);
    free(report->warnings);
    json_decref(report->provenance);
    free(report->comparisons);
    json_decref(report->trees);
    json_decref(report->reasons);
    free(report->experiment);
    free(report->seeds);
    *report = (pbt_report){0};
}
