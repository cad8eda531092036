/*
 * Run stores made by hand for tests of the report, in the folder of folder.h.
 */
#ifndef PBT_TESTS_REPORT_MADE_STORE_H
#define PBT_TESTS_REPORT_MADE_STORE_H

#include "folder.h"
#include "report/report.h"

/* Takes `value`. */
static void put(pbt_store *store, const char *stage, int64_t seed, const char *arm, const char *kind,
                const char *name, json_t *value) {
    assert_non_null(value);
    assert_int_equal(pbt_store_put(store, &(pbt_artefact_key){stage, seed, arm, kind, name}, value, &problem),
                     PBT_OK);
    json_decref(value);
}

/* With seeds 1 to n_seeds. */
static pbt_store *open_store(const char *name, int n_seeds, int draws) {
    pbt_store *store = NULL;
    json_t *seeds = json_array();
    for (int s = 1; s <= n_seeds; s++) json_array_append_new(seeds, json_integer(s));
    assert_int_equal(pbt_store_open(folder, true, &store, &problem), PBT_OK);
    put(store, "plan", 0, "", "experiment", "settings",
        json_pack("{s:s, s:o, s:i}", "name", name, "seeds", seeds, "report.bootstrap_draws", draws));
    return store;
}

/* Four balanced cases of two questions: `bits` says which of them are right (+-, +-, -+, -+). */
__attribute__((unused)) static void put_balanced(pbt_store *store, int64_t seed, const char *arm,
                                                 const char *bits) {
    for (int i = 0; i < 4; i++) {
        char name[16];
        snprintf(name, sizeof name, "%06d", i);
        put(store, "eval", seed, arm, "balanced", name,
            json_pack("{s:s, s:{s:i, s:i}}", "question", i % 2 ? "q1" : "q2", "scores", "balanced.overall",
                      bits[i] == '1', i < 2 ? "balanced.plus_minus" : "balanced.minus_plus", bits[i] == '1'));
    }
}

#endif
