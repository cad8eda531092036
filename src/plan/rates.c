#include "plan/rates.h"

#include "base/memory.h"
#include "base/text.h"
#include "engine/engine.h"
#include "model/backward.h"
#include "model/weights.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

enum {
    WIDE = 32 << 20,         /* weights of a wide layer */
    LAYER_WEIGHTS = 4 << 20, /* layers enough for so many: a timing should not be all overhead */
    VOCABULARY = 8192,       /* rows of the output layer that are timed */
    NEAR = 64,               /* rows before a pass, */
    FAR = 1024,              /* and before one that shows what attention costs */
    MOST_ROWS = 256,
    TARGETS = 64,
    DRAWS = 16
};

/* A few layers of the model, what passes through them, and the arrays that need freeing. */
typedef struct probe {
    pbt_model *model;
    pbt_adapter *adapter;
    pbt_gradients *gradients;
    pbt_activations *activations;
    pbt_kv kv;
    pbt_quantization *quantization; /* [slots] */
    int32_t *tokens, *positions, *targets, *target_rows;
    float *logits, *logprobs, *weights, *scratch;
    pbt_segment *segments;
    pbt_span *spans;
    uint64_t *row_ids;
    int32_t rows; /* most rows of a pass */
} probe;

/* ---- the layers ---- */

/* Numbers whose values do not matter to the speed: finite, small, not all alike. */
static void fill(pbt_dtype dtype, void *data, size_t n) {
    for (size_t i = 0; i < n; i++) {
        uint32_t noise = (uint32_t)i * 2654435761u;
        float value = ((float)(noise >> 20) / 2048 - 1) * 0.02F;
        switch (dtype) {
        case PBT_F32:
            ((float *)data)[i] = value;
            break;
        case PBT_F16:
        case PBT_BF16: /* the upper half of a float is a bfloat16; 0x24.. and up are small float16 */
            ((uint16_t *)data)[i] =
                dtype == PBT_BF16 ? pbt_f32_to_bf16(value) : (uint16_t)(0x1c00u | (noise >> 16 & 0x83ffu));
            break;
        default:
            ((uint8_t *)data)[i] = (uint8_t)(noise >> 24);
        }
    }
}

static pbt_code fill_matrix(pbt_model *model, const pbt_slot *slot, pbt_dtype dtype, pbt_quantization *q,
                            pbt_error *error) {
    size_t n = (size_t)slot->rows * (size_t)slot->cols, bits = (size_t)pbt_dtype_bits(dtype);
    void *data = pbt_weights_alloc(model, (n * bits + 7) / 8, error);
    if (!data) return PBT_FAILED;
    fill(dtype, data, bits < 8 ? n / 2 : n);
    *slot->matrix =
        (pbt_matrix){.dtype = dtype, .rows = (int32_t)slot->rows, .cols = (int32_t)slot->cols, .data = data};
    if (bits >= 16) return PBT_OK;
    size_t scales = bits == 8 ? (size_t)slot->rows : n / 64 + 1;
    float *absmax = pbt_weights_alloc(model, scales * sizeof *absmax, error);
    if (!absmax) return PBT_FAILED;
    for (size_t i = 0; i < scales; i++) absmax[i] = 0.02F;
    *q = (pbt_quantization){.block = bits == 8 ? (int32_t)slot->cols : 64, .absmax = absmax};
    slot->matrix->quantization = q;
    return PBT_OK;
}

static pbt_code fill_vector(pbt_model *model, const pbt_slot *slot, pbt_error *error) {
    float *values = pbt_weights_alloc(model, (size_t)slot->rows * sizeof *values, error);
    if (!values) return PBT_FAILED;
    for (int64_t i = 0; i < slot->rows; i++) values[i] = pbt_string_ends(slot->name, ".bias") ? 0.0F : 1.0F;
    *slot->vector = values;
    return PBT_OK;
}

static pbt_code fill_layers(probe *p, pbt_dtype dtype, pbt_error *error) {
    pbt_model *model = p->model;
    pbt_slot *slots;
    size_t n;
    PBT_TRY(pbt_model_slots(model, &slots, &n, error));
    p->quantization = pbt_alloc(n, sizeof *p->quantization);
    pbt_code code = p->quantization ? PBT_OK : pbt_fail_memory(error, n, "a measurement");
    for (size_t i = 0; i < n && code == PBT_OK; i++) {
        bool linear = pbt_string_starts(slots[i].name, "model.layers.");
        pbt_dtype own = !linear && pbt_dtype_bits(dtype) < 16 ? PBT_BF16 : dtype;
        code = slots[i].matrix ? fill_matrix(model, &slots[i], own, &p->quantization[i], error)
                               : fill_vector(model, &slots[i], error);
        if (code == PBT_OK && slots[i].matrix && linear) code = model->ops->prepare(slots[i].matrix, error);
    }
    free(slots);
    if (code != PBT_OK) return code;
    if (model->config.tie_word_embeddings) model->output = model->embedding;
    return model->ops->prepare(&model->output, error);
}

