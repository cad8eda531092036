/*
 * Evaluations of a scripted run, and the items that they left.
 */
#ifndef PBT_TESTS_EXPERIMENT_JUDGED_H
#define PBT_TESTS_EXPERIMENT_JUDGED_H

#include "experiment/scripted.h"

static pbt_code begin_run(const char *name, const char *lines, pbt_run **run) {
    return open_run(name, "turns: [[standard], [standard], [logical], [resistant]], a_first: 1, b_first: 1",
                    lines, NULL, run);
}

/* Judged items of an evaluation, in their order. */
typedef struct judged {
    json_t *items[2048];
    size_t n;
} judged;

static pbt_code take_item(void *user, const char *name, json_t *value, pbt_error *error) {
    judged *list = user;
    (void)name, (void)error;
    assert_true(list->n < sizeof list->items / sizeof *list->items);
    list->items[list->n++] = json_incref(value);
    return PBT_OK;
}

static void read_items(pbt_run *run, const char *arm, const char *kind, judged *list) {
    pbt_artefact_key key = {"eval", 1, arm, kind, ""};
    list->n = 0;
    assert_int_equal(pbt_store_each(run->store, &key, take_item, list, &problem), PBT_OK);
}

static void drop_items(judged *list) {
    for (size_t i = 0; i < list->n; i++) json_decref(list->items[i]);
    list->n = 0;
}

/* Stage "eval" of the run as if everything before it had been done. */
static pbt_code evaluate(pbt_run *run) {
    assert_int_equal(pbt_run_set_done(run, "train", 1, "", &problem), PBT_OK);
    return pbt_run_stage(run, "eval", &problem);
}

static double number_in(const json_t *item, const char *object, const char *key) {
    const json_t *value = json_object_get(json_object_get(item, object), key);
    return json_is_number(value) ? json_number_value(value) : -99;
}

#endif
