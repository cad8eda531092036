/*
 * cmocka and what the tests of train/ share.
 */
#ifndef PBT_TESTS_TRAIN_CHECK_H
#define PBT_TESTS_TRAIN_CHECK_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <string.h>

#include "assert_ok.h"
#include "train/training.h"

#define assert_near(a, b, tolerance)                                                                         \
    do {                                                                                                     \
        double near_a_ = (a), near_b_ = (b);                                                                 \
        if (!(fabs(near_a_ - near_b_) <= (tolerance))) {                                                     \
            print_error("%s = %.17g, expected %.17g (line %d)\n", #a, near_a_, near_b_, __LINE__);           \
            fail();                                                                                          \
        }                                                                                                    \
    } while (0)

/* A failure is expected, with `text` in its sentence. */
#define assert_fails(call, code_, text)                                                                      \
    do {                                                                                                     \
        pbt_error fails_error_ = {0};                                                                        \
        pbt_error *error = &fails_error_;                                                                    \
        pbt_code fails_code_ = (call);                                                                       \
        if (fails_code_ != (code_) || !strstr(fails_error_.message, (text))) {                               \
            print_error("line %d: code %d, message: %s\nexpected code %d with: %s\n", __LINE__, fails_code_, \
                        fails_error_.message, (int)(code_), (text));                                         \
            fail();                                                                                          \
        }                                                                                                    \
    } while (0)

#endif
