/* Which keys a row sees, and products of rows with keys. */
#include "tensor/cpu/kernels/attention_common.h"

#include "base/memory.h"

#include <stdlib.h>

static int64_t depth_of(const pbt_layout *layout, int32_t segment) {
    int64_t depth = 0;
    for (; segment >= 0; segment = layout->segments[segment].parent) depth++;
    return depth;
}

pbt_code KERNEL(attention_begin)(attention_call *call, pbt_error *error) {
    const pbt_layout *layout = call->layout;
    if (call->G <= 0 || call->H % call->G != 0 || call->H / call->G > 64)
        return pbt_fail(error, PBT_USAGE,
                        "attention: %d query heads over %d key heads, expected 1 to 64 each", (int)call->H,
                        (int)call->G);
    call->group = call->H / call->G;
    call->n_chunks = 0;
    call->max_keys = call->max_runs = 1;
    for (int32_t i = 0; i < layout->n_spans; i++) {
        const pbt_span *span = &layout->spans[i];
        int64_t keys = (int64_t)layout->segments[span->segment].position + span->first + span->length;
        int64_t runs = depth_of(layout, span->segment);
        call->n_chunks += (span->length + ATTENTION_ROWS - 1) / ATTENTION_ROWS;
        if (keys > call->max_keys) call->max_keys = keys;
        if (runs > call->max_runs) call->max_runs = runs;
    }
    call->max_keys = (call->max_keys + 15) / 16 * 16;
    call->chunks = pbt_thread_memory(PBT_MEMORY_CHUNKS, (size_t)call->n_chunks * sizeof *call->chunks);
    if (!call->chunks)
        return pbt_fail_memory(error, (size_t)call->n_chunks * sizeof *call->chunks, "attention");
    int64_t at = 0;
    for (int32_t i = 0; i < layout->n_spans; i++)
        for (int32_t first = 0; first < layout->spans[i].length; first += ATTENTION_ROWS) {
            int32_t rest = layout->spans[i].length - first;
            call->chunks[at++] = (row_chunk){i, first, rest < ATTENTION_ROWS ? rest : ATTENTION_ROWS};
        }
    return PBT_OK;
}

bool KERNEL(attention_scratch_open)(const attention_call *call, bool backward, attention_scratch *scratch) {
    size_t rows = (size_t)(ATTENTION_ROWS * call->group), E = (size_t)call->E;
    size_t scores = rows * (size_t)call->max_keys, tile = (rows * E + 15) / 16 * 16;
    size_t floats =
        scores * (backward ? 2 : 1) + tile * (backward ? 3 : 2) + ATTENTION_PANELS * PBT_PANEL * E;
    float *memory = pbt_thread_memory(PBT_MEMORY_ATTENTION, floats * sizeof *memory);
    *scratch = (attention_scratch){
        .runs = pbt_thread_memory(PBT_MEMORY_RUNS, (size_t)call->max_runs * sizeof *scratch->runs),
        .scores = memory};
    if (!scratch->runs || !memory) return false;
    memory += scores;
    if (backward) {
        scratch->gradients = memory;
        memory += scores;
        scratch->dout = memory;
        memory += tile;
    }
    scratch->q = memory;
    scratch->out = memory + tile;
    scratch->panel = memory + 2 * tile;
    return true;
}

int64_t KERNEL(attention_runs)(const attention_call *call, int32_t segment, int64_t last, key_run *runs) {
    const pbt_segment *segments = call->layout->segments;
    int64_t n = depth_of(call->layout, segment), end = last + 1;
    for (int64_t i = n - 1; i >= 0; i--, segment = segments[segment].parent) {
        const pbt_segment *s = &segments[segment];
        runs[i] = (key_run){s->position, s->kv_row, end - s->position};
        end = s->position;
    }
    return n;
}

void KERNEL(attention_dots)(const attention_call *call, const attention_scratch *scratch, const key_run *runs,
                            int64_t n_runs, int64_t first, int64_t last, int64_t head, const float *rows,
                            int64_t n_rows, const float *vectors, float *to) {
    const int64_t width = call->G * call->E, panel = call->E * PBT_PANEL;
    int64_t run = 0;
    for (int64_t key = first; key <= last; key += ATTENTION_PANELS * PBT_PANEL) {
        int64_t panels = (last - key) / PBT_PANEL + 1;
        if (panels > ATTENTION_PANELS) panels = ATTENTION_PANELS;
        for (int64_t p = 0; p < panels; p++) {
            const float *from[PBT_PANEL];
            for (int64_t i = 0; i < PBT_PANEL; i++) {
                int64_t at = key + p * PBT_PANEL + i;
                if (at > last) at = last; /* nobody asks for what lies behind it */
                while (run + 1 < n_runs && at >= runs[run].position + runs[run].count) run++;
                from[i] = vectors + (runs[run].row + at - runs[run].position) * width + head * call->E;
            }
            KERNEL(transpose_16)(scratch->panel + p * panel, from, call->E);
        }
        KERNEL(tile_any)
        (TILE_A_ROWS, n_rows, panels * PBT_PANEL,
         &(tile_operands){.depth = call->E,
                          .a = rows,
                          .a_step = call->E,
                          .b = scratch->panel,
                          .b_panel = panel,
                          .b_step = PBT_PANEL,
                          .c = to + key,
                          .ldc = call->max_keys,
                          .first = true,
                          .padded = true});
    }
}

void KERNEL(attention_gather)(const attention_call *call, float *to, const float *from, int64_t row,
                              int64_t n, int64_t head) {
    const int64_t width = call->group * call->E;
    for (int64_t i = 0; i < n; i++)
        memcpy(to + i * width, from + (row + i) * call->H * call->E + head * width,
               (size_t)width * sizeof *to);
}
