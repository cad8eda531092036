/*
 * Stage "eval": the base model and every trained arm on the held-out questions.
 */
#include "experiment/stage_eval.h"

#include "evaluation/evaluation.h"

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

static pbt_code batch_done(const pbt_evaluation_task *x, const char *kind, size_t last, bool *done,
                           pbt_error *error) {
    char name[32];
    item_name(last, name);
    return pbt_store_has(x->context->store, &(pbt_artefact_key){"eval", x->seed, x->arm, kind, name}, done,
                         error);
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
    if (code == PBT_OK) code = store_batch(x, e->kind->name, first, n, items, error);
    for (size_t i = 0; i < n; i++) json_decref(items[i]);
    return code;
}

/* Whether an evaluation is switched on and not done yet. */
static pbt_code is_wanted(pbt_run *run, int64_t seed, const char *arm, const pbt_evaluation *e, bool *wanted,
                          pbt_error *error) {
    bool done = false;
    *wanted = e->enabled(&run->experiment, arm);
    if (*wanted)
        PBT_TRY(pbt_store_has(run->store, &(pbt_artefact_key){"eval", seed, arm, "done", e->kind->name},
                              &done, error));
    *wanted = *wanted && !done;
    return PBT_OK;
}

/* Those of `all` settings that shape the evaluation's items. */
static json_t *settings_of(const json_t *all, const pbt_evaluation *e) {
    json_t *own = json_object(), *value;
    const char *name;
    json_object_foreach((json_t *)(uintptr_t)all, name, value) {
        bool free =
            pbt_string_starts(name, e->kind->section) && !strstr(name, ".enabled") && !strstr(name, ".data");
        if (free) json_object_set(own, name, value);
    }
    return own;
}

static bool same_settings(json_t *before, const json_t *now, const pbt_evaluation *e) {
    if (pbt_experiment_complete(before, e->kind->section, NULL) != PBT_OK) return false;
    json_t *own = settings_of(before, e);
    bool same = json_equal(own, now);
    json_decref(own);
    return same;
}

/* Names the first setting that differs, and both values. */
static pbt_code refuse_settings(const pbt_evaluation_task *x, const pbt_evaluation *e, const json_t *before,
                                const json_t *now, pbt_error *error) {
    const char *name, *found = e->kind->section;
    const json_t *value, *was = NULL, *is = NULL;
    json_object_foreach((json_t *)(uintptr_t)now, name, value) {
        const json_t *other = json_object_get(before, name);
        if (is || (other && json_equal(other, value))) continue;
        found = name;
        was = other;
        is = value;
    }
    char *a = was ? pbt_json_line(was) : NULL, *b = is ? pbt_json_line(is) : NULL;
    pbt_code code =
        pbt_fail_at(error, PBT_BAD_INPUT, x->context->folder, NULL,
                    "the evaluation %s was begun with other settings: %s was %.100s and is %.100s; "
                    "undo the change, or choose another --output_dir",
                    e->kind->name, found, a ? a : "not set", b ? b : "not set");
    free(a);
    free(b);
    return code;
}

/* Items that an interrupted evaluation left must have been judged under the same settings. */
static pbt_code record_settings(pbt_evaluation_task *x, const pbt_evaluation *e, pbt_error *error) {
    pbt_artefact_key key = {"eval", x->seed, x->arm, "settings", e->kind->name};
    json_t *before, *all = pbt_experiment_record(x->context->experiment),
                    *now = all ? settings_of(all, e) : NULL;
    json_decref(all);
    pbt_code code = now ? pbt_store_get(x->context->store, &key, &before, error)
                        : pbt_fail_memory(error, 0, "the settings");
    if (code == PBT_OK && before && !same_settings(before, now, e))
        code = refuse_settings(x, e, before, now, error);
    if (code == PBT_OK && !before) code = pbt_store_put(x->context->store, &key, now, error);
    if (code == PBT_OK) json_decref(before);
    json_decref(now);
    return code;
}

/* What is told while a batch of items is judged. */
typedef struct judging {
    const pbt_monitor *monitor;
    char task[64];
    size_t done, total;
} judging;

