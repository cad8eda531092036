/*
 * Preference losses: values worked by hand from TRL's formulas, derivatives by finite differences.
 */
#include "train/check.h"
#include "train/loss.h"

static const pbt_pair_logps pair = {.chosen = -10,
                                    .rejected = -14,
                                    .ref_chosen = -12,
                                    .ref_rejected = -13,
                                    .chosen_tokens = 4,
                                    .rejected_tokens = 5};
/* c = 2, r = -1, d = 3; per token 0.5, -0.2, 0.7 */

static pbt_train_settings of(pbt_loss_type type, double smoothing) {
    pbt_train_settings s = pbt_train_settings_default(PBT_DPO);
    s.loss = pbt_loss_mix_of(type);
    s.label_smoothing = smoothing;
    return s;
}

static double loss_of(pbt_loss_type type, double smoothing) {
    pbt_train_settings s = of(type, smoothing);
    return pbt_pair_loss_of(&s, &pair).loss;
}

static void values(void **state) {
    (void)state;
    assert_near(loss_of(PBT_SIGMOID, 0), 0.55435524, 1e-8);   /* log(1 + e^-0.3) */
    assert_near(loss_of(PBT_SIGMOID, 0.1), 0.55435524, 1e-8); /* label_smoothing belongs to robust */
    assert_near(loss_of(PBT_ROBUST, 0.1), (0.9 * 0.55435524 - 0.1 * 0.85435524) / 0.8, 1e-8);
    assert_near(loss_of(PBT_HINGE, 0), 0.7, 1e-12);
    assert_near(loss_of(PBT_IPO, 0), (0.7 - 5) * (0.7 - 5), 1e-12);
    assert_near(loss_of(PBT_APO_ZERO, 0), 1 - 0.54983400 + 0.47502081, 1e-8); /* s(0.2), s(-0.1) */
    assert_near(loss_of(PBT_APO_DOWN, 0), 0.54983400 + 1 - 0.57444252, 1e-8); /* s(0.2), s(0.3) */
    assert_near(loss_of(PBT_SIGMOID_NORM, 0), 0.65875956, 1e-8);              /* log(1 + e^-0.07) */
}

static void weighted_sums(void **state) {
    (void)state;
    pbt_train_settings s = of(PBT_SIGMOID, 0);
    const char *const names[] = {"sigmoid", "sft", "ipo"};
    const double weights[] = {0.8, 0.5, -0.25};
    assert_ok(pbt_loss_mix_set_types(&s.loss, names, 3, error));
    assert_near(pbt_pair_loss_of(&s, &pair).loss, loss_of(PBT_SIGMOID, 0) + loss_of(PBT_IPO, 0), 1e-12);
    assert_near(pbt_sft_weight_of(&s), 1, 0);
    assert_ok(pbt_loss_mix_set_weights(&s.loss, weights, 3, error));
    assert_near(pbt_pair_loss_of(&s, &pair).loss, 0.8 * loss_of(PBT_SIGMOID, 0) - 0.25 * loss_of(PBT_IPO, 0),
                1e-12);
    s.sft_weight = 0.25;
    assert_near(pbt_sft_weight_of(&s), 0.75, 0);
    assert_ok(pbt_loss_mix_check(&s.loss, error));
    pbt_text text = {0};
    pbt_loss_mix_text(&s.loss, &text);
    assert_string_equal(pbt_text_string(&text), "sigmoid,sft,ipo (0.8, 0.5, -0.25)");
    pbt_text_free(&text);
    assert_ok(pbt_loss_mix_set_weights(&s.loss, weights, 2, error));
    assert_fails(pbt_loss_mix_check(&s.loss, error), PBT_USAGE, "names 3 losses, but loss_weights has 2");
    const char *const twice[] = {"ipo", "ipo"};
    assert_fails(pbt_loss_mix_set_types(&s.loss, twice, 2, error), PBT_USAGE, "names ipo twice");
}

static void at_the_start(void **state) {
    (void)state;
    pbt_pair_logps same = {.chosen = -3,
                           .rejected = -5,
                           .ref_chosen = -3,
                           .ref_rejected = -5,
                           .chosen_tokens = 2,
                           .rejected_tokens = 2};
    pbt_train_settings s = of(PBT_SIGMOID, 0);
    assert_near(pbt_pair_loss_of(&s, &same).loss, log(2), 1e-15);
    assert_near(pbt_pair_loss_of(&s, &same).d_chosen, -0.05, 1e-15);
    assert_near(pbt_pair_loss_of(&s, &same).d_rejected, 0.05, 1e-15);
}

static void derivatives(void **state) {
    (void)state;
    const double h = 1e-5;
    for (int type = PBT_SIGMOID; type <= PBT_SIGMOID_NORM; type++)
        for (int smooth = 0; smooth < 2; smooth++) {
            pbt_train_settings s = of((pbt_loss_type)type, smooth * 0.2);
            s.beta = 0.3;
            pbt_pair_loss at = pbt_pair_loss_of(&s, &pair);
            pbt_pair_logps up = pair, down = pair;
            up.chosen += h;
            down.chosen -= h;
            double slope = (pbt_pair_loss_of(&s, &up).loss - pbt_pair_loss_of(&s, &down).loss) / (2 * h);
            assert_near(at.d_chosen, slope, 1e-8);
            up = down = pair;
            up.rejected += h;
            down.rejected -= h;
            slope = (pbt_pair_loss_of(&s, &up).loss - pbt_pair_loss_of(&s, &down).loss) / (2 * h);
            assert_near(at.d_rejected, slope, 1e-8);
        }
}

static void extremes_stay_finite(void **state) {
    (void)state;
    pbt_pair_logps far = {.chosen = -5000, .ref_rejected = -90000, .chosen_tokens = 0, .rejected_tokens = 0};
    for (int type = PBT_SIGMOID; type <= PBT_SIGMOID_NORM; type++) {
        pbt_train_settings s = of((pbt_loss_type)type, 0.1);
        pbt_pair_loss loss = pbt_pair_loss_of(&s, &far);
        assert_true(isfinite(loss.loss) && isfinite(loss.d_chosen) && isfinite(loss.d_rejected));
    }
}

static void hinge_is_flat_beyond_its_margin(void **state) {
    (void)state;
    pbt_train_settings s = of(PBT_HINGE, 0);
    pbt_pair_logps won = pair;
    won.chosen = 0;
    assert_near(pbt_pair_loss_of(&s, &won).loss, 0, 0);
    assert_near(pbt_pair_loss_of(&s, &won).d_chosen, 0, 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(values),
        cmocka_unit_test(weighted_sums),
        cmocka_unit_test(at_the_start),
        cmocka_unit_test(derivatives),
        cmocka_unit_test(extremes_stay_finite),
        cmocka_unit_test(hinge_is_flat_beyond_its_margin),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
