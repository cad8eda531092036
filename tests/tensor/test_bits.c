/* The promise of tensor/ops.h: products are chains in ascending order, the same bits from every instruction
 * set, any number of threads, prepared or not, and whatever else is in the batch. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "device.h"
#include "tensor/ops.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { SETS = 3 };
static const char *const names[SETS] = {"portable", "avx2", "avx512"};
static pbt_error problem;

static float *numbers(size_t n, uint64_t tag) {
    float *x = malloc((n ? n : 1) * sizeof *x);
    pbt_key key = pbt_key_of_seed(tag);
    for (size_t i = 0; i < n; i++) x[i] = (float)pbt_random_normal(key, i);
    return x;
}

/* Shapes around the borders of tiles, panels and blocks. */
static const int32_t shapes[][3] = {{1, 1, 1},      {1, 33, 70},   {2, 16, 16},   {3, 17, 15},
                                    {6, 64, 100},   {7, 5, 333},   {13, 200, 48}, {150, 40, 37},
                                    {301, 210, 17}, {4, 321, 193}, {64, 192, 448}};

static void check_product(const pbt_ops *ops, int32_t T, int32_t K, int32_t N) {
    float *x = numbers((size_t)T * (size_t)K, 1), *W = numbers((size_t)N * (size_t)K, 2);
    float *y = numbers((size_t)T * (size_t)N, 3), *expected = numbers((size_t)T * (size_t)N, 3);
    pbt_matrix m = {.dtype = PBT_F32, .rows = N, .cols = K, .data = W};
    for (int32_t t = 0; t < T; t++)
        for (int32_t n = 0; n < N; n++) {
            float sum = expected[t * N + n];
            for (int32_t k = 0; k < K; k++) sum = fmaf(x[t * K + k], W[n * K + k], sum);
            expected[t * N + n] = sum;
        }
    ops->linear(y, N, x, K, &m, T, true);
    assert_memory_equal(y, expected, (size_t)T * (size_t)N * sizeof *y);
    float *again = numbers((size_t)T * (size_t)N, 3);
    assert_int_equal(ops->prepare(&m, &problem), PBT_OK);
    ops->linear(again, N, x, K, &m, T, true);
    assert_memory_equal(again, expected, (size_t)T * (size_t)N * sizeof *y);
    ops->unprepare(&m);
    /* dx[t][k] = sum_n y[t][n] W[n][k] */
    float *dx = numbers((size_t)T * (size_t)K, 4);
    ops->linear_backward_input(dx, K, y, N, &m, T, false);
    for (int32_t t = 0; t < T; t += 1 + T / 9)
        for (int32_t k = 0; k < K; k++) {
            float sum = 0;
            for (int32_t n = 0; n < N; n++) sum = fmaf(y[t * N + n], W[n * K + k], sum);
            assert_true(dx[t * K + k] == sum);
        }
    float *dW = numbers((size_t)N * (size_t)K, 5), *before = numbers((size_t)N * (size_t)K, 5);
    ops->linear_backward_weight(dW, y, N, x, K, T, N, K, 0.5f);
    for (int32_t n = 0; n < N; n += 1 + N / 9)
        for (int32_t k = 0; k < K; k++) {
            float sum = 0;
            for (int32_t t = 0; t < T; t++) sum = fmaf(y[t * N + n], x[t * K + k], sum);
            assert_true(dW[n * K + k] == fmaf(0.5f, sum, before[n * K + k]));
        }
    free(x), free(W), free(y), free(expected), free(again), free(dx), free(dW), free(before);
}

static void test_products(void **state) {
    (void)state;
    for (int s = 0; s < SETS; s++) {
        const pbt_ops *ops = ops_named(names[s]);
        for (size_t i = 0; ops && i < sizeof shapes / sizeof *shapes; i++)
            for (int threads = 1; threads <= 3; threads += 2) {
                pbt_threads_set(threads);
                check_product(ops, shapes[i][0], shapes[i][1], shapes[i][2]);
            }
    }
    pbt_threads_set(0);
}

/* 16-bit weights give the products of their values. */
static void test_halves(void **state) {
    (void)state;
    enum { T = 9, K = 50, N = 35 };
    for (int dtype = PBT_F16; dtype <= PBT_BF16; dtype++) {
        float *x = numbers(T * K, 6), *W = numbers(N * K, 7), a[T * N], b[T * N], c[T * N];
        uint16_t halves[N * K];
        for (int i = 0; i < N * K; i++) {
            halves[i] = dtype == PBT_F16 ? pbt_f32_to_f16(W[i]) : pbt_f32_to_bf16(W[i]);
            W[i] = dtype == PBT_F16 ? pbt_f16_to_f32(halves[i]) : pbt_bf16_to_f32(halves[i]);
        }
        for (int s = 0; s < SETS; s++) {
            const pbt_ops *ops = ops_named(names[s]);
            pbt_matrix full = {.dtype = PBT_F32, .rows = N, .cols = K, .data = W};
            pbt_matrix half = {.dtype = (pbt_dtype)dtype, .rows = N, .cols = K, .data = halves};
            if (!ops) continue;
            ops->linear(a, N, x, K, &full, T, false);
            ops->linear(b, N, x, K, &half, T, false);
            assert_int_equal(ops->prepare(&half, &problem), PBT_OK);
            ops->linear(c, N, x, K, &half, T, false);
            ops->unprepare(&half);
            assert_memory_equal(a, b, sizeof a);
            assert_memory_equal(a, c, sizeof a);
        }
        free(x), free(W);
    }
}

