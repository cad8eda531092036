/* The plan of an experiment as JSON and as text. */
#include "model/forward.h"
#include "plan/plan.h"

/* Weights of a model in every type, bytes. */
static json_t *bytes_at(const pbt_config *config) {
    json_t *object = json_object();
    for (int d = 0; d < PBT_DTYPES; d++)
        json_object_set_new(object, pbt_dtype_name((pbt_dtype)d),
                            json_integer(pbt_config_weight_bytes(config, (pbt_dtype)d)));
    return object;
}

static pbt_work sum_of(const pbt_work work[PBT_WORK_MODELS]) {
    pbt_work sum = {0};
    for (int m = 0; m < PBT_WORK_MODELS; m++) {
        sum.read += work[m].read;
        sum.written += work[m].written;
        sum.learned += work[m].learned;
    }
    return sum;
}

static json_t *work_json(const pbt_plan *p) {
    json_t *list = json_object();
    for (int s = 0; s < PBT_WORK_STAGES; s++) {
        pbt_work sum = sum_of(p->estimate.work[s]), most = sum_of(p->estimate.most[s]);
        json_t *stage =
            json_pack("{s:f, s:f, s:f, s:{s:f, s:f, s:f}}", "tokens_read", sum.read, "tokens_generated",
                      sum.written, "tokens_trained", sum.learned, "at_most", "tokens_read", most.read,
                      "tokens_generated", most.written, "tokens_trained", most.learned);
        if (p->measured) json_object_set_new(stage, "hours", json_real(p->estimate.seconds[s] / 3600));
        if (p->measured)
            json_object_set_new(json_object_get(stage, "at_most"), "hours",
                                json_real(p->estimate.most_seconds[s] / 3600));
        json_object_set_new(list, pbt_work_names[s], stage);
    }
    return list;
}

static json_t *model_json(const pbt_plan_model *m) {
    return json_pack("{s:s, s:s, s:s, s:s, s:s, s:I, s:I, s:I, s:I, s:i, s:I, s:I, s:b, s:b, s:o}", "role",
                     m->role, "model", m->name, "dtype", m->dtype, "held", pbt_dtype_name(m->held), "stored",
                     pbt_dtype_name(m->stored), "parameters", (json_int_t)m->parameters, "bytes",
                     (json_int_t)m->bytes, "owned_bytes", (json_int_t)m->owned, "packed_bytes",
                     (json_int_t)m->packed, "kv_rows", (int)m->kv_rows, "kv_bytes", (json_int_t)m->kv,
                     "buffer_bytes", (json_int_t)m->buffers, "shared", (int)m->shared, "on_disk",
                     (int)!m->known, "bytes_at", bytes_at(&m->config));
}

static json_t *memory_json(const pbt_plan *p) {
    return json_pack("{s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:b}", "weights", (json_int_t)p->weights,
                     "packed", (json_int_t)p->packed, "mapped", (json_int_t)p->mapped, "kv",
                     (json_int_t)p->kv, "activations", (json_int_t)p->activations, "training",
                     (json_int_t)p->training, "optimizer", (json_int_t)p->optimizer, "total",
                     (json_int_t)p->total, "machine", (json_int_t)p->available, "packs", (int)p->packs);
}

/* Tokens a second of the whole model. */
static json_t *rates_json(const pbt_estimate *estimate, int model) {
    const pbt_rates *r = &estimate->rates[model];
    json_t *object = json_object();
    if (r->read > 0) json_object_set_new(object, "read_tokens_per_second", json_real(1 / r->read));
    if (r->pass > 0) json_object_set_new(object, "seconds_of_a_generated_token", json_real(r->pass));
    if (r->written > 0)
        json_object_set_new(object, "seconds_of_one_more_in_the_batch", json_real(r->written));
    if (r->learned > 0) json_object_set_new(object, "trained_tokens_per_second", json_real(1 / r->learned));
    return object;
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
    for (size_t i = 0; i < p->n_models; i++) json_array_append_new(models, model_json(&p->models[i]));
    json_object_set_new(root, "models", models);
    json_object_set_new(root, "memory", memory_json(p));
    json_object_set_new(root, "fits", json_boolean(p->total <= p->available));
    json_object_set_new(root, "questions_missing",
                        *p->questions_missing ? json_string(p->questions_missing) : json_null());
    json_object_set_new(root, "work", work_json(p));
    if (p->measured) {
        static const char *const names[PBT_WORK_MODELS] = {"a", "b", "extractor"};
        json_t *measured = json_pack("{s:i}", "threads", p->estimate.threads);
        for (int m = 0; m < PBT_WORK_MODELS; m++)
            if (p->estimate.rates[m].pass > 0)
                json_object_set_new(measured, names[m], rates_json(&p->estimate, m));
        json_object_set_new(root, "measured", measured);
    }
    return root;
}

