/* The order of the stages. */
#include "experiment/stages.h"

#include "experiment/stage_eval.h"
#include "experiment/stage_pairs.h"
#include "experiment/stage_train.h"
#include "experiment/stage_trees.h"
#include "report/report.h"

#include <string.h>

typedef pbt_code (*stage_function)(pbt_run *run, int64_t seed, pbt_error *error);
typedef struct stage {
    const char *name, *before; /* what must be finished first, or NULL */
    stage_function run;
} stage;
static const stage stages[] = {
    {"trees", NULL, pbt_stage_trees},
    {"pairs", "trees", pbt_stage_pairs},
    {"train", "pairs", pbt_stage_train},
    {"eval", "train", pbt_stage_eval},
};
enum { N_STAGES = sizeof stages / sizeof *stages };

/* Whether every arm of the experiment has what the stage leaves for it: arms may be added later. */
static pbt_code arms_done(pbt_run *run, const char *name, int64_t seed, bool *done, pbt_error *error) {
    const pbt_name_list *arms = &run->experiment.arms;
    for (size_t a = 0; *done && a < arms->count; a++) {
        if (strcmp(name, "pairs") == 0)
            PBT_TRY(pbt_store_has(run->store,
                                  &(pbt_artefact_key){"pairs", seed, arms->items[a], "selection", ""}, done,
                                  error));
        else
            PBT_TRY(pbt_run_is_done(run, name, seed, arms->items[a], done, error));
    }
    return PBT_OK;
}

static pbt_code is_done(pbt_run *run, const char *name, int64_t seed, bool *done, pbt_error *error) {
    PBT_TRY(pbt_run_is_done(run, name, seed, "", done, error));
    bool by_arm = strcmp(name, "pairs") == 0 || strcmp(name, "train") == 0;
    return *done && by_arm ? arms_done(run, name, seed, done, error) : PBT_OK;
}

static pbt_code run_stage_of_seed(pbt_run *run, const stage *s, int64_t seed, pbt_error *error) {
    bool ready = true, done = false;
    if (s->before) PBT_TRY(pbt_run_is_done(run, s->before, seed, "", &ready, error));
    if (!ready)
        return pbt_fail_at(error, PBT_BAD_INPUT, run->folder, NULL,
                           "stage %s of seed %lld is not finished; run pbt %s %s first", s->before,
                           (long long)seed, s->before, run->folder);
    /* Evaluations may be switched on later; the stage itself knows which are done. */
    if (s->run != pbt_stage_eval) PBT_TRY(is_done(run, s->name, seed, &done, error));
    if (done) return PBT_OK;
    PBT_TRY(pbt_monitor_check(run->monitor, error));
    pbt_code code = s->run(run, seed, error);
    pbt_store_rollback(run->store);
    if (code != PBT_OK) return code;
    return pbt_run_set_done(run, s->name, seed, "", error);
}

/* Reads the store and writes report.json, report.md and report.html into the folder. */
static pbt_code write_report(pbt_run *run, pbt_error *error) {
    pbt_report report;
    pbt_code code = pbt_report_read(run->store, &report, error);
    if (code == PBT_OK) code = pbt_report_write(run->store, &report, run->folder, error);
    pbt_report_free(&report);
    return code;
}

pbt_code pbt_run_stage(pbt_run *run, const char *name, pbt_error *error) {
    if (strcmp(name, "report") == 0) return write_report(run, error);
    for (int i = 0; i < N_STAGES; i++) {
        if (strcmp(stages[i].name, name) != 0) continue;
        for (size_t s = 0; s < run->experiment.seeds.count; s++)
            PBT_TRY(run_stage_of_seed(run, &stages[i], run->experiment.seeds.items[s], error));
        return PBT_OK;
    }
    return pbt_fail(error, PBT_USAGE, "unknown stage \"%s\"; expected trees, pairs, train, eval or report",
                    name);
}

pbt_code pbt_run_all(pbt_run *run, pbt_error *error) {
    for (size_t s = 0; s < run->experiment.seeds.count; s++) {
        for (int i = 0; i < N_STAGES; i++)
            PBT_TRY(run_stage_of_seed(run, &stages[i], run->experiment.seeds.items[s], error));
    }
    return write_report(run, error);
}