static void test_conversions(void **state) {
    (void)state;
    for (uint32_t h = 0; h < 65536; h++) {
        bool f16_nan = (h & 0x7C00) == 0x7C00 && (h & 0x3FF), bf16_nan = (h & 0x7F80) == 0x7F80 && (h & 0x7F);
        if (!f16_nan) assert_int_equal(pbt_f32_to_f16(pbt_f16_to_f32((uint16_t)h)), h);
        if (!bf16_nan) assert_int_equal(pbt_f32_to_bf16(pbt_bf16_to_f32((uint16_t)h)), h);
        assert_true(!f16_nan || isnan(pbt_f16_to_f32((uint16_t)h)));
    }
    assert_int_equal(pbt_f32_to_f16(65519.0f), 0x7BFF);
    assert_int_equal(pbt_f32_to_f16(65520.0f), 0x7C00);
    assert_int_equal(pbt_f32_to_f16(1.0f + 0x1p-11f), 0x3C00); /* a tie goes to even */
    assert_int_equal(pbt_f32_to_bf16(1.0f + 0x1p-8f), 0x3F80);
}

/* Everything else: one set against another. */
enum { T = 23, D = 50, H = 4, G = 2, E = 20 };

static size_t everything(const pbt_ops *ops, float *out) {
    float *x = numbers(T * H * E * 4, 8), *z = numbers(T * H * E * 4, 9), *at = out, inv[T];
    int32_t positions[T];
    const double frequency[E / 2] = {1, .5, .25, .12, .06, .03, .01, .005, .002, .001};
    for (int i = 0; i < T; i++) positions[i] = 3 * i;
    ops->rmsnorm(at, inv, x, z, 1e-5f, T, D);
    at += T * D;
    memset(at, 0, (T * D + D) * sizeof *at);
    ops->rmsnorm_backward(at, at + T * D, z, x, inv, z, T, D);
    at += T * D + D;
    ops->swiglu(at, x, z, 777);
    ops->swiglu_backward(at + 777, at + 2 * 777, z, x, z + 5, 777);
    at += 3 * 777;
    ops->logsumexp(at, x, T, D);
    ops->logit_statistics(at + T, x, at, T, D);
    at += 4 * T;
    memcpy(at, x, T * H * E * sizeof *at);
    ops->rope(at, H * E, positions, frequency, 1.0f, T, H, E, false);
    at += T * H * E;
    const pbt_segment segments[] = {{-1, 0, 0, 17, 0}, {0, 11, 17, 6, 11}};
    const pbt_span spans[] = {{0, 0, 0, 17}, {1, 0, 17, 6}};
    const pbt_layout layout = {segments, 2, spans, 2, T};
    float *stats = at + T * H * E, *dq = stats + T * H * 2, *dk = dq + T * H * E, *dv = dk + T * G * E;
    memset(dk, 0, 2 * T * G * E * sizeof *dk);
    assert_int_equal(ops->attention(at, stats, x, z, z + 100, &layout, H, G, E, .2f, 0, &problem), PBT_OK);
    assert_int_equal(
        ops->attention_backward(dq, dk, dv, z, at, stats, x, z, z + 100, &layout, H, G, E, .2f, 0, &problem),
        PBT_OK);
    at = dv + T * G * E;
    free(x), free(z);
    return (size_t)(at - out);
}

static void test_sets_agree(void **state) {
    (void)state;
    enum { ROOM = 40000 };
    static float expected[ROOM], found[ROOM];
    size_t n = everything(ops_named("portable"), expected);
    assert_true(n <= ROOM);
    for (int s = 1; s < SETS; s++) {
        const pbt_ops *ops = ops_named(names[s]);
        if (!ops) continue;
        assert_int_equal(everything(ops, found), n);
        assert_memory_equal(found, expected, n * sizeof *found);
    }
}

