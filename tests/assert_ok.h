/*
 * assert_ok: the call, which uses `error`, succeeds; else its sentence is shown.
 */
#ifndef PBT_TESTS_ASSERT_OK_H
#define PBT_TESTS_ASSERT_OK_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/status.h"

#define assert_ok(call)                                                                                      \
    do {                                                                                                     \
        pbt_error ok_error_ = {0};                                                                           \
        pbt_error *error = &ok_error_;                                                                       \
        if ((call) != PBT_OK) {                                                                              \
            print_error("line %d: %s\n", __LINE__, ok_error_.message);                                       \
            fail();                                                                                          \
        }                                                                                                    \
    } while (0)

#endif
