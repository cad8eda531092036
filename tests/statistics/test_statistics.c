/* Statistics against golden values of statsmodels, scikit-learn and scipy
 * (tests/interop/statistics_golden.py), and what they do where there is no answer. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/file.h"
#include "base/json.h"
#include "base/text.h"
#include "statistics/regression.h"
#include "statistics/statistics.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { ROWS = 240, FEATURES = 6, FOLDS = 10 };
#define TOLERANCE 1e-9

static double x[ROWS * FEATURES];
static unsigned char y[ROWS];
static uint32_t group[ROWS];
static size_t fold[ROWS];
static json_t *expected;
static pbt_error problem;

static char *golden(const char *name) {
    const char *data = getenv("PBT_TEST_DATA");
    return pbt_string_format("%s/golden/statistics/%s", data ? data : "tests/data", name);
}

static int read_golden(void **state) {
    (void)state;
    char *rows = golden("rows.jsonl"), *values = golden("expected.json"), *line;
    pbt_lines *lines;
    size_t length, number;
    assert_int_equal(pbt_json_read(values, 1 << 20, &expected, &problem), PBT_OK);
    assert_int_equal(pbt_lines_open(rows, &lines, &problem), PBT_OK);
    for (size_t i = 0; i < ROWS; i++) {
        json_t *row;
        assert_int_equal(pbt_lines_next(lines, &line, &length, &number, &problem), PBT_OK);
        assert_int_equal(pbt_json_parse(line, length, rows, NULL, &row, &problem), PBT_OK);
        for (size_t j = 0; j < FEATURES; j++)
            x[i * FEATURES + j] = json_number_value(json_array_get(json_object_get(row, "x"), j));
        y[i] = (unsigned char)json_integer_value(json_object_get(row, "y"));
        group[i] = (uint32_t)json_integer_value(json_object_get(row, "group"));
        fold[i] = (size_t)json_integer_value(json_object_get(row, "fold"));
        json_decref(row);
    }
    pbt_lines_close(lines);
    free(rows);
    free(values);
    return 0;
}

static int drop_golden(void **state) {
    (void)state;
    json_decref(expected);
    return 0;
}

static void near_list(const double *found, const json_t *list, size_t n) {
    assert_int_equal(json_array_size(list), n);
    for (size_t i = 0; i < n; i++)
        assert_true(fabs(found[i] - json_number_value(json_array_get(list, i))) < TOLERANCE);
}

static pbt_cases_table standardized(double *copy) {
    memcpy(copy, x, sizeof x);
    pbt_standardize(copy, ROWS, FEATURES, NULL, NULL);
    return (pbt_cases_table){ROWS, FEATURES, copy, y, group};
}

static void test_fit(void **state) {
    (void)state;
    double copy[ROWS * FEATURES];
    pbt_cases_table table = standardized(copy);
    pbt_regression fit;
    assert_int_equal(pbt_logistic_fit_safe(&table, &fit, &problem), PBT_OK);
    assert_true(fit.converged && fit.ridge == 0);
    const json_t *values = json_object_get(expected, "fit");
    near_list(fit.weights, json_object_get(values, "weights"), FEATURES + 1);
    near_list(fit.errors, json_object_get(values, "errors"), FEATURES + 1);
    near_list(fit.z, json_object_get(values, "z"), FEATURES + 1);
    near_list(fit.p, json_object_get(values, "p"), FEATURES + 1);
    near_list(fit.robust_p, json_object_get(values, "p_by_group"), FEATURES + 1);
    assert_true(fabs(fit.log_likelihood - json_number_value(json_object_get(values, "log_likelihood"))) <
                1e-8);
    values = json_object_get(expected, "ridge");
    double strength = json_number_value(json_object_get(values, "strength"));
    assert_int_equal(pbt_logistic_fit(&table, strength, &fit, &problem), PBT_OK);
    near_list(fit.weights, json_object_get(values, "weights"), FEATURES + 1);
}

static void test_folds(void **state) {
    (void)state;
    pbt_cases_table table = {ROWS, FEATURES, x, y, group};
    double predicted[ROWS], again[ROWS], right = 0;
    const json_t *values = json_object_get(expected, "folds");
    assert_int_equal(pbt_cross_validate_folds(&table, fold, FOLDS, predicted, &problem), PBT_OK);
    near_list(predicted, json_object_get(values, "predicted"), ROWS);
    for (size_t i = 0; i < ROWS; i++) right += (predicted[i] > 0.5) == y[i];
    assert_true(fabs(right / ROWS - json_number_value(json_object_get(values, "accuracy"))) < TOLERANCE);
    /* Drawn folds: the same key, the same predictions; another key, others. */
    for (int by = 0; by < 2; by++) {
        pbt_key key = pbt_key_of_seed(5), other = pbt_key_of_seed(6);
        assert_int_equal(pbt_cross_validate(&table, FOLDS, by, key, predicted, &problem), PBT_OK);
        assert_int_equal(pbt_cross_validate(&table, FOLDS, by, key, again, &problem), PBT_OK);
        assert_memory_equal(predicted, again, sizeof predicted);
        assert_int_equal(pbt_cross_validate(&table, FOLDS, by, other, again, &problem), PBT_OK);
        assert_memory_not_equal(predicted, again, sizeof predicted);
    }
}

