#include "plan/plan.h"

#include "base/file.h"
#include "engine/engine.h"
#include "settings/question_set.h"

#include <stdio.h>

/* Nodes of one tree when no branch ends early. */
static int64_t nodes_of_tree(const pbt_tree_plan *plan, int32_t n_turns) {
    int64_t total = 0, level = 1;
    for (int32_t t = 0; t < n_turns; t++) {
        level *= plan->n_roles[t];
        total += level;
    }
    return total;
}

static bool files_are_there(const pbt_experiment *e) {
    if (e->questions.file) return pbt_file_exists(e->questions.file);
    for (int p = 0; p < 3; p++)
        if (!e->questions.part_file[p] || !pbt_file_exists(e->questions.part_file[p])) return false;
    return true;
}

/* Some questions, whose tokens are counted. */
typedef struct question_sample {
    pbt_question_set set;
    bool open;
    const char *texts[8];
    size_t n;
} question_sample;

/* Where the files are not there yet, as many questions as the experiment would use at most. */
static pbt_code count_questions(const pbt_experiment *e, pbt_plan *plan, question_sample *sample,
                                pbt_error *error) {
    pbt_question_set *set = &sample->set;
    pbt_error problem = {0};
    pbt_code code = pbt_question_set_read(e, set, &problem);
    const int32_t *most = e->questions.max_per_part;
    bool sizes = most[0] > 0 && most[1] > 0 && most[2] > 0;
    if (code != PBT_OK && (files_are_there(e) || !sizes)) {
        if (error) *error = problem;
        return code;
    }
    sample->open = code == PBT_OK;
    if (code != PBT_OK)
        snprintf(plan->questions_missing, sizeof plan->questions_missing, "%.500s", problem.message);
    for (int p = 0; p < 3; p++) plan->questions[p] = code == PBT_OK ? (int64_t)set->count[p] : most[p];
    for (size_t i = 0; sample->open && i < 8 && i < set->count[0]; i++)
        sample->texts[sample->n++] = set->list[0][i * set->count[0] / 8]->text;
    return PBT_OK;
}

static void plan_trees(const pbt_experiment *e, pbt_plan *plan) {
    for (int p = 0; p < 3; p++) {
        int64_t each =
            p == 0 ? e->trees.repetitions[0] + e->trees.repetitions[1] : 2 * e->balanced.draws[p - 1];
        if (p > 0 && !e->balanced.enabled) each = 0;
        int32_t turns = e->trees.plan.n_turns;
        if (p > 0 && turns > 2) turns--;
        plan->trees[p] = plan->questions[p] * each;
        plan->nodes[p] = plan->trees[p] * nodes_of_tree(&e->trees.plan, turns);
    }
}

static int64_t steps_of(const pbt_train_settings *settings, int64_t pairs) {
    if (settings->max_steps > 0) return settings->max_steps;
    return pairs ? pbt_train_steps(settings, (size_t)pairs) : -1;
}

pbt_code pbt_plan_make(const pbt_experiment *e, const pbt_device *device, pbt_plan *plan, pbt_error *error) {
    question_sample sample = {0};
    *plan = (pbt_plan){.pairs = e->pairs.max_pairs, .trainings = (int64_t)(e->seeds.count * e->arms.count)};
    PBT_TRY(count_questions(e, plan, &sample, error));
    plan_trees(e, plan);
    plan->sft_steps = steps_of(&e->sft, plan->pairs);
    plan->dpo_steps = steps_of(&e->dpo, plan->pairs);
    pbt_code code = pbt_plan_memory(e, device, plan, error);
    if (code == PBT_OK)
        code = pbt_estimate_work(e, plan->questions, sample.texts, sample.n, plan->train_rows,
                                 &plan->estimate, error);
    if (sample.open) pbt_question_set_free(&sample.set);
    return code;
}

static pbt_code measure_model(const pbt_experiment *e, pbt_plan *plan, size_t m, pbt_error *error) {
    const pbt_plan_model *model = &plan->models[m];
    const pbt_engine_options options = {.max_batch = e->max_batch};
    const bool trained = (int)m == pbt_experiment_trained(e);
    pbt_rate_settings settings = {.device = plan->device,
                                  .dtype = model->held,
                                  .batch = pbt_engine_batch(&options),
                                  .prefill_rows = e->prefill_rows ? e->prefill_rows : 512,
                                  .train_rows = trained ? plan->train_rows : 0,
                                  .rank = e->lora.r};
    pbt_adapter_settings lora = {.r = e->lora.r};
    PBT_TRY(pbt_adapter_targets(e->lora.target_modules, &lora, error));
    for (int l = 0; l < PBT_LINEARS; l++) /* of a pattern: as in the middle layer */
        PBT_TRY(pbt_adapter_targeted(&lora, model->config.n_layers / 2, l, &settings.targets[l], error));
    return pbt_rates_measure(&model->config, &settings, &plan->estimate.rates[m], error);
}

pbt_code pbt_plan_measure(const pbt_experiment *e, pbt_plan *plan, pbt_error *error) {
    pbt_estimate *estimate = &plan->estimate;
    estimate->threads = pbt_threads();
    for (size_t m = 0; m < plan->n_models && m < PBT_WORK_MODELS; m++) {
        bool used = false;
        for (int s = 0; s < PBT_WORK_STAGES; s++)
            used = used || estimate->most[s][m].read > 0 || estimate->most[s][m].written > 0;
        if (!used) continue;
        PBT_TRY(measure_model(e, plan, m, error));
        for (int s = 0; s < PBT_WORK_STAGES; s++) {
            estimate->seconds[s] += pbt_estimate_seconds(&estimate->work[s][m], &estimate->rates[m]);
            estimate->most_seconds[s] += pbt_estimate_seconds(&estimate->most[s][m], &estimate->rates[m]);
        }
    }
    plan->measured = true;
    return PBT_OK;
}
