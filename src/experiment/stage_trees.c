/*
 * Stage "trees": grows the train trees, and those of dev and test questions that balanced contexts are cut
 * from. Trees are committed one by one, in a fixed order, as soon as those before them are.
 */
#include "experiment/stage_trees.h"

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
    int64_t done, total;  /* trees of this stage */
    int64_t nodes, grown; /* of the trees grown now: what a tree may be expected to hold */
    double window_nodes;  /* said in unfinished trees */
    size_t batch_done;    /* said of the batch in work */
    int64_t unread;       /* of the nodes */
    bool warned;
    int32_t shown;
    pbt_monitor monitor; /* the run's, with the batches told to this */
} growing;

/* Trees that grow at the same time, in the order they are committed. */
typedef struct window {
    pbt_tree *trees;
    size_t count, capacity;
} window;

static pbt_artefact_key tree_key(const growing *g, const char *id) {
    return (pbt_artefact_key){"trees", g->seed, pbt_part_names[g->part], "tree", id};
}

/* "q17/AB/0": the question, who speaks first, the repetition. */
static char *tree_id(const pbt_question *question, int first_speaker, int32_t repetition) {
    return pbt_string_format("%s/%s/%d", question->id, first_speaker ? "BA" : "AB", repetition);
}

/* ---- progress ---- */

/* Nodes of a tree when no debate ends early. */
static double full_nodes(const pbt_tree_plan *plan) {
    double all = 0, turn = 1;
    for (int32_t t = 0; t < plan->n_turns; t++) all += turn *= plan->n_roles[t];
    return all;
}

/* Trees, with parts of those that are not finished. */
static void show_progress(const growing *g) {
    double each = g->grown > 0 ? (double)g->nodes / (double)g->grown : full_nodes(&g->grow.plan);
    double part = (g->window_nodes + (double)g->batch_done) / each;
    double left = (double)(g->total - g->done), most = left > 0 ? left - 0.01 : 0;
    pbt_monitor_progress(g->run->monitor, "trees", "trees", (double)g->done + (part < most ? part : most),
                         (double)g->total, NULL);
}

/* The turns of a batch are said first and their answers read then; the reading, which is short, adds nothing.
 */
static void on_batch(void *user, size_t done, size_t total) {
    growing *g = user;
    (void)total;
    if (done <= g->batch_done) return;
    g->batch_done = done;
    show_progress(g);
}

/* ---- growing ---- */

static pbt_code store_tree(growing *g, const pbt_tree *tree, pbt_error *error) {
    json_t *value = pbt_tree_to_json(tree);
    pbt_artefact_key key = tree_key(g, tree->id);
    pbt_code code =
        value ? pbt_store_put(g->run->store, &key, value, error) : pbt_fail_memory(error, 0, "a tree");
    json_decref(value);
    return code;
}

/* Trees of which little can be read give few pairs, hours later: said as soon as it shows. */
static void look_at_answers(growing *g, const pbt_tree *tree) {
    enum { ENOUGH = 50 };
    for (size_t i = 0; i < tree->n_nodes; i++)
        g->unread += !tree->nodes[i].answer && tree->nodes[i].verdict == PBT_NO_VERDICT;
    if (g->warned || g->nodes < ENOUGH || 2 * g->unread < g->nodes) return;
    g->warned = true;
    pbt_monitor_message(
        g->run->monitor, 0,
        "no answer could be read out of %lld of the first %lld turns, so there will be few pairs; "
        "stop (Ctrl-C), see what the extractor wrote (raw_answer in pbt trees %s --output "
        "trees.jsonl), and try another agents.extractor or another extract.txt in the prompts",
        (long long)g->unread, (long long)g->nodes, g->run->folder);
}

static pbt_code show_tree(growing *g, pbt_tree *tree, pbt_error *error) {
    if (g->part != PBT_TRAIN_PART || g->shown >= g->run->experiment.show_debates) return PBT_OK;
    PBT_TRY(pbt_tree_score(tree, error));
    if (pbt_show_debate(tree, g->run->monitor)) g->shown++;
    return PBT_OK;
}

/* Commits the grown trees at the window's beginning. Later ones wait: the order of the store is the order of
 * the work, however often it was interrupted. */
