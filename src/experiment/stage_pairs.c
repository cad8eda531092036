/*
 * Stage "pairs": preference pairs of the train trees, and which of them each arm is trained on.
 */
#include "experiment/stage_pairs.h"

#include "base/file.h"
#include "base/memory.h"
#include "evaluation/stored_trees.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static pbt_code collect(pbt_run *run, pbt_tree_list *trees, pbt_pair_list *pairs, pbt_error *error) {
    const pbt_pair_settings *s = &run->experiment.pairs;
    pbt_pair_rules rules = pbt_pair_rules_default();
    rules.min_relative_margin = s->min_relative_margin;
    rules.unequal_children = s->unequal_children;
    rules.drop_duplicates = s->drop_duplicates;
    rules.require_disagreement = s->require_disagreement;
    rules.prompts = &run->prompts;
    PBT_TRY(pbt_run_open_agent(run, PBT_FILTER, &rules.filter, error));
    PBT_TRY(pbt_pairs_collect(trees->items, trees->count, &rules, pairs, run->monitor, error));
    if (strcmp(s->listeners, "own") != 0) return PBT_OK;
    return pbt_pairs_keep_listener(pairs, pbt_experiment_trained(&run->experiment), error);
}

static void pair_name(size_t index, char name[32]) {
    snprintf(name, 32, "%06zu", index);
}

static pbt_code store_pairs(pbt_run *run, int64_t seed, const pbt_pair_list *pairs, pbt_error *error) {
    for (size_t i = 0; i < pairs->count; i++) {
        char name[32];
        json_t *row;
        pair_name(i, name);
        PBT_TRY(pbt_pair_to_json(&pairs->items[i], &run->prompts, &row, error));
        pbt_code code =
            pbt_store_put(run->store, &(pbt_artefact_key){"pairs", seed, "", "pair", name}, row, error);
        json_decref(row);
        if (code != PBT_OK) return code;
    }
    return PBT_OK;
}

/* The siblings of one tree that became no pair: [[better, other, reason], ...] under the tree's name. Drops
 * of one tree may stand apart in the list. */
static pbt_code store_drops(pbt_run *run, int64_t seed, const pbt_pair_list *pairs, pbt_error *error) {
    json_t *trees = json_object();
    pbt_code code = trees ? PBT_OK : pbt_fail_memory(error, 0, "dropped pairs");
    for (size_t i = 0; i < pairs->n_drops && code == PBT_OK; i++) {
        const pbt_drop *d = &pairs->drops[i];
        json_t *list = json_object_get(trees, d->tree->id);
        if (!list && (list = json_array())) json_object_set_new(trees, d->tree->id, list);
        if (json_array_append_new(list, json_pack("[i, i, s]", (int)d->better, (int)d->other,
                                                  pbt_reason_names[d->reason])) != 0)
            code = pbt_fail_memory(error, 0, "dropped pairs");
    }
    const char *tree;
    json_t *list;
    json_object_foreach(trees, tree, list) {
        if (code == PBT_OK)
            code = pbt_store_put(run->store, &(pbt_artefact_key){"pairs", seed, "", "dropped", tree}, list,
                                 error);
    }
    json_decref(trees);
    return code;
}

/* How many pairs of each kind, and why the other candidates became none. */
static pbt_code store_reasons(pbt_run *run, int64_t seed, const pbt_pair_list *pairs, pbt_error *error) {
    int64_t kinds[2] = {0, 0};
    for (size_t i = 0; i < pairs->count; i++) kinds[pairs->items[i].kind]++;
    json_t *value = json_pack("{s:I, s:I}", "resist", (json_int_t)kinds[PBT_RESIST], "accept",
                              (json_int_t)kinds[PBT_ACCEPT]);
    for (int r = 0; value && r < PBT_REASONS; r++)
        json_object_set_new(value, pbt_reason_names[r], json_integer(pairs->reasons[r]));
    pbt_code code =
        pbt_store_put(run->store, &(pbt_artefact_key){"pairs", seed, "", "summary", "reasons"}, value, error);
    json_decref(value);
    return code;
}

