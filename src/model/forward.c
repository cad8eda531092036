/* The forward pass: token rows through the layers, keys and values into the cache. */
#include "model/forward.h"

#include "model/activations.h"

#include <math.h>
#include <stdlib.h>

const float *pbt_lora_input(const pbt_pass *pass, int32_t layer, int linear, bool last, const float *x,
                            int32_t width, float *buffer) {
    if (!last || !(pass->dropout > 0)) return x;
    pbt_key key = pbt_key_child(pbt_key_child(pass->dropout_key, (uint64_t)layer), (uint64_t)linear);
    pass->model->ops->dropout(buffer, x, pass->row_ids, pass->dropout, key, pass->layout.n_rows, width);
    return buffer;
}

/* y = W x + b + sum over adapters of B (scaling * A dropout(x)). */
static void linear(const pbt_pass *pass, pbt_activations *a, int32_t l, int which, const float *x, float *y) {
    const pbt_ops *ops = pass->model->ops;
    const pbt_layer *layer = &pass->model->layers[l];
    const pbt_matrix *W = &layer->linear[which];
    const int32_t T = pass->layout.n_rows;
    ops->linear(y, W->rows, x, W->cols, W, T, false);
    if (layer->linear_bias[which]) ops->bias(y, layer->linear_bias[which], T, W->rows);
    for (int32_t i = 0; i < pass->n_adapters; i++) {
        const pbt_lora *lora = &pass->adapters[i]->lora[l][which];
        if (!lora->A) continue;
        bool last = i + 1 == pass->n_adapters;
        float *low = a->keep && last ? a->layers[l].low[which] : a->low;
        const float *input = pbt_lora_input(pass, l, which, last, x, W->cols, a->dropped);
        pbt_matrix A = {.dtype = PBT_F32, .rows = lora->r, .cols = W->cols, .data = lora->A};
        pbt_matrix B = {.dtype = PBT_F32, .rows = W->rows, .cols = lora->r, .data = lora->B};
        ops->linear(low, lora->r, input, W->cols, &A, T, false);
        ops->scale(low, lora->scaling, (size_t)T * (size_t)lora->r);
        ops->linear(y, W->rows, low, lora->r, &B, T, true);
    }
}

/* Rows of the pass to their places in the cache. */
static void store(const pbt_pass *pass, float *cache, const float *rows, int32_t width) {
    for (int32_t i = 0; i < pass->layout.n_spans; i++) {
        const pbt_span *span = &pass->layout.spans[i];
        int64_t to = pass->layout.segments[span->segment].kv_row + span->first;
        pass->model->ops->copy_in(cache + to * width, rows + (int64_t)span->row * width,
                                  (size_t)span->length * (size_t)width * sizeof *rows);
    }
}

/* Head norms where the model has them, then RoPE: `raw` to `y` (the same memory without head norms). */
static void heads(const pbt_pass *pass, float *y, float *raw, float *inv, const float *norm,
                  int32_t n_heads) {
    const pbt_model *m = pass->model;
    const int32_t T = pass->layout.n_rows, E = m->config.head_dim;
    if (norm) m->ops->rmsnorm(y, inv, raw, norm, (float)m->config.rms_norm_eps, T * n_heads, E);
    m->ops->rope(y, (int64_t)n_heads * E, pass->positions, m->rope_frequency, m->rope_attention_scaling, T,
                 n_heads, E, false);
}

static pbt_code attention_half(const pbt_pass *pass, int32_t l, pbt_kv *kv, pbt_activations *a,
                               pbt_error *error) {
    const pbt_model *m = pass->model;
    const pbt_config *c = &m->config;
    const pbt_layer *layer = &m->layers[l];
    pbt_layer_activations *s = &a->layers[l];
    const int32_t T = pass->layout.n_rows;
    int64_t cache = (int64_t)l * kv->capacity * kv->width;
    m->ops->rmsnorm(s->norm1, s->inv1, s->input, layer->input_norm, (float)c->rms_norm_eps, T,
                    c->hidden_size);
    float *q = c->qk_norm ? s->q_raw : s->q, *k = c->qk_norm ? s->k_raw : a->k;
    linear(pass, a, l, PBT_Q_PROJ, s->norm1, q);
    linear(pass, a, l, PBT_K_PROJ, s->norm1, k);
    linear(pass, a, l, PBT_V_PROJ, s->norm1, a->v);
    heads(pass, s->q, q, s->inv_q, layer->q_norm, c->n_heads);
    heads(pass, a->k, k, s->inv_k, layer->k_norm, c->n_kv_heads);
    store(pass, kv->k + cache, a->k, kv->width);
    store(pass, kv->v + cache, a->v, kv->width);
    PBT_TRY(m->ops->attention(s->attention, s->stats, s->q, kv->k + cache, kv->v + cache, &pass->layout,
                              c->n_heads, c->n_kv_heads, c->head_dim, 1.0f / sqrtf((float)c->head_dim),
                              pbt_config_window(c, l), error));
    linear(pass, a, l, PBT_O_PROJ, s->attention, s->middle);
    m->ops->add_scaled(s->middle, s->input, 1.0f, (size_t)T * (size_t)c->hidden_size);
    return PBT_OK;
}

