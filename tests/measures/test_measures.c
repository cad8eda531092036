/* The table of measures holds together, and unknown names are told apart. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "measures/arms.h"
#include "measures/measures.h"

#include <stdio.h>
#include <string.h>

static void test_every_measure_is_whole(void **state) {
    (void)state;
    for (int m = 0; m < PBT_MEASURES; m++) {
        const pbt_measure_info *measure = &pbt_measures[m];
        char key[64];
        assert_non_null(measure->group);
        snprintf(key, sizeof key, "%s.%s", measure->group->key, measure->figure);
        assert_string_equal(measure->key, key);
        assert_int_equal(pbt_measure_named(key), m);
        assert_true(m >= (int)measure->group->first && (size_t)m < measure->group->first + measure->group->n);
        assert_non_null(measure->label);
        assert_non_null(measure->title);
        assert_non_null(measure->unit);
    }
}

static void test_groups_follow_each_other(void **state) {
    (void)state;
    size_t next = 0;
    for (int g = 0; g < PBT_GROUPS; g++) {
        assert_int_equal(pbt_measure_groups[g].first, next);
        assert_ptr_equal(pbt_measure_group_named(pbt_measure_groups[g].key), &pbt_measure_groups[g]);
        next += pbt_measure_groups[g].n;
    }
    assert_int_equal(next, PBT_MEASURES);
}

static void test_evaluations_have_names(void **state) {
    (void)state;
    for (int e = 0; e < PBT_EVALUATIONS; e++) {
        assert_non_null(pbt_evaluation_kinds[e].name);
        assert_int_equal(strncmp(pbt_evaluation_kinds[e].section, "eval.", 5), 0);
    }
}

static void test_unknown_names_are_none(void **state) {
    (void)state;
    assert_int_equal(pbt_measure_named("balanced.overal"), PBT_MEASURES);
    assert_int_equal(pbt_measure_named(""), PBT_MEASURES);
    assert_null(pbt_measure_group_named("balance"));
    assert_int_equal(pbt_arm_named("PBT"), PBT_ARMS);
    for (int a = 0; a < PBT_ARMS; a++) assert_int_equal(pbt_arm_named(pbt_arm_names[a]), a);
}

static void test_choices_name_the_arms(void **state) {
    (void)state;
    char joined[64] = "";
    for (int a = 0; a < PBT_ARMS; a++) {
        if (a > 0) strcat(joined, "|");
        strcat(joined, pbt_arm_names[a]);
    }
    assert_string_equal(PBT_ARM_CHOICES, joined);
    assert_string_equal(PBT_TRAINED_ARM_CHOICES, strchr(joined, '|') + 1);
}

static void test_sides_are_measures(void **state) {
    (void)state;
    for (int mixed = 0; mixed < 2; mixed++) {
        for (int side = 0; side < 2; side++) {
            const pbt_measure_info *measure = &pbt_measures[pbt_balanced_measure(mixed, side)];
            assert_string_equal(measure->figure, pbt_side_names[side]);
            assert_ptr_equal(measure->group, pbt_measures[pbt_balanced_overall(mixed)].group);
        }
        assert_string_equal(pbt_measures[pbt_balanced_overall(mixed)].figure, "overall");
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_measure_is_whole), cmocka_unit_test(test_groups_follow_each_other),
        cmocka_unit_test(test_evaluations_have_names), cmocka_unit_test(test_unknown_names_are_none),
        cmocka_unit_test(test_choices_name_the_arms),  cmocka_unit_test(test_sides_are_measures)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
