/* The choice of instruction set, threads, memory, and packing of matrices that do not change. */
#include "tensor/cpu/cpu.h"

#include "base/memory.h"
#include "tensor/quantize.h"

#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>

static _Thread_local pbt_scratch scratch;

pbt_scratch *pbt_scratch_of_thread(void) {
    return &scratch;
}

/* Memory of one thread. */
typedef struct thread_memory {
    void *pieces[PBT_MEMORY_USES];
    size_t bytes[PBT_MEMORY_USES];
} thread_memory;

static pthread_key_t memory_key;
static pthread_once_t memory_once = PTHREAD_ONCE_INIT;
static bool memory_key_made;

static void free_thread_memory(void *memory) {
    thread_memory *m = memory;
    for (int i = 0; i < PBT_MEMORY_USES; i++) free(m->pieces[i]);
    free(m);
}

static void make_memory_key(void) {
    memory_key_made = pthread_key_create(&memory_key, free_thread_memory) == 0;
}

void *pbt_thread_memory(pbt_memory_use use, size_t bytes) {
    pthread_once(&memory_once, make_memory_key);
    if (!memory_key_made) return NULL;
    thread_memory *m = pthread_getspecific(memory_key);
    if (!m) {
        m = pbt_alloc(1, sizeof *m);
        if (!m || pthread_setspecific(memory_key, m) != 0) {
            free(m);
            return NULL;
        }
    }
    if (bytes <= m->bytes[use] && m->pieces[use]) return m->pieces[use];
    free(m->pieces[use]);
    bytes += bytes / 2; /* texts grow token by token */
    m->pieces[use] = pbt_alloc_aligned(bytes, 1);
    m->bytes[use] = m->pieces[use] ? bytes : 0;
    return m->pieces[use];
}

static int threads;

void pbt_threads_set(int n) {
    threads = n > 0 ? n : 0;
}

/* OMP_NUM_THREADS is what people set for every program of this kind. */
static int default_threads(void) {
    const char *wish = getenv("OMP_NUM_THREADS");
    long n = wish ? strtol(wish, NULL, 10) : 0;
    if (n > 0) return n < 1024 ? (int)n : 1024;
    cpu_set_t set;
    return sched_getaffinity(0, sizeof set, &set) == 0 ? CPU_COUNT(&set) : 1;
}

static int defaults;
static pthread_once_t defaults_once = PTHREAD_ONCE_INIT;

static void look_up_defaults(void) {
    defaults = default_threads();
}

int pbt_threads(void) {
    if (threads > 0) return threads;
    pthread_once(&defaults_once, look_up_defaults);
    return defaults;
}

int pbt_threads_for(double work) {
    return work < 262144 ? 1 : pbt_threads();
}

void *pbt_cpu_alloc(size_t bytes) {
    return pbt_alloc_aligned(bytes, 1);
}

void pbt_cpu_release(void *memory) {
    free(memory);
}

void pbt_cpu_copy(void *to, const void *from, size_t bytes) {
    if (bytes > 0) memcpy(to, from, bytes);
}

static void pack_panel_32(float *panel, const pbt_matrix *matrix, int32_t first) {
    const float *data = matrix->data;
    int32_t n = matrix->rows - first < PBT_PANEL ? matrix->rows - first : PBT_PANEL;
    for (int32_t i = 0; i < n; i++) {
        const float *row = data + (int64_t)(first + i) * matrix->cols;
        for (int32_t k = 0; k < matrix->cols; k++) panel[(int64_t)k * PBT_PANEL + i] = row[k];
    }
}

static void pack_panel_16(uint16_t *panel, const pbt_matrix *matrix, int32_t first) {
    const uint16_t *data = matrix->data;
    int32_t n = matrix->rows - first < PBT_PANEL ? matrix->rows - first : PBT_PANEL;
    for (int32_t i = 0; i < n; i++) {
        const uint16_t *row = data + (int64_t)(first + i) * matrix->cols;
        for (int32_t k = 0; k < matrix->cols; k++) panel[(int64_t)k * PBT_PANEL + i] = row[k];
    }
}

static void pack_panel_8(int8_t *panel, const pbt_matrix *matrix, int32_t first, float *scales) {
    const int8_t *data = matrix->data;
    for (int32_t i = 0; i < PBT_PANEL && first + i < matrix->rows; i++) {
        const int8_t *row = data + (int64_t)(first + i) * matrix->cols;
        for (int32_t k = 0; k < matrix->cols; k++) panel[(int64_t)k * PBT_PANEL + i] = row[k];
        scales[i] = matrix->quantization->absmax[first + i];
    }
}

