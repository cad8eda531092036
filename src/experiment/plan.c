#include "experiment/plan.h"

#include "base/file.h"
#include "experiment/known.h"
#include "experiment/run.h"
#include "model/forward.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* Engine defaults that stand for 0 in the settings (engine/engine.h). */
enum { DEFAULT_BATCH = 64, DEFAULT_PREFILL = 512, DEFAULT_KV_ROWS = 65536 };

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

/* Where the files are not there yet, as many questions as the experiment would use at most. */
static pbt_code count_questions(const pbt_experiment *e, pbt_plan *plan, pbt_error *error) {
    pbt_question_set set;
    pbt_error problem = {0};
    pbt_code code = pbt_question_set_read(e, &set, &problem);
    const int32_t *most = e->questions.max_per_part;
    bool sizes = most[0] > 0 && most[1] > 0 && most[2] > 0;
    if (code != PBT_OK && (files_are_there(e) || !sizes)) {
        if (error) *error = problem;
        return code;
    }
    if (code != PBT_OK)
        snprintf(plan->questions_missing, sizeof plan->questions_missing, "%.500s", problem.message);
    for (int p = 0; p < 3; p++) plan->questions[p] = code == PBT_OK ? (int64_t)set.count[p] : most[p];
    if (code == PBT_OK) pbt_question_set_free(&set);
    return PBT_OK;
}

static pbt_code plan_questions(const pbt_experiment *e, pbt_plan *plan, pbt_error *error) {
    PBT_TRY(count_questions(e, plan, error));
    for (int p = 0; p < 3; p++) {
        int64_t each =
            p == 0 ? e->trees.repetitions[0] + e->trees.repetitions[1] : 2 * e->balanced.draws[p - 1];
        if (p > 0 && !e->balanced.enabled) each = 0;
        int32_t turns = e->trees.plan.n_turns;
        if (p > 0 && turns > 2) turns--;
        plan->trees[p] = plan->questions[p] * each;
        plan->nodes[p] = plan->trees[p] * nodes_of_tree(&e->trees.plan, turns);
    }
    return PBT_OK;
}

static int64_t lora_parameters(const pbt_config *c, const bool targets[PBT_LINEARS], int32_t r) {
    int64_t D = c->hidden_size, F = c->intermediate_size, H = (int64_t)c->n_heads * c->head_dim,
            G = (int64_t)c->n_kv_heads * c->head_dim;
    const int64_t inputs[] = {D, D, D, H, D, D, F}, outputs[] = {H, G, G, D, F, F, D};
    int64_t sum = 0;
    for (int l = 0; l < PBT_LINEARS; l++) {
        if (targets[l]) sum += r * (inputs[l] + outputs[l]);
    }
    return sum * c->n_layers;
}

static pbt_dtype dtype_held(const char *dtype, const pbt_config *config) {
    if (config->quantization != PBT_DTYPES) return config->quantization;
    if (strcmp(dtype, "auto") == 0) dtype = config->torch_dtype;
    for (int d = 0; d < PBT_DTYPES; d++) {
        if (strcmp(pbt_dtype_name((pbt_dtype)d), dtype) == 0) return (pbt_dtype)d;
    }
    return PBT_F32;
}

static int64_t kv_bytes(const pbt_experiment *e, const pbt_config *c) {
    int64_t rows = e->kv_rows ? e->kv_rows : DEFAULT_KV_ROWS;
    int64_t longest = (int64_t)(e->max_batch ? e->max_batch : DEFAULT_BATCH) * c->max_position_embeddings;
    if (!e->kv_rows && longest < rows) rows = longest;
    return rows * 2 * c->n_layers * c->n_kv_heads * c->head_dim * (int64_t)sizeof(float);
}

/* What training the agent takes beside its weights. */
static pbt_code plan_training(const pbt_experiment *e, const pbt_config *c, pbt_plan *plan,
                              pbt_error *error) {
    bool targets[PBT_LINEARS];
    PBT_TRY(pbt_adapter_targets(e->lora.target_modules, targets, error));
    plan->lora_parameters = lora_parameters(c, targets, e->lora.r);
    /* value, gradient, two moments */
    plan->optimizer = 4 * plan->lora_parameters * (int64_t)sizeof(float);
    int32_t sft = pbt_train_rows_of(c, e->sft.max_rows, e->lora.r),
            dpo = pbt_train_rows_of(c, e->dpo.max_rows, e->lora.r);
    plan->activations += (int64_t)pbt_activations_bytes(c, sft > dpo ? sft : dpo, e->lora.r, true);
    return PBT_OK;
}

