/*
 * Memory of the CPU's operations: scratch of a thread, and what devices hand out.
 */
#ifndef PBT_TENSOR_CPU_THREAD_MEMORY_H
#define PBT_TENSOR_CPU_THREAD_MEMORY_H

#include "tensor/cpu/panels.h"

/* Blocks of a matrix product (kernels/product.c): at most ROWS rows times PANELS panels a task, DEPTH summed
 * indices at a time; STRIDE is the distance of two packed rows, odd in cache lines so that rows fall into
 * different sets. STEP panels are packed at a time. */
enum {
    PBT_BLOCK_ROWS = 288,
    PBT_BLOCK_PANELS = 12,
    PBT_BLOCK_DEPTH = 320,
    PBT_BLOCK_STRIDE = 336,
    PBT_BLOCK_STEP = 4
};

/* Scratch of one thread, for operations that cannot fail. */
typedef struct pbt_scratch {
    _Alignas(64) float rows[PBT_BLOCK_ROWS * PBT_BLOCK_STRIDE];
    _Alignas(64) float panels[PBT_BLOCK_STEP * PBT_PANEL * PBT_BLOCK_DEPTH];
    _Alignas(64) float read[PBT_PANEL * PBT_BLOCK_DEPTH];
    _Alignas(64) float result[PBT_BLOCK_ROWS * PBT_BLOCK_PANELS * PBT_PANEL];
} pbt_scratch;
pbt_scratch *pbt_scratch_of_thread(void);
/* Memory of the calling thread that grows to what is asked for, 64-byte aligned, freed when the thread ends.
 * Its contents are good until the next call for the same purpose. NULL when memory is out. */
typedef enum pbt_memory_use {
    PBT_MEMORY_CHUNKS,
    PBT_MEMORY_RUNS,
    PBT_MEMORY_ATTENTION,
    PBT_MEMORY_USES
} pbt_memory_use;
void *pbt_thread_memory(pbt_memory_use use, size_t bytes);

void *pbt_cpu_alloc(size_t bytes);
void pbt_cpu_release(void *memory);
void pbt_cpu_copy(void *to, const void *from, size_t bytes);

#endif
