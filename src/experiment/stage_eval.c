/*
 * Stage "eval": the base model and every trained arm on the held-out questions.
 */
#include "evaluation/evaluation.h"

#include "experiment/run.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { BATCH = 128 };

static const pbt_evaluation *const evaluations[] = {&pbt_evaluation_balanced, &pbt_evaluation_flipflop,
                                                    &pbt_evaluation_team,     &pbt_evaluation_farm,
                                                    &pbt_evaluation_answers,  &pbt_evaluation_flips};
enum { N_EVALUATIONS = sizeof evaluations / sizeof *evaluations };

static void item_name(size_t index, char name[32]) {
    snprintf(name, 32, "%06zu", index);
}

static bool batch_done(const pbt_evaluation_task *x, const char *kind, size_t last) {
    char name[32];
    item_name(last, name);
    return pbt_store_has(x->context->store, &(pbt_artefact_key){"eval", x->seed, x->arm, kind, name});
}

static pbt_code store_batch(pbt_evaluation_task *x, const char *kind, size_t first, size_t n,
                            json_t *const *items, pbt_error *error) {
    PBT_TRY(pbt_store_begin(x->context->store, error));
    for (size_t i = 0; i < n; i++) {
        char name[32];
        item_name(first + i, name);
        PBT_TRY(pbt_store_put(x->context->store, &(pbt_artefact_key){"eval", x->seed, x->arm, kind, name},
                              items[i], error));
    }
    return pbt_store_commit(x->context->store, error);
}

static pbt_code judge_batch(pbt_evaluation_task *x, const pbt_evaluation *e, size_t first, size_t n,
                            pbt_error *error) {
    json_t *items[BATCH] = {NULL};
    PBT_TRY(pbt_monitor_check(x->context->monitor, error));
    pbt_code code = e->judge(x, first, n, items, error);
    if (code == PBT_OK) code = store_batch(x, e->kind, first, n, items, error);
    for (size_t i = 0; i < n; i++) json_decref(items[i]);
    return code;
}

static bool is_done(pbt_run *run, int64_t seed, const char *arm, const char *kind) {
    return pbt_store_has(run->store, &(pbt_artefact_key){"eval", seed, arm, "done", kind});
}

/* Those of `all` settings that shape the evaluation's items. */
static json_t *settings_of(const json_t *all, const pbt_evaluation *e) {
    json_t *own = json_object(), *value;
    const char *name;
    json_object_foreach((json_t *)(uintptr_t)all, name, value) {
        bool free =
            pbt_string_starts(name, e->section) && !strstr(name, ".enabled") && !strstr(name, ".data");
        if (free) json_object_set(own, name, value);
    }
    return own;
}

static bool same_settings(json_t *before, const json_t *now, const pbt_evaluation *e) {
    if (pbt_experiment_complete(before, e->section, NULL) != PBT_OK) return false;
    json_t *own = settings_of(before, e);
    bool same = json_equal(own, now);
    json_decref(own);
    return same;
}

/* Items that an interrupted evaluation left must have been judged under the same settings. */
static pbt_code record_settings(pbt_evaluation_task *x, const pbt_evaluation *e, pbt_error *error) {
    pbt_artefact_key key = {"eval", x->seed, x->arm, "settings", e->kind};
    json_t *before, *all = pbt_experiment_record(x->context->experiment),
                    *now = all ? settings_of(all, e) : NULL;
    json_decref(all);
    pbt_code code = now ? pbt_store_get(x->context->store, &key, &before, error)
                        : pbt_fail_memory(error, 0, "the settings");
    if (code == PBT_OK && before && !same_settings(before, now, e))
        code =
            pbt_fail_at(error, PBT_BAD_INPUT, x->context->folder, NULL,
                        "the evaluation %s was begun with other settings (%s*); undo the change, or choose "
                        "another --output_dir",
                        e->kind, e->section);
    if (code == PBT_OK && !before) code = pbt_store_put(x->context->store, &key, now, error);
    if (code == PBT_OK) json_decref(before);
    json_decref(now);
    return code;
}

static pbt_code evaluate(pbt_evaluation_task *x, const pbt_evaluation *e, pbt_error *error) {
    size_t n = 0;
    char task[64];
    snprintf(task, sizeof task, "%s %s", x->arm, e->kind);
    PBT_TRY(record_settings(x, e, error));
    pbt_code code = e->open(x, &n, error);
    for (size_t first = 0; first < n && code == PBT_OK; first += BATCH) {
        size_t batch = n - first < BATCH ? n - first : BATCH;
        if (!batch_done(x, e->kind, first + batch - 1)) code = judge_batch(x, e, first, batch, error);
        if (code == PBT_OK)
            pbt_monitor_progress(x->context->monitor, task, "items", (double)(first + batch), (double)n,
                                 NULL);
    }
    if (e->close) e->close(x);
    x->cases = NULL;
    if (code != PBT_OK) return code;
    json_t *done = json_integer((json_int_t)n);
    code = pbt_store_put(x->context->store, &(pbt_artefact_key){"eval", x->seed, x->arm, "done", e->kind},
                         done, error);
    json_decref(done);
    return code;
}

