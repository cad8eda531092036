/* Tables of what the figures say when they are analysed: flips, and arms against each other. */
#include "report/page/analysis_tables.h"

#include <math.h>

pbt_code pbt_figure_cell(pbt_table *t, size_t at, const pbt_figure *f, bool interval, pbt_error *error) {
    if (!f || !f->known) return pbt_table_cell(t, at, error, "–");
    if (!interval) return pbt_table_cell(t, at, error, "%.1f", f->mean);
    return pbt_table_cell(t, at, error, "%.1f [%.1f, %.1f]", f->mean, f->ci95[0], f->ci95[1]);
}

static pbt_code flip_rows(const pbt_flips *f, const char *arm, pbt_table *t, pbt_error *error) {
    for (int j = 0; j < PBT_FLIP_FEATURES; j++) {
        PBT_TRY(pbt_table_row(t, error));
        PBT_TRY(pbt_table_cell(t, 0, error, "%s", arm));
        PBT_TRY(pbt_table_cell(t, 1, error, "%s", pbt_flip_feature_labels[j]));
        PBT_TRY(
            pbt_table_cell(t, 2, error, "%.2f%s", f->all.weights[1 + j], f->all.p[1 + j] < 0.05 ? "*" : ""));
        if (!isfinite(f->all.p[1 + j])) continue;
        PBT_TRY(pbt_table_cell(t, 3, error, "%.2f", f->all.z[1 + j]));
        PBT_TRY(pbt_table_cell(t, 4, error, "%.3g", f->all.p[1 + j]));
        PBT_TRY(pbt_table_cell(t, 5, error, "%.3g", f->all.robust_p[1 + j]));
    }
    return PBT_OK;
}

pbt_code pbt_flip_weights_table(const pbt_report *r, pbt_table *t, pbt_error *error) {
    PBT_TRY(pbt_table_open(t, error, "What decides a flip: standardised weights (paper: Table 4)", "arm",
                           "feature", "weight", "z", "p", "p, by question", NULL));
    t->name = "flip_weights";
    t->n_keys = 2;
    bool ridge = false;
    for (size_t a = 0; a < PBT_ARMS; a++) {
        const pbt_flips *f = &r->arms[a].flips;
        if (f->n > 0) PBT_TRY(flip_rows(f, pbt_arm_names[a], t, error));
        ridge = ridge || (f->n > 0 && f->all.ridge > 0);
    }
    return pbt_table_note(t,
                          ridge
                              ? "All seeds' cases together; * p < 0.05 (Wald). Kept and flipped cases can be "
                                "separated, so the weights are those of a small penalty (see report.json)."
                              : "All seeds' cases together; * p < 0.05 (Wald); by question: errors clustered "
                                "by question.",
                          error);
}

pbt_code pbt_flip_accuracy_table(const pbt_report *r, pbt_table *t, pbt_error *error) {
    PBT_TRY(pbt_table_open(t, error,
                           "Flips predicted: 10-fold cross-validated accuracy, % (paper: 96.4 and 95.9)",
                           "arm", "all features", "two log-probabilities", "all, folds by question",
                           "two, folds by question", "majority", "cases", "flipped", NULL));
    t->name = "flip_accuracy";
    for (size_t a = 0; a < PBT_ARMS; a++) {
        const pbt_flips *f = &r->arms[a].flips;
        const pbt_figure *const figures[] = {&f->accuracy_all, &f->accuracy_two, &f->all_by_question,
                                             &f->two_by_question, &f->majority};
        if (f->n == 0) continue;
        PBT_TRY(pbt_table_row(t, error));
        PBT_TRY(pbt_table_cell(t, 0, error, "%s", pbt_arm_names[a]));
        for (size_t i = 0; i < 5; i++) PBT_TRY(pbt_figure_cell(t, 1 + i, figures[i], true, error));
        PBT_TRY(pbt_table_cell(t, 6, error, "%zu", f->n));
        PBT_TRY(pbt_table_cell(t, 7, error, "%zu", f->n_flipped));
    }
    return PBT_OK;
}

pbt_code pbt_comparisons_table(const pbt_report *r, pbt_table *t, pbt_error *error) {
    PBT_TRY(pbt_table_open(t, error, "Arms against each other, on the same items", "measure", "arm",
                           "against", "difference, points", "questions", "higher", "lower", "p (McNemar)",
                           NULL));
    t->name = "comparisons";
    t->n_keys = 3;
    for (size_t i = 0; i < r->n_comparisons; i++) {
        const pbt_comparison *c = &r->comparisons[i];
        if (c->higher == 0 && c->lower == 0) continue;
        PBT_TRY(pbt_table_row(t, error));
        PBT_TRY(pbt_table_cell(t, 0, error, "%s", pbt_measures[c->measure].key));
        PBT_TRY(pbt_table_cell(t, 1, error, "%s", pbt_arm_names[c->arm]));
        PBT_TRY(pbt_table_cell(t, 2, error, "%s", pbt_arm_names[c->against]));
        PBT_TRY(pbt_table_cell(t, 3, error, "%+.1f [%+.1f, %+.1f]", c->difference, c->ci95[0], c->ci95[1]));
        PBT_TRY(pbt_table_cell(t, 4, error, "%lld", (long long)c->questions));
        PBT_TRY(pbt_table_cell(t, 5, error, "%lld", (long long)c->higher));
        PBT_TRY(pbt_table_cell(t, 6, error, "%lld", (long long)c->lower));
        PBT_TRY(pbt_table_cell(t, 7, error, "%.2g%s", c->p, pbt_comparison_is_clear(c) ? "*" : ""));
    }
    return pbt_table_note(
        t,
        "Items of all seeds; intervals by bootstrap over questions. Higher, lower: questions whose "
        "mean over items is higher or lower in the first arm; exact McNemar test on these. * p < 0.05: what "
        "the finding calls a difference. Measures without a single difference are left out.",
        error);
}
