/*
 * The operation table: everything a model computes, written once per device. cpu/ is the readable
 * specification and fast; a CUDA peer has the same table. model/, train/ and engine/ call only these.
 *
 * Letters: T rows (tokens), K inputs, N outputs, D model width, H query heads, G key/value heads (H % G ==
 * 0), E head width, F feed-forward width, V vocabulary. All activations are float, row-major, one token a
 * row.
 * `_backward` functions ADD into gradients named d... unless they say "sets".
 *
 * Bits. Every function is exact in this sense: the bits of a row of its result depend only on that row's
 * inputs and the weights, never on the other rows, how many rows there are, how they are split into calls, or
 * the number of threads. Every sum over inputs is one chain of fused multiply-adds in ascending order of the
 * summed index, starting from zero (or from y when accumulating); sums over rows (weight gradients) ascend
 * over rows. So the same numbers come out of prefill, decode, training and scoring, and of every x86 or ARM
 * CPU with fused multiply-add.
 */
#ifndef PBT_TENSOR_OPS_H
#define PBT_TENSOR_OPS_H

#include "base/declarations.h"
#include "base/random.h"
#include "tensor/tensor.h"

PBT_BEGIN_DECLS

/* AdamW as in PyTorch (decoupled weight decay). bias corrections are taken from `step`, counted from 1. */
typedef struct pbt_adamw {
    float learning_rate, beta1, beta2, epsilon, weight_decay;
    int64_t step;
} pbt_adamw;

