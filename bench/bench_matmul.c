/*
 * How fast matrix products are: the operation table's linear and its two backward products against SGEMM of a
 * CBLAS on the same shape and against the machine's peaks, and products of few rows (decoding) against memory
 * bandwidth, for every type of weights.
 *
 *     bench_matmul [--json] [--threads N] [--rounds N]
 *
 * Every round measures every case once, with the peaks between them; of the rounds the fastest and the median
 * are given, so that a busy machine slows all alike. Shares divide the fastest by the fastest.
 */
#include "measure.h"

#include "tensor/cpu/cpu.h"
#include "tensor/ops.h"

#include <stdio.h>

typedef enum product_kind { LINEAR, LINEAR_PACKED, BACKWARD_INPUT, BACKWARD_WEIGHT, KINDS } product_kind;
static const char *const kind_names[KINDS] = {"linear", "linear, packed", "backward input",
                                              "backward weight"};

typedef struct product_case {
    int T, N, K;
    product_kind kind;
    pbt_dtype dtype;
} product_case;

static const product_case cases[] = {
    {1024, 1024, 1024, LINEAR, PBT_F32},
    {1024, 1024, 1024, LINEAR_PACKED, PBT_F32},
    {1024, 1024, 1024, BACKWARD_INPUT, PBT_F32},
    {1024, 1024, 1024, BACKWARD_WEIGHT, PBT_F32},
    {512, 1408, 512, LINEAR_PACKED, PBT_F32},
    {512, 1408, 512, LINEAR, PBT_F32},
    {512, 1408, 512, BACKWARD_INPUT, PBT_F32},
    {512, 1408, 512, BACKWARD_WEIGHT, PBT_F32},
    {512, 512, 1408, LINEAR, PBT_F32},
    {512, 2816, 1024, LINEAR_PACKED, PBT_BF16},
    {512, 2816, 1024, LINEAR, PBT_BF16},
    {512, 2816, 1024, BACKWARD_INPUT, PBT_BF16},
    {512, 2816, 1024, LINEAR, PBT_NF4},
    {512, 2816, 1024, LINEAR_PACKED, PBT_NF4},
    {512, 2816, 1024, LINEAR_PACKED, PBT_INT8},
    {512, 448, 192, LINEAR, PBT_F32},
    {512, 448, 192, BACKWARD_INPUT, PBT_F32},
    {512, 448, 192, BACKWARD_WEIGHT, PBT_F32},
    {512, 16, 192, LINEAR, PBT_F32},
    {512, 192, 16, LINEAR, PBT_F32},
    {512, 192, 16, BACKWARD_INPUT, PBT_F32},
    {512, 192, 16, BACKWARD_WEIGHT, PBT_F32},
    {512, 16, 192, BACKWARD_WEIGHT, PBT_F32},
    {64, 448, 192, LINEAR_PACKED, PBT_F32},
    {8, 448, 192, LINEAR_PACKED, PBT_F32},
    {1, 448, 192, LINEAR_PACKED, PBT_F32},
    {1, 8192, 2048, LINEAR_PACKED, PBT_F32},
    {1, 8192, 2048, LINEAR_PACKED, PBT_BF16},
    {1, 8192, 2048, LINEAR, PBT_BF16},
    {1, 8192, 2048, LINEAR, PBT_NF4},
    {1, 8192, 2048, LINEAR_PACKED, PBT_NF4},
    {1, 8192, 2048, LINEAR_PACKED, PBT_INT8},
    {8, 8192, 2048, LINEAR_PACKED, PBT_F32},
    {8, 8192, 2048, LINEAR_PACKED, PBT_BF16},
    {8, 8192, 2048, LINEAR_PACKED, PBT_NF4},
    {8, 8192, 2048, LINEAR_PACKED, PBT_INT8},
    {64, 8192, 2048, LINEAR_PACKED, PBT_BF16},
};
enum { CASES = sizeof cases / sizeof *cases };

typedef struct workload {
    const product_case *shape;
    pbt_matrix W;
    pbt_quantization quantization;
    void *weights;
    float *x, *y, *dW, *absmax;
    int repeats; /* of one measurement: some milliseconds */
    measure_times ours, cblas;
} workload;

static void free_workload(workload *w) {
    if (w->W.prepared) measure_device()->ops->unprepare(&w->W);
    free(w->weights);
    free(w->x);
    free(w->y);
    free(w->dW);
    free(w->absmax);
}