static void feed_forward_half(const pbt_pass *pass, int32_t l, pbt_activations *a, float *output) {
    const pbt_model *m = pass->model;
    const pbt_config *c = &m->config;
    pbt_layer_activations *s = &a->layers[l];
    const int32_t T = pass->layout.n_rows;
    m->ops->rmsnorm(s->norm2, s->inv2, s->middle, m->layers[l].post_attention_norm, (float)c->rms_norm_eps, T,
                    c->hidden_size);
    linear(pass, a, l, PBT_GATE_PROJ, s->norm2, s->gate);
    linear(pass, a, l, PBT_UP_PROJ, s->norm2, s->up);
    m->ops->swiglu(s->act, s->gate, s->up, (size_t)T * (size_t)c->intermediate_size);
    linear(pass, a, l, PBT_DOWN_PROJ, s->act, output);
    m->ops->add_scaled(output, s->middle, 1.0f, (size_t)T * (size_t)c->hidden_size);
}

static pbt_code check(const pbt_pass *pass, const pbt_kv *kv, const pbt_activations *a, pbt_error *error) {
    const pbt_config *c = &pass->model->config;
    const int32_t T = pass->layout.n_rows;
    if (T > a->rows)
        return pbt_fail(error, PBT_USAGE, "a pass of %d rows through buffers planned for %d", T, a->rows);
    PBT_TRY(pbt_layout_check(&pass->layout, kv->capacity, error));
    for (int32_t t = 0; t < T; t++) {
        if (pass->tokens[t] < 0 || pass->tokens[t] >= c->vocab_size)
            return pbt_fail(error, PBT_BAD_INPUT, "token %d is outside the model's vocabulary of %d",
                            pass->tokens[t], c->vocab_size);
        if (pass->positions[t] < 0)
            return pbt_fail(error, PBT_USAGE, "row %d has the negative position %d", t, pass->positions[t]);
    }
    int64_t rank = 0;
    for (int32_t i = 0; i < pass->n_adapters; i++) {
        int32_t most = 0;
        for (int32_t l = 0; l < pass->adapters[i]->n_layers; l++)
            for (int j = 0; j < PBT_LINEARS; j++)
                if (pass->adapters[i]->lora[l][j].r > most) most = pass->adapters[i]->lora[l][j].r;
        if (pass->adapters[i]->n_layers != c->n_layers)
            return pbt_fail(error, PBT_USAGE, "an adapter of %d layers on a model of %d",
                            pass->adapters[i]->n_layers, c->n_layers);
        rank = most > rank ? most : rank;
    }
    if (rank > a->rank)
        return pbt_fail(error, PBT_USAGE, "an adapter of rank %lld through buffers planned for %d",
                        (long long)rank, a->rank);
    return PBT_OK;
}

pbt_code pbt_forward(const pbt_pass *pass, pbt_kv *kv, pbt_activations *a, pbt_error *error) {
    const pbt_model *m = pass->model;
    const pbt_config *c = &m->config;
    const int32_t T = pass->layout.n_rows, D = c->hidden_size;
    a->output.kept = 0;
    PBT_TRY(check(pass, kv, a, error));
    if (T == 0) return PBT_OK;
    m->ops->embed(a->layers[0].input, &m->embedding, pass->tokens, T);
    for (int32_t l = 0; l < c->n_layers; l++) {
        bool last = l + 1 == c->n_layers;
        PBT_TRY(attention_half(pass, l, kv, a, error));
        feed_forward_half(pass, l, a, last ? a->stream : a->layers[l + 1].input);
    }
    m->ops->rmsnorm(a->hidden, a->inv, a->stream, m->final_norm, (float)c->rms_norm_eps, T, D);
    return PBT_OK;
}