typedef struct pbt_ops {
    /* Memory of the device, zeroed and 64-byte aligned; NULL when out. copy_in/out move between host and
     * device. */
    void *(*alloc)(size_t bytes);
    void (*release)(void *memory);
    void (*copy_in)(void *device, const void *host, size_t bytes);
    void (*copy_out)(void *host, const void *device, size_t bytes);

    /* Packs a matrix that will not change into the device's fastest form (matrix->prepared). Optional: every
     * function below works, with the same bits, on unprepared matrices. unprepare frees it. */
    pbt_code (*prepare)(pbt_matrix *matrix, pbt_error *error);
    void (*unprepare)(pbt_matrix *matrix);

    /* y[t][n] = (accumulate ? y[t][n] : 0) + sum_k x[t][k] * W[n][k]    (x: T*K, W: N*K, y: T*N)
     * ldx, ldy: floats between rows of x and y (>= K, >= N). */
    void (*linear)(float *y, int64_t ldy, const float *x, int64_t ldx, const pbt_matrix *W, int32_t T,
                   bool accumulate);
    /* dx[t][k] (+)= sum_n dy[t][n] * W[n][k]   (sets dx unless accumulate) */
    void (*linear_backward_input)(float *dx, int64_t lddx, const float *dy, int64_t lddy, const pbt_matrix *W,
                                  int32_t T, bool accumulate);
    /* dW[n][k] += scale * sum_t dy[t][n] * x[t][k]   (dW fp32 [N][K]) */
    void (*linear_backward_weight)(float *dW, const float *dy, int64_t lddy, const float *x, int64_t ldx,
                                   int32_t T, int32_t N, int32_t K, float scale);
    /* y[t][n] += b[n];  db[n] += sum_t dy[t][n] */
    void (*bias)(float *y, const float *b, int32_t T, int32_t N);
    void (*bias_backward)(float *db, const float *dy, int32_t T, int32_t N);

    /* y[t] = row ids[t] of table (any dtype, dequantised);  dtable[ids[t]] += dy[t] (fp32 table, ascending t)
     */
    void (*embed)(float *y, const pbt_matrix *table, const int32_t *ids, int32_t T);
    void (*embed_backward)(float *dtable, const float *dy, const int32_t *ids, int32_t T, int32_t D);

    /* inv[t] = 1/sqrt(mean_i x[t][i]^2 + epsilon);  y[t][i] = x[t][i] * inv[t] * g[i]   (inv: T floats, kept
     * for backward; a head norm is the same call with T*heads rows of head_dim) */
    void (*rmsnorm)(float *y, float *inv, const float *x, const float *g, float epsilon, int32_t T,
                    int32_t D);
    /* dx += ..., dg += ... (dg may be NULL) */
    void (*rmsnorm_backward)(float *dx, float *dg, const float *dy, const float *x, const float *inv,
                             const float *g, int32_t T, int32_t D);

    /* Rotates pairs (i, i + E/2) of every head by position * frequency[i] (rotate-half form of transformers),
     * cos and sin multiplied by `attention_scaling`; in place; x: T * heads * E with ldx floats between rows.
     * inverse = true rotates back (backward). frequency: E/2 doubles (model/rope_settings.h computes them).
     */
    void (*rope)(float *x, int64_t ldx, const int32_t *positions, const double *frequency,
                 float attention_scaling, int32_t T, int32_t heads, int32_t E, bool inverse);

    /* out[t][h] = softmax_j(scale * q[t][h] . k[j][g(h)]) . v[j][g(h)], j over the rows that row t sees (see
     * pbt_layout), g(h) = h / (H/G); window > 0 keeps only the last `window` positions. q, out: n_rows*H*E.
     * k, v: KV buffers, kv rows of G*E floats. stats (may be NULL): n_rows*H*2 floats kept for backward
     * (maximum and sum of the softmax). */
    pbt_code (*attention)(float *out, float *stats, const float *q, const float *k, const float *v,
                          const pbt_layout *layout, int32_t H, int32_t G, int32_t E, float scale,
                          int32_t window, pbt_error *error);
    /* dq set, dk and dv added to (same shapes as q, k, v). `out` and `stats` are those of the forward pass.
     */
    pbt_code (*attention_backward)(float *dq, float *dk, float *dv, const float *dout, const float *out,
                                   const float *stats, const float *q, const float *k, const float *v,
                                   const pbt_layout *layout, int32_t H, int32_t G, int32_t E, float scale,
                                   int32_t window, pbt_error *error);

    /* y = silu(gate) * up, silu(a) = a / (1 + exp(-a));  backward sets dgate and dup (may alias dy's inputs
     * not) */
    void (*swiglu)(float *y, const float *gate, const float *up, size_t n);
    void (*swiglu_backward)(float *dgate, float *dup, const float *dy, const float *gate, const float *up,
                            size_t n);

    /* y[i] += a * x[i] */
    void (*add_scaled)(float *y, const float *x, float a, size_t n);
    /* x[i] *= a */
    void (*scale)(float *x, float a, size_t n);
    /* y[t][i] = keep ? x[t][i] / (1 - p) : 0; element (t, i) is kept by the random number of (key, rows[t],
     * i), so that the mask does not depend on batch composition. The backward pass is the same call on the
     * gradient. */
    void (*dropout)(float *y, const float *x, const uint64_t *row_ids, float p, pbt_key key, int32_t T,
                    int32_t D);
    /* y[r] = x[rows[r]];   dx[rows[r]] += dy[r] in ascending r */
    void (*gather_rows)(float *y, const float *x, const int32_t *rows, int32_t n, int32_t D);
    void (*scatter_add_rows)(float *dx, const float *dy, const int32_t *rows, int32_t n, int32_t D);

    /* logsumexp[t] = log sum_v exp(logits[t][v]) (max-shifted; 16 interleaved lanes over v, then a fixed
     * tree) */
    void (*logsumexp)(float *result, const float *logits, int32_t T, int32_t V);
    /* Of every row three numbers, result[3 * t ..]: entropy of its softmax (logsumexp - sum_v p_v logit_v,
     * p_v = exp(logit_v - logsumexp)), mean, and maximum of the logits. Lanes as in logsumexp. */
    void (*logit_statistics)(float *result, const float *logits, const float *logsumexp, int32_t T,
                             int32_t V);
    /* In place: logits[t][v] <- (sum of weight of targets of row t equal to v) - total_weight[t] *
     * softmax(logits[t])[v] i.e. the gradient of sum_i weight[i] * log p(target[i] | row[i]). Targets sorted
     * by row, n of them. */
    void (*logprob_backward)(float *logits, const float *logsumexp, const int32_t *target_row,
                             const int32_t *target, const float *weight, int32_t n, int32_t T, int32_t V);

    /* Sum of squares in double precision, in a fixed order. */
    double (*sum_of_squares)(const float *x, size_t n);
    /* One optimizer step over n parameters; gradient is first multiplied by grad_scale (clipping). */
    void (*adamw)(float *value, float *m, float *v, const float *gradient, size_t n, float grad_scale,
                  const pbt_adamw *settings);
} pbt_ops;

/* Threads the CPU may use; default: OMP_NUM_THREADS or the cores of the machine. */
void pbt_threads_set(int n);
int pbt_threads(void);

PBT_END_DECLS

#endif
