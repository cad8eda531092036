/*
 * A test program that cannot run here says why and ends with the code that ctest counts as skipped (cmake/
 * PbtFolder.cmake). What may be skipped is a program of its own, so that a skipped case never hides in one
 * that passed.
 */
#ifndef PBT_TESTS_SKIP_H
#define PBT_TESTS_SKIP_H

#include <stdio.h>

static inline int skipped(const char *why) {
    printf("skipped: %s\n", why);
    return 77;
}

#endif
