/*
 * What the benchmarks share: the machine's limits, measured in the same run as everything else, and medians.
 * A benchmark prints ratios within one run; absolute figures belong to the machine and the minute.
 */
#ifndef PBT_BENCH_MEASURE_H
#define PBT_BENCH_MEASURE_H

#include "base/json.h"
#include "base/memory.h"
#include "base/monitor.h"
#include "tensor/device.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#ifdef PBT_HAVE_CBLAS
#include <cblas.h>
void openblas_set_num_threads(int threads) __attribute__((weak));
char *openblas_get_corename(void) __attribute__((weak));
#endif
#define MEASURE static inline __attribute__((unused))

/* The device that is measured: the best there is. */
MEASURE const pbt_device *measure_device(void) {
    const pbt_device *device;
    pbt_error error;
    return pbt_device_open("auto", &device, &error) == PBT_OK ? device : NULL;
}

/* OpenBLAS older than the processor takes it for a smaller one, and a machine may be set to the smallest core
 * of all; both leave half of an AVX-512 unit unused. The name of the core is read only when the library
 * starts, so the program starts itself again with it: the peer is the fastest there is. */
MEASURE void measure_begin(char **argv) {
#if defined(PBT_HAVE_CBLAS) && defined(__x86_64__)
    if (getenv("PBT_BENCH_STARTED") || strcmp(measure_device()->instruction_set, "avx512") != 0 ||
        !openblas_get_corename)
        return;
    setenv("PBT_BENCH_STARTED", "1", 1);
    setenv("OPENBLAS_CORETYPE", "SkylakeX", 1);
    unsetenv("OPENBLAS_L2_SIZE");
    execv("/proc/self/exe", argv);
#else
    (void)argv;
#endif
}

/* Seconds of wall clock, or, where one thread works alone, of its processor time: what else runs on the
 * machine then does not count. */
static bool measure_cpu_time;

MEASURE double measure_now(void) {
    struct timespec now;
    if (!measure_cpu_time) return pbt_seconds();
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

MEASURE const char *measure_cblas(void) {
#ifdef PBT_HAVE_CBLAS
    return openblas_get_corename ? openblas_get_corename() : "unknown";
#else
    return "none";
#endif
}

MEASURE void measure_cblas_threads(int threads) {
#ifdef PBT_HAVE_CBLAS
    if (openblas_set_num_threads) openblas_set_num_threads(threads);
#else
    (void)threads;
#endif
}

/* ---- fused multiply-adds on registers: nothing computes faster ---- */

/* GFLOP/s of one thread in one short run. */
MEASURE double measure_fma(void) {
    enum { TIMES = 25 };
    const pbt_device *device = measure_device();
    float seed = 1e-6F;
    double done = 0, start = measure_now();
    for (int i = 0; i < TIMES; i++) done += device->peak(&seed);
    return done / (measure_now() - start) / 1e9;
}

/* ---- SGEMM of a large square, and reading from memory ---- */

enum { MEASURE_SQUARE = 1024 };

typedef struct measure_peaks {
    float *a, *b, *c; /* [1024 * 1024] */
    double *memory;   /* larger than any cache */
    size_t memory_count;
    double fma, gemm, bandwidth; /* best so far: GFLOP/s of one thread, GFLOP/s, GB/s of one thread */
} measure_peaks;

MEASURE bool measure_peaks_create(measure_peaks *p, int threads) {
    const size_t n = (size_t)MEASURE_SQUARE * MEASURE_SQUARE;
    *p = (measure_peaks){.a = pbt_alloc_aligned(n, sizeof(float)),
                         .b = pbt_alloc_aligned(n, sizeof(float)),
                         .c = pbt_alloc_aligned(n, sizeof(float)),
                         .memory_count = (size_t)24 << 20};
    p->memory = pbt_alloc_aligned(p->memory_count, sizeof(double));
    if (!p->a || !p->b || !p->c || !p->memory) return false;
    for (size_t i = 0; i < n; i++) p->a[i] = p->b[i] = 1.0f / (float)(i % 97 + 1);
    measure_cblas_threads(threads);
    measure_cpu_time = threads == 1;
    return true;
}

MEASURE void measure_peaks_free(measure_peaks *p) {
    free(p->a);
    free(p->b);
    free(p->c);
    free(p->memory);
}

MEASURE double measure_read(const measure_peaks *p) {
    double lanes[16] = {0}, start = measure_now();
    for (size_t i = 0; i + 16 <= p->memory_count; i += 16)
        for (int j = 0; j < 16; j++) lanes[j] += p->memory[i + (size_t)j];
    double seconds = measure_now() - start;
    volatile double sink = 0;
    for (int j = 0; j < 16; j++) sink += lanes[j];
    return (double)p->memory_count * sizeof(double) / seconds / 1e9;
}

/* One more try at each peak; call it between the measurements, so that peaks and measurements see the same
 * machine. */
MEASURE void measure_peaks_try(measure_peaks *p) {
    double rate = measure_fma();
    if (!(p->fma >= rate)) p->fma = rate;
    rate = measure_read(p);
    if (rate > p->bandwidth) p->bandwidth = rate;
#ifdef PBT_HAVE_CBLAS
    enum { N = MEASURE_SQUARE };
    double start = measure_now();
    cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasTrans, N, N, N, 1, p->a, N, p->b, N, 0, p->c, N);
    rate = 2.0 * N * N * N / (measure_now() - start) / 1e9;
    if (rate > p->gemm) p->gemm = rate;
#else
    p->gemm = NAN;
#endif
}

/* ---- times ---- */

typedef struct measure_times {
    double seconds[256];
    int n;
} measure_times;

MEASURE void measure_add(measure_times *t, double seconds) {
    if (t->n < 256) t->seconds[t->n++] = seconds;
}

MEASURE int measure_by_value(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}

MEASURE double measure_quantile(measure_times *t, double share) {
    if (t->n == 0) return NAN;
    qsort(t->seconds, (size_t)t->n, sizeof *t->seconds, measure_by_value);
    return t->seconds[(int)(share * (t->n - 1) + 0.5)];
}

/* ---- JSON ---- */

/* Leaves out what is not known. */
MEASURE void measure_set(json_t *object, const char *key, double value) {
    if (isfinite(value)) json_object_set_new(object, key, json_real(value));
}

MEASURE double measure_get(const json_t *object, const char *key) {
    const json_t *value = json_object_get(object, key);
    return value ? json_number_value(value) : NAN;
}

/* The limits as `threads` threads have them. */
MEASURE void measure_peaks_json(const measure_peaks *p, int threads, json_t *object) {
    json_object_set_new(object, "threads", json_integer(threads));
    json_object_set_new(object, "clock", json_string(measure_cpu_time ? "processor time" : "wall"));
    json_object_set_new(object, "cblas_core", json_string(measure_cblas()));
    measure_set(object, "fma_peak_gflops", p->fma * threads);
    measure_set(object, "sgemm_gflops", p->gemm);
    measure_set(object, "memory_read_gbytes_per_thread", p->bandwidth);
}

MEASURE void measure_print_json(json_t *object) {
    json_dumpf(object, stdout, JSON_INDENT(2) | JSON_REAL_PRECISION(6));
    putchar('\n');
}

#endif
