/* The backward pass: forward.c read from its end. */
#include "model/backward.h"

#include "model/activations.h"
#include "model/gradients.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

typedef struct work {
    const pbt_pass *pass;
    pbt_kv *kv;
    pbt_activations *a;
    pbt_gradients *g;
    const pbt_ops *ops;
    int32_t T;
} work;

/* The LoRA pairs of one layer's linear: gradients of the trained one, and dx += A^T scaling B^T dy. */
static void lora_backward(const work *w, int32_t l, int which, const float *dy, const float *x, float *dx) {
    const pbt_matrix *W = &w->pass->model->layers[l].linear[which];
    pbt_backward_buffers *b = &w->a->back;
    const int32_t T = w->T, K = W->cols, N = W->rows;
    for (int32_t i = 0; i < w->pass->n_adapters; i++) {
        const pbt_adapter *adapter = w->pass->adapters[i];
        const pbt_lora *lora = &adapter->lora[l][which];
        if (!lora->A) continue;
        bool last = i + 1 == w->pass->n_adapters, trained = last && adapter == w->g->adapter;
        pbt_matrix A = {.dtype = PBT_F32, .rows = lora->r, .cols = K, .data = lora->A};
        pbt_matrix B = {.dtype = PBT_F32, .rows = N, .cols = lora->r, .data = lora->B};
        w->ops->linear_backward_input(b->low, lora->r, dy, N, &B, T, false);
        w->ops->scale(b->low, lora->scaling, (size_t)T * (size_t)lora->r);
        if (trained) {
            const float *input = pbt_lora_input(w->pass, l, which, last, x, K, b->dropped);
            w->ops->linear_backward_weight(w->g->layers[l].B[which], dy, N, w->a->layers[l].low[which],
                                           lora->r, T, N, lora->r, 1.0f);
            w->ops->linear_backward_weight(w->g->layers[l].A[which], b->low, lora->r, input, K, T, lora->r, K,
                                           1.0f);
        }
        if (!dx) continue;
        if (last && w->pass->dropout > 0) {
            w->ops->linear_backward_input(b->dropped, K, b->low, lora->r, &A, T, false);
            pbt_lora_input(w->pass, l, which, last, b->dropped, K, b->dropped);
            w->ops->add_scaled(dx, b->dropped, 1.0f, (size_t)T * (size_t)K);
        } else {
            w->ops->linear_backward_input(dx, K, b->low, lora->r, &A, T, true);
        }
    }
}

/* dx (+)= W^T dy and what adapters add; gradients of the weights where they are trained. dx NULL: not needed.
 */
static void linear_backward(const work *w, int32_t l, int which, const float *dy, const float *x, float *dx,
                            bool accumulate) {
    const pbt_matrix *W = &w->pass->model->layers[l].linear[which];
    if (dx) w->ops->linear_backward_input(dx, W->cols, dy, W->rows, W, w->T, accumulate);
    pbt_layer_gradients *g = &w->g->layers[l];
    if (g->linear[which])
        w->ops->linear_backward_weight(g->linear[which], dy, W->rows, x, W->cols, w->T, W->rows, W->cols,
                                       1.0f);
    if (g->bias[which]) w->ops->bias_backward(g->bias[which], dy, w->T, W->rows);
    lora_backward(w, l, which, dy, x, dx);
}

static void zero(float *x, size_t n) {
    memset(x, 0, n * sizeof *x);
}

static void feed_forward_backward(const work *w, int32_t l) {
    const pbt_config *c = &w->pass->model->config;
    pbt_layer_activations *s = &w->a->layers[l];
    pbt_backward_buffers *b = &w->a->back;
    linear_backward(w, l, PBT_DOWN_PROJ, b->stream, s->act, b->act, false);
    w->ops->swiglu_backward(b->gate, b->up, b->act, s->gate, s->up,
                            (size_t)w->T * (size_t)c->intermediate_size);
    linear_backward(w, l, PBT_GATE_PROJ, b->gate, s->norm2, b->norm, false);
    linear_backward(w, l, PBT_UP_PROJ, b->up, s->norm2, b->norm, true);
    w->ops->rmsnorm_backward(b->stream, w->g->layers[l].post_attention_norm, b->norm, s->middle, s->inv2,
                             w->pass->model->layers[l].post_attention_norm, w->T, c->hidden_size);
}

