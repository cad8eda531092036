/*
 * What attention's forward and backward passes share: which keys a row sees, and the scratch of a thread.
 */
#ifndef PBT_TENSOR_CPU_KERNELS_ATTENTION_COMMON_H
#define PBT_TENSOR_CPU_KERNELS_ATTENTION_COMMON_H

#include "tensor/cpu/kernels/kernel.h"

/* Rows of one span, and panels of sixteen keys, that are computed together. */
enum { ATTENTION_ROWS = 16, ATTENTION_PANELS = 4 };

/* Keys at positions position .. position+count-1 lie in KV rows row .. row+count-1. */
typedef struct key_run {
    int64_t position, row, count;
} key_run;

/* Rows row .. row+n-1 of the pass, of one span. */
typedef struct row_chunk {
    int32_t span, first, n;
} row_chunk;

/* The shape of one call, and its inputs. */
typedef struct attention_call {
    const float *q, *k, *v;
    const pbt_layout *layout;
    int64_t H, G, E, group; /* group = H / G heads share a key head */
    float scale;
    int64_t window;
    row_chunk *chunks;
    int64_t n_chunks;
    int64_t max_keys; /* rounded up to 16 */
    int64_t max_runs;
} attention_call;

typedef struct attention_scratch {
    key_run *runs;
    float *scores, *gradients; /* [rows * group][max_keys] */
    float *q, *dout, *out;     /* [rows * group][E] */
    float *panel;              /* [ATTENTION_PANELS][E][16] */
} attention_scratch;

/* Both hand out memory of the calling thread, good until its next call. Heads that do not go into each other:
 * PBT_USAGE. */
pbt_code KERNEL(attention_begin)(attention_call *call, pbt_error *error);
bool KERNEL(attention_scratch_open)(const attention_call *call, bool backward, attention_scratch *scratch);
/* The keys of positions 0 .. last of a segment; returns how many runs. */
int64_t KERNEL(attention_runs)(const attention_call *call, int32_t segment, int64_t last, key_run *runs);
/* to[r][key] = rows[r] . vectors[key][head], keys first .. last by position (first a multiple of 16); what
 * comes behind `last`, up to a multiple of 16, is left undefined. */
void KERNEL(attention_dots)(const attention_call *call, const attention_scratch *scratch, const key_run *runs,
                            int64_t n_runs, int64_t first, int64_t last, int64_t head, const float *rows,
                            int64_t n_rows, const float *vectors, float *to);
/* The heads of query head group `head` of n rows, side by side: to[i * group + h][E]. */
void KERNEL(attention_gather)(const attention_call *call, float *to, const float *from, int64_t row,
                              int64_t n, int64_t head);

/* Keys below `from` and from `to` on are not seen by the row at this position. */
static inline int64_t attention_from(const attention_call *call, int64_t position) {
    return call->window > 0 && position >= call->window ? position - call->window + 1 : 0;
}

#endif