/* The names of an arm's pairs, in training order before any shuffle. */
static pbt_code store_arm(pbt_run *run, int64_t seed, const pbt_pair_list *pairs, const char *arm, size_t n,
                          pbt_error *error) {
    uint32_t *index = NULL;
    size_t count = 0;
    pbt_key key = pbt_key_of_stage(seed, "arms");
    int32_t cap = run->experiment.pairs.max_pairs_per_question;
    if (n > 0) PBT_TRY(pbt_arm_select(pairs, pbt_arm_named(arm), cap, n, key, &index, &count, error));
    json_t *names = json_array();
    for (size_t i = 0; names && i < count; i++) {
        char name[32];
        pair_name(index[i], name);
        json_array_append_new(names, json_string(name));
    }
    free(index);
    pbt_code code =
        pbt_store_put(run->store, &(pbt_artefact_key){"pairs", seed, arm, "selection", ""}, names, error);
    json_decref(names);
    return code;
}

static pbt_code store_all(pbt_run *run, int64_t seed, const pbt_pair_list *pairs, pbt_error *error) {
    const pbt_experiment *e = &run->experiment;
    size_t wanted = e->pairs.max_pairs ? (size_t)e->pairs.max_pairs : SIZE_MAX;
    size_t n;
    PBT_TRY(pbt_arm_size(pairs, e->pairs.max_pairs_per_question, wanted, pbt_key_of_stage(seed, "arms"), &n,
                         error));
    if (n == 0)
        pbt_monitor_message(
            run->monitor, 0,
            "seed %lld: the %zu pairs found do not fill the arms (both resist and accept pairs "
            "are needed), so none is trained; grow more trees (trees.a_first, trees.b_first, "
            "more questions) or lower pairs.min_relative_margin",
            (long long)seed, pairs->count);
    PBT_TRY(pbt_store_begin(run->store, error));
    PBT_TRY(pbt_store_clear(run->store, "pairs", seed, error));
    PBT_TRY(store_pairs(run, seed, pairs, error));
    PBT_TRY(store_drops(run, seed, pairs, error));
    PBT_TRY(store_reasons(run, seed, pairs, error));
    /* Of all arms: a selection does not depend on which arms the experiment lists, and one may be added. */
    for (int arm = PBT_ARM_BASE + 1; arm < PBT_ARMS; arm++)
        PBT_TRY(store_arm(run, seed, pairs, pbt_arm_names[arm], n, error));
    PBT_TRY(pbt_store_commit(run->store, error));
    pbt_monitor_message(run->monitor, 1, "seed %lld: %zu pairs, %zu for every arm", (long long)seed,
                        pairs->count, n);
    return PBT_OK;
}

static pbt_code write_line(void *user, const char *name, json_t *value, pbt_error *error) {
    (void)name;
    char *line = pbt_json_line(value);
    if (!line) return pbt_fail_memory(error, 0, "a pair");
    pbt_text_add(user, line);
    pbt_text_add(user, "\n");
    free(line);
    return PBT_OK;
}

/* RUN/seed-N/pairs.jsonl, for other trainers. */
static pbt_code write_file(pbt_run *run, int64_t seed, pbt_error *error) {
    char *folder = pbt_run_path(run, seed, "", ""), *path = pbt_run_path(run, seed, "", "pairs.jsonl");
    pbt_text text = {0};
    pbt_code code = folder && path ? pbt_folder_make(folder, error) : pbt_fail_memory(error, 64, "a path");
    pbt_artefact_key key = {"pairs", seed, "", "pair", ""};
    if (code == PBT_OK) code = pbt_store_each(run->store, &key, write_line, &text, error);
    if (code == PBT_OK && text.failed) code = pbt_fail_memory(error, text.length, path);
    if (code == PBT_OK) code = pbt_file_write(path, pbt_text_string(&text), text.length, error);
    pbt_text_free(&text);
    free(folder);
    free(path);
    return code;
}

pbt_code pbt_stage_pairs(pbt_run *run, int64_t seed, pbt_error *error) {
    pbt_tree_list trees;
    pbt_pair_list pairs = {0};
    PBT_TRY(pbt_run_open_data(run, error));
    PBT_TRY(pbt_trees_read(&run->context, seed, PBT_TRAIN_PART, &trees, error));
    pbt_code code = collect(run, &trees, &pairs, error);
    if (code == PBT_OK) code = store_all(run, seed, &pairs, error);
    if (code == PBT_OK) code = write_file(run, seed, error);
    pbt_pair_list_free(&pairs);
    pbt_tree_list_free(&trees);
    return code;
}