static void once(workload *w) {
    const pbt_ops *ops = measure_device()->ops;
    const product_case *c = w->shape;
    switch (c->kind) {
    case LINEAR:
    case LINEAR_PACKED:
        ops->linear(w->y, c->N, w->x, c->K, &w->W, c->T, false);
        break;
    case BACKWARD_INPUT:
        ops->linear_backward_input(w->x, c->K, w->y, c->N, &w->W, c->T, false);
        break;
    default:
        ops->linear_backward_weight(w->dW, w->y, c->N, w->x, c->K, c->T, c->N, c->K, 1e-6f);
    }
}

static void once_cblas(workload *w) {
#ifdef PBT_HAVE_CBLAS
    const product_case *c = w->shape;
    const float *W = w->weights;
    if (c->kind <= LINEAR_PACKED)
        cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasTrans, c->T, c->N, c->K, 1, w->x, c->K, W, c->K, 0,
                    w->y, c->N);
    else if (c->kind == BACKWARD_INPUT)
        cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, c->T, c->K, c->N, 1, w->y, c->N, W, c->K, 0,
                    w->x, c->K);
    else
        cblas_sgemm(CblasRowMajor, CblasTrans, CblasNoTrans, c->N, c->K, c->T, 1e-6f, w->y, c->N, w->x, c->K,
                    1, w->dW, c->K);
#else
    (void)w;
#endif
}

static double flop(const product_case *c) {
    return 2.0 * c->T * c->N * c->K;
}

static void fill(float *to, size_t n) {
    for (size_t i = 0; i < n; i++) to[i] = (float)(i * 2654435761u % 1000) * 1e-3f - 0.5f;
}

static bool make(const product_case *c, workload *w) {
    const size_t n = (size_t)c->N * (size_t)c->K;
    *w = (workload){.shape = c,
                    .weights = pbt_alloc_aligned(n, sizeof(float)),
                    .x = pbt_alloc_aligned((size_t)c->T * (size_t)c->K, sizeof(float)),
                    .y = pbt_alloc_aligned((size_t)c->T * (size_t)c->N, sizeof(float)),
                    .dW = pbt_alloc_aligned(n, sizeof(float)),
                    .absmax = pbt_alloc_aligned(n / 64 + (size_t)c->N, sizeof(float))};
    if (!w->weights || !w->x || !w->y || !w->dW || !w->absmax) return false;
    fill(w->x, (size_t)c->T * (size_t)c->K);
    fill(w->y, (size_t)c->T * (size_t)c->N);
    fill(w->absmax, n / 64 + 1);
    fill(w->weights, n);
    if (c->dtype == PBT_BF16)
        for (size_t i = 0; i < n; i++)
            ((uint16_t *)w->weights)[i] = pbt_f32_to_bf16((float)(i * 2654435761u % 1000) * 1e-3f - 0.5f);
    w->quantization = (pbt_quantization){.block = 64, .absmax = w->absmax};
    w->W =
        (pbt_matrix){.dtype = c->dtype,
                     .rows = c->N,
                     .cols = c->K,
                     .data = w->weights,
                     .quantization = c->dtype == PBT_NF4 || c->dtype == PBT_INT8 ? &w->quantization : NULL};
    pbt_error error;
    if (c->kind == LINEAR_PACKED && measure_device()->ops->prepare(&w->W, &error) != PBT_OK) return false;
    once(w);
    double start = measure_now();
    once(w);
    w->repeats = (int)(0.004 / (measure_now() - start + 1e-7)) + 1;
    return true;
}

static double timed(workload *w, void (*what)(workload *)) {
    double start = measure_now();
    for (int i = 0; i < w->repeats; i++) what(w);
    return (measure_now() - start) / w->repeats;
}

