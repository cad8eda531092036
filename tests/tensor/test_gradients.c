/* Every operation's gradients against central differences of its forward pass. */
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

static const pbt_ops *ops;
static pbt_error problem;

/* Numbers around 0 from a tag. */
static void fill(float *x, size_t n, uint64_t tag, double scale) {
    pbt_key key = pbt_key_of_seed(tag);
    for (size_t i = 0; i < n; i++) x[i] = (float)(scale * pbt_random_normal(key, i));
}

/* The loss of every check: sum of output times fixed weights, in double. */
static double weighted(const float *y, const float *w, size_t n) {
    double sum = 0;
    for (size_t i = 0; i < n; i++) sum += (double)y[i] * w[i];
    return sum;
}

/* Compares gradient[i] with (loss(x + h) - loss(x - h)) / 2h for every i. */
static void check(double (*loss)(void), float *x, const float *gradient, size_t n) {
    double largest = 1e-3;
    for (size_t i = 0; i < n; i++)
        largest = fabs((double)gradient[i]) > largest ? fabs((double)gradient[i]) : largest;
    for (size_t i = 0; i < n; i++) {
        const float before = x[i], h = 1e-2f;
        x[i] = before + h;
        double up = loss();
        x[i] = before - h;
        double down = loss();
        x[i] = before;
        double expected = (up - down) / (2 * (double)h);
        if (fabs(expected - (double)gradient[i]) > 5e-3 * largest + 1e-4)
            fail_msg("element %zu: gradient %g, differences say %g", i, (double)gradient[i], expected);
    }
}

/* ---- linear, bias ---- */
enum { T = 5, K = 19, N = 21 };
static float x[T * K], W[N * K], b[N], y[T * N], w[T * N];

static double linear_loss(void) {
    pbt_matrix m = {.dtype = PBT_F32, .rows = N, .cols = K, .data = W};
    ops->linear(y, N, x, K, &m, T, false);
    ops->bias(y, b, T, N);
    return weighted(y, w, T * N);
}

static void test_linear(void **state) {
    (void)state;
    float dx[T * K], dW[N * K] = {0}, db[N] = {0};
    pbt_matrix m = {.dtype = PBT_F32, .rows = N, .cols = K, .data = W};
    fill(x, T * K, 1, 1);
    fill(W, N * K, 2, 1);
    fill(b, N, 3, 1);
    fill(w, T * N, 4, 1);
    ops->linear_backward_input(dx, K, w, N, &m, T, false);
    ops->linear_backward_weight(dW, w, N, x, K, T, N, K, 1.0f);
    ops->bias_backward(db, w, T, N);
    check(linear_loss, x, dx, T * K);
    check(linear_loss, W, dW, N * K);
    check(linear_loss, b, db, N);
    /* Gradients are added, and scaled where asked. */
    float twice[N * K];
    memcpy(twice, dW, sizeof twice);
    ops->linear_backward_weight(twice, w, N, x, K, T, N, K, 0.5f);
    for (size_t i = 0; i < N * K; i++)
        assert_true(fabs((double)twice[i] - 1.5 * (double)dW[i]) < 1e-5 * (1 + fabs((double)dW[i])));
}

/* ---- rmsnorm ---- */
static float g[K];
static double norm_loss(void) {
    float out[T * K], inv[T];
    ops->rmsnorm(out, inv, x, g, 1e-5f, T, K);
    return weighted(out, w, T * K);
}

static void test_rmsnorm(void **state) {
    (void)state;
    float out[T * K], inv[T], dx[T * K] = {0}, dg[K] = {0};
    fill(x, T * K, 5, 1);
    fill(g, K, 6, 1);
    fill(w, T * K, 7, 1);
    ops->rmsnorm(out, inv, x, g, 1e-5f, T, K);
    ops->rmsnorm_backward(dx, dg, w, x, inv, g, T, K);
    check(norm_loss, x, dx, T * K);
    check(norm_loss, g, dg, K);
}

/* ---- rope: the gradient of a rotation is the rotation back ---- */
enum { HEADS = 3, E = 6 };
static float turned[T * HEADS * E];
static const int32_t positions[T] = {0, 1, 7, 100, 3};
static const double frequency[E / 2] = {1.0, 0.1, 0.01};
static double rope_loss(void) {
    float copy[T * HEADS * E];
    memcpy(copy, turned, sizeof copy);
    ops->rope(copy, HEADS * E, positions, frequency, 1.25f, T, HEADS, E, false);
    return weighted(copy, w, T * HEADS * E);
}

