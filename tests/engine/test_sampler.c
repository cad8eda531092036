/* The sampler on distributions worked by hand, and against a full sort. */
#include "device.h"
#include "engine/fixture.h"

/* Weights 8 : 4 : 2 : 2 at ids 2, 0, 1, 3 (temperature 1): order 2, 0, 1, 3 (the tie by id), cumulative
 * shares 0.5, 0.75, 0.875, 1. */
static const double ln2 = 0.69314718055994530942;

static int32_t draw(double temperature, int32_t top_k, double top_p, double u) {
    float logits[4] = {(float)(2 * ln2), (float)ln2, (float)(3 * ln2), (float)ln2}, scratch[4];
    pbt_sampling s = {.temperature = temperature, .top_k = top_k, .top_p = top_p};
    return pbt_sample(test_device(), logits, 4, &s, u, scratch);
}

static void by_hand(void **state) {
    (void)state;
    assert_int_equal(draw(1, 0, 1, 0), 2);
    assert_int_equal(draw(1, 0, 1, 0.49), 2);
    assert_int_equal(draw(1, 0, 1, 0.51), 0);
    assert_int_equal(draw(1, 0, 1, 0.74), 0);
    assert_int_equal(draw(1, 0, 1, 0.76), 1);
    assert_int_equal(draw(1, 0, 1, 0.87), 1);
    assert_int_equal(draw(1, 0, 1, 0.88), 3);
    assert_int_equal(draw(1, 0, 1, 0.9999999999999999), 3);
    /* Temperature 0.5 squares the weights: 64 : 16 : 4 : 4, shares 0.727, 0.909, 0.955, 1. */
    assert_int_equal(draw(0.5, 0, 1, 0.72), 2);
    assert_int_equal(draw(0.5, 0, 1, 0.73), 0);
    assert_int_equal(draw(0.5, 0, 1, 0.92), 1);
    assert_int_equal(draw(0.5, 0, 1, 0.96), 3);
}

static void cut(void **state) {
    (void)state;
    /* top_k 2: 8 : 4, shares 0.667, 1. */
    assert_int_equal(draw(1, 2, 1, 0.66), 2);
    assert_int_equal(draw(1, 2, 1, 0.67), 0);
    assert_int_equal(draw(1, 2, 1, 0.999), 0);
    assert_int_equal(draw(1, 1, 1, 0.999), 2);
    /* top_p 0.6: the first that reach it, 8 and 4. */
    assert_int_equal(draw(1, 0, 0.6, 0.66), 2);
    assert_int_equal(draw(1, 0, 0.6, 0.999), 0);
    assert_int_equal(draw(1, 0, 0.45, 0.999), 2);
    assert_int_equal(draw(1, 0, 0.8, 0.999), 1);
    /* top_k 3 first: 8 : 4 : 2; of these 0.8 is reached by two (0.857). */
    assert_int_equal(draw(1, 3, 0.8, 0.999), 0);
    assert_int_equal(draw(1, 3, 0.9, 0.999), 1);
    assert_int_equal(draw(1, 3, 1e-9, 0.999), 2);
}

static void greedy(void **state) {
    (void)state;
    pbt_sampling greedily = pbt_sampling_greedy(1);
    float scratch[5], ties[5] = {1, 4, 4, 2, 4};
    assert_int_equal(pbt_sample(test_device(), ties, 5, &greedily, 0, scratch), 1);
    float with_nan[5] = {NAN, -3, NAN, -1, -INFINITY};
    assert_int_equal(pbt_sample(test_device(), with_nan, 5, &greedily, 0, scratch), 3);
    pbt_sampling warm = {.temperature = 1, .top_p = 1};
    for (int i = 0; i < 100; i++) {
        int32_t id = pbt_sample(test_device(), with_nan, 5, &warm, i / 100.0, scratch);
        assert_true(id == 1 || id == 3);
    }
}

/* ---- against a full sort with libm ---- */

static const float *compared;

static int by_logit(const void *pa, const void *pb) {
    int32_t a = *(const int32_t *)pa, b = *(const int32_t *)pb;
    if (compared[a] != compared[b]) return compared[a] > compared[b] ? -1 : 1;
    return a < b ? -1 : 1;
}

enum { WIDE = 500 };

static int32_t sorted_draw(const float *logits, const pbt_sampling *s, double u) {
    int32_t ids[WIDE], n = s->top_k > 0 && s->top_k < WIDE ? s->top_k : WIDE, kept = 0;
    double weights[WIDE], total = 0, sum = 0, share = 0;
    for (int32_t i = 0; i < WIDE; i++) ids[i] = i;
    compared = logits;
    qsort(ids, WIDE, sizeof *ids, by_logit);
    for (int32_t i = 0; i < n; i++)
        total += weights[i] = exp(((double)logits[ids[i]] - (double)logits[ids[0]]) / s->temperature);
    while (kept < n && (kept == 0 || share < s->top_p * total)) share += weights[kept++];
    for (int32_t i = 0; i < kept; i++) {
        sum += weights[i];
        if (sum > u * share) return ids[i];
    }
    return ids[kept - 1];
}

static void against_sort(void **state) {
    (void)state;
    float logits[WIDE], scratch[WIDE];
    pbt_key key = pbt_key_of_seed(1);
    for (uint64_t trial = 0; trial < 1000; trial++) {
        pbt_sampling s = {.temperature = 0.2 + 0.1 * (double)(trial % 20),
                          .top_k = trial % 3 == 0 ? (int32_t)(trial % 60) : 0,
                          .top_p = trial % 4 == 1 ? 0.5 + 0.0004 * (double)trial : 1};
        for (uint64_t i = 0; i < WIDE; i++)
            logits[i] = (float)(round(40 * pbt_random_normal(pbt_key_child(key, trial), i)) / 10);
        double u = pbt_random_unit(key, trial);
        assert_int_equal(pbt_sample(test_device(), logits, WIDE, &s, u, scratch), sorted_draw(logits, &s, u));
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(by_hand),
        cmocka_unit_test(cut),
        cmocka_unit_test(greedy),
        cmocka_unit_test(against_sort),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