static double layer_weights(const pbt_config *c) {
    double D = c->hidden_size, H = (double)(c->n_heads + c->n_kv_heads) * c->head_dim;
    return D * (2 * H + 3.0 * c->intermediate_size);
}

/* Rows of a timed pass; fewer of wide layers, whose passes take long. */
static int32_t rows_of(const pbt_config *c, int32_t wanted, int32_t few) {
    int32_t most = layer_weights(c) < WIDE ? MOST_ROWS : few;
    return wanted < most ? wanted : most;
}

static int32_t layers_of(const pbt_config *c) {
    double weights = layer_weights(c);
    int32_t layers = weights > 0 ? (int32_t)(LAYER_WEIGHTS / weights) + 1 : 1;
    return layers < c->n_layers ? layers : c->n_layers;
}

static pbt_code open_model(const pbt_config *config, const pbt_rate_settings *s, probe *p, pbt_error *error) {
    pbt_config few = *config;
    few.raw = NULL;
    few.n_layers = layers_of(config);
    if (few.vocab_size > VOCABULARY) few.vocab_size = VOCABULARY;
    PBT_TRY(pbt_model_empty(&few, "", s->device, &p->model, error));
    return fill_layers(p, s->dtype, error);
}

static pbt_code open_buffers(probe *p, const pbt_rate_settings *s, pbt_error *error) {
    const pbt_config *c = &p->model->config;
    size_t rows = MOST_ROWS, batch = (size_t)s->batch;
    if (batch > rows) rows = batch;
    p->rows = (int32_t)rows;
    int64_t kv_rows = (int64_t)batch * (NEAR + 1);
    if (kv_rows < FAR + MOST_ROWS) kv_rows = FAR + MOST_ROWS;
    PBT_TRY(pbt_kv_create(p->model, (int32_t)kv_rows, &p->kv, error));
    PBT_TRY(pbt_activations_create(p->model, p->rows, s->rank, s->train_rows > 0, &p->activations, error));
    p->tokens = pbt_alloc(rows, sizeof *p->tokens);
    p->positions = pbt_alloc(rows, sizeof *p->positions);
    p->targets = pbt_alloc(rows, sizeof *p->targets);
    p->target_rows = pbt_alloc(rows, sizeof *p->target_rows);
    p->logits = p->model->ops->alloc(rows * (size_t)c->vocab_size * sizeof *p->logits);
    p->logprobs = pbt_alloc(rows, sizeof *p->logprobs);
    p->weights = pbt_alloc(rows, sizeof *p->weights);
    p->scratch = pbt_alloc((size_t)c->vocab_size, sizeof *p->scratch);
    p->segments = pbt_alloc(rows, sizeof *p->segments);
    p->spans = pbt_alloc(rows, sizeof *p->spans);
    p->row_ids = pbt_alloc(rows, sizeof *p->row_ids);
    if (!p->tokens || !p->positions || !p->targets || !p->target_rows || !p->logits || !p->logprobs ||
        !p->weights || !p->scratch || !p->segments || !p->spans || !p->row_ids)
        return pbt_fail_memory(error, rows * (size_t)c->vocab_size * sizeof *p->logits, "a measurement");
    for (size_t i = 0; i < rows; i++) {
        p->tokens[i] = (int32_t)(i % (size_t)c->vocab_size);
        p->weights[i] = -1;
    }
    if (s->train_rows == 0) return PBT_OK;
    pbt_adapter_settings lora = {.r = s->rank, .alpha = 2 * s->rank};
    memcpy(lora.targets, s->targets, sizeof lora.targets);
    PBT_TRY(pbt_adapter_create(p->model, &lora, pbt_key_of_seed(0), &p->adapter, error));
    return pbt_gradients_for_adapter(p->model, p->adapter, &p->gradients, error);
}