static void on_replies(void *user, size_t done, size_t total) {
    const judging *j = user;
    char note[64];
    snprintf(note, sizeof note, "(reply %zu of %zu)", done, total);
    pbt_monitor_progress(j->monitor, j->task, "items", (double)j->done, (double)j->total, note);
}

static pbt_code judge_all(pbt_evaluation_task *x, const pbt_evaluation *e, judging *j, pbt_error *error) {
    for (size_t first = 0; first < j->total; first += BATCH) {
        size_t batch = j->total - first < BATCH ? j->total - first : BATCH;
        j->done = first;
        bool done;
        PBT_TRY(batch_done(x, e->kind->name, first + batch - 1, &done, error));
        if (!done) PBT_TRY(judge_batch(x, e, first, batch, error));
        pbt_monitor_progress(j->monitor, j->task, "items", (double)(first + batch), (double)j->total, NULL);
    }
    return PBT_OK;
}

static pbt_code evaluate(pbt_evaluation_task *x, const pbt_evaluation *e, pbt_error *error) {
    judging j = {.monitor = x->context->monitor};
    pbt_monitor monitor = j.monitor ? *j.monitor : (pbt_monitor){0};
    pbt_evaluation_context context = *x->context;
    const pbt_evaluation_context *whole = x->context;
    snprintf(j.task, sizeof j.task, "%s %s", x->arm, e->kind->name);
    PBT_TRY(record_settings(x, e, error));
    monitor.batch = on_replies;
    monitor.batch_user = &j;
    context.monitor = &monitor;
    x->context = &context;
    pbt_code code = e->open(x, &j.total, error);
    if (code == PBT_OK) code = judge_all(x, e, &j, error);
    if (e->close) e->close(x);
    x->cases = NULL;
    x->context = whole;
    if (code != PBT_OK) return code;
    json_t *done = json_integer((json_int_t)j.total);
    code = pbt_store_put(x->context->store,
                         &(pbt_artefact_key){"eval", x->seed, x->arm, "done", e->kind->name}, done, error);
    json_decref(done);
    return code;
}

/* Whether every evaluation that is switched on has been done for the arm. */
static pbt_code arm_done(pbt_run *run, int64_t seed, const char *arm, bool *done, pbt_error *error) {
    bool wanted = false;
    for (int i = 0; i < N_EVALUATIONS && !wanted; i++)
        PBT_TRY(is_wanted(run, seed, arm, evaluations[i], &wanted, error));
    *done = !wanted;
    return PBT_OK;
}

static pbt_code evaluate_arm(pbt_run *run, pbt_evaluation_task *x, pbt_error *error) {
    for (int i = 0; i < N_EVALUATIONS; i++) {
        const pbt_evaluation *e = evaluations[i];
        bool wanted;
        PBT_TRY(is_wanted(run, x->seed, x->arm, e, &wanted, error));
        if (wanted) PBT_TRY(evaluate(x, e, error));
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
    bool done;
    PBT_TRY(arm_done(run, seed, "base", &done, error));
    for (size_t a = 0; a < e->arms.count && done; a++)
        PBT_TRY(arm_done(run, seed, e->arms.items[a], &done, error));
    if (done) return PBT_OK;
    PBT_TRY(pbt_run_open_data(run, error));
    PBT_TRY(pbt_run_open_agent(run, self ? PBT_AGENT_B : PBT_AGENT_A, &base, error));
    PBT_TRY(pbt_run_open_agent(run, self ? PBT_AGENT_A : PBT_AGENT_B, &x.partner, error));
    PBT_TRY(pbt_run_open_agent(run, PBT_EXTRACTOR, &x.extractor, error));
    x.arm = "base";
    x.agent = base;
    PBT_TRY(evaluate_arm(run, &x, error));
    for (size_t a = 0; a < e->arms.count; a++) {
        x.arm = e->arms.items[a];
        PBT_TRY(arm_done(run, seed, x.arm, &done, error));
        if (done) continue;
        PBT_TRY(evaluate_adapter(run, &x, run->models[self ? PBT_AGENT_B : PBT_AGENT_A], error));
    }
    return PBT_OK;
}
