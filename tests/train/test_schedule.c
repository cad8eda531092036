/*
 * Schedules, epochs and orders against numbers worked by hand from transformers' formulas.
 */
#include "train/check.h"
#include "train/learning_schedule.h"
#include "train/optimizer.h"

static pbt_train_settings of(pbt_schedule schedule, double warmup) {
    pbt_train_settings s = pbt_train_settings_default(PBT_SFT);
    s.lr_scheduler_type = schedule;
    s.learning_rate = 1.0;
    s.warmup_steps = warmup;
    return s;
}

static void defaults_are_trls(void **state) {
    (void)state;
    pbt_train_settings sft = pbt_train_settings_default(PBT_SFT), dpo = pbt_train_settings_default(PBT_DPO);
    assert_near(sft.learning_rate, 2e-5, 0);
    assert_near(dpo.learning_rate, 1e-6, 0);
    assert_int_equal(sft.per_device_train_batch_size, 8);
    assert_int_equal(sft.logging_steps, 10);
    assert_near(dpo.beta, 0.1, 0);
    assert_near(sft.num_train_epochs, 3, 0);
    assert_near(sft.max_grad_norm, 1, 0);
    assert_near(sft.weight_decay, 0, 0);
    assert_true(dpo.disable_dropout);
    assert_false(sft.disable_dropout);
}

static void linear(void **state) {
    (void)state;
    pbt_train_settings s = of(PBT_LINEAR_SCHEDULE, 2);
    const double expected[] = {0, 0.5, 1, 0.875, 0.75, 0.625, 0.5, 0.375, 0.25, 0.125, 0};
    for (int64_t k = 0; k <= 10; k++) assert_near(pbt_learning_rate(&s, 10, k), expected[k], 1e-15);
    s.min_lr_ratio = 0.2; /* 0.875 * 0.8 + 0.2 */
    assert_near(pbt_learning_rate(&s, 10, 3), 0.9, 1e-15);
    assert_near(pbt_learning_rate(&s, 10, 1), 0.5, 1e-15);
    assert_near(pbt_learning_rate(&s, 10, 10), 0.2, 1e-15);
}

static void cosine(void **state) {
    (void)state;
    pbt_train_settings s = of(PBT_COSINE, 0);
    assert_near(pbt_learning_rate(&s, 8, 0), 1, 0);
    assert_near(pbt_learning_rate(&s, 8, 2), 0.85355339059327373, 1e-15);
    assert_near(pbt_learning_rate(&s, 8, 4), 0.5, 1e-15);
    assert_near(pbt_learning_rate(&s, 8, 6), 0.14644660940672627, 1e-15);
    s.warmup_steps = 100;
    assert_near(pbt_learning_rate(&s, 240, 50), 0.5, 1e-15);
    assert_near(pbt_learning_rate(&s, 240, 170), 0.5, 1e-15);
}

static void constant(void **state) {
    (void)state;
    pbt_train_settings s = of(PBT_CONSTANT, 5), w = of(PBT_CONSTANT_WITH_WARMUP, 4);
    assert_near(pbt_learning_rate(&s, 10, 0), 1, 0); /* transformers' constant has no warm-up */
    assert_near(pbt_learning_rate(&w, 10, 1), 0.25, 0);
    assert_near(pbt_learning_rate(&w, 10, 9), 1, 0);
}

static void warmup_share(void **state) {
    (void)state;
    pbt_train_settings s = of(PBT_LINEAR_SCHEDULE, 0.03);
    assert_int_equal(pbt_warmup_steps(&s, 50), 2); /* ceil(1.5) */
    s.warmup_steps = 3.9;
    assert_int_equal(pbt_warmup_steps(&s, 50), 3);
    s.warmup_steps = 1;
    assert_int_equal(pbt_warmup_steps(&s, 50), 1);
}