/* Rows of a group that are alike in everything: where they share a fold, nothing of them is seen in training.
 */
static void test_folds_by_group(void **state) {
    (void)state;
    enum { GROUPS = 30, EACH = 4, N = GROUPS * EACH };
    double one[N], predicted[N];
    unsigned char label[N];
    uint32_t name[N];
    pbt_key key = pbt_key_of_seed(1);
    for (size_t i = 0; i < N; i++) {
        name[i] = (uint32_t)(i / EACH);
        one[i] = pbt_random_normal(pbt_key_child(key, name[i]), 0);
        label[i] = (unsigned char)(name[i] % 2);
    }
    pbt_cases_table table = {N, 1, one, label, name};
    assert_int_equal(pbt_cross_validate(&table, FOLDS, true, key, predicted, &problem), PBT_OK);
    for (size_t i = 0; i < N; i++) assert_true(predicted[i] == predicted[i / EACH * EACH]);
}

static void test_no_answer(void **state) {
    (void)state;
    double apart[20], constant[40], wrong[2] = {1, NAN};
    unsigned char label[20], ones[20];
    pbt_regression fit;
    for (size_t i = 0; i < 20; i++) {
        apart[i] = (double)i - 9.5;
        constant[2 * i] = (double)((i * 7) % 20);
        constant[2 * i + 1] = 3;
        label[i] = i > 9;
        ones[i] = 1;
    }
    /* Separable: without a penalty no finite weights; with one, the weights are on the right side. */
    pbt_cases_table table = {20, 1, apart, label, NULL};
    assert_int_equal(pbt_logistic_fit(&table, 0, &fit, &problem), PBT_OK);
    assert_false(fit.converged);
    assert_int_equal(pbt_logistic_fit_safe(&table, &fit, &problem), PBT_OK);
    assert_true(fit.converged && fit.ridge == PBT_FALLBACK_RIDGE && fit.weights[1] > 0);
    /* A constant feature has no weight and no test. */
    table = (pbt_cases_table){20, 2, constant, label, NULL};
    assert_int_equal(pbt_logistic_fit_safe(&table, &fit, &problem), PBT_OK);
    assert_true(fit.converged && fit.weights[2] == 0 && isnan(fit.p[2]) && !isnan(fit.p[1]));
    /* Only one class. */
    table = (pbt_cases_table){20, 1, apart, ones, NULL};
    assert_int_equal(pbt_logistic_fit_safe(&table, &fit, &problem), PBT_OK);
    assert_true(pbt_logistic_predict(&fit, apart) > 0.5);
    table = (pbt_cases_table){2, 1, wrong, label, NULL};
    assert_int_equal(pbt_logistic_fit(&table, 0, &fit, &problem), PBT_USAGE);
    assert_non_null(strstr(problem.message, "not a finite number"));
}

static void test_mcnemar_and_wilson(void **state) {
    (void)state;
    size_t i;
    const json_t *row;
    json_array_foreach(json_object_get(expected, "mcnemar"), i, row) {
        double p = pbt_mcnemar(json_integer_value(json_object_get(row, "only_a")),
                               json_integer_value(json_object_get(row, "only_b")));
        assert_true(fabs(p - json_number_value(json_object_get(row, "p"))) < TOLERANCE);
    }
    assert_true(fabs(pbt_mcnemar(3, 9) - json_number_value(json_object_get(expected, "binomial"))) <
                TOLERANCE);
    json_array_foreach(json_object_get(expected, "wilson"), i, row) {
        double interval[2];
        pbt_wilson(json_integer_value(json_object_get(row, "k")),
                   json_integer_value(json_object_get(row, "n")), interval);
        near_list(interval, json_object_get(row, "interval"), 2);
    }
}

/* By hand: values 1, 2, 3, 4 have the mean 2.5 and the deviation sqrt(5 / 3). One cluster: nothing to draw.
 */