/* Rows of the pass out of the cache's gradients. */
static void load(const work *w, float *rows, const float *cache) {
    const int32_t width = w->kv->width;
    for (int32_t i = 0; i < w->pass->layout.n_spans; i++) {
        const pbt_span *span = &w->pass->layout.spans[i];
        int64_t from = w->pass->layout.segments[span->segment].kv_row + span->first;
        w->ops->copy_in(rows + (int64_t)span->row * width, cache + from * width,
                        (size_t)span->length * (size_t)width * sizeof *rows);
    }
}

/* RoPE and head norms backward, in place; `spare` holds as much as `d`. */
static void heads_backward(const work *w, float *d, float *spare, const float *raw, const float *inv,
                           const float *norm, float *dnorm, int32_t n_heads) {
    const pbt_model *m = w->pass->model;
    const int32_t E = m->config.head_dim;
    size_t n = (size_t)w->T * (size_t)n_heads * (size_t)E;
    w->ops->rope(d, (int64_t)n_heads * E, w->pass->positions, m->rope_frequency, m->rope_attention_scaling,
                 w->T, n_heads, E, true);
    if (!norm) return;
    zero(spare, n);
    w->ops->rmsnorm_backward(spare, dnorm, d, raw, inv, norm, w->T * n_heads, E);
    w->ops->copy_in(d, spare, n * sizeof *d);
}

static pbt_code attention_half_backward(const work *w, int32_t l, bool need_input, pbt_error *error) {
    const pbt_model *m = w->pass->model;
    const pbt_config *c = &m->config;
    const pbt_layer *layer = &m->layers[l];
    pbt_layer_activations *s = &w->a->layers[l];
    pbt_backward_buffers *b = &w->a->back;
    const int64_t cache = (int64_t)l * w->kv->capacity * w->kv->width;
    const size_t all = (size_t)w->kv->capacity * (size_t)w->kv->width;
    linear_backward(w, l, PBT_O_PROJ, b->stream, s->attention, b->attention, false);
    zero(b->kv_k, all);
    zero(b->kv_v, all);
    PBT_TRY(w->ops->attention_backward(b->q, b->kv_k, b->kv_v, b->attention, s->attention, s->stats, s->q,
                                       w->kv->k + cache, w->kv->v + cache, &w->pass->layout, c->n_heads,
                                       c->n_kv_heads, c->head_dim, 1.0f / sqrtf((float)c->head_dim),
                                       pbt_config_window(c, l), error));
    load(w, b->k, b->kv_k);
    load(w, b->v, b->kv_v);
    heads_backward(w, b->q, b->attention, s->q_raw, s->inv_q, layer->q_norm, w->g->layers[l].q_norm,
                   c->n_heads);
    heads_backward(w, b->k, b->attention, s->k_raw, s->inv_k, layer->k_norm, w->g->layers[l].k_norm,
                   c->n_kv_heads);
    float *dx = need_input ? b->norm : NULL;
    linear_backward(w, l, PBT_Q_PROJ, b->q, s->norm1, dx, false);
    linear_backward(w, l, PBT_K_PROJ, b->k, s->norm1, dx, true);
    linear_backward(w, l, PBT_V_PROJ, b->v, s->norm1, dx, true);
    if (dx)
        w->ops->rmsnorm_backward(b->stream, w->g->layers[l].input_norm, b->norm, s->input, s->inv1,
                                 layer->input_norm, w->T, c->hidden_size);
    return PBT_OK;
}

/* One block of rows with targets, rows first_row .. of the output's buffers: log-probabilities, and their
 * gradient into `dhidden` and the output matrix. */
static pbt_code output_block(const work *w, int32_t first_row, int32_t n_rows, bool kept,
                             const int32_t *target, const float *weight, int32_t first, int32_t n,
                             float *logprob, float *dhidden, pbt_error *error) {
    const pbt_model *m = w->pass->model;
    const int32_t V = m->config.vocab_size, D = m->config.hidden_size;
    const pbt_logit_buffers *b = &w->a->output;
    const int32_t *rows = b->rows + first_row, *local = b->local;
    float *logits = b->logits + (int64_t)first_row * V, *sums = b->sums + first_row;
    if (!kept) {
        PBT_TRY(pbt_logits(m, w->a, rows, n_rows, logits, error));
        w->ops->logsumexp(sums, logits, n_rows, V);
    } else if (w->g->output) {
        w->ops->gather_rows(b->hidden, w->a->hidden, rows, n_rows, D);
    }
    for (int32_t i = 0; logprob && i < n; i++)
        logprob[i] = logits[(int64_t)local[i] * V + target[i]] - sums[local[i]];
    if (w->pass->statistics)
        pbt_logit_statistics(m, logits, sums, n_rows, local, target, first, n, w->pass->statistics);
    w->ops->logprob_backward(logits, sums, local, target, weight, n, n_rows, V);
    if (w->g->output)
        w->ops->linear_backward_weight(w->g->output, logits, V, b->hidden, D, n_rows, V, D, 1.0f);
    w->ops->linear_backward_input(b->hidden, D, logits, V, &m->output, n_rows, false);
    w->ops->scatter_add_rows(dhidden, b->hidden, rows, n_rows, D);
    return PBT_OK;
}

