/*
 * Stage "train": for every arm SFT, then DPO from the SFT adapter, looking at the dev set as it goes and
 * keeping the best checkpoint. The trainer's checkpoints carry the training itself over an interruption; what
 * is kept of the looks (score in the store, adapter in a folder named by its step) is written before them.
 */
#include "experiment/stage_train.h"

#include "base/file.h"
#include "experiment/dev.h"
#include "experiment/train_inputs.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The training of one arm. */
typedef struct arm_training {
    pbt_run *run;
    int64_t seed;
    const char *arm;
    pbt_chat_model *model;
    pbt_adapter *adapter;
    pbt_agent *agent; /* the model under `adapter` */
    pbt_dev_set *dev; /* NULL: no dev set, the last step is kept */
    pbt_dataset data;
    const pbt_trainer *trainer; /* at work; NULL: none */
    int64_t steps, every;       /* of DPO */
    double loss;                /* last logged one of the stage in progress */
    json_t *kinds;              /* {"resist": n, "accept": n} */
} arm_training;

static pbt_artefact_key arm_key(const arm_training *t, const char *kind, const char *name) {
    return (pbt_artefact_key){"train", t->seed, t->arm, kind, name};
}

/* ---- dev evaluations ---- */

/* What adapters say they belong to: the folder, or the id on the Hub, as the experiment names it. */
static const char *base_name(const arm_training *t) {
    const pbt_experiment *e = &t->run->experiment;
    return e->agents[pbt_experiment_trained(e)].model;
}

static char *check_folder(const arm_training *t, int64_t step) {
    char name[48];
    snprintf(name, sizeof name, "checks/step-%lld", (long long)step);
    return pbt_run_path(t->run, t->seed, t->arm, name);
}

/* The best look so far: highest criterion, the later step of equals. */
typedef struct best_check {
    int64_t step;
    double criterion;
    bool any;
    json_t *value;
} best_check;

static pbt_code visit_check(void *user, const char *name, json_t *value, pbt_error *error) {
    best_check *best = user;
    double criterion;
    int64_t step;
    PBT_TRY(pbt_json_number(value, "criterion", NULL, name, &criterion, error));
    PBT_TRY(pbt_json_integer(value, "step", 0, INT64_MAX, NULL, name, &step, error));
    if (best->any && (criterion < best->criterion || (criterion == best->criterion && step < best->step)))
        return PBT_OK;
    json_decref(best->value);
    *best = (best_check){step, criterion, true, json_incref(value)};
    return PBT_OK;
}

static pbt_code find_best(const arm_training *t, best_check *best, pbt_error *error) {
    *best = (best_check){0};
    pbt_artefact_key key = arm_key(t, "check", "");
    return pbt_store_each(t->run->store, &key, visit_check, best, error);
}

static void hash_text(const pbt_adapter *adapter, char text[20]) {
    snprintf(text, 20, "%016llx", (unsigned long long)pbt_adapter_hash(adapter));
}

/* A look's figures in metrics.jsonl and TensorBoard's file. */
static pbt_code log_check(const arm_training *t, const json_t *check, pbt_error *error) {
    json_t *line = json_pack("{s:O?, s:O?, s:O?, s:O?}", "step", json_object_get(check, "step"),
                             "eval_criterion", json_object_get(check, "criterion"), "eval_plus_minus",
                             json_object_get(check, "plus_minus"), "eval_minus_plus",
                             json_object_get(check, "minus_plus"));
    pbt_code code = line ? PBT_OK : pbt_fail_memory(error, 512, "a line of metrics");
    if (code == PBT_OK && t->trainer) code = pbt_train_log(t->trainer, line, error);
    json_decref(line);
    return code;
}

/* Whether this very adapter was looked at already (training goes over steps again after an interruption). */
static pbt_code was_checked(const arm_training *t, const char *name, bool *checked, pbt_error *error) {
    json_t *value;
    pbt_code code = PBT_OK;
    char hash[20];
    pbt_artefact_key key = arm_key(t, "check", name);
    PBT_TRY(pbt_store_get(t->run->store, &key, &value, error));
    hash_text(t->adapter, hash);
    const char *before = json_string_value(json_object_get(value, "adapter"));
    *checked = before && strcmp(before, hash) == 0;
    if (*checked) code = log_check(t, value, error);
    json_decref(value);
    return code;
}