static pbt_code commit_grown(growing *g, window *w, pbt_error *error) {
    size_t n = 0;
    while (n < w->count && pbt_tree_is_grown(&g->grow, &w->trees[n])) n++;
    if (n == 0) return PBT_OK;
    PBT_TRY(pbt_store_begin(g->run->store, error));
    for (size_t i = 0; i < n; i++) PBT_TRY(store_tree(g, &w->trees[i], error)); /* the caller rolls back */
    PBT_TRY(pbt_store_commit(g->run->store, error));
    for (size_t i = 0; i < n; i++) {
        g->nodes += (int64_t)w->trees[i].n_nodes;
        look_at_answers(g, &w->trees[i]);
        PBT_TRY(show_tree(g, &w->trees[i], error));
        pbt_tree_free(&w->trees[i]);
    }
    g->done += (int64_t)n;
    g->grown += (int64_t)n;
    w->count -= n;
    memmove(w->trees, w->trees + n, w->count * sizeof *w->trees);
    return PBT_OK;
}

static void count_window(growing *g, const window *w) {
    g->batch_done = 0;
    g->window_nodes = 0;
    for (size_t i = 0; i < w->count; i++) g->window_nodes += (double)w->trees[i].n_nodes;
}

static pbt_code step(growing *g, window *w, pbt_error *error) {
    const pbt_engine_options engine = {.max_batch = g->run->experiment.max_batch};
    size_t most = (size_t)PBT_GROWTH_BATCHES * (size_t)pbt_engine_batch(&engine);
    count_window(g, w);
    PBT_TRY(pbt_trees_step(&g->grow, w->trees, w->count, most, NULL, error));
    PBT_TRY(commit_grown(g, w, error));
    count_window(g, w);
    show_progress(g);
    return PBT_OK;
}

/* Takes a tree that is not in the store yet. */
static pbt_code begin_tree(growing *g, const pbt_question *question, int32_t repetition, window *w,
                           pbt_error *error) {
    char *id = tree_id(question, g->grow.plan.first_speaker, repetition);
    if (!id) return pbt_fail_memory(error, 64, "a tree's name");
    pbt_artefact_key key = tree_key(g, id);
    bool grown = false;
    pbt_code code = pbt_store_has(g->run->store, &key, &grown, error);
    if (code == PBT_OK && !grown) {
        w->trees[w->count++] = (pbt_tree){.id = id, .question = question};
        return PBT_OK;
    }
    free(id);
    g->done += grown;
    return code;
}

/* Grows the trees that are not in the store yet, in a fixed order. */
static pbt_code grow_missing(growing *g, pbt_error *error) {
    const pbt_question_set *set = &g->run->questions;
    window w = {.capacity = (size_t)g->run->experiment.tree_chunk};
    w.trees = pbt_alloc(w.capacity, sizeof *w.trees);
    pbt_code code = w.trees ? PBT_OK : pbt_fail_memory(error, w.capacity * sizeof *w.trees, "trees");
    for (int32_t r = 0; r < g->repetitions && code == PBT_OK; r++) {
        for (size_t q = 0; q < set->count[g->part] && code == PBT_OK; q++) {
            code = begin_tree(g, set->list[g->part][q], r, &w, error);
            while (w.count == w.capacity && code == PBT_OK) code = step(g, &w, error);
        }
    }
    while (w.count > 0 && code == PBT_OK) code = step(g, &w, error);
    for (size_t i = 0; i < w.count; i++) pbt_tree_free(&w.trees[i]);
    free(w.trees);
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
    int64_t trees, nodes = 0;
    PBT_TRY(pbt_store_count(g->run->store, &key, &trees, error));
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

static pbt_code tell_what_is_there(const growing *g, pbt_error *error) {
    int64_t there = 0, of_part;
    for (int p = 0; p < PBT_PARTS; p++) {
        pbt_artefact_key key = {"trees", g->seed, pbt_part_names[p], "tree", ""};
        PBT_TRY(pbt_store_count(g->run->store, &key, &of_part, error));
        there += of_part;
    }
    if (there > 0)
        pbt_monitor_message(g->run->monitor, 1, "seed %lld: continuing after %lld of %lld trees",
                            (long long)g->seed, (long long)there, (long long)g->total);
    return PBT_OK;
}

pbt_code pbt_stage_trees(pbt_run *run, int64_t seed, pbt_error *error) {
    const pbt_experiment *e = &run->experiment;
    growing g = {.run = run, .seed = seed};
    if (run->monitor) g.monitor = *run->monitor;
    g.monitor.batch = on_batch;
    g.monitor.batch_user = &g;
    g.grow.monitor = &g.monitor;
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
    PBT_TRY(tell_what_is_there(&g, error));
    /* What was there already counts as done, but not towards the time left. */
    for (int p = 0; p < PBT_PARTS; p++) {
        if (p == PBT_TRAIN_PART || e->balanced.enabled) PBT_TRY(grow_part(&g, (pbt_part)p, error));
    }
    return PBT_OK;
}