static pbt_code output_backward(const work *w, const int32_t *target_row, const int32_t *target,
                                const float *weight, int32_t n, float *logprob, float *dhidden,
                                pbt_error *error) {
    const pbt_model *m = w->pass->model;
    const int32_t most = pbt_logit_rows(&m->config);
    pbt_logit_buffers *b = &w->a->output;
    const bool kept = pbt_logits_kept(w->a, target_row, n);
    if (!kept) PBT_TRY(pbt_logit_reserve(m, w->a, n < most ? n : most, n, error));
    b->kept = 0; /* gradients take their place */
    for (int32_t first = 0, at = 0, count, n_rows; first < n; first += count) {
        count = pbt_logit_block(target_row + first, n - first, most, b->rows + at, b->local, &n_rows);
        PBT_TRY(output_block(w, at, n_rows, kept, target + first, weight + first, first, count,
                             logprob ? logprob + first : NULL, dhidden, error));
        at += kept ? n_rows : 0;
    }
    return PBT_OK;
}

static pbt_code reserve_cache(const work *w, pbt_error *error) {
    pbt_backward_buffers *b = &w->a->back;
    if (b->kv_capacity >= w->kv->capacity && b->kv_k && b->kv_v) return PBT_OK;
    size_t bytes = (size_t)w->kv->capacity * (size_t)w->kv->width * sizeof(float);
    if (b->kv_k) w->ops->release(b->kv_k);
    if (b->kv_v) w->ops->release(b->kv_v);
    b->kv_k = w->ops->alloc(bytes);
    b->kv_v = w->ops->alloc(bytes);
    b->kv_capacity = w->kv->capacity;
    return b->kv_k && b->kv_v ? PBT_OK : pbt_fail_memory(error, 2 * bytes, "key/value gradients");
}

pbt_code pbt_backward(const pbt_pass *pass, pbt_kv *kv, pbt_activations *activations,
                      const int32_t *target_row, const int32_t *target, const float *weight, int32_t n,
                      float *logprob, pbt_gradients *gradients, pbt_error *error) {
    const pbt_model *m = pass->model;
    const pbt_config *c = &m->config;
    work w = {pass, kv, activations, gradients, m->ops, pass->layout.n_rows};
    const bool full = gradients->adapter == NULL;
    if (!activations->keep) return pbt_fail(error, PBT_USAGE, "a backward pass needs kept activations");
    for (int32_t i = 0; i < n; i++)
        if (target_row[i] < 0 || target_row[i] >= w.T || target[i] < 0 || target[i] >= c->vocab_size ||
            (i > 0 && target_row[i] < target_row[i - 1]))
            return pbt_fail(error, PBT_USAGE,
                            "target %d: row %d of %d, token %d; expected rows in ascending order", i,
                            target_row[i], w.T, target[i]);
    PBT_TRY(reserve_cache(&w, error));
    pbt_backward_buffers *b = &activations->back;
    zero(b->norm, (size_t)w.T * (size_t)c->hidden_size);
    zero(b->stream, (size_t)w.T * (size_t)c->hidden_size);
    PBT_TRY(output_backward(&w, target_row, target, weight, n, logprob, b->norm, error));
    m->ops->rmsnorm_backward(b->stream, gradients->final_norm, b->norm, activations->stream, activations->inv,
                             m->final_norm, w.T, c->hidden_size);
    for (int32_t l = c->n_layers - 1; l >= 0; l--) {
        feed_forward_backward(&w, l);
        PBT_TRY(attention_half_backward(&w, l, full || l > 0, error));
    }
    if (gradients->embedding)
        m->ops->embed_backward(gradients->embedding, b->stream, pass->tokens, w.T, c->hidden_size);
    return PBT_OK;
}