static json_t *result(workload *w, const measure_peaks *peaks, int threads) {
    const product_case *c = w->shape;
    json_t *row = json_object();
    double best = measure_quantile(&w->ours, 0), rate = flop(c) / best / 1e9;
    double bytes = (double)c->N * c->K * pbt_dtype_bits(c->dtype) / 8;
    json_object_set_new(row, "product", json_string(kind_names[c->kind]));
    json_object_set_new(row, "weights", json_string(pbt_dtype_name(c->dtype)));
    json_object_set_new(row, "rows", json_integer(c->T));
    json_object_set_new(row, "outputs", json_integer(c->N));
    json_object_set_new(row, "inputs", json_integer(c->K));
    measure_set(row, "gflops", rate);
    measure_set(row, "gflops_median", flop(c) / measure_quantile(&w->ours, 0.5) / 1e9);
    measure_set(row, "share_of_fma_peak", rate / (peaks->fma * threads));
    measure_set(row, "share_of_sgemm_peak", rate / peaks->gemm);
    measure_set(row, "to_sgemm_of_this_shape", measure_quantile(&w->cblas, 0) / best);
    if (c->T <= 8 && bytes > 4e6) {
        measure_set(row, "weights_gbytes_per_second", bytes / best / 1e9);
        measure_set(row, "share_of_bandwidth", bytes / best / 1e9 / (peaks->bandwidth * threads));
    }
    return row;
}

static void print_table(const json_t *results, const measure_peaks *peaks, int threads) {
    printf("%d threads; peaks: fused multiply-add %.0f GFLOP/s, SGEMM (OpenBLAS, %s) %.0f GFLOP/s, reading "
           "%.1f GB/s a thread\n",
           threads, peaks->fma * threads, measure_cblas(), peaks->gemm, peaks->bandwidth);
    printf("%-16s %-9s %5s %5s %5s %8s %8s %8s %8s %9s %9s\n", "product", "weights", "rows", "out", "in",
           "GFLOP/s", "of FMA", "of SGEMM", "to BLAS", "GB/s", "of memory");
    size_t i;
    json_t *row;
    json_array_foreach((json_t *)results, i, row) {
        printf("%-16s %-9s %5d %5d %5d %8.1f %7.1f%% %7.1f%%",
               json_string_value(json_object_get(row, "product")),
               json_string_value(json_object_get(row, "weights")), (int)measure_get(row, "rows"),
               (int)measure_get(row, "outputs"), (int)measure_get(row, "inputs"), measure_get(row, "gflops"),
               100 * measure_get(row, "share_of_fma_peak"), 100 * measure_get(row, "share_of_sgemm_peak"));
        double blas = measure_get(row, "to_sgemm_of_this_shape");
        double rate = measure_get(row, "weights_gbytes_per_second");
        if (isfinite(blas))
            printf(" %8.2f", blas);
        else
            printf(" %8s", "");
        if (isfinite(rate)) printf(" %9.1f %8.1f%%", rate, 100 * measure_get(row, "share_of_bandwidth"));
        putchar('\n');
    }
}

static bool run(int threads, int rounds, bool json) {
    static workload work[CASES];
    measure_peaks peaks;
    bool made = measure_peaks_create(&peaks, threads);
    for (int i = 0; i < CASES && made; i++) made = make(&cases[i], &work[i]);
    for (int round = 0; made && round < rounds; round++)
        for (int i = 0; i < CASES; i++) {
            if (i % 4 == 0) measure_peaks_try(&peaks);
            measure_add(&work[i].ours, timed(&work[i], once));
            if (cases[i].dtype == PBT_F32 && isfinite(peaks.gemm))
                measure_add(&work[i].cblas, timed(&work[i], once_cblas));
        }
    if (made) {
        json_t *all = json_object(), *results = json_array();
        for (int i = 0; i < CASES; i++) json_array_append_new(results, result(&work[i], &peaks, threads));
        measure_peaks_json(&peaks, threads, all);
        json_object_set_new(all, "results", results);
        if (json)
            measure_print_json(all);
        else
            print_table(results, &peaks, threads);
        json_decref(all);
    }
    for (int i = 0; i < CASES; i++) free_workload(&work[i]);
    measure_peaks_free(&peaks);
    return made;
}

int main(int argc, char **argv) {
    int threads = 1, rounds = 15;
    bool json = false;
    measure_begin(argv);
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--json") == 0)
            json = true;
        else if (strcmp(argv[i], "--threads") == 0 && i + 1 < argc)
            threads = atoi(argv[++i]);
        else if (strcmp(argv[i], "--rounds") == 0 && i + 1 < argc)
            rounds = atoi(argv[++i]);
        else
            rounds = 0;
    }
    if (threads < 1 || rounds < 1) {
        fprintf(stderr, "usage: bench_matmul [--json] [--threads N] [--rounds N]\n");
        return 2;
    }
    pbt_threads_set(threads);
    if (run(threads, rounds, json)) return 0;
    fprintf(stderr, "bench_matmul: out of memory\n");
    return 1;
}
