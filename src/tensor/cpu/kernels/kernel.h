/*
 * Names and shared pieces of the kernels. Every file here is compiled once for every instruction set, so
 * functions that other files call are named KERNEL(x) = pbt_<instruction set>_x.
 */
#ifndef PBT_TENSOR_CPU_KERNELS_KERNEL_H
#define PBT_TENSOR_CPU_KERNELS_KERNEL_H

#include "tensor/cpu/kernels/vector.h"
#include "tensor/cpu/panels.h"
#include "tensor/cpu/pool.h"
#include "tensor/cpu/thread_memory.h"
#include "tensor/cpu/threads.h"
#include "tensor/ops.h"

#define KERNEL_PASTE2(set, name) pbt_##set##_##name
#define KERNEL_PASTE(set, name)  KERNEL_PASTE2(set, name)
#define KERNEL(name)             KERNEL_PASTE(PBT_INSTRUCTION_SET, name)

/* Rows of a tile at most: as many accumulators as the registers hold beside one or two panels. */
#if LANES == 16
#define TILE_ROWS 12
#else
#define TILE_ROWS 6
#endif

/* How a tile reads its rows: a[row * a_step + k], or a[k * a_step + row]. */
typedef enum tile_a { TILE_A_ROWS, TILE_A_COLUMNS } tile_a;

/* b(k, n) = b[(n / 16) * b_panel + k * b_step + n % 16]; packed panels have b_step 16. */
typedef struct tile_operands {
    int64_t depth; /* summed indices */
    const float *a;
    int64_t a_step;
    const void *b;
    pbt_dtype b_dtype;       /* PBT_F32; packed panels of rows may be of any type (tile only) */
    int64_t b_panel, b_step; /* elements */
    const float *scales; /* of codes: scales[(n / 16) * scales_panel + (first_k + k) / block * 16 + n % 16] */
    int64_t scales_panel, first_k;
    int block_shift; /* block = 1 << block_shift; 8 bits: 31, one block */
    float *c;
    int64_t ldc;
    bool first;  /* start from zero, else from c */
    bool padded; /* b may be read 16 wide behind the last output (tile_any; tile always does) */
} tile_operands;

/* c[r][n] (+)= sum_k a(r, k) * b(k, n) for `rows` <= TILE_ROWS rows and n < outputs, each a chain over k in
 * ascending order. Reads b for whole panels of 16: packed panels hold zeros behind the last output. */
void KERNEL(tile)(tile_a a_kind, int rows, int64_t outputs, const tile_operands *operands);
/* The same for any number of rows, and for a b that ends with the last output. */
void KERNEL(tile_any)(tile_a a_kind, int64_t rows, int64_t outputs, const tile_operands *operands);

/* Reads n elements of a matrix row as floats, from column `column`. */
void KERNEL(read)(float *to, const pbt_matrix *from, int64_t row, int64_t column, int64_t n);
/* One panel: to[k][16] = from[first + i][first_k + k] (i: 16 rows of `from`). Zeros where there is no such
 * output. `read`: scratch of 16 * depth floats. */
void KERNEL(pack_rows)(float *to, const pbt_matrix *from, int64_t first, int64_t first_k, int64_t depth,
                       float *read);
/* Several panels, one after the other: to[p][k][16] = from[first_k + k][first + 16 * p + i] for first + 16 *
 * p
 * + i < `limit`, else zero. At most PBT_BLOCK_STEP panels. */
void KERNEL(pack_columns)(float *to, const pbt_matrix *from, int64_t first, int64_t panels, int64_t limit,
                          int64_t first_k, int64_t depth);
/* to[k][16] = rows[i][k] for 16 rows of floats (NULL: zeros). */
void KERNEL(transpose_16)(float *to, const float *const rows[16], int64_t depth);

void KERNEL(linear)(float *y, int64_t ldy, const float *x, int64_t ldx, const pbt_matrix *W, int32_t T,
                    bool accumulate);
void KERNEL(linear_backward_input)(float *dx, int64_t lddx, const float *dy, int64_t lddy,
                                   const pbt_matrix *W, int32_t T, bool accumulate);
void KERNEL(linear_backward_weight)(float *dW, const float *dy, int64_t lddy, const float *x, int64_t ldx,
                                    int32_t T, int32_t N, int32_t K, float scale);
void KERNEL(bias)(float *y, const float *b, int32_t T, int32_t N);
void KERNEL(bias_backward)(float *db, const float *dy, int32_t T, int32_t N);
void KERNEL(embed)(float *y, const pbt_matrix *table, const int32_t *ids, int32_t T);
void KERNEL(embed_backward)(float *dtable, const float *dy, const int32_t *ids, int32_t T, int32_t D);
void KERNEL(rmsnorm)(float *y, float *inv, const float *x, const float *g, float epsilon, int32_t T,
                     int32_t D);
void KERNEL(rmsnorm_backward)(float *dx, float *dg, const float *dy, const float *x, const float *inv,
                              const float *g, int32_t T, int32_t D);
void KERNEL(rope)(float *x, int64_t ldx, const int32_t *positions, const double *frequency,
                  float attention_scaling, int32_t T, int32_t heads, int32_t E, bool inverse);
pbt_code KERNEL(attention)(float *out, float *stats, const float *q, const float *k, const float *v,
                           const pbt_layout *layout, int32_t H, int32_t G, int32_t E, float scale,
                           int32_t window, pbt_error *error);
pbt_code KERNEL(attention_backward)(float *dq, float *dk, float *dv, const float *dout, const float *out,
                                    const float *stats, const float *q, const float *k, const float *v,
                                    const pbt_layout *layout, int32_t H, int32_t G, int32_t E, float scale,
                                    int32_t window, pbt_error *error);
void KERNEL(swiglu)(float *y, const float *gate, const float *up, size_t n);
void KERNEL(swiglu_backward)(float *dgate, float *dup, const float *dy, const float *gate, const float *up,
                             size_t n);
void KERNEL(add_scaled)(float *y, const float *x, float a, size_t n);
void KERNEL(scale)(float *x, float a, size_t n);
void KERNEL(dropout)(float *y, const float *x, const uint64_t *row_ids, float p, pbt_key key, int32_t T,
                     int32_t D);
void KERNEL(gather_rows)(float *y, const float *x, const int32_t *rows, int32_t n, int32_t D);
void KERNEL(scatter_add_rows)(float *dx, const float *dy, const int32_t *rows, int32_t n, int32_t D);
void KERNEL(logsumexp)(float *result, const float *logits, int32_t T, int32_t V);
void KERNEL(logit_statistics)(float *result, const float *logits, const float *logsumexp, int32_t T,
                              int32_t V);
void KERNEL(logprob_backward)(float *logits, const float *logsumexp, const int32_t *target_row,
                              const int32_t *target, const float *weight, int32_t n, int32_t T, int32_t V);
double KERNEL(sum_of_squares)(const float *x, size_t n);
void KERNEL(adamw)(float *value, float *m, float *v, const float *gradient, size_t n, float grad_scale,
                   const pbt_adamw *settings);

#endif
