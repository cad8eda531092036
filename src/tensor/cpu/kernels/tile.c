/*
 * The inner product kernel: a few rows times one or more panels of sixteen outputs, all sums in registers.
 * Everything that multiplies matrices here goes through it.
 */
#include "tensor/cpu/kernels/kernel.h"

/* Panels a tile of so many rows takes at a time: enough chains in flight to hide the latency of a fused
 * multiply-add, few enough to stay in registers. */
#if LANES == 16
#define TILE_PANELS(rows) ((rows) == 1 ? 8 : (rows) <= 3 ? 4 : 2)
#else
#define TILE_PANELS(rows) ((rows) == 1 ? 4 : (rows) <= 3 ? 2 : 1)
#endif

/* Bytes by which panels that stream from memory are asked for beforehand: fewer rows compute faster than the
 * processor's own prefetch follows. */
enum { AHEAD = 2048 };

/* Vector v of the sixteen elements of one input in a panel. Codes become the same floats as in read
 * (pack.c). */
INLINE vec load_right(const pbt_dtype dtype, const void *b, int64_t at, int v, const float *scales) {
    const int lane = v * LANES;
    switch (dtype) {
    case PBT_BF16:
        return vec_load_bf16((const uint16_t *)b + at + lane);
    case PBT_F16:
        return vec_load_f16((const uint16_t *)b + at + lane);
    case PBT_NF4:
        return vec_load_codes((const uint8_t *)b + at / 2, v, pbt_nf4_codes) * vec_load(scales + lane);
    case PBT_FP4:
        return vec_load_codes((const uint8_t *)b + at / 2, v, pbt_fp4_codes) * vec_load(scales + lane);
    case PBT_INT8:
        return vec_load_int8((const int8_t *)b + at + lane) * vec_load(scales + lane) *
               vec_set(1.0f / 127.0f);
    default:
        return vec_load((const float *)b + at + lane);
    }
}

INLINE int bits_of(const pbt_dtype dtype) {
    return dtype == PBT_F32 ? 32 : dtype == PBT_INT8 ? 8 : dtype == PBT_NF4 || dtype == PBT_FP4 ? 4 : 16;
}

INLINE void tile_run(const tile_a kind, const pbt_dtype dtype, const int rows, const int panels,
                     const tile_operands *o, int64_t b_at, float *c) {
    vec sum[TILE_ROWS * 2 * VECTORS + 8];
    const int width = panels * VECTORS;
    UNROLL for (int r = 0; r < rows; r++) {
        UNROLL for (int v = 0; v < width; v++) sum[r * width + v] =
            o->first ? vec_set(0) : vec_load(c + r * o->ldc + v * LANES);
    }
    const float *a = o->a;
    const void *b = o->b;
    const int64_t a_step = o->a_step, b_step = o->b_step, b_panel = o->b_panel, depth = o->depth;
    /* b_at counts whole panels. */
    const int64_t scales_panel = o->scales_panel, first_k = o->first_k, shift = o->block_shift;
    const float *scales = o->scales;
    if (bits_of(dtype) < 16) scales += b_at / b_panel * scales_panel;
    for (int64_t k = 0; k < depth; k++) {
        vec right[8 * VECTORS];
        if (rows < TILE_ROWS)
            UNROLL for (int p = 0; p < panels; p++) __builtin_prefetch(
                (const char *)b + (b_at + p * b_panel + k * b_step) * bits_of(dtype) / 8 + AHEAD);
        UNROLL for (int v = 0; v < width; v++) right[v] = load_right(
            dtype, b, b_at + (v / VECTORS) * b_panel + k * b_step, v % VECTORS,
            bits_of(dtype) < 16 ? scales + (v / VECTORS) * scales_panel + ((first_k + k) >> shift) * PBT_PANEL
                                : NULL);
        UNROLL for (int r = 0; r < rows; r++) {
            vec left = vec_set(kind == TILE_A_ROWS ? a[r * a_step + k] : a[k * a_step + r]);
            UNROLL for (int v = 0; v < width; v++) sum[r * width + v] =
                vec_fma(left, right[v], sum[r * width + v]);
        }
    }
    UNROLL for (int r = 0; r < rows; r++) {
        UNROLL for (int v = 0; v < width; v++) vec_store(c + r * o->ldc + v * LANES, sum[r * width + v]);
    }
}