static void test_rope(void **state) {
    (void)state;
    float d[T * HEADS * E];
    fill(turned, T * HEADS * E, 8, 1);
    fill(w, T * HEADS * E, 9, 1);
    memcpy(d, w, sizeof d);
    ops->rope(d, HEADS * E, positions, frequency, 1.25f, T, HEADS, E, true);
    check(rope_loss, turned, d, T * HEADS * E);
}

/* ---- swiglu ---- */
enum { F = 37 };
static float gate[F], up[F];
static double swiglu_loss(void) {
    float out[F];
    ops->swiglu(out, gate, up, F);
    return weighted(out, w, F);
}

static void test_swiglu(void **state) {
    (void)state;
    float dgate[F], dup[F];
    fill(gate, F, 10, 2);
    fill(up, F, 11, 1);
    fill(w, F, 12, 1);
    ops->swiglu_backward(dgate, dup, w, gate, up, F);
    check(swiglu_loss, gate, dgate, F);
    check(swiglu_loss, up, dup, F);
}

/* ---- embedding, gather, scatter ---- */
static float table[N * K];
static const int32_t ids[T] = {3, 0, 3, 20, 7};
static double embed_loss(void) {
    float out[T * K];
    pbt_matrix m = {.dtype = PBT_F32, .rows = N, .cols = K, .data = table};
    ops->embed(out, &m, ids, T);
    return weighted(out, w, T * K);
}

static void test_embed(void **state) {
    (void)state;
    float d[N * K] = {0};
    fill(table, N * K, 13, 1);
    fill(w, T * K, 14, 1);
    ops->embed_backward(d, w, ids, T, K);
    check(embed_loss, table, d, N * K);
    float rows[T * K], back[N * K] = {0};
    ops->gather_rows(rows, table, ids, T, K);
    for (size_t t = 0; t < T; t++) assert_memory_equal(rows + t * K, table + ids[t] * K, K * sizeof(float));
    ops->scatter_add_rows(back, w, ids, T, K);
    assert_memory_equal(back, d, sizeof d);
}

/* ---- log-probabilities ---- */
enum { V = 43, TARGETS = 4 };
static float logits[3 * V];
static const int32_t target_row[TARGETS] = {0, 0, 2, 2}, target[TARGETS] = {5, 42, 0, 5};
static const float target_weight[TARGETS] = {1.0f, -0.5f, 2.0f, 0.25f};
static double logprob_loss(void) {
    float sums[3];
    double loss = 0;
    ops->logsumexp(sums, logits, 3, V);
    for (int i = 0; i < TARGETS; i++)
        loss += (double)target_weight[i] *
                ((double)logits[target_row[i] * V + target[i]] - (double)sums[target_row[i]]);
    return loss;
}

static void test_logprob(void **state) {
    (void)state;
    float d[3 * V], sums[3];
    fill(logits, 3 * V, 15, 2);
    ops->logsumexp(sums, logits, 3, V);
    for (int t = 0; t < 3; t++) {
        double sum = 0;
        for (int v = 0; v < V; v++) sum += exp((double)logits[t * V + v]);
        assert_true(fabs((double)sums[t] - log(sum)) < 1e-5);
    }
    memcpy(d, logits, sizeof d);
    ops->logprob_backward(d, sums, target_row, target, target_weight, TARGETS, 3, V);
    check(logprob_loss, logits, d, 3 * V);
}

/* ---- attention over a small tree: a prompt of 5 rows, two continuations, one of them continued again ----
 */
enum { H = 4, G = 2, D = 8, KV = 14, WINDOW = 4 };
static const pbt_segment segments[] = {{-1, 0, 0, 5, 0}, {0, 5, 5, 4, 5}, {0, 3, 9, 3, 3}, {2, 2, 12, 2, 5}};
static const pbt_span spans[] = {{0, 0, 0, 5}, {1, 0, 5, 4}, {2, 0, 9, 3}, {3, 0, 12, 2}};
static const pbt_layout layout = {segments, 4, spans, 4, KV};
static float q[KV * H * D], k[KV * G * D], v[KV * G * D], aw[KV * H * D];
static int32_t window;
static double attention_loss(void) {
    float out[KV * H * D];
    assert_int_equal(ops->attention(out, NULL, q, k, v, &layout, H, G, D, 0.35f, window, &problem), PBT_OK);
    return weighted(out, aw, KV * H * D);
}