static pbt_code plan_model(const pbt_experiment *e, const char *role, const char *who, pbt_plan *plan,
                           pbt_error *error) {
    const char *path = pbt_experiment_model_of(e, who);
    pbt_plan_model *m = &plan->models[plan->n_models];
    pbt_config config;
    *m = (pbt_plan_model){.role = role,
                          .name = path,
                          .dtype = strcmp(who, "b") == 0 ? e->agents[1].dtype : e->agents[0].dtype,
                          .shared = plan->n_models >= 2 && path != who};
    PBT_TRY(pbt_known_config(path, &config, &m->known, error));
    m->parameters = pbt_config_parameters(&config);
    m->held = dtype_held(m->dtype, &config);
    m->bytes = pbt_config_weight_bytes(&config, m->held);
    m->config = config;
    m->config.raw = NULL;
    plan->n_models++;
    pbt_code code = PBT_OK;
    if (!m->shared) {
        plan->weights += m->bytes;
        plan->kv += kv_bytes(e, &config);
        plan->activations += (int64_t)pbt_activations_bytes(
            &config, e->prefill_rows ? e->prefill_rows : DEFAULT_PREFILL, e->lora.r, false);
    }
    if (strcmp(who, e->train_agent) == 0 && plan->n_models <= 2)
        code = plan_training(e, &config, plan, error);
    pbt_config_free(&config);
    return code;
}

static int64_t steps_of(const pbt_train_settings *settings, int64_t pairs) {
    if (settings->max_steps > 0) return settings->max_steps;
    return pairs ? pbt_train_steps(settings, (size_t)pairs) : -1;
}

pbt_code pbt_plan_make(const pbt_experiment *e, pbt_plan *plan, pbt_error *error) {
    *plan = (pbt_plan){.pairs = e->pairs.max_pairs, .trainings = (int64_t)(e->seeds.count * e->arms.count)};
    PBT_TRY(plan_questions(e, plan, error));
    plan->sft_steps = steps_of(&e->sft, plan->pairs);
    plan->dpo_steps = steps_of(&e->dpo, plan->pairs);
    PBT_TRY(plan_model(e, "agent A", "a", plan, error));
    PBT_TRY(plan_model(e, "agent B", "b", plan, error));
    PBT_TRY(plan_model(e, "extractor", e->extractor, plan, error));
    if (strcmp(e->filter, "none") != 0) PBT_TRY(plan_model(e, "filter", e->filter, plan, error));
    plan->total = plan->weights + plan->kv + plan->activations + plan->optimizer;
    plan->available = (int64_t)sysconf(_SC_PHYS_PAGES) * sysconf(_SC_PAGESIZE);
    return pbt_estimate_work(e, plan->questions, &plan->estimate, error);
}

pbt_code pbt_plan_measure(const pbt_experiment *e, pbt_plan *plan, pbt_error *error) {
    pbt_estimate *estimate = &plan->estimate;
    estimate->threads = pbt_threads();
    for (size_t m = 0; m < plan->n_models && m < 3; m++) {
        const pbt_plan_model *model = &plan->models[m];
        bool again = m == 1 && model->held == plan->models[0].held &&
                     model->config.hidden_size == plan->models[0].config.hidden_size;
        if (again)
            estimate->rates[m] = estimate->rates[0];
        else
            PBT_TRY(pbt_estimate_rates(&model->config, model->held,
                                       e->max_batch ? e->max_batch : DEFAULT_BATCH, &estimate->rates[m],
                                       error));
        for (int s = 0; s < PBT_WORK_STAGES; s++)
            estimate->seconds[s] +=
                pbt_estimate_seconds(&model->config, &estimate->work[s][m], &estimate->rates[m]);
    }
    plan->measured = true;
    return PBT_OK;
}

pbt_code pbt_plan_check(const pbt_plan *plan, pbt_error *error) {
    if (plan->available <= 0 || plan->total <= plan->available) return PBT_OK;
    return pbt_fail(
        error, PBT_FAILED,
        "the experiment needs %.1f GB (weights %.1f, keys and values %.1f, activations %.1f, optimizer "
        "%.1f) and this machine has %.1f GB; choose a smaller dtype, engine.kv_rows or model",
        1e-9 * (double)plan->total, 1e-9 * (double)plan->weights, 1e-9 * (double)plan->kv,
        1e-9 * (double)plan->activations, 1e-9 * (double)plan->optimizer, 1e-9 * (double)plan->available);
}