static void pack_panel_4(uint8_t *panel, const pbt_matrix *matrix, int32_t first, float *scales) {
    const uint8_t *data = matrix->data;
    const int32_t cols = matrix->cols, blocks = cols / matrix->quantization->block;
    for (int32_t i = 0; i < PBT_PANEL && first + i < matrix->rows; i++) {
        const uint8_t *row = data + (int64_t)(first + i) * cols / 2;
        const int shift = i < 8 ? 0 : 4;
        for (int32_t k = 0; k < cols; k++) {
            unsigned code = k % 2 == 0 ? row[k / 2] >> 4 : row[k / 2] & 15;
            panel[(int64_t)k * 8 + i % 8] |= (uint8_t)(code << shift);
        }
        for (int32_t j = 0; j < blocks; j++)
            scales[(int64_t)j * PBT_PANEL + i] =
                pbt_block_absmax(matrix->quantization, (int64_t)(first + i) * blocks + j);
    }
}

static void pack_panel(void *panel, const pbt_matrix *matrix, int32_t first, float *scales) {
    switch (pbt_dtype_bits(matrix->dtype)) {
    case 32:
        pack_panel_32(panel, matrix, first);
        break;
    case 16:
        pack_panel_16(panel, matrix, first);
        break;
    case 8:
        pack_panel_8(panel, matrix, first, scales);
        break;
    default:
        pack_panel_4(panel, matrix, first, scales);
    }
}

pbt_code pbt_cpu_prepare(pbt_matrix *matrix, pbt_error *error) {
    pbt_cpu_unprepare(matrix);
    const int bits = pbt_dtype_bits(matrix->dtype);
    const int32_t block = bits == 4 ? matrix->quantization->block : bits == 8 ? matrix->cols : 0;
    if (matrix->rows <= 0 || matrix->cols <= 0) return PBT_OK;
    if (bits == 4 && matrix->cols % block != 0) return PBT_OK; /* blocks that reach into the next row */
    size_t count = ((size_t)matrix->rows + PBT_PANEL - 1) / PBT_PANEL, cols = (size_t)matrix->cols, bytes;
    size_t panel = cols * PBT_PANEL * (size_t)bits / 8,
           scales = block > 0 ? cols / (size_t)block * PBT_PANEL : 0;
    if (__builtin_mul_overflow(count, panel + scales * sizeof(float), &bytes) ||
        __builtin_add_overflow(bytes, sizeof(pbt_panels), &bytes))
        return pbt_fail_memory(error, SIZE_MAX, "packed weights");
    pbt_panels *panels = pbt_alloc_aligned(bytes, 1);
    if (!panels) return pbt_fail_memory(error, bytes, "packed weights");
    float *scale = (float *)(void *)(panels->data + count * panel);
    panels->dtype = matrix->dtype;
    panels->block = block;
    panels->scales = scales > 0 ? scale : NULL;
    for (size_t p = 0; p < count; p++)
        pack_panel(panels->data + p * panel, matrix, (int32_t)p * PBT_PANEL, scale + p * scales);
    matrix->prepared = panels;
    return PBT_OK;
}

void pbt_cpu_unprepare(pbt_matrix *matrix) {
    free(matrix->prepared);
    matrix->prepared = NULL;
}

#define CPU_DEVICE(set)                                                                                      \
    {                                                                                                        \
        .name = "cpu", .instruction_set = #set, .ops = &pbt_ops_##set,                                       \
        .memory_physical = pbt_memory_physical, .memory_available = pbt_memory_available,                    \
        .draw_weights = pbt_##set##_draw_weights, .peak = pbt_##set##_peak                                   \
    }

static const pbt_device portable = CPU_DEVICE(portable);

const pbt_device *pbt_device_cpu(const char *wanted) {
#ifdef PBT_CPU_X86
    static const pbt_device avx2_device = CPU_DEVICE(avx2), avx512_device = CPU_DEVICE(avx512);
    bool avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
    bool avx512 = avx2 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                  __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
    if (avx512 && (!wanted || strcmp(wanted, "avx512") == 0)) return &avx512_device;
    if (avx2 && (!wanted || strcmp(wanted, "avx2") == 0)) return &avx2_device;
#endif
    return !wanted || strcmp(wanted, "portable") == 0 ? &portable : NULL;
}
