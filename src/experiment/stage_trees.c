/*
 * Stage "trees": grows the train trees, and those of dev and test questions that balanced contexts are cut
 * from. One commit a chunk of trees.
 */
#include "base/memory.h"
#include "experiment/show.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Trees of one part whose first speaker is the same. */
typedef struct growing {
    pbt_run *run;
    int64_t seed;
    pbt_part part;
    pbt_growth grow;
    int32_t repetitions;
    int64_t done, total; /* trees of this stage, for progress */
    int64_t nodes;
    int32_t shown;
} growing;

static pbt_artefact_key tree_key(const growing *g, const char *id) {
    return (pbt_artefact_key){"trees", g->seed, pbt_part_names[g->part], "tree", id};
}

/* "q17/AB/0": the question, who speaks first, the repetition. */
static char *tree_id(const pbt_question *question, int first_speaker, int32_t repetition) {
    return pbt_string_format("%s/%s/%d", question->id, first_speaker ? "BA" : "AB", repetition);
}

static pbt_code store_chunk(growing *g, const pbt_tree *trees, size_t n, pbt_error *error) {
    PBT_TRY(pbt_store_begin(g->run->store, error));
    for (size_t i = 0; i < n; i++) {
        json_t *value = pbt_tree_to_json(&trees[i]);
        pbt_artefact_key key = tree_key(g, trees[i].id);
        pbt_code code =
            value ? pbt_store_put(g->run->store, &key, value, error) : pbt_fail_memory(error, 0, "a tree");
        json_decref(value);
        if (code != PBT_OK) return code; /* the caller rolls back */
    }
    return pbt_store_commit(g->run->store, error);
}

static pbt_code grow_chunk(growing *g, pbt_tree *trees, size_t n, pbt_error *error) {
    if (n == 0) return PBT_OK;
    PBT_TRY(pbt_monitor_check(g->run->monitor, error));
    PBT_TRY(pbt_trees_grow(&g->grow, trees, n, error));
    PBT_TRY(store_chunk(g, trees, n, error));
    g->done += (int64_t)n;
    for (size_t i = 0; i < n; i++) {
        if (g->part != PBT_TRAIN_PART || g->shown >= g->run->experiment.show_debates) break;
        PBT_TRY(pbt_tree_score(&trees[i], error));
        if (pbt_show_debate(&trees[i], g->run->monitor)) g->shown++;
    }
    pbt_monitor_progress(g->run->monitor, "trees", "trees", (double)g->done, (double)g->total, NULL);
    return PBT_OK;
}

static void free_chunk(pbt_tree *trees, size_t n) {
    for (size_t i = 0; i < n; i++) pbt_tree_free(&trees[i]);
}

/* Grows the trees that are not in the store yet, chunk by chunk, in a fixed order. */
static pbt_code grow_missing(growing *g, pbt_error *error) {
    const pbt_question_set *set = &g->run->questions;
    size_t chunk = (size_t)g->run->experiment.tree_chunk, n = 0;
    pbt_tree *trees = pbt_alloc(chunk, sizeof *trees);
    pbt_code code = trees ? PBT_OK : pbt_fail_memory(error, chunk * sizeof *trees, "trees");
    for (int32_t r = 0; r < g->repetitions && code == PBT_OK; r++) {
        for (size_t q = 0; q < set->count[g->part] && code == PBT_OK; q++) {
            char *id = tree_id(set->list[g->part][q], g->grow.plan.first_speaker, r);
            if (!id) code = pbt_fail_memory(error, 64, "a tree's name");
            pbt_artefact_key key = tree_key(g, id);
            if (id && pbt_store_has(g->run->store, &key)) {
                free(id);
                g->done++;
                continue;
            }
            trees[n++] = (pbt_tree){.id = id, .question = set->list[g->part][q]};
            if (n < chunk || code != PBT_OK) continue;
            code = grow_chunk(g, trees, n, error);
            free_chunk(trees, n);
            memset(trees, 0, n * sizeof *trees);
            n = 0;
        }
    }
    if (code == PBT_OK) code = grow_chunk(g, trees, n, error);
    if (trees) free_chunk(trees, n);
    free(trees);
    return code;
}

static int32_t repetitions_of(const pbt_experiment *e, pbt_part part, int first_speaker) {
    if (part == PBT_TRAIN_PART) return e->trees.repetitions[first_speaker];
    return e->balanced.draws[part - PBT_DEV_PART];
}

static pbt_code count_nodes(void *user, const char *name, json_t *value, pbt_error *error) {
    const json_t *nodes;
    PBT_TRY(pbt_json_array(value, "nodes", NULL, name, &nodes, error));
    *(int64_t *)user += (int64_t)json_array_size(nodes);
    return PBT_OK;
}

static pbt_code store_counts(growing *g, pbt_error *error) {
    pbt_artefact_key key = {"trees", g->seed, pbt_part_names[g->part], "tree", ""};
    int64_t trees = pbt_store_count(g->run->store, &key), nodes = 0;
    PBT_TRY(pbt_store_each(g->run->store, &key, count_nodes, &nodes, error));
    json_t *counts = json_pack("{s:I, s:I, s:I}", "questions", (json_int_t)g->run->questions.count[g->part],
                               "trees", (json_int_t)trees, "nodes", (json_int_t)nodes);
    pbt_artefact_key summary = {"trees", g->seed, pbt_part_names[g->part], "summary", "counts"};
    pbt_code code = pbt_store_put(g->run->store, &summary, counts, error);
    json_decref(counts);
    return code;
}

static pbt_code grow_part(growing *g, pbt_part part, pbt_error *error) {
    const pbt_experiment *e = &g->run->experiment;
    g->part = part;
    g->grow.plan = e->trees.plan;
    /* Contexts need what is said to a listener, not its scored replies: the last turn is left out. */
    if (part != PBT_TRAIN_PART && g->grow.plan.n_turns > 2) g->grow.plan.n_turns--;
    for (int first = 0; first < 2; first++) {
        g->grow.plan.first_speaker = first;
        g->repetitions = repetitions_of(e, part, first);
        PBT_TRY(grow_missing(g, error));
    }
    return store_counts(g, error);
}

pbt_code pbt_stage_trees(pbt_run *run, int64_t seed, pbt_error *error) {
    const pbt_experiment *e = &run->experiment;
    growing g = {.run = run, .seed = seed};
    PBT_TRY(pbt_run_open_data(run, error));
    g.grow.prompts = &run->prompts;
    PBT_TRY(pbt_run_open_agent(run, PBT_AGENT_A, &g.grow.agents[0], error));
    PBT_TRY(pbt_run_open_agent(run, PBT_AGENT_B, &g.grow.agents[1], error));
    PBT_TRY(pbt_run_open_agent(run, PBT_EXTRACTOR, &g.grow.extractor, error));
    g.grow.key = pbt_key_of_stage(seed, "trees");
    for (int p = 0; p < PBT_PARTS; p++) {
        if (p != PBT_TRAIN_PART && !e->balanced.enabled) continue;
        for (int first = 0; first < 2; first++)
            g.total += (int64_t)run->questions.count[p] * repetitions_of(e, (pbt_part)p, first);
    }
    /* What was there already counts as done, but not towards the time left. */
    for (int p = 0; p < PBT_PARTS; p++) {
        if (p == PBT_TRAIN_PART || e->balanced.enabled) PBT_TRY(grow_part(&g, (pbt_part)p, error));
    }
    return PBT_OK;
}
