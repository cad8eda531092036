/* The memory of an experiment: everything that a run allocates in proportion to its models. */
#include "base/hub.h"
#include "model/model.h"
#include "plan/known_models.h"
#include "plan/plan.h"

#include <stdlib.h>
#include <string.h>

static pbt_dtype dtype_named(const char *name, pbt_dtype otherwise) {
    for (int d = 0; d < PBT_DTYPES; d++)
        if (strcmp(pbt_dtype_name((pbt_dtype)d), name) == 0) return (pbt_dtype)d;
    return otherwise;
}

/* What is stored in 4 or 8 bits stays so; "auto": as stored. */
static void set_dtypes(pbt_plan_model *m, const pbt_config *config) {
    char *folder;
    pbt_error none;
    m->stored =
        config->quantization != PBT_DTYPES ? config->quantization : dtype_named(config->torch_dtype, PBT_F32);
    if (!m->known && pbt_hub_folder(m->name, &folder, &none) == PBT_OK) {
        m->stored = pbt_model_stored_dtype(folder, config);
        free(folder);
    }
    m->held = config->quantization != PBT_DTYPES ? m->stored : dtype_named(m->dtype, m->stored);
}

/* The part of the weights that is no quantised linear layer: mapped, in 16 bits. */
static int64_t other_bytes(const pbt_config *c) {
    pbt_config none = *c;
    none.n_layers = 0;
    return pbt_config_weight_bytes(&none, PBT_BF16);
}

static void set_bytes(const pbt_experiment *e, const pbt_device *device, pbt_plan_model *m, bool nested) {
    const pbt_config *c = &m->config;
    const pbt_engine_options options = {
        .kv_rows = m->kv_rows, .max_batch = e->max_batch, .prefill_rows = e->prefill_rows, .device = device};
    pbt_engine_memory engine = pbt_engine_memory_of(c, &options, e->lora.r);
    bool few = pbt_dtype_bits(m->held) == 4;
    m->bytes = pbt_config_weight_bytes(c, m->held);
    /* Nested: a byte for a block instead of four, and four for 256 blocks. */
    if (few && nested && c->quantization == PBT_DTYPES) m->bytes -= (m->bytes - other_bytes(c)) / 9 * 3 / 4;
    m->owned = m->held == m->stored ? 0 : pbt_dtype_bits(m->held) < 16 ? m->bytes - other_bytes(c) : m->bytes;
    m->packed = pbt_config_packed_bytes(c, m->held);
    m->kv = engine.kv;
    m->buffers = engine.buffers;
}

/* What training the agent takes beside its weights. */
static pbt_code plan_training(const pbt_experiment *e, const pbt_plan_model *m, pbt_plan *plan,
                              pbt_error *error) {
    const pbt_config *c = &m->config;
    pbt_adapter_settings lora = {.r = e->lora.r};
    PBT_TRY(pbt_adapter_targets(e->lora.target_modules, &lora, error));
    PBT_TRY(pbt_adapter_parameters(c, &lora, &plan->lora_parameters, error));
    /* value, gradient, two moments */
    plan->optimizer = 4 * plan->lora_parameters * (int64_t)sizeof(float);
    int32_t sft = pbt_train_rows_of(c, e->sft.max_rows, e->lora.r),
            dpo = pbt_train_rows_of(c, e->dpo.max_rows, e->lora.r);
    plan->train_rows = sft > dpo ? sft : dpo;
    plan->training = pbt_train_pass_bytes(c, plan->train_rows, e->lora.r);
    plan->mapped = m->bytes - m->owned;
    return PBT_OK;
}

static pbt_code plan_model(const pbt_experiment *e, const char *role, const char *who, pbt_plan *plan,
                           pbt_error *error) {
    const char *path = pbt_experiment_model_of(e, who);
    const pbt_agent_settings *agent = &e->agents[strcmp(who, "b") == 0];
    pbt_plan_model *m = &plan->models[plan->n_models];
    pbt_config config;
    *m = (pbt_plan_model){.role = role, .name = path, .dtype = agent->dtype};
    for (size_t i = 0; i < plan->n_models; i++)
        m->shared = m->shared ||
                    (strcmp(plan->models[i].name, path) == 0 && strcmp(plan->models[i].dtype, m->dtype) == 0);
    PBT_TRY(pbt_known_config(path, &config, &m->known, error));
    m->parameters = pbt_config_parameters(&config);
    m->config = config;
    m->config.raw = NULL;
    set_dtypes(m, &config);
    pbt_code code = pbt_experiment_kv_rows(e, &config, plan->device, &m->kv_rows, error);
    pbt_config_free(&config);
    if (code != PBT_OK) return code;
    set_bytes(e, plan->device, m, agent->nested);
    plan->n_models++;
    if (!m->shared) {
        plan->weights += m->owned;
        plan->packed += m->packed;
        plan->kv += m->kv;
        plan->activations += m->buffers;
    }
    if (strcmp(who, e->train_agent) != 0 || plan->n_models > 2) return PBT_OK;
    return plan_training(e, m, plan, error);
}

pbt_code pbt_plan_memory(const pbt_experiment *e, const pbt_device *device, pbt_plan *plan,
                         pbt_error *error) {
    plan->device = device;
    PBT_TRY(plan_model(e, "agent A", "a", plan, error));
    PBT_TRY(plan_model(e, "agent B", "b", plan, error));
    PBT_TRY(plan_model(e, "extractor", e->extractor, plan, error));
    if (strcmp(e->filter, "none") != 0) PBT_TRY(plan_model(e, "filter", e->filter, plan, error));
    plan->available = (int64_t)device->memory_physical();
    int64_t others =
        plan->weights + plan->mapped + plan->kv + plan->activations + plan->training + plan->optimizer;
    plan->packs = plan->available <= 0 || others + plan->packed <= plan->available;
    plan->total = others + (plan->packs ? plan->packed : 0);
    return PBT_OK;
}

static double gigabytes(int64_t bytes) {
    return 1e-9 * (double)bytes;
}

pbt_code pbt_plan_check(const pbt_plan *plan, pbt_error *error) {
    if (plan->available <= 0 || plan->total <= plan->available) return PBT_OK;
    return pbt_fail(
        error, PBT_FAILED,
        "the experiment needs %.1f GB (weights %.1f, keys and values %.1f, other buffers %.1f, training "
        "%.1f) and this machine has %.1f GB; choose a smaller dtype, engine.kv_rows, engine.max_batch or "
        "model",
        gigabytes(plan->total), gigabytes(plan->weights + plan->mapped), gigabytes(plan->kv),
        gigabytes(plan->activations), gigabytes(plan->training + plan->optimizer),
        gigabytes(plan->available));
}
