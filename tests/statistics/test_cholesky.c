/* Cholesky factors, solutions and inverses against values worked by hand, and matrices that have none. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/random.h"
#include "statistics/cholesky.h"

#include <math.h>
#include <string.h>

static void near(double found, double expected, double tolerance) {
    if (!(fabs(found - expected) <= tolerance)) fail_msg("expected %.17g, found %.17g", expected, found);
}

/* L = [2 0 0; 6 1 0; -8 5 3], A = L L'; all numbers are whole. */
static void test_by_hand(void **state) {
    (void)state;
    double a[9] = {4, 99, 99, 12, 37, 99, -16, -43, 98}, inverse[9];
    static const double factor[9] = {2, 99, 99, 6, 1, 99, -8, 5, 3};
    assert_true(pbt_cholesky_factor(a, 3));
    assert_memory_equal(a, factor, sizeof a); /* and the upper triangle as it was */
    /* A (1, 2, 3) = (4 + 24 - 48, 12 + 74 - 129, -16 - 86 + 294) */
    double x[3] = {-20, -43, 192};
    pbt_cholesky_solve(a, 3, x);
    for (int i = 0; i < 3; i++) near(x[i], i + 1, 1e-12);
    /* adj(A) / det(A), det(A) = (2 * 1 * 3)^2 = 36 */
    static const double adjugate[9] = {1777, -488, 76, -488, 136, -20, 76, -20, 4};
    pbt_cholesky_inverse(a, 3, inverse);
    for (int i = 0; i < 9; i++) near(inverse[i], adjugate[i] / 36, 1e-12);
}

static void test_smallest(void **state) {
    (void)state;
    double a = 9, x = 18, inverse;
    assert_true(pbt_cholesky_factor(&a, 1));
    pbt_cholesky_solve(&a, 1, &x);
    pbt_cholesky_inverse(&a, 1, &inverse);
    assert_true(a == 3 && x == 2);
    near(inverse, 1.0 / 9, 1e-16);
    assert_true(pbt_cholesky_factor(NULL, 0));
}

/* The Hilbert matrix [1 / (i + j + 1)] of 6: its inverse is of whole numbers, and it is nearly singular. */
static void test_hilbert(void **state) {
    (void)state;
    enum { N = 6 };
    static const double first[N] = {36, -630, 3360, -7560, 7560, -2772},
                        fourth[N] = {-7560, 211680, -1411200, 3628800, -3969000, 1552320};
    double a[N * N], inverse[N * N];
    for (int i = 0; i < N; i++)
        for (int j = 0; j < N; j++) a[i * N + j] = 1.0 / (i + j + 1);
    assert_true(pbt_cholesky_factor(a, N));
    pbt_cholesky_inverse(a, N, inverse);
    for (int i = 0; i < N; i++) {
        near(inverse[i] / first[i], 1, 1e-8);
        near(inverse[3 * N + i] / fourth[i], 1, 1e-8);
    }
}

/* A = B B' + I of the largest size that a regression has: A (A^-1) = I. */
static void test_largest(void **state) {
    (void)state;
    enum { N = 17 };
    double b[N * N], a[N * N], factor[N * N], inverse[N * N];
    for (uint64_t i = 0; i < N * N; i++) b[i] = pbt_random_normal(pbt_key_of_seed(5), i);
    for (int i = 0; i < N; i++)
        for (int j = 0; j < N; j++) {
            a[i * N + j] = i == j;
            for (int k = 0; k < N; k++) a[i * N + j] += b[i * N + k] * b[j * N + k];
        }
    memcpy(factor, a, sizeof a);
    assert_true(pbt_cholesky_factor(factor, N));
    pbt_cholesky_inverse(factor, N, inverse);
    for (int i = 0; i < N; i++)
        for (int j = 0; j < N; j++) {
            double sum = 0;
            for (int k = 0; k < N; k++) sum += a[i * N + k] * inverse[k * N + j];
            near(sum, i == j, 1e-12);
        }
}

/* Indefinite, singular, singular but for rounding, zero, not numbers. */
static void test_none(void **state) {
    (void)state;
    double indefinite[4] = {1, 2, 2, 1}, singular[4] = {1, 2, 2, 4}, zero[4] = {0}, negative[1] = {-1},
           nan[4] = {1, 0, NAN, 1}, infinite[1] = {INFINITY};
    /* x, and 3 x + rounding: the pivot left is 1e-16 of the diagonal or so. */
    double nearly[4] = {0.1, 0.3, 0.3, 0.9 * (1 + 2e-16)};
    assert_false(pbt_cholesky_factor(indefinite, 2));
    assert_false(pbt_cholesky_factor(singular, 2));
    assert_false(pbt_cholesky_factor(nearly, 2));
    assert_false(pbt_cholesky_factor(zero, 2));
    assert_false(pbt_cholesky_factor(negative, 1));
    assert_false(pbt_cholesky_factor(nan, 2));
    assert_false(pbt_cholesky_factor(infinite, 1));
    /* As small as it may be: a scale is no lack of definiteness. */
    double small[4] = {4e-200, 2e-200, 2e-200, 2e-200};
    assert_true(pbt_cholesky_factor(small, 2));
    near(small[0] / 2e-100, 1, 1e-15);
    near(small[2] / 1e-100, 1, 1e-15);
    near(small[3] / 1e-100, 1, 1e-15);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_by_hand), cmocka_unit_test(test_smallest),
                                       cmocka_unit_test(test_hilbert), cmocka_unit_test(test_largest),
                                       cmocka_unit_test(test_none)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
