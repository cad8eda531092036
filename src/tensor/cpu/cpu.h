/*
 * What the CPU's tables share: the packed form of matrices, memory of a thread, and the tables themselves.
 * kernels/ is compiled once for every instruction set; everything else here once.
 */
#ifndef PBT_TENSOR_CPU_CPU_H
#define PBT_TENSOR_CPU_CPU_H

#include "tensor/cpu/pool.h"
#include "tensor/device.h"

/* A panel is 16 outputs side by side: panel[k][16], zero where the matrix has no such output. */
enum { PBT_PANEL = 16 };

/* The packed form of a matrix: panels one after the other, [panels][cols][16] elements of 32 or 16 bits,
 * 8-bit codes, or 4-bit codes: eight bytes for every input, byte i holds output i in its low half and output
 * i + 8 in its high half. Codes have scales behind them: [panels][cols / block][16] for 4 bits, [panels][16]
 * for 8 bits (block = cols). */
typedef struct pbt_panels {
    pbt_dtype dtype;
    int32_t block;       /* inputs that share a scale */
    const float *scales; /* NULL for 32 and 16 bits */
    _Alignas(64) unsigned char data[];
} pbt_panels;

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

/* Threads worth using for `work` multiplications or so: starting them costs some microseconds. */
int pbt_threads_for(double work);

void *pbt_cpu_alloc(size_t bytes);
void pbt_cpu_release(void *memory);
void pbt_cpu_copy(void *to, const void *from, size_t bytes);
pbt_code pbt_cpu_prepare(pbt_matrix *matrix, pbt_error *error);
void pbt_cpu_unprepare(pbt_matrix *matrix);

extern const pbt_ops pbt_ops_portable, pbt_ops_avx2, pbt_ops_avx512;
/* What a device has beside its operations (device.h): kernels/draw.c, kernels/peak.c. */
#define PBT_CPU_DECLARE(set)                                                                                 \
    void pbt_##set##_draw_weights(double *weights, const float *logits, int32_t n, double most,              \
                                  double temperature);                                                       \
    double pbt_##set##_peak(float *seed);
PBT_CPU_DECLARE(portable)
PBT_CPU_DECLARE(avx2)
PBT_CPU_DECLARE(avx512)

/* The CPU with the kernels of an instruction set, NULL if the processor lacks it; NULL: with the best one. */
const pbt_device *pbt_device_cpu(const char *instruction_set);

#endif