static void test_attention(void **state) {
    (void)state;
    fill(q, KV * H * D, 16, 1);
    fill(k, KV * G * D, 17, 1);
    fill(v, KV * G * D, 18, 1);
    fill(aw, KV * H * D, 19, 1);
    assert_int_equal(pbt_layout_check(&layout, KV, &problem), PBT_OK);
    for (window = 0; window <= WINDOW; window += WINDOW) {
        float out[KV * H * D], stats[KV * H * 2], dq[KV * H * D], dk[KV * G * D] = {0}, dv[KV * G * D] = {0};
        assert_int_equal(ops->attention(out, stats, q, k, v, &layout, H, G, D, 0.35f, window, &problem),
                         PBT_OK);
        assert_int_equal(ops->attention_backward(dq, dk, dv, aw, out, stats, q, k, v, &layout, H, G, D, 0.35f,
                                                 window, &problem),
                         PBT_OK);
        check(attention_loss, q, dq, KV * H * D);
        check(attention_loss, k, dk, KV * G * D);
        check(attention_loss, v, dv, KV * G * D);
    }
}

/* ---- the rest ---- */
static void test_adamw(void **state) {
    (void)state;
    float value[9], m[9] = {0}, s[9] = {0}, gradient[9];
    double dv[9], dm[9] = {0}, ds[9] = {0};
    const pbt_adamw settings = {
        .learning_rate = 1e-2f, .beta1 = 0.9f, .beta2 = 0.98f, .epsilon = 1e-8f, .weight_decay = 0.1f};
    fill(value, 9, 20, 1);
    for (int i = 0; i < 9; i++) dv[i] = (double)value[i];
    for (int step = 1; step <= 5; step++) {
        pbt_adamw now = settings;
        now.step = step;
        fill(gradient, 9, 20 + (uint64_t)step, 1);
        ops->adamw(value, m, s, gradient, 9, 0.5f, &now);
        for (int i = 0; i < 9; i++) {
            double gr = 0.5 * (double)gradient[i];
            dm[i] = 0.9 * dm[i] + 0.1 * gr;
            ds[i] = 0.98 * ds[i] + 0.02 * gr * gr;
            double denominator = sqrt(ds[i] / (1 - pow(0.98, step))) + 1e-8;
            dv[i] = dv[i] * (1 - 1e-2 * 0.1) - 1e-2 * dm[i] / (1 - pow(0.9, step)) / denominator;
            assert_true(fabs((double)value[i] - dv[i]) < 1e-5);
        }
    }
}

static void test_dropout(void **state) {
    (void)state;
    enum { ROWS = 64, WIDE = 128 };
    static float in[ROWS * WIDE], a[ROWS * WIDE], second[WIDE];
    uint64_t rows[ROWS];
    size_t kept = 0;
    for (int i = 0; i < ROWS * WIDE; i++) in[i] = 1;
    for (int i = 0; i < ROWS; i++) rows[i] = (uint64_t)i * 1000;
    ops->dropout(a, in, rows, 0.25f, pbt_key_of_seed(3), ROWS, WIDE);
    for (int i = 0; i < ROWS * WIDE; i++) {
        assert_true(a[i] == 0 || fabs((double)a[i] - 1 / 0.75) < 1e-6);
        kept += a[i] != 0;
    }
    assert_true(fabs((double)kept / (ROWS * WIDE) - 0.75) < 0.02);
    /* A row's mask does not depend on its place. */
    ops->dropout(second, in, &rows[17], 0.25f, pbt_key_of_seed(3), 1, WIDE);
    assert_memory_equal(second, a + 17 * WIDE, sizeof second);
    double sum = ops->sum_of_squares(a, ROWS * WIDE);
    assert_true(fabs(sum - (double)kept / 0.75 / 0.75) < 1e-3 * sum);
    ops->scale(second, 2.0f, WIDE);
    ops->add_scaled(second, in, -1.0f, WIDE);
    for (int i = 0; i < WIDE; i++) assert_true(second[i] == 2 * a[17 * WIDE + i] - 1);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_linear),    cmocka_unit_test(test_rmsnorm), cmocka_unit_test(test_rope),
        cmocka_unit_test(test_swiglu),    cmocka_unit_test(test_embed),   cmocka_unit_test(test_logprob),
        cmocka_unit_test(test_attention), cmocka_unit_test(test_adamw),   cmocka_unit_test(test_dropout)};
    int failed = 0;
    static const char *const sets[] = {"portable", "avx2", "avx512"};
    for (int i = 0; i < 3; i++) {
        ops = ops_named(sets[i]);
        if (ops) failed += cmocka_run_group_tests_name(sets[i], tests, NULL, NULL);
    }
    return failed;
}
