/*
 * Matrix products: y = x W^T, dx = dy W and dW = dy^T x, cut into blocks that stay in the caches. A block's
 * share of the summed index continues the chains the blocks before it left in the result.
 */
#include "tensor/cpu/kernels/kernel.h"

/* Where panels come from. */
typedef enum panel_kind { PANELS_PREPARED, PANELS_OF_ROWS, PANELS_OF_COLUMNS } panel_kind;

typedef struct product {
    int64_t rows, outputs, depth;
    tile_a a_kind;
    const float *a;
    int64_t lda;
    panel_kind b_kind;
    const pbt_matrix *b;
    float *c;
    int64_t ldc;
    bool accumulate; /* begin chains with c */
    bool add_scaled; /* chains begin with zero, then c += scale * sum */
    float scale;
} product;

/* A task: a block of rows times a block of panels. */
typedef struct task {
    int64_t row, rows, output, outputs;
} task;

/* Panels output/16 .. of one block of depth, as o->b, o->b_dtype and o->b_panel; prepared ones where they
 * are. */
static void panels(const product *p, pbt_scratch *scratch, int64_t output, int64_t count, int64_t first_k,
                   tile_operands *o) {
    const int64_t depth = o->depth;
    o->b = scratch->panels;
    o->b_dtype = PBT_F32;
    o->b_panel = depth * PBT_PANEL;
    if (p->b_kind == PANELS_OF_COLUMNS) {
        KERNEL(pack_columns)(scratch->panels, p->b, output, count, p->outputs, first_k, depth);
        return;
    }
    if (p->b_kind == PANELS_OF_ROWS) {
        for (int64_t i = 0; i < count; i++) KERNEL(pack_rows)
        (scratch->panels + i * o->b_panel, p->b, output + i * PBT_PANEL, first_k, depth, scratch->read);
        return;
    }
    const pbt_panels *ready = p->b->prepared;
    const int64_t panel = output / PBT_PANEL;
    o->b = ready->data + (panel * p->depth + first_k) * PBT_PANEL * pbt_dtype_bits(ready->dtype) / 8;
    o->b_dtype = ready->dtype;
    o->b_panel = p->depth * PBT_PANEL;
    if (!ready->scales) return;
    o->first_k = first_k;
    o->block_shift = ready->dtype == PBT_INT8 ? 31 : __builtin_ctz((unsigned)ready->block);
    o->scales_panel = p->depth / ready->block * PBT_PANEL;
    o->scales = ready->scales + panel * o->scales_panel;
}

/* Rows that are read whole need no copy, unless their distance puts many of them into the same sets of the
 * first cache (64 sets of 64 bytes). */
static bool lies_well(const product *p, int64_t depth) {
    return depth == p->depth && p->lda == depth && p->lda % 16 == 0 && p->lda / 16 % 8 != 0;
}

/* The task's rows for one block of depth, side by side; few rows are read where they are. */
static const float *left_rows(const product *p, const task *t, pbt_scratch *scratch, int64_t first_k,
                              int64_t depth, int64_t *step) {
    bool by_rows = p->a_kind == TILE_A_ROWS;
    const float *a = by_rows ? p->a + t->row * p->lda + first_k : p->a + first_k * p->lda + t->row;
    *step = p->lda;
    if (t->rows <= TILE_ROWS || (by_rows && lies_well(p, depth))) return a;
    *step = by_rows ? PBT_BLOCK_STRIDE : t->rows;
    for (int64_t i = 0; i < (by_rows ? t->rows : depth); i++)
        memcpy(scratch->rows + i * *step, a + i * p->lda, (size_t)(by_rows ? depth : t->rows) * sizeof *a);
    return scratch->rows;
}

static void multiply(const product *p, const task *t, float *c, int64_t ldc, bool from_zero) {
    pbt_scratch *scratch = pbt_scratch_of_thread();
    const int64_t tiles = (t->rows + TILE_ROWS - 1) / TILE_ROWS;
    const bool streams = tiles == 1 && p->b_kind == PANELS_PREPARED;
    /* One tile of rows has no use for what a block would keep in the caches: panels stream by, whole. */
    const int64_t depth_step = streams ? p->depth : PBT_BLOCK_DEPTH;
    const int64_t step = streams ? t->outputs : PBT_BLOCK_STEP * PBT_PANEL;
    for (int64_t k = 0; k < p->depth || (k == 0 && from_zero); k += depth_step) {
        int64_t depth = p->depth - k < depth_step ? p->depth - k : depth_step;
        tile_operands o = {.depth = depth, .ldc = ldc, .b_step = PBT_PANEL, .first = from_zero && k == 0};
        const float *a = left_rows(p, t, scratch, k, depth, &o.a_step);
        for (int64_t n = 0; n < t->outputs; n += step) {
            int64_t count = t->outputs - n < step ? t->outputs - n : step;
            panels(p, scratch, t->output + n, (count + PBT_PANEL - 1) / PBT_PANEL, k, &o);
            const char *b = o.b;
            const float *scales = o.scales;
            const int bits = pbt_dtype_bits(o.b_dtype);
            /* Several rows: panel by panel, so that the panel stays in the first cache. */
            int64_t width = t->rows > 3 ? (LANES == 16 ? 2 : 1) * PBT_PANEL : count;
            for (int64_t at = 0; at < count; at += width) {
                for (int64_t i = 0, row = 0; i < tiles; i++) {
                    int64_t rows = (t->rows - row + tiles - i - 1) / (tiles - i);
                    o.a = a + (p->a_kind == TILE_A_ROWS ? row * o.a_step : row);
                    o.b = b + at / PBT_PANEL * o.b_panel * bits / 8;
                    if (scales) o.scales = scales + at / PBT_PANEL * o.scales_panel;
                    o.c = c + row * ldc + n + at;
                    KERNEL(tile)(p->a_kind, (int)rows, count - at < width ? count - at : width, &o);
                    row += rows;
                }
            }
        }
    }
}