static void close_probe(probe *p) {
    if (p->gradients) pbt_gradients_free(p->gradients);
    if (p->adapter) pbt_adapter_free(p->adapter);
    if (p->activations) pbt_activations_free(p->activations);
    if (p->model) {
        pbt_kv_free(p->model, &p->kv);
        if (p->logits) p->model->ops->release(p->logits);
        pbt_model_free(p->model);
    }
    free(p->quantization);
    free(p->tokens);
    free(p->positions);
    free(p->targets);
    free(p->target_rows);
    free(p->logprobs);
    free(p->weights);
    free(p->scratch);
    free(p->segments);
    free(p->spans);
    free(p->row_ids);
}

/* ---- timing ---- */

/* What one timing does. */
typedef struct work {
    probe *p;
    int32_t texts, rows, before; /* `texts` texts of `before` rows in the cache and `rows` new ones */
    int32_t targets;             /* forward and backward with so many; 0: forward only */
    pbt_pass pass;
} work;

static void lay_out(work *w) {
    probe *p = w->p;
    const int32_t each = w->before + w->rows;
    for (int32_t t = 0; t < w->texts; t++) {
        p->segments[t] = (pbt_segment){.parent = -1, .kv_row = t * each, .length = each};
        p->spans[t] = (pbt_span){t, w->before, t * w->rows, w->rows};
        for (int32_t i = 0; i < w->rows; i++) p->positions[t * w->rows + i] = w->before + i;
    }
    w->pass = (pbt_pass){.model = p->model,
                         .adapters = (const pbt_adapter *const *)&p->adapter,
                         .n_adapters = w->targets > 0 ? 1 : 0,
                         .tokens = p->tokens,
                         .positions = p->positions,
                         .row_ids = p->row_ids,
                         .layout = {p->segments, w->texts, p->spans, w->texts, w->texts * w->rows}};
    for (int32_t i = 0; i < w->targets; i++) {
        p->target_rows[i] = w->rows - w->targets + i;
        p->targets[i] = i % p->model->config.vocab_size;
    }
}

static pbt_code run_pass(work *w, pbt_error *error) {
    probe *p = w->p;
    PBT_TRY(pbt_forward(&w->pass, &p->kv, p->activations, error));
    if (w->targets == 0) return PBT_OK;
    return pbt_backward(&w->pass, &p->kv, p->activations, p->target_rows, p->targets, p->weights, w->targets,
                        p->logprobs, p->gradients, error);
}

/* The output layer and the likeliest token of every row. */
static pbt_code run_output(work *w, pbt_error *error) {
    probe *p = w->p;
    const int32_t V = p->model->config.vocab_size;
    const pbt_sampling sampling = pbt_sampling_greedy(1);
    for (int32_t t = 0; t < w->texts; t++) p->target_rows[t] = t;
    PBT_TRY(pbt_logits(p->model, p->activations, p->target_rows, w->texts, p->logits, error));
    for (int32_t t = 0; t < w->texts; t++)
        p->targets[t] =
            pbt_sample(p->model->device, p->logits + (size_t)t * (size_t)V, V, &sampling, 0, p->scratch);
    return PBT_OK;
}

/* A token drawn for each of a few rows, by a model that is sure of a few tokens, as trained ones are. */
static pbt_code run_draw(work *w, pbt_error *error) {
    probe *p = w->p;
    const int32_t V = p->model->config.vocab_size;
    const pbt_sampling sampling = {.temperature = 0.7, .top_p = 1, .max_new_tokens = 1};
    (void)error;
    for (int32_t i = 0; i < V; i++) p->logits[i] = i < 8 ? 20.0F : 0.0F;
    for (int32_t t = 0; t < DRAWS; t++)
        p->targets[t] = pbt_sample(p->model->device, p->logits, V, &sampling, 0.5, p->scratch);
    return PBT_OK;
}

static pbt_code run_score(work *w, pbt_error *error) {
    probe *p = w->p;
    for (int32_t i = 0; i < TARGETS; i++) {
        p->target_rows[i] = i;
        p->targets[i] = i % p->model->config.vocab_size;
    }
    return pbt_logprobs(p->model, p->activations, p->target_rows, p->targets, TARGETS, p->logprobs, error);
}

/* Time that other programs took from this one is left out as far as it can be told: with one thread,
 * processor time is the work's own. */
static double own_seconds(double wall, clock_t processor) {
    double own = (double)processor / CLOCKS_PER_SEC;
    return own > 0 && own < wall ? own : wall;
}

