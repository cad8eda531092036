#include "experiment/run.h"

#include "base/file.h"
#include "base/hub.h"
#include "experiment/inputs.h"
#include "experiment/redo.h"
#include "experiment/run_provenance.h"
#include "plan/plan.h"

#include <stdlib.h>
#include <string.h>

static const pbt_artefact_key settings_key = {"plan", 0, "", "experiment", "settings"};
static const pbt_artefact_key inputs_key = {"plan", 0, "", "experiment", "inputs"};

/* ---- opening ---- */

static const char *const names[] = {"run.sqlite*", "run.lock", "report.json", "report.md",
                                    "report.html", "seed-*",   NULL};
const pbt_output_kind pbt_output_run = {"run", "run.lock", "run.sqlite", names, NULL};

/* Takes hold of the folder; one that holds no run is left for the store to tell of. */
static pbt_code take_folder(pbt_run *run, bool create, pbt_error *error) {
    char *store = pbt_path_join(run->folder, "run.sqlite");
    if (!store) return pbt_fail_memory(error, strlen(run->folder), "a path");
    bool exists = pbt_file_exists(store);
    free(store);
    if (!create && !exists) return PBT_OK;
    const pbt_output_request request = {
        .option = "RUN", .path = run->folder, .kind = &pbt_output_run, .overwrite = true};
    return pbt_output_open(&request, run->monitor, &run->output, error);
}

/* ---- changes ---- */

/* What differs from the experiment a run was begun with, and what it affects. */
typedef struct changes {
    pbt_text text;
    unsigned affected;
} changes;

static pbt_code compare_settings(json_t *before, const json_t *now, changes *found, pbt_error *error) {
    PBT_TRY(pbt_experiment_complete(before, "", error));
    pbt_experiment_differences(before, now, &found->text, &found->affected);
    return PBT_OK;
}

static void compare_inputs(const json_t *before, const json_t *now, changes *found) {
    const char *name;
    const json_t *was;
    json_object_foreach((json_t *)(uintptr_t)before, name, was) {
        const json_t *is = json_object_get(now, name);
        if (is && json_equal((json_t *)(uintptr_t)was, (json_t *)(uintptr_t)is)) continue;
        if (!is && strcmp(name, "eval.farm.data") == 0) continue; /* FARM was switched off */
        pbt_text_addf(&found->text, "%sthe contents of %s have changed", found->text.length ? "; " : "",
                      name);
        found->affected |= pbt_setting_affects(name);
    }
}

static pbt_code refuse(const pbt_run *run, const changes *found, pbt_error *error) {
    const pbt_redo redo = pbt_redo_of(found->affected);
    pbt_text again = {0};
    pbt_redo_text(&redo, &again);
    pbt_code code =
        pbt_fail_at(error, PBT_BAD_INPUT, run->folder, NULL,
                    "this run was begun with another experiment: %.600s; to continue with the change, repeat "
                    "pbt run with --accept_changes, which redoes: %s, and keeps the rest; or undo the "
                    "change, or choose another --output_dir",
                    pbt_text_string(&found->text), pbt_text_string(&again));
    pbt_text_free(&again);
    return code;
}

static void tell_accepted(const pbt_run *run, const changes *found, const pbt_redo *redo) {
    pbt_text again = {0};
    pbt_redo_text(redo, &again);
    pbt_monitor_message(run->monitor, 1, "accepted: %.600s; redone: %s", pbt_text_string(&found->text),
                        pbt_text_string(&again));
    pbt_text_free(&again);
}

/* The record of the experiment as it is now, and what it makes invalid gone, in one transaction. */
static pbt_code store_experiment(pbt_run *run, const json_t *settings, const json_t *inputs,
                                 const changes *found, pbt_error *error) {
    const pbt_redo redo = pbt_redo_of(found->affected);
    PBT_TRY(pbt_store_begin(run->store, error));
    PBT_TRY(pbt_redo_clear(run->store, &redo, error));
    PBT_TRY(pbt_store_put(run->store, &settings_key, settings, error));
    PBT_TRY(pbt_store_put(run->store, &inputs_key, inputs, error));
    PBT_TRY(pbt_provenance_put(run->store, &run->experiment, inputs, error));
    PBT_TRY(pbt_store_commit(run->store, error));
    if (found->text.length) tell_accepted(run, found, &redo);
    return pbt_redo_finish(run->store, run->folder, error);
}

/* Records the experiment in a new run, or holds it against the one the run was begun with. Free settings and
 * paths follow the newest experiment. */