static void run_task(const product *p, const task *t) {
    float *c = p->c + t->row * p->ldc + t->output;
    if (!p->add_scaled) {
        multiply(p, t, c, p->ldc, !p->accumulate);
        return;
    }
    float *result = pbt_scratch_of_thread()->result;
    multiply(p, t, result, PBT_BLOCK_PANELS * PBT_PANEL, true);
    for (int64_t r = 0; r < t->rows; r++)
        for (int64_t n = 0; n < t->outputs; n++)
            c[r * p->ldc + n] =
                fmaf(p->scale, result[r * PBT_BLOCK_PANELS * PBT_PANEL + n], c[r * p->ldc + n]);
}

/* A product cut into tasks. */
typedef struct division {
    const product *product;
    int64_t row_block, panel_block, row_tasks;
} division;

static void run_tasks(void *user, int64_t first, int64_t last) {
    const division *d = user;
    const product *p = d->product;
    for (int64_t i = first; i < last; i++) {
        task t = {.row = i % d->row_tasks * d->row_block,
                  .output = i / d->row_tasks * d->panel_block * PBT_PANEL};
        t.rows = p->rows - t.row < d->row_block ? p->rows - t.row : d->row_block;
        t.outputs = p->outputs - t.output < d->panel_block * PBT_PANEL ? p->outputs - t.output
                                                                       : d->panel_block * PBT_PANEL;
        run_task(p, &t);
    }
}

static void run(const product *p) {
    if (p->rows <= 0 || p->outputs <= 0) return;
    int threads = pbt_threads_for((double)p->rows * (double)p->outputs * (double)p->depth);
    int64_t row_block = PBT_BLOCK_ROWS, panel_block = PBT_BLOCK_PANELS, row_tasks, tasks;
    int64_t all_panels = (p->outputs + PBT_PANEL - 1) / PBT_PANEL, panel_tasks;
    for (;;) {
        row_tasks = (p->rows + row_block - 1) / row_block;
        panel_tasks = (all_panels + panel_block - 1) / panel_block;
        tasks = row_tasks * panel_tasks;
        if (tasks % threads == 0 || tasks >= 4 * threads) break;
        if (panel_block > 4)
            panel_block /= 2;
        else if (row_block > 24)
            row_block /= 2;
        else if (panel_block > 1)
            panel_block--;
        else
            break;
    }
    pbt_pool_run(threads, tasks, run_tasks, &(division){p, row_block, panel_block, row_tasks});
}

/* Codes become floats in every tile: for many rows it is faster to make panels of floats once a block. */
static panel_kind panels_of(const pbt_matrix *W, int32_t T) {
    const pbt_panels *ready = W->prepared;
    return ready && (!ready->scales || T <= 2 * TILE_ROWS) ? PANELS_PREPARED : PANELS_OF_ROWS;
}

void KERNEL(linear)(float *y, int64_t ldy, const float *x, int64_t ldx, const pbt_matrix *W, int32_t T,
                    bool accumulate) {
    run(&(product){.rows = T,
                   .outputs = W->rows,
                   .depth = W->cols,
                   .a_kind = TILE_A_ROWS,
                   .a = x,
                   .lda = ldx,
                   .b_kind = panels_of(W, T),
                   .b = W,
                   .c = y,
                   .ldc = ldy,
                   .accumulate = accumulate});
}

void KERNEL(linear_backward_input)(float *dx, int64_t lddx, const float *dy, int64_t lddy,
                                   const pbt_matrix *W, int32_t T, bool accumulate) {
    run(&(product){.rows = T,
                   .outputs = W->cols,
                   .depth = W->rows,
                   .a_kind = TILE_A_ROWS,
                   .a = dy,
                   .lda = lddy,
                   .b_kind = PANELS_OF_COLUMNS,
                   .b = W,
                   .c = dx,
                   .ldc = lddx,
                   .accumulate = accumulate});
}

/* x, seen as a matrix of T rows whose columns are the outputs. Its row stride is ldx, so only the first K
 * columns may be asked for. */
void KERNEL(linear_backward_weight)(float *dW, const float *dy, int64_t lddy, const float *x, int64_t ldx,
                                    int32_t T, int32_t N, int32_t K, float scale) {
    pbt_matrix right = {.dtype = PBT_F32, .rows = T, .cols = (int32_t)ldx, .data = x};
    run(&(product){.rows = N,
                   .outputs = K,
                   .depth = T,
                   .a_kind = TILE_A_COLUMNS,
                   .a = dy,
                   .lda = lddy,
                   .b_kind = PANELS_OF_COLUMNS,
                   .b = &right,
                   .c = dW,
                   .ldc = K,
                   .add_scaled = true,
                   .scale = scale});
}