/* A device is what was asked for, or there is a sentence; the weights of a draw are the same of all sets. */
static void test_devices(void **state) {
    (void)state;
    enum { N = 333 };
    const pbt_device *device, *best = device_named("auto");
    double expected[N], found[N];
    float *logits = numbers(N, 21);
    logits[7] = NAN;
    logits[8] = -INFINITY;
    logits[9] = -1e30F;
    assert_ptr_equal(best, device_named("cpu"));
    assert_string_equal(best->name, "cpu");
    assert_int_equal(pbt_device_open("cpu:portable", &device, &problem), PBT_OK);
    assert_string_equal(device->instruction_set, "portable");
    device->draw_weights(expected, logits, N, 5, 0.7);
    assert_true(expected[7] == 0 && expected[8] == 0 && expected[9] == 0);
    for (int i = 10; i < N; i++) assert_true(fabs(expected[i] / exp((logits[i] - 5.0) / 0.7) - 1) < 1e-14);
    for (int s = 1; s < SETS; s++) {
        char name[32];
        snprintf(name, sizeof name, "cpu:%s", names[s]);
        if (!(device = device_named(name))) continue;
        device->draw_weights(found, logits, N, 5, 0.7);
        assert_memory_equal(found, expected, sizeof found);
    }
    static const char *const none[] = {"", "gpu", "cpu:", "cpu:sse", "CPU"};
    for (size_t i = 0; i < sizeof none / sizeof *none; i++) {
        assert_int_equal(pbt_device_open(none[i], &device, &problem), PBT_USAGE);
        assert_null(device);
        assert_non_null(strstr(problem.message, "expected auto, cpu"));
    }
    free(logits);
}

/* A row of attention is the same alone in its pass as among all others, wherever its keys lie. */
static void test_attention_rows(void **state) {
    (void)state;
    const pbt_ops *ops = test_device()->ops;
    enum { ROWS = 40 };
    float *q = numbers(ROWS * H * E, 10), *k = numbers(ROWS * G * E, 11), *v = numbers(ROWS * G * E, 12);
    float *all = numbers(ROWS * H * E, 13), one[H * E];
    const pbt_segment whole[] = {{-1, 0, 0, ROWS, 0}};
    const pbt_span every[] = {{0, 0, 0, ROWS}};
    for (int32_t window = 0; window <= 9; window += 9) {
        assert_int_equal(ops->attention(all, NULL, q, k, v, &(pbt_layout){whole, 1, every, 1, ROWS}, H, G, E,
                                        .2f, window, &problem),
                         PBT_OK);
        for (int32_t t = 0; t < ROWS; t++) {
            /* The same keys, cut into two segments where there are two or more. */
            int32_t cut = t / 2;
            const pbt_segment parts[] = {{-1, 0, 0, cut ? cut : 1, 0}, {0, cut, cut, t + 1 - cut, cut}};
            const pbt_span last[] = {{cut ? 1 : 0, cut ? t - cut : t, 0, 1}};
            const pbt_segment single[] = {{-1, 0, 0, t + 1, 0}};
            const pbt_layout layout = {cut ? parts : single, cut ? 2 : 1, last, 1, 1};
            assert_int_equal(
                ops->attention(one, NULL, q + t * H * E, k, v, &layout, H, G, E, .2f, window, &problem),
                PBT_OK);
            assert_memory_equal(one, all + t * H * E, sizeof one);
        }
    }
    free(q), free(k), free(v), free(all);
}

static void test_layouts_are_checked(void **state) {
    (void)state;
    const pbt_span span = {0, 0, 0, 3};
    pbt_segment s[2] = {{-1, 0, 0, 3, 0}, {0, 2, 3, 2, 2}};
    pbt_layout layout = {s, 2, &span, 1, 3};
    assert_int_equal(pbt_layout_check(&layout, 5, &problem), PBT_OK);
    assert_int_equal(pbt_layout_check(&layout, 4, &problem), PBT_USAGE);
    s[1].parent_rows = 4;
    assert_int_equal(pbt_layout_check(&layout, 5, &problem), PBT_USAGE);
    assert_non_null(strstr(problem.message, "continues its parent after 4 rows, expected 1 to 3"));
    s[1].parent_rows = 2;
    s[1].position = 3;
    assert_int_equal(pbt_layout_check(&layout, 5, &problem), PBT_USAGE);
    s[1] = (pbt_segment){1, 1, 3, 2, 1};
    assert_int_equal(pbt_layout_check(&layout, 5, &problem), PBT_USAGE);
    layout = (pbt_layout){s, 1, &span, 1, 4};
    assert_int_equal(pbt_layout_check(&layout, 5, &problem), PBT_USAGE);
    assert_non_null(strstr(problem.message, "the spans cover 3 rows, expected 4"));
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_products),
                                       cmocka_unit_test(test_halves),
                                       cmocka_unit_test(test_conversions),
                                       cmocka_unit_test(test_sets_agree),
                                       cmocka_unit_test(test_devices),
                                       cmocka_unit_test(test_attention_rows),
                                       cmocka_unit_test(test_layouts_are_checked)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