static void add_steps(pbt_text *out, const char *name, int64_t steps) {
    if (steps >= 0)
        pbt_text_addf(out, "%s %lld steps", name, (long long)steps);
    else
        pbt_text_addf(out, "%s steps, as many as the pairs need", name);
}

/* "1234 h", "12.3 h", "45 min", "12 s" */
static void add_time(pbt_text *out, double seconds) {
    if (seconds >= 360000)
        pbt_text_addf(out, "%8.0f h", seconds / 3600);
    else if (seconds >= 5400)
        pbt_text_addf(out, "%8.1f h", seconds / 3600);
    else if (seconds >= 90)
        pbt_text_addf(out, "%6.0f min", seconds / 60);
    else
        pbt_text_addf(out, "%8.1f s", seconds);
}

static void add_rates(pbt_text *out, const pbt_plan *p) {
    const pbt_estimate *x = &p->estimate;
    pbt_text_addf(out, "  Rates measured now, with %d thread%s, tokens per second:", x->threads,
                  x->threads == 1 ? "" : "s");
    for (size_t m = 0; m < p->n_models && m < PBT_WORK_MODELS; m++) {
        const pbt_rates *r = &x->rates[m];
        if (r->pass <= 0) continue;
        pbt_text_addf(out, "\n    %-10s prefill %.1f, decode %.1f alone and %.1f in a full batch",
                      p->models[m].role, r->read > 0 ? 1 / r->read : 0, 1 / r->pass,
                      r->written > 0 ? 1 / r->written : 1 / r->pass);
        if (r->learned > 0) pbt_text_addf(out, ", training %.1f", 1 / r->learned);
    }
    pbt_text_add(out, "\n");
}

static void add_work(pbt_text *out, const pbt_plan *p, const pbt_experiment *e) {
    double sum = 0, most_sum = 0;
    pbt_text_addf(out, "\nTokens of all seeds, in thousands\n  %-12s %12s %12s %12s%s\n", "", "prefill",
                  "generated", "trained", p->measured ? "       time     at most" : "");
    for (int s = 0; s < PBT_WORK_STAGES; s++) {
        pbt_work w = sum_of(p->estimate.work[s]);
        pbt_text_addf(out, "  %-12s %12.0f %12.0f %12.0f ", pbt_work_names[s], w.read / 1e3, w.written / 1e3,
                      w.learned / 1e3);
        if (p->measured) add_time(out, p->estimate.seconds[s]);
        if (p->measured) pbt_text_add(out, "  ");
        if (p->measured) add_time(out, p->estimate.most_seconds[s]);
        pbt_text_add(out, "\n");
        sum += p->estimate.seconds[s];
        most_sum += p->estimate.most_seconds[s];
    }
    if (p->measured) {
        pbt_text_addf(out, "  %-51s ", "total");
        add_time(out, sum);
        pbt_text_add(out, "  ");
        add_time(out, most_sum);
        pbt_text_add(out, "\n");
    }
    pbt_text_addf(
        out,
        "  Expected: a text has %.0f%% of its maximum length (plan.turn_share), %.0f%% of the debates "
        "go on after\n  turn 2 (plan.go_on_share). At most: all of it. Shared prefixes count once.\n",
        100 * e->plan_turn_share, 100 * e->plan_go_on_share);
    if (p->measured) add_rates(out, p);
}

