/* The output layer: logits of some rows of a pass, log-probabilities of targets, and what the backward pass
 * need not compute again. Buffers belong to the activations and grow to what is asked for. */
#include "base/memory.h"
#include "model/activations.h"

#include <stdlib.h>

/* Floats of logits computed at a time, and kept for the backward pass. */
enum { MOST_LOGITS = 16 << 20 };

int32_t pbt_logit_rows(const pbt_config *config) {
    int64_t rows = MOST_LOGITS / config->vocab_size;
    return rows < 16 ? 16 : rows > 512 ? 512 : (int32_t)rows;
}

static pbt_code reserve_hidden(const pbt_model *model, pbt_logit_buffers *b, pbt_error *error) {
    const size_t bytes =
        (size_t)pbt_logit_rows(&model->config) * (size_t)model->config.hidden_size * sizeof *b->hidden;
    if (!b->hidden) b->hidden = model->ops->alloc(bytes);
    return b->hidden ? PBT_OK : pbt_fail_memory(error, bytes, "rows of the output layer");
}

pbt_code pbt_logit_reserve(const pbt_model *model, pbt_activations *a, int32_t rows, int32_t targets,
                           pbt_error *error) {
    pbt_logit_buffers *b = &a->output;
    PBT_TRY(pbt_grow(b->local, &b->local_capacity, (size_t)targets, error));
    PBT_TRY(reserve_hidden(model, b, error));
    if (rows <= b->capacity) return PBT_OK;
    const size_t row = (size_t)model->config.vocab_size * sizeof *b->logits;
    pbt_logit_free(a);
    b->logits = model->ops->alloc((size_t)rows * row);
    b->sums = pbt_alloc((size_t)rows, sizeof *b->sums);
    b->rows = pbt_alloc((size_t)rows, sizeof *b->rows);
    if (!b->logits || !b->sums || !b->rows) return pbt_fail_memory(error, (size_t)rows * row, "logits");
    b->capacity = rows;
    return PBT_OK;
}

void pbt_logit_free(pbt_activations *a) {
    pbt_logit_buffers *b = &a->output;
    if (b->logits) a->ops->release(b->logits);
    free(b->sums);
    free(b->rows);
    b->logits = b->sums = NULL;
    b->rows = NULL;
    b->capacity = b->kept = 0;
}

pbt_code pbt_logits(const pbt_model *model, pbt_activations *activations, const int32_t *rows, int32_t n,
                    float *logits, pbt_error *error) {
    const int32_t D = model->config.hidden_size, V = model->config.vocab_size,
                  most = pbt_logit_rows(&model->config);
    pbt_logit_buffers *b = &activations->output;
    PBT_TRY(reserve_hidden(model, b, error));
    for (int32_t first = 0; first < n; first += most) {
        const int32_t count = n - first < most ? n - first : most;
        model->ops->gather_rows(b->hidden, activations->hidden, rows + first, count, D);
        model->ops->linear(logits + (int64_t)first * V, V, b->hidden, D, &model->output, count, false);
    }
    return PBT_OK;
}

int32_t pbt_logit_block(const int32_t *target_row, int32_t n, int32_t most, int32_t *rows, int32_t *local,
                        int32_t *n_rows) {
    int32_t i = 0;
    *n_rows = 0;
    for (; i < n; i++) {
        bool same = *n_rows > 0 && rows[*n_rows - 1] == target_row[i];
        if (!same && *n_rows == most) break;
        if (!same) rows[(*n_rows)++] = target_row[i];
        local[i] = *n_rows - 1;
    }
    return i;
}

static int32_t count_rows(const int32_t *target_row, int32_t n) {
    int32_t rows = n > 0;
    for (int32_t i = 1; i < n; i++) rows += target_row[i] != target_row[i - 1];
    return rows;
}

bool pbt_logits_kept(const pbt_activations *a, const int32_t *target_row, int32_t n) {
    const pbt_logit_buffers *b = &a->output;
    int32_t rows = 0;
    for (int32_t i = 0; i < n; i++) {
        if (rows > 0 && b->rows[rows - 1] == target_row[i]) continue;
        if (rows == b->kept || b->rows[rows] != target_row[i]) return false;
        rows++;
    }
    return n > 0 && rows == b->kept;
}

void pbt_logit_statistics(const pbt_model *model, const float *logits, const float *logsumexp, int32_t n_rows,
                          const int32_t *local, const int32_t *target, int32_t first, int32_t n,
                          pbt_target_statistics *statistics) {
    float rows[3 * 512];
    const int32_t V = model->config.vocab_size;
    model->ops->logit_statistics(rows, logits, logsumexp, n_rows, V);
    for (int32_t i = 0; i < n; i++) {
        const float *row = rows + 3 * (int64_t)local[i];
        statistics->entropy[first + i] = row[0];
        statistics->mean_logit[first + i] = row[1];
        statistics->top[first + i] = logits[(int64_t)local[i] * V + target[i]] >= row[2];
    }
}

pbt_code pbt_logprobs(const pbt_model *model, pbt_activations *activations, const int32_t *target_row,
                      const int32_t *target, int32_t n, float *logprob, pbt_error *error) {
    return pbt_logprobs_and_statistics(model, activations, target_row, target, n, logprob, NULL, error);
}

pbt_code pbt_logprobs_and_statistics(const pbt_model *model, pbt_activations *activations,
                                     const int32_t *target_row, const int32_t *target, int32_t n,
                                     float *logprob, pbt_target_statistics *statistics, pbt_error *error) {
    const int32_t most = pbt_logit_rows(&model->config), V = model->config.vocab_size;
    const int32_t all = count_rows(target_row, n);
    const bool keep = activations->keep && (all <= most || all <= MOST_LOGITS / V);
    pbt_logit_buffers *b = &activations->output;
    PBT_TRY(pbt_logit_reserve(model, activations, keep || all < most ? all : most, n, error));
    b->kept = 0;
    for (int32_t first = 0, at = 0, count, n_rows; first < n; first += count) {
        count = pbt_logit_block(target_row + first, n - first, most, b->rows + at, b->local, &n_rows);
        float *logits = b->logits + (int64_t)at * V, *sums = b->sums + at;
        PBT_TRY(pbt_logits(model, activations, b->rows + at, n_rows, logits, error));
        model->ops->logsumexp(sums, logits, n_rows, V);
        for (int32_t i = 0; i < count; i++)
            logprob[first + i] = logits[(int64_t)b->local[i] * V + target[first + i]] - sums[b->local[i]];
        if (statistics)
            pbt_logit_statistics(model, logits, sums, n_rows, b->local, target + first, first, count,
                                 statistics);
        at += keep ? n_rows : 0;
    }
    b->kept = keep ? all : 0;
    return PBT_OK;
}