static pbt_code record_experiment(pbt_run *run, bool accept, pbt_error *error) {
    json_t *settings = pbt_experiment_record(&run->experiment), *inputs = NULL, *before = NULL,
           *inputs_before = NULL;
    changes found = {0};
    pbt_code code = settings ? PBT_OK : pbt_fail_memory(error, 0, "the settings");
    if (code == PBT_OK) PBT_GOTO(pbt_inputs_fingerprint(&run->experiment, &inputs, error));
    if (code == PBT_OK) PBT_GOTO(pbt_store_get(run->store, &settings_key, &before, error));
    PBT_GOTO(pbt_store_get(run->store, &inputs_key, &inputs_before, error));
    if (before) PBT_GOTO(compare_settings(before, settings, &found, error));
    if (inputs_before) compare_inputs(inputs_before, inputs, &found);
    if (found.text.length && !accept) PBT_GOTO(refuse(run, &found, error));
    PBT_GOTO(store_experiment(run, settings, inputs, &found, error));
done:
    pbt_store_rollback(run->store);
    pbt_text_free(&found.text);
    json_decref(settings);
    json_decref(inputs);
    json_decref(before);
    json_decref(inputs_before);
    return code;
}

static pbt_code read_experiment(pbt_run *run, pbt_error *error) {
    json_t *settings;
    PBT_TRY(pbt_store_get(run->store, &settings_key, &settings, error));
    if (!settings)
        return pbt_fail_at(
            error, PBT_BAD_INPUT, run->folder, NULL,
            "the run holds no experiment; begin it with pbt run EXPERIMENT.yaml --output_dir %s",
            run->folder);
    pbt_code code = pbt_experiment_from_record(settings, "the run's settings", &run->experiment, error);
    json_decref(settings);
    return code;
}

static pbt_code open_run(const char *folder, pbt_experiment *experiment, bool accept,
                         const pbt_device *device, const pbt_monitor *monitor, pbt_run **run,
                         pbt_error *error) {
    pbt_run *r = pbt_alloc(1, sizeof *r);
    if (!r) return pbt_fail_memory(error, sizeof *r, "a run");
    *r = (pbt_run){.folder = pbt_string_copy(folder), .device = device, .monitor = monitor};
    pbt_code code = r->folder ? PBT_OK : pbt_fail_memory(error, strlen(folder), "a run");
    if (code == PBT_OK) code = take_folder(r, experiment != NULL, error);
    if (code == PBT_OK) code = pbt_store_open(folder, experiment != NULL, &r->store, error);
    if (code == PBT_OK && !experiment) code = read_experiment(r, error);
    if (code == PBT_OK && experiment) {
        r->experiment = *experiment;
        *experiment = (pbt_experiment){0};
    }
    if (code == PBT_OK) code = record_experiment(r, accept, error);
    r->context =
        (pbt_evaluation_context){r->folder, r->store, &r->experiment, &r->prompts, &r->questions, monitor};
    if (code == PBT_OK)
        *run = r;
    else
        pbt_run_close(r);
    return code;
}

pbt_code pbt_run_open(const char *folder, pbt_experiment *experiment, const pbt_device *device,
                      const pbt_monitor *monitor, pbt_run **run, pbt_error *error) {
    return open_run(folder, experiment, false, device, monitor, run, error);
}

pbt_code pbt_run_open_changed(const char *folder, pbt_experiment *experiment, const pbt_device *device,
                              const pbt_monitor *monitor, pbt_run **run, pbt_error *error) {
    return open_run(folder, experiment, true, device, monitor, run, error);
}

void pbt_run_close(pbt_run *run) {
    if (!run) return;
    for (int s = 0; s < PBT_SPEAKERS; s++) {
        bool shared = false;
        for (int earlier = 0; earlier < s; earlier++)
            shared = shared || run->models[earlier] == run->models[s];
        if (run->agents[s]) pbt_agent_free(run->agents[s]);
        if (run->models[s] && !shared) pbt_chat_model_free(run->models[s]);
    }
    if (run->prompts_open) pbt_prompts_free(&run->prompts);
    if (run->questions_open) pbt_question_set_free(&run->questions);
    pbt_store_close(run->store);
    pbt_output_close(run->output);
    pbt_experiment_free(&run->experiment);
    free(run->folder);
    free(run);
}

/* ---- what stages need ---- */

pbt_code pbt_run_open_data(pbt_run *run, pbt_error *error) {
    if (!run->prompts_open) PBT_TRY(pbt_prompts_read(run->experiment.prompts, &run->prompts, error));
    run->prompts_open = true;
    if (run->questions_open) return PBT_OK;
    PBT_TRY(pbt_question_set_read(&run->experiment, &run->questions, error));
    run->questions_open = true;
    return pbt_provenance_put_questions(run->store, &run->questions, error);
}