static void steps_and_epochs(void **state) {
    (void)state;
    pbt_train_settings s = pbt_train_settings_default(PBT_SFT);
    s.per_device_train_batch_size = 4;
    s.gradient_accumulation_steps = 2;
    /* 21 examples: 6 micro-batches, 3 steps an epoch */
    assert_int_equal(pbt_train_steps(&s, 21), 9);
    s.num_train_epochs = 1.5;
    assert_int_equal(pbt_train_steps(&s, 21), 5);
    s.max_steps = 7;
    assert_int_equal(pbt_train_steps(&s, 21), 7);
    /* 25 examples: 7 micro-batches, 4 steps, the last of one micro-batch */
    assert_near(pbt_epoch_after(&s, 25, 1), 2.0 / 7, 1e-15);
    assert_near(pbt_epoch_after(&s, 25, 3), 6.0 / 7, 1e-15);
    assert_near(pbt_epoch_after(&s, 25, 4), 1, 1e-15);
    assert_near(pbt_epoch_after(&s, 25, 5), 1 + 2.0 / 7, 1e-15);
    assert_near(pbt_epoch_after(&s, 25, 0), 0, 0);
}

static void orders(void **state) {
    (void)state;
    enum { N = 50 };
    uint32_t a[N], b[N], c[N];
    bool seen[N] = {0};
    pbt_train_settings s = pbt_train_settings_default(PBT_SFT);
    assert_ok(pbt_epoch_order(&s, 0, NULL, a, N, error));
    assert_ok(pbt_epoch_order(&s, 0, NULL, b, N, error));
    assert_ok(pbt_epoch_order(&s, 1, NULL, c, N, error));
    assert_memory_equal(a, b, sizeof a);
    assert_memory_not_equal(a, c, sizeof a);
    for (int i = 0; i < N; i++) seen[a[i]] = true;
    for (int i = 0; i < N; i++) assert_true(seen[i]);
    s.sequential = true;
    assert_ok(pbt_epoch_order(&s, 1, NULL, c, N, error));
    for (uint32_t i = 0; i < N; i++) assert_int_equal(c[i], i);
}

static void groups(void **state) {
    (void)state;
    static char *const names[] = {"b", "a", NULL, "b", "c", NULL, "a", "b"};
    enum { N = 8 };
    pbt_example items[N] = {0};
    pbt_dataset dataset = {.items = items, .count = N};
    uint32_t group[N], order[N], plain[N];
    pbt_train_settings s = pbt_train_settings_default(PBT_DPO);
    for (int i = 0; i < N; i++) items[i].group = names[i];
    assert_ok(pbt_example_groups(&dataset, group, error));
    const uint32_t expected[N] = {1, 0, 3, 1, 2, 4, 0, 1};
    assert_memory_equal(group, expected, sizeof group);
    assert_ok(pbt_epoch_order(&s, 3, group, plain, N, error));
    s.group_trees = true;
    assert_ok(pbt_epoch_order(&s, 3, group, order, N, error));
    assert_int_equal(order[0], plain[0]);
    bool closed[N] = {0};
    for (int i = 0; i < N; i++) {
        assert_false(closed[group[order[i]]]);
        if (i + 1 < N && group[order[i]] != group[order[i + 1]]) closed[group[order[i]]] = true;
    }
}

static void clipping(void **state) {
    (void)state;
    assert_near(pbt_clip_scale(4, 1), 1 / (4 + 1e-6), 1e-15);
    assert_near(pbt_clip_scale(0.5, 1), 1, 0);
    assert_near(pbt_clip_scale(40, 0), 1, 0);
}

static void names(void **state) {
    (void)state;
    pbt_schedule schedule;
    pbt_loss_type loss;
    assert_ok(pbt_schedule_parse("cosine", &schedule, error));
    assert_int_equal(schedule, PBT_COSINE);
    assert_string_equal(pbt_schedule_name(PBT_CONSTANT_WITH_WARMUP), "constant_with_warmup");
    assert_fails(pbt_schedule_parse("cosinus", &schedule, error), PBT_USAGE, "'cosinus'; known are linear");
    assert_ok(pbt_loss_type_parse("apo_down", &loss, error));
    assert_int_equal(loss, PBT_APO_DOWN);
    assert_string_equal(pbt_loss_type_name(PBT_IPO), "ipo");
    assert_fails(pbt_loss_type_parse("kto", &loss, error), PBT_USAGE, "'kto'; known are sigmoid");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(defaults_are_trls),
        cmocka_unit_test(linear),
        cmocka_unit_test(cosine),
        cmocka_unit_test(constant),
        cmocka_unit_test(warmup_share),
        cmocka_unit_test(steps_and_epochs),
        cmocka_unit_test(orders),
        cmocka_unit_test(clipping),
        cmocka_unit_test(names),
        cmocka_unit_test(groups),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