/* Whether every evaluation that is switched on has been done for the arm. */
static bool arm_done(pbt_run *run, int64_t seed, const char *arm) {
    for (int i = 0; i < N_EVALUATIONS; i++) {
        if (evaluations[i]->enabled(&run->experiment, arm) && !is_done(run, seed, arm, evaluations[i]->kind))
            return false;
    }
    return true;
}

static pbt_code evaluate_arm(pbt_run *run, pbt_evaluation_task *x, pbt_error *error) {
    for (int i = 0; i < N_EVALUATIONS; i++) {
        const pbt_evaluation *e = evaluations[i];
        if (e->enabled(x->context->experiment, x->arm) && !is_done(run, x->seed, x->arm, e->kind))
            PBT_TRY(evaluate(x, e, error));
    }
    return PBT_OK;
}

/* The arm's adapter, held against the hash that training recorded; *adapter = NULL: the arm was not trained.
 */
static pbt_code open_adapter(const pbt_run *run, const pbt_evaluation_task *x, const pbt_chat_model *model,
                             pbt_adapter **adapter, pbt_error *error) {
    json_t *result;
    *adapter = NULL;
    PBT_TRY(pbt_store_get(x->context->store,
                          &(pbt_artefact_key){"train", x->seed, x->arm, "summary", "result"}, &result,
                          error));
    if (!result) return PBT_OK;
    char *folder = pbt_run_path(run, x->seed, x->arm, "adapter"), hash[20];
    pbt_code code = folder ? pbt_adapter_open(folder, model->model, adapter, error)
                           : pbt_fail_memory(error, 64, "a path");
    if (code == PBT_OK) {
        const char *expected = json_string_value(json_object_get(result, "adapter"));
        snprintf(hash, sizeof hash, "%016llx", (unsigned long long)pbt_adapter_hash(*adapter));
        if (!expected || strcmp(expected, hash) != 0)
            code = pbt_fail_at(error, PBT_BAD_INPUT, folder, NULL,
                               "the adapter is not the one that training recorded (%s, found %s)",
                               expected ? expected : "none", hash);
    }
    json_decref(result);
    free(folder);
    return code;
}

static pbt_code evaluate_adapter(pbt_run *run, pbt_evaluation_task *x, pbt_chat_model *model,
                                 pbt_error *error) {
    pbt_adapter *adapter = NULL;
    pbt_agent *agent = NULL;
    pbt_code code = open_adapter(run, x, model, &adapter, error);
    if (code == PBT_OK && adapter) code = pbt_agent_local(model, adapter, x->arm, &agent, error);
    x->agent = agent;
    if (code == PBT_OK && adapter) code = evaluate_arm(run, x, error);
    if (agent) pbt_agent_free(agent);
    if (adapter) pbt_engine_forget(model->engine, adapter);
    pbt_adapter_free(adapter);
    return code;
}

pbt_code pbt_stage_eval(pbt_run *run, int64_t seed, pbt_error *error) {
    const pbt_experiment *e = &run->experiment;
    int self = pbt_experiment_trained(e);
    pbt_evaluation_task x = {.context = &run->context, .seed = seed, .self = self};
    pbt_agent *base;
    bool all = arm_done(run, seed, "base");
    for (size_t a = 0; a < e->arms.count; a++) all = all && arm_done(run, seed, e->arms.items[a]);
    if (all) return PBT_OK;
    PBT_TRY(pbt_run_open_data(run, error));
    PBT_TRY(pbt_run_open_agent(run, self ? PBT_AGENT_B : PBT_AGENT_A, &base, error));
    PBT_TRY(pbt_run_open_agent(run, self ? PBT_AGENT_A : PBT_AGENT_B, &x.partner, error));
    PBT_TRY(pbt_run_open_agent(run, PBT_EXTRACTOR, &x.extractor, error));
    x.arm = "base";
    x.agent = base;
    PBT_TRY(evaluate_arm(run, &x, error));
    for (size_t a = 0; a < e->arms.count; a++) {
        x.arm = e->arms.items[a];
        if (arm_done(run, seed, x.arm)) continue;
        PBT_TRY(evaluate_adapter(run, &x, run->models[self ? PBT_AGENT_B : PBT_AGENT_A], error));
    }
    return PBT_OK;
}
