/* Known answers of the random numbers: what a seed gives today it gives for ever, on every machine. The
 * numbers come from an implementation of Philox4x32-10 in another language that was held against the vectors
 * of Random123 (kat_vectors). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/random.h"

#include <math.h>
#include <string.h>

static void same(uint64_t found, uint64_t expected) {
    if (found != expected)
        fail_msg("expected %016llx, found %016llx", (unsigned long long)expected, (unsigned long long)found);
}

/* The first two words of Random123's answer to counter 0 under key 0: 6627e8d5 e169c58d. */
static void test_of_random123(void **state) {
    (void)state;
    same(pbt_random_bits((pbt_key){0}, 0), 0xe169c58d6627e8d5);
    same(pbt_random_bits((pbt_key){0}, 1), 0x5cb200dbf8e4cca4);
    same(pbt_random_bits((pbt_key){0}, UINT64_C(1) << 32), 0xea2362496ad0c5ec);
}

static void test_keys(void **state) {
    (void)state;
    same(pbt_key_of_seed(0).value, 0x953c6b126ab39a44);
    same(pbt_key_of_seed(1).value, 0xdabf2dae43138de7);
    same(pbt_key_of_seed(12).value, 0x74725581d3f251ee);
    same(pbt_key_of_seed(UINT64_MAX).value, 0x8b38e58ddefbd9b9);
    pbt_key key = pbt_key_of_seed(12);
    same(pbt_key_child(key, 0).value, 0x6a8198c196847e92);
    same(pbt_key_child(key, 1).value, 0x6dd5c3a9faf79123);
    same(pbt_key_child(key, UINT64_MAX).value, 0x153be59cb928b838);
    same(pbt_key_named(key, "").value, 0x0eeeffb065542d44);
    same(pbt_key_named(key, "trees").value, 0x80ddf38014bb9e9e);
    same(pbt_key_named(key, "a name of more than eight bytes").value, 0x926cb748f9beb101);
    same(pbt_key_of_stage(-3, "train").value, 0xd6587bfe5b1088d9);
}

static void test_bits(void **state) {
    (void)state;
    pbt_key key = pbt_key_of_seed(12);
    same(pbt_random_bits(key, 0), 0x144ae21fc3306e9c);
    same(pbt_random_bits(key, 1), 0x86c1fb8a0c33dcce);
    same(pbt_random_bits(key, 2), 0x947570d921f834c2);
    same(pbt_random_bits(key, UINT64_C(1) << 32), 0xb8d0f19d0ea88bf6);
    same(pbt_random_bits(key, UINT64_MAX), 0xd4c3955c5b560ef3);
}

static void test_numbers(void **state) {
    (void)state;
    static const uint64_t below[] = {0, 3, 4, 6, 1, 3, 2, 0, 0, 6, 3, 2};
    static const double normal[] = {-0.40083594392864746, 1.3170229305207097, -0.6696171697857513,
                                    0.9437082833922913};
    pbt_key key = pbt_key_of_seed(12);
    assert_true(pbt_random_unit(key, 0) == 0x1.44ae21fc33068p-4);
    assert_true(pbt_random_unit(key, 1) == 0x1.0d83f7141867bp-1);
    assert_true(pbt_random_unit(key, 2) == 0x1.28eae1b243f06p-1);
    for (uint64_t i = 0; i < sizeof below / sizeof *below; i++)
        assert_int_equal(pbt_random_below(key, i, 7), below[i]);
    same(pbt_random_below(key, 0, UINT64_C(1000000000000000000)), UINT64_C(79267628435617723));
    same(pbt_random_below(key, 1, UINT64_C(1000000000000000000)), UINT64_C(526397439196628136));
    assert_int_equal(pbt_random_below(key, 3, 1), 0);
    /* log and cos are the machine's: their last bits may differ. */
    for (uint64_t i = 0; i < sizeof normal / sizeof *normal; i++)
        assert_true(fabs(pbt_random_normal(key, i) - normal[i]) < 1e-15);
}

static void test_shuffle(void **state) {
    (void)state;
    static const uint32_t expected[10] = {3, 1, 9, 6, 5, 2, 8, 0, 7, 4};
    uint32_t index[10], one[1] = {7};
    for (uint32_t i = 0; i < 10; i++) index[i] = i;
    pbt_random_shuffle(pbt_key_of_seed(12), index, 10);
    assert_memory_equal(index, expected, sizeof index);
    pbt_random_shuffle(pbt_key_of_seed(12), one, 1);
    pbt_random_shuffle(pbt_key_of_seed(12), NULL, 0);
    assert_int_equal(one[0], 7);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_of_random123), cmocka_unit_test(test_keys),
                                       cmocka_unit_test(test_bits), cmocka_unit_test(test_numbers),
                                       cmocka_unit_test(test_shuffle)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