static pbt_code keep_check(arm_training *t, int64_t step, const char *name, const pbt_dev_result *dev,
                           pbt_error *error) {
    best_check best;
    char hash[20];
    double criterion = pbt_dev_criterion(dev, t->arm, t->run->experiment.selection_worse_side);
    PBT_TRY(find_best(t, &best, error));
    bool better = !best.any || criterion >= best.criterion;
    int64_t outdone = best.any && better && best.step != step ? best.step : -1;
    json_decref(best.value);
    hash_text(t->adapter, hash);
    pbt_code code = PBT_OK;
    char *folder = check_folder(t, step), *old = outdone >= 0 ? check_folder(t, outdone) : NULL;
    if (!folder) code = pbt_fail_memory(error, 64, "a path");
    /* The adapter first: a score in the store promises that its adapter is there. */
    if (code == PBT_OK && better) code = pbt_adapter_save(t->adapter, folder, base_name(t), error);
    json_t *value = json_pack("{s:I, s:f, s:f, s:f, s:s}", "step", (json_int_t)step, "criterion", criterion,
                              "plus_minus", dev->plus_minus, "minus_plus", dev->minus_plus, "adapter", hash);
    pbt_artefact_key key = arm_key(t, "check", name);
    if (code == PBT_OK) code = pbt_store_put(t->run->store, &key, value, error);
    if (code == PBT_OK) code = log_check(t, value, error);
    json_decref(value);
    if (code == PBT_OK && old) pbt_folder_remove(old);
    free(folder);
    free(old);
    pbt_monitor_message(t->run->monitor, 1, "%s step %lld: dev +\u2192\u2212 %.1f, \u2212\u2192+ %.1f%s",
                        t->arm, (long long)step, dev->plus_minus, dev->minus_plus, better ? " (kept)" : "");
    return code;
}

static pbt_code look(arm_training *t, int64_t step, pbt_error *error) {
    char name[32];
    bool checked;
    pbt_dev_result dev;
    snprintf(name, sizeof name, "dpo/%06lld", (long long)step);
    PBT_TRY(was_checked(t, name, &checked, error));
    if (checked) return PBT_OK;
    pbt_engine_forget(t->model->engine, t->adapter);
    PBT_TRY(pbt_dev_evaluate(t->dev, t->agent, &dev, error));
    pbt_engine_forget(t->model->engine, t->adapter);
    return keep_check(t, step, name, &dev, error);
}

static pbt_code after_dpo_step(void *user, int64_t step, const pbt_metrics *metrics, pbt_error *error) {
    arm_training *t = user;
    (void)metrics;
    bool due = step % t->every == 0 || step == t->steps;
    return t->dev && due ? look(t, step, error) : PBT_OK;
}

/* ---- data ---- */

static pbt_code add_pair(arm_training *t, const char *name, pbt_error *error) {
    json_t *row;
    PBT_TRY(
        pbt_store_get(t->run->store, &(pbt_artefact_key){"pairs", t->seed, "", "pair", name}, &row, error));
    if (!row)
        return pbt_fail(error, PBT_BAD_INPUT, "pair %s of seed %lld is missing", name, (long long)t->seed);
    size_t before = t->data.count;
    pbt_code code = pbt_dataset_add(&t->data, t->model->tokenizer, t->model->chat, row, true,
                                    t->run->experiment.max_length, "the run's pairs", name, error);
    const char *tree = json_string_value(json_object_get(row, "tree"));
    const char *kind = json_string_value(json_object_get(row, "kind"));
    if (code == PBT_OK && tree && t->data.count > before && !t->data.items[before].group)
        t->data.items[before].group = pbt_string_copy(tree);
    if (kind && t->data.count > before)
        json_object_set_new(t->kinds, kind,
                            json_integer(json_integer_value(json_object_get(t->kinds, kind)) + 1));
    json_decref(row);
    return code;
}

static pbt_code read_pairs(arm_training *t, pbt_error *error) {
    json_t *names;
    PBT_TRY(pbt_store_get(t->run->store, &(pbt_artefact_key){"pairs", t->seed, t->arm, "selection", ""},
                          &names, error));
    if (!names)
        return pbt_fail(error, PBT_BAD_INPUT, "arm %s of seed %lld has no pairs", t->arm, (long long)t->seed);
    t->kinds = json_pack("{s:i, s:i}", "resist", 0, "accept", 0);
    pbt_code code = t->kinds ? PBT_OK : pbt_fail_memory(error, 0, "counts");
    for (size_t i = 0; i < json_array_size(names) && code == PBT_OK; i++)
        code = add_pair(t, json_string_value(json_array_get(names, i)), error);
    json_decref(names);
    if (code == PBT_OK && t->data.dropped_long)
        pbt_monitor_message(t->run->monitor, 0, "%s: %zu pairs are longer than max_length and were left out",
                            t->arm, t->data.dropped_long);
    return code;
}

