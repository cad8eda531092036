/*
 * One folder for all tests of a program.
 */
#ifndef PBT_TESTS_TRAIN_OWN_FOLDER_H
#define PBT_TESTS_TRAIN_OWN_FOLDER_H

#include "train/fixture.h"

static char *folder;

static int set_up(void **state) {
    (void)state;
    folder = fixture_folder();
    return 0;
}

static int tear_down(void **state) {
    (void)state;
    fixture_remove(folder);
    return 0;
}

#endif
