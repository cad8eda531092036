#include "experiment/plan.h"

#include "experiment/run.h"
#include "model/forward.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* Engine defaults that stand for 0 in the settings (engine/engine.h). */
enum { DEFAULT_BATCH = 64, DEFAULT_PREFILL = 512, DEFAULT_KV_ROWS = 65536, TRAIN_ROWS = 2048 };

/* Nodes of one tree when no branch ends early. */
static int64_t nodes_of_tree(const pbt_tree_plan *plan, int32_t n_turns) {
    int64_t total = 0, level = 1;
    for (int32_t t = 0; t < n_turns; t++) {
        level *= plan->n_roles[t];
        total += level;
    }
    return total;
}

static pbt_code plan_questions(const pbt_experiment *e, pbt_plan *plan, pbt_error *error) {
    pbt_question_set set;
    PBT_TRY(pbt_question_set_read(e, &set, error));
    for (int p = 0; p < 3; p++) {
        plan->questions[p] = (int64_t)set.count[p];
        int64_t each =
            p == 0 ? e->trees.repetitions[0] + e->trees.repetitions[1] : 2 * e->balanced.draws[p - 1];
        if (p > 0 && !e->balanced.enabled) each = 0;
        int32_t turns = e->trees.plan.n_turns;
        if (p > 0 && turns > 2) turns--;
        plan->trees[p] = plan->questions[p] * each;
        plan->nodes[p] = plan->trees[p] * nodes_of_tree(&e->trees.plan, turns);
    }
    pbt_question_set_free(&set);
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

static int bits_of(const char *dtype, const pbt_config *config) {
    if (strcmp(dtype, "auto") == 0) dtype = config->torch_dtype;
    for (int d = 0; d < PBT_DTYPES; d++) {
        if (strcmp(pbt_dtype_name((pbt_dtype)d), dtype) == 0) return pbt_dtype_bits((pbt_dtype)d);
    }
    return 32;
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
    plan->activations += (int64_t)pbt_activations_bytes(c, TRAIN_ROWS, e->lora.r, true);
    return PBT_OK;
}

static pbt_code plan_model(const pbt_experiment *e, const char *role, const char *who, pbt_plan *plan,
                           pbt_error *error) {
    const char *path = pbt_experiment_model_of(e, who);
    pbt_plan_model *m = &plan->models[plan->n_models];
    pbt_config config;
    *m = (pbt_plan_model){.role = role,
                          .dtype = strcmp(who, "b") == 0 ? e->agents[1].dtype : e->agents[0].dtype,
                          .shared = plan->n_models >= 2 && path != who};
    PBT_TRY(pbt_config_read(path, &config, error));
    m->parameters = pbt_config_parameters(&config);
    m->bytes = m->parameters * bits_of(m->dtype, &config) / 8;
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

json_t *pbt_plan_json(const pbt_plan *p, const pbt_experiment *e) {
    json_t *root = json_object(), *models = json_array();
    static const char *const parts[] = {"train", "dev", "test"};
    json_object_set_new(root, "experiment", json_string(e->name));
    json_object_set_new(root, "seeds", json_integer((json_int_t)e->seeds.count));
    for (int i = 0; i < 3; i++)
        json_object_set_new(root, parts[i],
                            json_pack("{s:I, s:I, s:I}", "questions", (json_int_t)p->questions[i], "trees",
                                      (json_int_t)p->trees[i], "nodes_at_most", (json_int_t)p->nodes[i]));
    json_object_set_new(root, "pairs_per_arm", p->pairs ? json_integer(p->pairs) : json_null());
    json_object_set_new(root, "trainings", json_integer(p->trainings));
    json_object_set_new(root, "sft_steps", p->sft_steps >= 0 ? json_integer(p->sft_steps) : json_null());
    json_object_set_new(root, "dpo_steps", p->dpo_steps >= 0 ? json_integer(p->dpo_steps) : json_null());
    json_object_set_new(root, "lora_parameters", json_integer(p->lora_parameters));
    for (size_t i = 0; i < p->n_models; i++)
        json_array_append_new(
            models, json_pack("{s:s, s:s, s:I, s:I, s:b}", "role", p->models[i].role, "dtype",
                              p->models[i].dtype, "parameters", (json_int_t)p->models[i].parameters, "bytes",
                              (json_int_t)p->models[i].bytes, "shared", (int)p->models[i].shared));
    json_object_set_new(root, "models", models);
    json_object_set_new(root, "memory",
                        json_pack("{s:I, s:I, s:I, s:I, s:I, s:I}", "weights", (json_int_t)p->weights, "kv",
                                  (json_int_t)p->kv, "activations", (json_int_t)p->activations, "optimizer",
                                  (json_int_t)p->optimizer, "total", (json_int_t)p->total, "machine",
                                  (json_int_t)p->available));
    return root;
}

static void add_steps(pbt_text *out, const char *name, int64_t steps) {
    if (steps >= 0)
        pbt_text_addf(out, "%s %lld steps", name, (long long)steps);
    else
        pbt_text_addf(out, "%s steps as the number of pairs says", name);
}

static void add_bytes(pbt_text *out, const char *name, int64_t bytes) {
    pbt_text_addf(out, "  %-22s %10.1f MB\n", name, 1e-6 * (double)bytes);
}

void pbt_plan_text(const pbt_plan *p, const pbt_experiment *e, pbt_text *out) {
    static const char *const parts[] = {"train", "dev", "test"};
    pbt_text_addf(out, "Experiment %s: %zu seed%s, %zu arms\n\nWork for each seed\n", e->name, e->seeds.count,
                  e->seeds.count == 1 ? "" : "s", e->arms.count);
    for (int i = 0; i < 3; i++)
        pbt_text_addf(out, "  %-6s %6lld questions, %6lld trees, at most %7lld nodes\n", parts[i],
                      (long long)p->questions[i], (long long)p->trees[i], (long long)p->nodes[i]);
    if (p->pairs)
        pbt_text_addf(out, "  pairs  at most %lld an arm", (long long)p->pairs);
    else
        pbt_text_add(out, "  pairs  as many an arm as the scarcest has");
    pbt_text_add(out, "; an arm: ");
    add_steps(out, "SFT", p->sft_steps);
    pbt_text_add(out, ", ");
    add_steps(out, "DPO", p->dpo_steps);
    pbt_text_add(out, "\n\nModels\n");
    for (size_t i = 0; i < p->n_models; i++)
        pbt_text_addf(out, "  %-10s %14lld parameters, %s%s\n", p->models[i].role,
                      (long long)p->models[i].parameters, p->models[i].dtype,
                      p->models[i].shared ? " (the same model)" : "");
    pbt_text_addf(out, "  adapter    %14lld parameters, trained %lld times\n\nMemory\n",
                  (long long)p->lora_parameters, (long long)p->trainings);
    add_bytes(out, "weights", p->weights);
    add_bytes(out, "keys and values", p->kv);
    add_bytes(out, "activations", p->activations);
    add_bytes(out, "adapter and optimizer", p->optimizer);
    add_bytes(out, "together", p->total);
    add_bytes(out, "this machine has", p->available);
}