/* ---- the two stages of training ---- */

static pbt_code run_trainer(arm_training *t, const pbt_train_settings *settings, const char *name,
                            pbt_code (*after)(void *, int64_t, const pbt_metrics *, pbt_error *),
                            pbt_error *error) {
    char *folder = pbt_run_path(t->run, t->seed, t->arm, name);
    if (!folder) return pbt_fail_memory(error, 64, "a path");
    pbt_trainer trainer = {.settings = *settings,
                           .model = t->model->model,
                           .adapter = t->adapter,
                           .dataset = &t->data,
                           .folder = folder,
                           .resume = true,
                           .after_step = after,
                           .after_step_user = t,
                           .monitor = t->run->monitor};
    trainer.settings.seed = pbt_key_named(pbt_key_of_stage(t->seed, "train"), t->arm).value;
    t->trainer = &trainer;
    pbt_code code = pbt_train(&trainer, error);
    t->trainer = NULL;
    if (code == PBT_OK)
        code = pbt_metrics_keep(t->run->store, t->seed, t->arm, name, folder, &t->loss, error);
    free(folder);
    return code;
}

static pbt_code record_stage(arm_training *t, const char *name, pbt_error *error) {
    char hash[20];
    hash_text(t->adapter, hash);
    json_t *value = json_pack("{s:s, s:f}", "adapter", hash, "loss", t->loss);
    pbt_artefact_key key = arm_key(t, "stage", name);
    pbt_code code = pbt_store_put(t->run->store, &key, value, error);
    json_decref(value);
    return code;
}

/* Opens the adapter of a finished stage and holds it against the hash that was recorded with it. */
static pbt_code open_kept(arm_training *t, const char *folder, const json_t *record, pbt_error *error) {
    char hash[20];
    pbt_adapter_free(t->adapter);
    t->adapter = NULL;
    PBT_TRY(pbt_adapter_open(folder, t->model->model, &t->adapter, error));
    t->adapter->settings.dropout = t->run->experiment.lora.dropout;
    hash_text(t->adapter, hash);
    const char *expected = json_string_value(json_object_get(record, "adapter"));
    if (expected && strcmp(expected, hash) == 0) return PBT_OK;
    return pbt_fail_at(error, PBT_BAD_INPUT, folder, NULL,
                       "the adapter is not the one that was recorded (%s, found %s)",
                       expected ? expected : "none", hash);
}

static pbt_code train_sft(arm_training *t, pbt_error *error) {
    char *folder = pbt_run_path(t->run, t->seed, t->arm, "sft/adapter");
    json_t *record = NULL;
    pbt_artefact_key key = arm_key(t, "stage", "sft");
    pbt_code code = folder ? PBT_OK : pbt_fail_memory(error, 64, "a path");
    if (code == PBT_OK) code = pbt_store_get(t->run->store, &key, &record, error);
    if (code == PBT_OK && record) {
        t->loss = json_number_value(json_object_get(record, "loss"));
        code = open_kept(t, folder, record, error);
    } else if (code == PBT_OK) {
        code = pbt_lora_create(t->run, t->seed, t->model->model, &t->adapter, error);
        if (code == PBT_OK) code = run_trainer(t, &t->run->experiment.sft, "sft", NULL, error);
        if (code == PBT_OK) code = pbt_adapter_save(t->adapter, folder, base_name(t), error);
        if (code == PBT_OK) code = record_stage(t, "sft", error);
    }
    json_decref(record);
    free(folder);
    return code;
}

static pbt_code train_dpo(arm_training *t, pbt_error *error) {
    const pbt_experiment *e = &t->run->experiment;
    t->steps = pbt_train_steps(&e->dpo, t->data.count);
    t->every = e->selection_every;
    if (!t->every) {
        pbt_train_settings one_epoch = e->dpo;
        one_epoch.max_steps = -1;
        one_epoch.num_train_epochs = 1;
        t->every = pbt_train_steps(&one_epoch, t->data.count);
    }
    if (t->every < 1) t->every = 1;
    PBT_TRY(pbt_agent_local(t->model, t->adapter, t->arm, &t->agent, error));
    PBT_TRY(run_trainer(t, &e->dpo, "dpo", after_dpo_step, error));
    return record_stage(t, "dpo", error);
}

/* ---- an arm from beginning to end ---- */