static void test_mean_and_bootstrap(void **state) {
    (void)state;
    const double values[] = {1, 2, 3, 4};
    double mean, std, interval[2], difference;
    pbt_mean_std(values, 4, &mean, &std);
    assert_true(mean == 2.5 && fabs(std - sqrt(5.0 / 3)) < 1e-15);
    pbt_mean_std(values, 1, &mean, &std);
    assert_true(mean == 1 && std == 0);
    const pbt_item one[] = {{7, 1}, {7, 2}, {7, 6}};
    assert_int_equal(pbt_bootstrap(one, 3, 100, pbt_key_of_seed(1), interval, &problem), PBT_OK);
    assert_true(interval[0] == 3 && interval[1] == 3);
    /* Two clusters, 0 and 1: a draw is 0, 0.5 or 1. */
    const pbt_item two[] = {{1, 0}, {2, 1}};
    assert_int_equal(pbt_bootstrap(two, 2, 2000, pbt_key_of_seed(1), interval, &problem), PBT_OK);
    assert_true(interval[0] == 0 && interval[1] == 1);
    const pbt_item a[] = {{1, 1}, {1, 0}, {2, 1}}, b[] = {{1, 0}, {1, 0}, {2, 0}};
    assert_int_equal(pbt_bootstrap_paired(a, b, 3, 500, pbt_key_of_seed(1), &difference, interval, &problem),
                     PBT_OK);
    assert_true(fabs(difference - 2.0 / 3) < 1e-15 && interval[0] == 0.5 && interval[1] == 1);
}

/* Where the bootstrap has no width, Wilson's interval with clusters as trials; elsewhere the bootstrap's
 * bits. */
static void test_interval_without_spread(void **state) {
    (void)state;
    double interval[2], wilson[2], plain[2];
    pbt_item items[40];
    for (int value = 0; value < 2; value++) {
        for (uint32_t i = 0; i < 40; i++) items[i] = (pbt_item){i / 2, value}; /* 20 clusters of two */
        for (size_t n = 2; n <= 40; n += 38) {
            assert_int_equal(pbt_cluster_count(items, n), n / 2);
            assert_int_equal(pbt_mean_interval(items, n, 0, 1, 200, pbt_key_of_seed(1), interval, &problem),
                             PBT_OK);
            pbt_wilson(value * (int64_t)n / 2, (int64_t)n / 2, wilson);
            assert_true(fabs(interval[0] - wilson[0]) < 1e-12 && fabs(interval[1] - wilson[1]) < 1e-12);
            assert_true(interval[1] - interval[0] > 0.1 && interval[0] >= 0 && interval[1] <= 1);
        }
    }
    /* Differences that are all 0 may be either way; one cluster between 0 and 1 is no certainty. */
    for (uint32_t i = 0; i < 20; i++) items[i] = (pbt_item){i, 0};
    assert_int_equal(pbt_mean_interval(items, 20, -1, 1, 200, pbt_key_of_seed(1), interval, &problem),
                     PBT_OK);
    pbt_wilson(0, 20, wilson);
    assert_true(fabs(interval[0] + wilson[1]) < 1e-12 && fabs(interval[1] - wilson[1]) < 1e-12);
    items[0].value = 0.5;
    assert_int_equal(pbt_mean_interval(items, 1, 0, 1, 200, pbt_key_of_seed(1), interval, &problem), PBT_OK);
    assert_true(interval[0] > 0 && interval[0] < 0.2 && interval[1] > 0.8 && interval[1] < 1);
    items[1].value = 1;
    assert_int_equal(pbt_mean_interval(items, 20, 0, 1, 200, pbt_key_of_seed(1), interval, &problem), PBT_OK);
    assert_int_equal(pbt_bootstrap(items, 20, 200, pbt_key_of_seed(1), plain, &problem), PBT_OK);
    assert_true(plain[1] > plain[0] && interval[0] == plain[0] && interval[1] == plain[1]);
    assert_int_equal(pbt_mean_interval(items, 0, 0, 1, 200, pbt_key_of_seed(1), interval, &problem), PBT_OK);
    assert_true(isnan(interval[0]) && isnan(interval[1]));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_fit),
        cmocka_unit_test(test_folds),
        cmocka_unit_test(test_folds_by_group),
        cmocka_unit_test(test_no_answer),
        cmocka_unit_test(test_mcnemar_and_wilson),
        cmocka_unit_test(test_mean_and_bootstrap),
        cmocka_unit_test(test_interval_without_spread),
    };
    return cmocka_run_group_tests(tests, read_golden, drop_golden);
}
