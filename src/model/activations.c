#include "model/activations.h"

#include "base/memory.h"

#include <stdlib.h>

/* Hands out pieces of one allocation; with memory NULL it only counts. */
typedef struct plan {
    float *memory;
    size_t used;
} plan;

static float *take(plan *p, size_t rows, size_t width) {
    float *piece = p->memory ? p->memory + p->used : NULL;
    p->used += (rows * width + 15) / 16 * 16;
    return piece;
}

static void plan_layer(plan *p, const pbt_config *c, size_t T, size_t rank, bool keep,
                       pbt_layer_activations *l) {
    size_t D = (size_t)c->hidden_size, H = (size_t)c->n_heads, G = (size_t)c->n_kv_heads,
           E = (size_t)c->head_dim, F = (size_t)c->intermediate_size;
    *l = (pbt_layer_activations){.input = take(p, T, D),
                                 .norm1 = take(p, T, D),
                                 .inv1 = take(p, T, 1),
                                 .q = take(p, T, H * E),
                                 .attention = take(p, T, H * E),
                                 .stats = take(p, T, H * 2),
                                 .middle = take(p, T, D),
                                 .norm2 = take(p, T, D),
                                 .inv2 = take(p, T, 1),
                                 .gate = take(p, T, F),
                                 .up = take(p, T, F),
                                 .act = take(p, T, F)};
    if (c->qk_norm) {
        l->q_raw = take(p, T, H * E);
        l->k_raw = take(p, T, G * E);
        l->inv_q = take(p, T, H);
        l->inv_k = take(p, T, G);
    }
    for (int i = 0; keep && rank > 0 && i < PBT_LINEARS; i++) l->low[i] = take(p, T, rank);
}

static size_t widest(const pbt_config *c) {
    size_t most = (size_t)c->hidden_size, F = (size_t)c->intermediate_size,
           Q = (size_t)c->n_heads * (size_t)c->head_dim;
    most = F > most ? F : most;
    return Q > most ? Q : most;
}

static void plan_all(plan *p, const pbt_config *c, size_t T, size_t rank, bool keep, pbt_activations *a) {
    size_t D = (size_t)c->hidden_size, Q = (size_t)c->n_heads * (size_t)c->head_dim,
           K = (size_t)c->n_kv_heads * (size_t)c->head_dim, F = (size_t)c->intermediate_size;
    for (int32_t l = 0; l < (keep ? c->n_layers : 1); l++) plan_layer(p, c, T, rank, keep, &a->layers[l]);
    for (int32_t l = 1; !keep && l < c->n_layers; l++) a->layers[l] = a->layers[0];
    a->stream = take(p, T, D);
    a->hidden = take(p, T, D);
    a->inv = take(p, T, 1);
    a->k = take(p, T, K);
    a->v = take(p, T, K);
    a->low = take(p, T, rank);
    a->dropped = take(p, keep && rank > 0 ? T : 0, widest(c));
    if (!keep) return;
    a->back = (pbt_backward_buffers){.stream = take(p, T, D),
                                     .norm = take(p, T, D),
                                     .attention = take(p, T, Q),
                                     .q = take(p, T, Q),
                                     .k = take(p, T, K),
                                     .v = take(p, T, K),
                                     .act = take(p, T, F),
                                     .gate = take(p, T, F),
                                     .up = take(p, T, F),
                                     .low = take(p, T, rank),
                                     .dropped = take(p, rank > 0 ? T : 0, widest(c))};
}

size_t pbt_activations_bytes(const pbt_config *config, int32_t rows, int32_t adapter_rank, bool keep) {
    plan p = {0};
    pbt_layer_activations layers[PBT_MAX_LAYERS];
    pbt_activations a = {.layers = layers};
    plan_all(&p, config, (size_t)rows, (size_t)adapter_rank, keep, &a);
    return p.used * sizeof(float);
}

pbt_code pbt_activations_create(const pbt_model *model, int32_t rows, int32_t adapter_rank, bool keep,
                                pbt_activations **activations, pbt_error *error) {
    size_t bytes = pbt_activations_bytes(&model->config, rows, adapter_rank, keep);
    pbt_activations *a = *activations = pbt_alloc(1, sizeof *a);
    if (!a) return pbt_fail_memory(error, sizeof *a, "activations");
    *a = (pbt_activations){.ops = model->ops,
                           .rows = rows,
                           .rank = adapter_rank,
                           .keep = keep,
                           .n_layers = model->config.n_layers,
                           .layers = pbt_alloc((size_t)model->config.n_layers, sizeof *a->layers),
                           .memory = model->ops->alloc(bytes)};
    if (!a->layers || !a->memory) {
        pbt_activations_free(a);
        *activations = NULL;
        return pbt_fail_memory(error, bytes, "activations");
    }
    plan p = {.memory = a->memory};
    plan_all(&p, &model->config, (size_t)rows, (size_t)adapter_rank, keep, a);
    return PBT_OK;
}

void pbt_activations_free(pbt_activations *a) {
    if (!a) return;
    if (a->memory) a->ops->release(a->memory);
    if (a->back.kv_k) a->ops->release(a->back.kv_k);
    if (a->back.kv_v) a->ops->release(a->back.kv_v);
    pbt_logit_free(a);
    if (a->output.hidden) a->ops->release(a->output.hidden);
    free(a->output.local);
    free(a->layers);
    free(a);
}

const float *pbt_activations_hidden(const pbt_activations *activations) {
    return activations->hidden;
}

int64_t pbt_kv_row_bytes(const pbt_config *c) {
    return (int64_t)c->n_layers * c->n_kv_heads * c->head_dim * 2 * (int64_t)sizeof(float);
}

pbt_code pbt_kv_create(const pbt_model *model, int32_t capacity, pbt_kv *kv, pbt_error *error) {
    const pbt_config *c = &model->config;
    size_t bytes = 0;
    *kv = (pbt_kv){.capacity = capacity, .width = c->n_kv_heads * c->head_dim};
    if (capacity < 0 || __builtin_mul_overflow((size_t)capacity * (size_t)kv->width,
                                               (size_t)c->n_layers * sizeof(float), &bytes))
        return pbt_fail(error, PBT_USAGE, "a key/value cache of %d rows is too large", capacity);
    kv->k = model->ops->alloc(bytes);
    kv->v = model->ops->alloc(bytes);
    if (kv->k && kv->v) return PBT_OK;
    pbt_kv_free(model, kv);
    return pbt_fail_memory(error, 2 * bytes, "the key/value cache");
}

void pbt_kv_free(const pbt_model *model, pbt_kv *kv) {
    if (kv->k) model->ops->release(kv->k);
    if (kv->v) model->ops->release(kv->v);
    *kv = (pbt_kv){0};
}
