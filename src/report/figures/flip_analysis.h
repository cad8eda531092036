/*
 * The flip analysis (paper, section 5, Table 4): the regression on the items of kind "flips".
 */
#ifndef PBT_REPORT_FIGURES_FLIP_ANALYSIS_H
#define PBT_REPORT_FIGURES_FLIP_ANALYSIS_H

#include "report/figures/figure.h"
#include "statistics/regression.h"

enum {
    PBT_ENTROPY,
    PBT_LOGP_ORIGINAL,
    PBT_LOGP_ALTERNATIVE,
    PBT_SURE_ORIGINAL,
    PBT_SURE_ALTERNATIVE,
    PBT_ALTERNATIVE_RIGHT,
    PBT_FLIP_FEATURES
};
enum { PBT_FLIP_BINS = 10, PBT_FLIP_FOLDS = 10 };
extern const char *const pbt_flip_features[PBT_FLIP_FEATURES];       /* as in the items */
extern const char *const pbt_flip_feature_labels[PBT_FLIP_FEATURES]; /* as the paper names them */

/* One case: kept (A, B, A) or flipped (A, B, B). */
typedef struct pbt_flip_point {
    double features[PBT_FLIP_FEATURES];
    bool flipped;
    size_t seed;      /* index of the seed */
    uint32_t cluster; /* question */
    double predicted; /* probability of a flip by the model of all features, from the other folds */
    double predicted_two;
} pbt_flip_point;

/* Cases whose predicted probability lies in one tenth of 0..1. */
typedef struct pbt_flip_bin {
    int64_t n;
    double predicted, observed; /* mean prediction, share that flipped; 0 when n is 0 */
    double interval[2];         /* Wilson's, of the share */
} pbt_flip_bin;

typedef struct pbt_flips {
    pbt_flip_point *points; /* [n], seed after seed */
    size_t n, n_flipped, capacity;
    /* Percent; each seed's cases by themselves, 10 seeded folds; "by_question": a question's cases are in one
     * fold. Unknown when no seed has at least PBT_FLIP_FOLDS cases of which some flipped and some did not. */
    pbt_figure accuracy_all, accuracy_two, majority, all_by_question, two_by_question;
    pbt_regression all, two; /* standardised, all seeds' cases together */
    double boundary[3]; /* the two-feature model undone: [0] + [1] * logp_original + [2] * logp_alternative */
    pbt_flip_bin bins[PBT_FLIP_BINS];
} pbt_flips;

pbt_code pbt_flips_add(pbt_flips *flips, const json_t *item, const char *where, size_t seed, uint32_t cluster,
                       pbt_error *error);
/* `arm` and the draws are for the bootstrap intervals. No points: everything stays unknown. */
pbt_code pbt_flips_analyse(pbt_flips *flips, const int64_t *seeds, size_t n_seeds, size_t draws,
                           const char *arm, pbt_error *error);
void pbt_flips_free(pbt_flips *flips);
/* {"n", "flipped", "accuracy_all", "accuracy_two", "majority", ..., "weights", "calibration"}; new reference.
 */
json_t *pbt_flips_json(const pbt_flips *flips);

#endif
