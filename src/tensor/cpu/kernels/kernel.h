/*
 * Names and shared pieces of the kernels. Every file here is compiled once for every instruction set, so
 * functions that other files call are named KERNEL(x) = pbt_<instruction set>_x.
 */
#ifndef PBT_TENSOR_CPU_KERNEL_H
#define PBT_TENSOR_CPU_KERNEL_H

#include "tensor/cpu/cpu.h"
#include "tensor/cpu/kernels/vector.h"

#define KERNEL_PASTE2(set, name) pbt_##set##_##name
#define KERNEL_PASTE(set, name)  KERNEL_PASTE2(set, name)
#define KERNEL(name)             KERNEL_PASTE(PBT_INSTRUCTION_SET, name)

/* Rows of a tile at most: as many accumulators as the registers hold beside one or two panels. */
#if LANES == 16
#define TILE_ROWS 12
#else
#define TILE_ROWS 6
#endif

/* How a tile reads its rows: packed [row][PBT_BLOCK_STRIDE], or a[k * a_step + row]. */
typedef enum tile_a { TILE_A_ROWS, TILE_A_COLUMNS, TILE_A_KINDS } tile_a;
/* How a tile reads its panels: packed [k][16], or b[k * b_step + output]. */
typedef enum tile_b { TILE_B_PACKED, TILE_B_STEP, TILE_B_KINDS } tile_b;

typedef struct tile_operands {
    int64_t depth; /* summed indices */
    const float *a;
    int64_t a_step;
    const float *b;
    int64_t b_panel; /* floats between panels */
    int64_t b_step;
    float *c;
    int64_t ldc;
    bool first; /* start from zero, else from c */
} tile_operands;

/* c[r][n] (+)= sum_k a(r, k) * b(k, n) for `rows` <= TILE_ROWS rows and n < outputs, each a chain over k. */
void KERNEL(tile)(tile_a a_kind, tile_b b_kind, int rows, int64_t outputs, const tile_operands *operands);
/* Panels that a tile of so many rows likes to take at a time (1, 2, 4 or 8). */
int KERNEL(tile_panels)(tile_a a_kind, tile_b b_kind, int rows);

/* Reads n elements of a matrix row as floats. */
typedef struct source {
    pbt_dtype dtype;
    const void *data;
    int64_t stride; /* elements between rows */
    const pbt_quantization *quantization;
} source;
void KERNEL(read)(float *to, const source *from, int64_t row, int64_t column, int64_t n);
source KERNEL(source_of)(const pbt_matrix *matrix);
/* Panels of `count` <= 16 * panels outputs over depth indices from `first_k`: outputs are rows (transposing)
 * or columns of the source. Zeros where there is no output. `panel_stride` floats between panels. */
void KERNEL(pack_rows)(float *to, int64_t panel_stride, const source *from, int64_t first, int64_t count,
                       int64_t first_k, int64_t depth, float *read);
void KERNEL(pack_columns)(float *to, int64_t panel_stride, const source *from, int64_t first, int64_t count,
                          int64_t first_k, int64_t depth);
/* to[k][to_stride] <- from[i][k] for 8 rows of 8 floats. */
void KERNEL(transpose_8)(float *to, int64_t to_stride, const float *from, int64_t from_stride);

/* sum over e in ascending order with fma, from zero, of the rows' products with v, where row r has
 * count + extra(r) terms; see attention.c. */

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
void KERNEL(logprob_backward)(float *logits, const float *logsumexp, const int32_t *target_row,
                              const int32_t *target, const float *weight, int32_t n, int32_t T, int32_t V);
double KERNEL(sum_of_squares)(const float *x, size_t n);
void KERNEL(adamw)(float *value, float *m, float *v, const float *gradient, size_t n, float grad_scale,
                   const pbt_adamw *settings);

#endif