static const char *const speaker_names[PBT_SPEAKERS] = {"A", "B", "extractor", "filter"};

/* Where the model of a speaker lies and how its weights are held. */
static void model_of(const pbt_experiment *e, pbt_speaker speaker, const char **path, const char **dtype,
                     bool *nested) {
    const char *who = speaker == PBT_AGENT_A ? "a" : speaker == PBT_AGENT_B ? "b" : NULL;
    if (!who) who = speaker == PBT_EXTRACTOR ? e->extractor : e->filter;
    *path = pbt_experiment_model_of(e, who);
    const pbt_agent_settings *agent = &e->agents[strcmp(who, "b") == 0];
    *dtype = agent->dtype;
    *nested = agent->nested;
}

/* Whether the plan has room for packed weights, and the rows it gives the model's cache. */
static pbt_code look_at_plan(const pbt_experiment *e, const pbt_device *device, const char *path, bool *packs,
                             int32_t *kv_rows, pbt_error *error) {
    pbt_plan plan = {0};
    PBT_TRY(pbt_plan_memory(e, device, &plan, error));
    *packs = plan.packs;
    for (size_t i = 0; i < plan.n_models; i++)
        if (strcmp(plan.models[i].name, path) == 0) *kv_rows = plan.models[i].kv_rows;
    return PBT_OK;
}

static pbt_dtype dtype_named(const char *name) {
    for (int d = 0; d < PBT_DTYPES; d++) {
        if (strcmp(pbt_dtype_name((pbt_dtype)d), name) == 0) return (pbt_dtype)d;
    }
    return PBT_DTYPES; /* "auto": as stored */
}

static pbt_code open_model(pbt_run *run, pbt_speaker speaker, pbt_error *error) {
    const char *path, *dtype;
    bool nested, other_nested;
    model_of(&run->experiment, speaker, &path, &dtype, &nested);
    for (int other = 0; other < PBT_SPEAKERS; other++) {
        const char *other_path, *other_dtype;
        if (!run->models[other]) continue;
        model_of(&run->experiment, (pbt_speaker)other, &other_path, &other_dtype, &other_nested);
        if (strcmp(path, other_path) != 0 || strcmp(dtype, other_dtype) != 0 || nested != other_nested)
            continue;
        run->models[speaker] = run->models[other];
        return PBT_OK;
    }
    pbt_monitor_message(run->monitor, 2, "opening %s", path);
    bool packs = true;
    int32_t kv_rows = run->experiment.kv_rows;
    PBT_TRY(look_at_plan(&run->experiment, run->device, path, &packs, &kv_rows, error));
    pbt_model_options model = {.dtype = dtype_named(dtype), .nested_quantization = nested, .prepare = packs};
    pbt_engine_options engine = {.kv_rows = kv_rows,
                                 .max_batch = run->experiment.max_batch,
                                 .prefill_rows = run->experiment.prefill_rows,
                                 .share_prefixes = true};
    char *folder;
    PBT_TRY(pbt_hub_folder(path, &folder, error));
    pbt_code code = pbt_chat_model_open(folder, &model, &engine, run->experiment.date_string, run->device,
                                        &run->models[speaker], error);
    free(folder);
    return code;
}

pbt_code pbt_run_open_agent(pbt_run *run, pbt_speaker speaker, pbt_agent **agent, pbt_error *error) {
    bool none = speaker == PBT_FILTER && strcmp(run->experiment.filter, "none") == 0;
    if (!none && !run->agents[speaker]) {
        if (!run->models[speaker]) PBT_TRY(open_model(run, speaker, error));
        PBT_TRY(pbt_agent_local(run->models[speaker], NULL, speaker_names[speaker], &run->agents[speaker],
                                error));
    }
    *agent = run->agents[speaker];
    return PBT_OK;
}

char *pbt_run_path(const pbt_run *run, int64_t seed, const char *arm, const char *name) {
    return pbt_string_format("%s/seed-%lld%s%s%s%s", run->folder, (long long)seed, *arm ? "/" : "", arm,
                             *name ? "/" : "", name);
}

pbt_code pbt_run_is_done(pbt_run *run, const char *stage, int64_t seed, const char *arm, bool *done,
                         pbt_error *error) {
    return pbt_store_has(run->store, &(pbt_artefact_key){stage, seed, arm, "done", ""}, done, error);
}

pbt_code pbt_run_set_done(pbt_run *run, const char *stage, int64_t seed, const char *arm, pbt_error *error) {
    json_t *value = json_true();
    return pbt_store_put(run->store, &(pbt_artefact_key){stage, seed, arm, "done", ""}, value, error);
}