static pbt_code record_result(arm_training *t, double sft_loss, double dpo_loss, const best_check *best,
                              pbt_error *error) {
    const json_t *check = best->value;
    json_t *value = json_pack(
        "{s:I, s:I, s:O, s:O, s:f, s:f, s:I, s:I, s:O*, s:O*}", "seed", (json_int_t)t->seed, "pairs",
        (json_int_t)t->data.count, "resist", json_object_get(t->kinds, "resist"), "accept",
        json_object_get(t->kinds, "accept"), "sft_loss", sft_loss, "dpo_loss", dpo_loss, "steps",
        (json_int_t)t->steps, "kept_step", (json_int_t)best->step, "dev_plus_minus",
        json_object_get(check, "plus_minus"), "dev_minus_plus", json_object_get(check, "minus_plus"));
    char hash[20];
    hash_text(t->adapter, hash);
    if (value) json_object_set_new(value, "adapter", json_string(hash));
    /* As pbt_adapter_save writes it. */
    if (value) json_object_set_new(value, "adapter_dtype", json_string(pbt_dtype_name(PBT_F32)));
    pbt_artefact_key key = arm_key(t, "summary", "result");
    pbt_code code = pbt_store_put(t->run->store, &key, value, error);
    json_decref(value);
    return code;
}

/* The best checkpoint (or, without a dev set, the last step) becomes RUN/seed-N/ARM/adapter. */
static pbt_code keep_best(arm_training *t, best_check *best, pbt_error *error) {
    PBT_TRY(find_best(t, best, error));
    if (!best->any) {
        best->step = t->steps;
    } else {
        char *from = check_folder(t, best->step);
        if (!from) return pbt_fail_memory(error, 64, "a path");
        if (t->agent) pbt_agent_free(t->agent);
        t->agent = NULL;
        pbt_code code = open_kept(t, from, best->value, error);
        free(from);
        if (code != PBT_OK) return code;
    }
    char *folder = pbt_run_path(t->run, t->seed, t->arm, "adapter");
    if (!folder) return pbt_fail_memory(error, 64, "a path");
    pbt_code code = pbt_adapter_save(t->adapter, folder, base_name(t), error);
    free(folder);
    return code;
}

static pbt_code train_arm(arm_training *t, pbt_error *error) {
    best_check best = {0};
    PBT_TRY(read_pairs(t, error));
    if (t->data.count == 0) {
        pbt_monitor_message(t->run->monitor, 0, "seed %lld, %s: no pairs, not trained", (long long)t->seed,
                            t->arm);
        return pbt_run_set_done(t->run, "train", t->seed, t->arm, error);
    }
    PBT_TRY(train_sft(t, error));
    double sft_loss = t->loss;
    PBT_TRY(train_dpo(t, error));
    double dpo_loss = t->loss;
    pbt_code code = keep_best(t, &best, error);
    if (code == PBT_OK) code = record_result(t, sft_loss, dpo_loss, &best, error);
    json_decref(best.value);
    if (code != PBT_OK) return code;
    pbt_monitor_message(t->run->monitor, 1, "seed %lld, %s: %zu pairs, step %lld of %lld kept",
                        (long long)t->seed, t->arm, t->data.count, (long long)best.step, (long long)t->steps);
    return pbt_run_set_done(t->run, "train", t->seed, t->arm, error);
}

static void close_arm(arm_training *t) {
    if (t->agent) pbt_agent_free(t->agent);
    if (t->model && t->adapter) pbt_engine_forget(t->model->engine, t->adapter);
    pbt_adapter_free(t->adapter);
    pbt_dataset_free(&t->data);
    json_decref(t->kinds);
}

pbt_code pbt_stage_train(pbt_run *run, int64_t seed, pbt_error *error) {
    const pbt_experiment *e = &run->experiment;
    pbt_speaker trained = pbt_experiment_trained(e) ? PBT_AGENT_B : PBT_AGENT_A;
    pbt_agent *agent;
    pbt_dev_set *dev = NULL;
    PBT_TRY(pbt_run_open_data(run, error));
    PBT_TRY(pbt_run_open_agent(run, trained, &agent, error));
    pbt_code code = e->balanced.enabled ? pbt_dev_set_open(run, seed, &dev, error) : PBT_OK;
    for (size_t a = 0; a < e->arms.count && code == PBT_OK; a++) {
        arm_training t = {
            .run = run, .seed = seed, .arm = e->arms.items[a], .model = run->models[trained], .dev = dev};
        bool done = false;
        code = pbt_run_is_done(run, "train", seed, t.arm, &done, error);
        if (done) continue;
        if (code == PBT_OK) code = pbt_monitor_check(run->monitor, error);
        if (code == PBT_OK) code = train_arm(&t, error);
        close_arm(&t);
    }
    if (dev) pbt_dev_set_free(dev);
    return code;
}