/* The fastest of some rounds. */
static pbt_code time_of(work *w, pbt_code (*run)(work *, pbt_error *), double *seconds, pbt_error *error) {
    double end = pbt_seconds() + 0.3;
    *seconds = 1e30;
    for (int round = 0; round == 0 || (round < 50 && pbt_seconds() < end); round++) {
        double start = pbt_seconds();
        clock_t began = clock();
        PBT_TRY(run(w, error));
        double spent = own_seconds(pbt_seconds() - start, clock() - began);
        if (spent < *seconds) *seconds = spent;
    }
    return PBT_OK;
}

static pbt_code time_pass(probe *p, int32_t texts, int32_t rows, int32_t before, int32_t targets,
                          double *seconds, pbt_error *error) {
    work w = {.p = p, .texts = texts, .rows = rows, .before = before, .targets = targets};
    lay_out(&w);
    return time_of(&w, run_pass, seconds, error);
}

static pbt_code measure_reading(probe *p, const pbt_rate_settings *s, double layers, pbt_rates *r,
                                pbt_error *error) {
    int32_t rows = rows_of(&p->model->config, s->prefill_rows, 64);
    double near, far;
    PBT_TRY(time_pass(p, 1, rows, 0, 0, &near, error));
    PBT_TRY(time_pass(p, 1, rows, FAR, 0, &far, error));
    r->read_seen = far > near ? layers * (far - near) / rows / FAR : 0;
    r->read = layers * near / rows - r->read_seen * rows / 2;
    if (r->read < 0) r->read = 0;
    return PBT_OK;
}

static pbt_code measure_writing(probe *p, const pbt_rate_settings *s, double layers, double output,
                                pbt_rates *r, pbt_error *error) {
    double one, all, far, output_one, output_all, drawn;
    work w = {.p = p, .texts = 1, .rows = 1, .before = NEAR};
    lay_out(&w);
    PBT_TRY(time_of(&w, run_pass, &one, error));
    PBT_TRY(time_of(&w, run_output, &output_one, error));
    PBT_TRY(time_pass(p, 1, 1, FAR, 0, &far, error));
    w.texts = s->batch;
    lay_out(&w);
    PBT_TRY(time_of(&w, run_pass, &all, error));
    PBT_TRY(time_of(&w, run_output, &output_all, error));
    r->written_seen = far > one ? layers * (far - one) / (FAR - NEAR) : 0;
    r->pass = layers * one + output * output_one - r->written_seen * NEAR;
    double whole = layers * all + output * output_all - r->written_seen * NEAR * s->batch;
    r->written = s->batch > 1 && whole > r->pass ? (whole - r->pass) / (s->batch - 1) : 0;
    if (r->pass < 0) r->pass = 0;
    PBT_TRY(time_of(&w, run_draw, &drawn, error));
    r->drawn = output * drawn / DRAWS;
    return PBT_OK;
}

static pbt_code measure_learning(probe *p, const pbt_rate_settings *s, double layers, double output,
                                 pbt_rates *r, pbt_error *error) {
    int32_t rows = rows_of(&p->model->config, s->train_rows, 128);
    double pass, score;
    work w = {.p = p, .texts = 1, .rows = 1};
    PBT_TRY(time_of(&w, run_score, &score, error));
    r->scored = output * score / TARGETS;
    if (s->train_rows == 0) return PBT_OK;
    PBT_TRY(time_pass(p, 1, rows, 0, 1, &pass, error));
    /* Forward two products of rows with rows, backward five. The output layer goes forward and back. */
    r->learned_seen = 3.5 * r->read_seen;
    r->learned = layers * pass / rows - r->learned_seen * rows / 2;
    r->target = 2.2 * r->scored;
    if (r->learned < 0) r->learned = 0;
    return PBT_OK;
}

pbt_code pbt_rates_measure(const pbt_config *config, const pbt_rate_settings *settings, pbt_rates *rates,
                           pbt_error *error) {
    probe p = {0};
    *rates = (pbt_rates){0};
    pbt_code code = open_model(config, settings, &p, error);
    if (code == PBT_OK) code = open_buffers(&p, settings, error);
    double layers = 0, output = 0;
    if (code == PBT_OK) {
        layers = (double)config->n_layers / p.model->config.n_layers;
        output = (double)config->vocab_size / p.model->config.vocab_size;
        code = measure_reading(&p, settings, layers, rates, error);
    }
    if (code == PBT_OK) code = measure_writing(&p, settings, layers, output, rates, error);
    if (code == PBT_OK) code = measure_learning(&p, settings, layers, output, rates, error);
    close_probe(&p);
    return code;
}