static void add_weights(pbt_text *out, const pbt_plan *p) {
    pbt_text_add(out, "\nWeights, GB       ");
    for (int d = 0; d < PBT_DTYPES; d++) pbt_text_addf(out, " %9s", pbt_dtype_name((pbt_dtype)d));
    pbt_text_add(out, "\n");
    for (size_t i = 0; i < p->n_models; i++) {
        if (p->models[i].shared) continue;
        pbt_text_addf(out, "  %-16s", p->models[i].role);
        for (int d = 0; d < PBT_DTYPES; d++)
            pbt_text_addf(out, " %8.2f%s",
                          1e-9 * (double)pbt_config_weight_bytes(&p->models[i].config, (pbt_dtype)d),
                          p->models[i].held == (pbt_dtype)d ? "*" : " ");
        pbt_text_add(out, "\n");
    }
    pbt_text_add(out, "  * in the data type of this experiment\n");
}

static void add_bytes(pbt_text *out, const char *name, int64_t bytes) {
    pbt_text_addf(out, "  %-22s %10.1f MB\n", name, 1e-6 * (double)bytes);
}

/* How many tokens each model's cache holds. */
static void add_caches(pbt_text *out, const pbt_plan *p) {
    for (size_t i = 0; i < p->n_models; i++)
        if (!p->models[i].shared)
            pbt_text_addf(out, "  The cache of %s holds %d tokens (engine.kv_rows) of %.1f kB.\n",
                          p->models[i].role, p->models[i].kv_rows,
                          1e-3 * (double)pbt_kv_row_bytes(&p->models[i].config));
}

void pbt_plan_text(const pbt_plan *p, const pbt_experiment *e, pbt_text *out) {
    static const char *const parts[] = {"train", "dev", "test"};
    pbt_text_addf(out, "Experiment %s: %zu seed%s, %zu arms\n\nWork for each seed\n", e->name, e->seeds.count,
                  e->seeds.count == 1 ? "" : "s", e->arms.count);
    for (int i = 0; i < 3; i++)
        pbt_text_addf(out, "  %-6s %6lld questions, %6lld trees, at most %7lld nodes\n", parts[i],
                      (long long)p->questions[i], (long long)p->trees[i], (long long)p->nodes[i]);
    if (*p->questions_missing)
        pbt_text_addf(out,
                      "  The question files are missing; the numbers of questions are those the experiment "
                      "asks for.\n  (%s)\n",
                      p->questions_missing);
    if (p->pairs)
        pbt_text_addf(out, "  pairs  at most %lld per arm", (long long)p->pairs);
    else
        pbt_text_add(out, "  pairs  per arm as many as the arm with the fewest has");
    pbt_text_add(out, "; per arm: ");
    add_steps(out, "SFT", p->sft_steps);
    pbt_text_add(out, ", ");
    add_steps(out, "DPO", p->dpo_steps);
    pbt_text_add(out, "\n\nModels\n");
    for (size_t i = 0; i < p->n_models; i++)
        pbt_text_addf(
            out, "  %-10s %14lld parameters, %s%s%s%s%s\n", p->models[i].role,
            (long long)p->models[i].parameters, p->models[i].dtype,
            p->models[i].shared ? " (the same model)" : "", p->models[i].known ? ", not on disk: " : "",
            p->models[i].known ? p->models[i].name : "", p->models[i].known ? " has this shape" : "");
    pbt_text_addf(out, "  adapter    %14lld parameters, trained %lld times\n\nMemory\n",
                  (long long)p->lora_parameters, (long long)p->trainings);
    add_bytes(out, "weights, converted", p->weights);
    if (p->packs)
        add_bytes(out, "weights, packed", p->packed);
    else
        pbt_text_addf(out, "  %-22s no memory left for their %.1f MB: computing will be slower\n",
                      "weights, packed", 1e-6 * (double)p->packed);
    add_bytes(out, "weights, of files", p->mapped);
    add_bytes(out, "keys and values", p->kv);
    add_bytes(out, "other buffers", p->activations);
    add_bytes(out, "training", p->training);
    add_bytes(out, "adapter and optimizer", p->optimizer);
    add_bytes(out, "total", p->total);
    add_bytes(out, "this machine has", p->available);
    if (p->total > p->available)
        pbt_text_add(out,
                     "  This machine's memory is too small for it: choose a smaller dtype, engine.kv_rows or "
                     "model, or another machine.\n");
    add_caches(out, p);
    add_weights(out, p);
    add_work(out, p, e);
}
