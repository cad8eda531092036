/*
 * A folder of a test's own: setup and teardown for cmocka.
 */
#ifndef PBT_TESTS_FOLDER_H
#define PBT_TESTS_FOLDER_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/status.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static char folder[64];
static pbt_error problem;

static inline int make_folder(void **state) {
    (void)state;
    strcpy(folder, "/tmp/pbt-test-XXXXXX");
    return mkdtemp(folder) ? 0 : 1;
}

static inline int remove_folder(void **state) {
    (void)state;
    char command[128];
    snprintf(command, sizeof command, "rm -rf %s", folder);
    return system(command);
}

#endif
