#include "model/divergence.h"

#include "base/memory.h"
#include "model/activations.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { WINDOW = 512 };

/* What one side needs for its passes. */
typedef struct side {
    pbt_divergence_side given;
    pbt_kv kv;
    pbt_activations *activations;
    float *logits; /* [rows of a piece, V] */
} side;

static pbt_code open_side(side *s, int32_t rows, int32_t piece, pbt_error *error) {
    const pbt_model *m = s->given.model;
    size_t bytes = (size_t)piece * (size_t)m->config.vocab_size * sizeof *s->logits;
    PBT_TRY(pbt_kv_create(m, rows, &s->kv, error));
    PBT_TRY(
        pbt_activations_create(m, rows, pbt_adapter_rank(s->given.adapter), false, &s->activations, error));
    s->logits = m->ops->alloc(bytes);
    return s->logits ? PBT_OK : pbt_fail_memory(error, bytes, "logits");
}

static void close_side(side *s) {
    if (s->logits) s->given.model->ops->release(s->logits);
    if (s->activations) pbt_activations_free(s->activations);
    if (s->kv.k) pbt_kv_free(s->given.model, &s->kv);
}

static pbt_code pass(side *s, const int32_t *tokens, const int32_t *positions, int32_t n, pbt_error *error) {
    const pbt_segment segment = {.parent = -1, .length = n};
    const pbt_span span = {.length = n};
    pbt_pass p = {
        .model = s->given.model,
        .adapters = &s->given.adapter,
        .n_adapters = s->given.adapter ? 1 : 0,
        .tokens = tokens,
        .positions = positions,
        .layout = {.segments = &segment, .n_segments = 1, .spans = &span, .n_spans = 1, .n_rows = n}};
    return pbt_forward(&p, &s->kv, s->activations, error);
}

static double log_sum(const float *logits, int32_t V, int32_t *best) {
    double sum = 0;
    *best = 0;
    for (int32_t v = 1; v < V; v++)
        if (logits[v] > logits[*best]) *best = v;
    for (int32_t v = 0; v < V; v++) sum += exp((double)logits[v] - (double)logits[*best]);
    return log(sum) + (double)logits[*best];
}

/* One position; `next` is the text's next token, or -1. */
static void compare(const float *p, const float *q, int32_t V, int32_t next, pbt_divergence *d) {
    int32_t best_p, best_q;
    double sum_p = log_sum(p, V, &best_p), sum_q = log_sum(q, V, &best_q), kl = 0;
    for (int32_t v = 0; v < V; v++) {
        double log_p = (double)p[v] - sum_p;
        kl += exp(log_p) * (log_p - ((double)q[v] - sum_q));
    }
    kl = kl > 0 ? kl : 0; /* rounding */
    d->tokens++;
    d->mean_kl += kl;
    d->max_kl = kl > d->max_kl ? kl : d->max_kl;
    d->top1_agreement += best_p == best_q;
    double error = next < 0 ? 0 : fabs((double)p[next] - sum_p - ((double)q[next] - sum_q));
    d->max_logprob_error = error > d->max_logprob_error ? error : d->max_logprob_error;
}

static pbt_code compare_window(side sides[2], const int32_t *tokens, int32_t n, int32_t skip, int32_t piece,
                               pbt_divergence *d, pbt_error *error) {
    const int32_t V = sides[0].given.model->config.vocab_size;
    int32_t positions[WINDOW + 1];
    for (int32_t i = 0; i < n; i++) positions[i] = i;
    for (int s = 0; s < 2; s++) PBT_TRY(pass(&sides[s], tokens, positions, n, error));
    for (int32_t first = 0; first < n; first += piece) {
        int32_t rows = n - first < piece ? n - first : piece;
        for (int s = 0; s < 2; s++)
            PBT_TRY(pbt_logits(sides[s].given.model, sides[s].activations, positions + first, rows,
                               sides[s].logits, error));
        for (int32_t r = 0; r < rows; r++) {
            int32_t at = first + r;
            if (at < skip) continue;
            compare(sides[0].logits + (int64_t)r * V, sides[1].logits + (int64_t)r * V, V,
                    at + 1 < n ? tokens[at + 1] : -1, d);
        }
    }
    return PBT_OK;
}

pbt_code pbt_divergence_measure(pbt_divergence_side p, pbt_divergence_side q, const int32_t *ids, size_t n,
                                int32_t bos, pbt_divergence *divergence, pbt_error *error) {
    const pbt_config *c = &p.model->config;
    side sides[2] = {{.given = p}, {.given = q}};
    int32_t window = c->max_position_embeddings < WINDOW ? c->max_position_embeddings : WINDOW;
    int32_t piece = pbt_logit_rows(c), tokens[WINDOW + 1];
    *divergence = (pbt_divergence){0};
    if (n == 0 || window < 2 || c->vocab_size != q.model->config.vocab_size ||
        c->hidden_size != q.model->config.hidden_size)
        return pbt_fail(error, PBT_USAGE,
                        "expected two models of one shape and at least one token to compare");
    pbt_code code = open_side(&sides[0], window, piece, error);
    if (code == PBT_OK) code = open_side(&sides[1], window, piece, error);
    for (size_t at = 0; code == PBT_OK && at < n;) {
        int32_t begin = at > 0 && bos >= 0 ? 1 : 0, length = window - begin;
        if ((size_t)length > n - at) length = (int32_t)(n - at);
        if (begin) tokens[0] = bos;
        memcpy(tokens + begin, ids + at, (size_t)length * sizeof *ids);
        code = compare_window(sides, tokens, begin + length, begin, piece, divergence, error);
        at += (size_t)length;
    }
    for (int s = 0; s < 2; s++) close_side(&sides[s]);
    if (code != PBT_OK) return code;
    divergence->mean_kl /= (double)divergence->tokens;
    divergence->top1_agreement /= (double)divergence->tokens;
    return PBT_OK;
}