/* The last panel, of which only `outputs` are wanted: computed beside the result. */
INLINE void tile_last(const tile_a kind, const pbt_dtype dtype, const int rows, int64_t outputs,
                      const tile_operands *o, int64_t b_at, float *c) {
    float block[TILE_ROWS * PBT_PANEL];
    tile_operands beside = *o;
    beside.ldc = PBT_PANEL;
    if (!o->first)
        for (int r = 0; r < rows; r++)
            for (int64_t n = 0; n < PBT_PANEL; n++)
                block[r * PBT_PANEL + n] = n < outputs ? c[r * o->ldc + n] : 0;
    tile_run(kind, dtype, rows, 1, &beside, b_at, block);
    for (int r = 0; r < rows; r++)
        memcpy(c + r * o->ldc, block + r * PBT_PANEL, (size_t)outputs * sizeof(float));
}

/* As many whole groups of `panels` as there are; returns the outputs done. */
INLINE int64_t tile_groups(const tile_a kind, const pbt_dtype dtype, const int rows, const int panels,
                           int64_t outputs, const tile_operands *o, int64_t done) {
    for (; outputs - done >= panels * PBT_PANEL; done += panels * PBT_PANEL)
        tile_run(kind, dtype, rows, panels, o, done / PBT_PANEL * o->b_panel, o->c + done);
    return done;
}

INLINE void tile_rows(const tile_a kind, const pbt_dtype dtype, const int rows, int64_t outputs,
                      const tile_operands *o) {
    const int panels = TILE_PANELS(rows);
    int64_t done = tile_groups(kind, dtype, rows, panels, outputs, o, 0);
    if (panels > 2) done = tile_groups(kind, dtype, rows, 2, outputs, o, done);
    if (panels > 1) done = tile_groups(kind, dtype, rows, 1, outputs, o, done);
    if (done < outputs)
        tile_last(kind, dtype, rows, outputs - done, o, done / PBT_PANEL * o->b_panel, o->c + done);
}

#define TILE_CASE(n)                                                                                         \
    case n:                                                                                                  \
        tile_rows(kind, dtype, n, outputs, o);                                                               \
        break;

INLINE void tile_of_kind(const tile_a kind, const pbt_dtype dtype, int rows, int64_t outputs,
                         const tile_operands *o) {
    switch (rows) {
        TILE_CASE(1)
        TILE_CASE(2)
        TILE_CASE(3)
        TILE_CASE(4)
        TILE_CASE(5)
        TILE_CASE(6)
#if TILE_ROWS > 6
        TILE_CASE(7)
        TILE_CASE(8)
        TILE_CASE(9)
        TILE_CASE(10)
        TILE_CASE(11)
        TILE_CASE(12)
#endif
    default:
        break;
    }
}

#define TILE_TYPE(type)                                                                                      \
    case type:                                                                                               \
        tile_of_kind(TILE_A_ROWS, type, rows, outputs, o);                                                   \
        break;

void KERNEL(tile)(tile_a kind, int rows, int64_t outputs, const tile_operands *o) {
    if (kind == TILE_A_COLUMNS) {
        tile_of_kind(TILE_A_COLUMNS, PBT_F32, rows, outputs, o);
        return;
    }
    switch (o->b_dtype) {
        TILE_TYPE(PBT_F32)
        TILE_TYPE(PBT_F16)
        TILE_TYPE(PBT_BF16)
        TILE_TYPE(PBT_NF4)
        TILE_TYPE(PBT_FP4)
        TILE_TYPE(PBT_INT8)
    default:
        break;
    }
}

void KERNEL(tile_any)(tile_a kind, int64_t rows, int64_t outputs, const tile_operands *o) {
    int64_t whole = o->padded ? outputs : outputs / PBT_PANEL * PBT_PANEL;
    int64_t tiles = (rows + TILE_ROWS - 1) / TILE_ROWS;
    for (int64_t i = 0, row = 0; i < tiles && whole > 0; i++) {
        int64_t n = (rows - row + tiles - i - 1) / (tiles - i);
        tile_operands part = *o;
        part.a += kind == TILE_A_ROWS ? row * o->a_step : row;
        part.c += row * o->ldc;
        KERNEL(tile)(kind, (int)n, whole, &part);
        row += n;
    }
    for (int64_t r = 0; r < rows; r++)
        for (int64_t n = whole; n < outputs; n++) {
            const float *b = (const float *)o->b + n / PBT_PANEL * o->b_panel + n % PBT_PANEL;
            float sum = o->first ? 0 : o->c[r * o->ldc + n];
            for (int64_t k = 0; k < o->depth; k++)
                sum = fmaf(kind == TILE_A_ROWS ? o->a[r * o->a_step + k] : o->a[k * o->a_step + r],
                           b[k * o->b_step], sum);
            o->c[r * o->ldc + n] = sum;
        }
}
