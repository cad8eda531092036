/*
 * Logistic regression by iteratively reweighted least squares (Newton's method on the log-likelihood), its
 * Wald tests, and cross-validation: what section 5 and Table 4 of the paper do with the features of a flip.
 */
#ifndef PBT_STATISTICS_REGRESSION_H
#define PBT_STATISTICS_REGRESSION_H

#include "base/random.h"
#include "base/status.h"

#include <stdbool.h>

enum { PBT_MAX_FEATURES = 16 };
/* The penalty ridge / 2 * |weights|^2 (intercept free) that a fit gets when the two classes can be separated,
 * or features are collinear, so that no finite weights are the most likely ones. */
#define PBT_FALLBACK_RIDGE 0.01

typedef struct pbt_cases_table {
    size_t n, d;             /* rows, features */
    const double *x;         /* [n][d] */
    const unsigned char *y;  /* [n]: 0 or 1 */
    const uint32_t *cluster; /* [n]: rows that belong together (a question) */
} pbt_cases_table;

/* weights[0] is the intercept; [1 + f] belongs to feature f. A feature without any spread has weight 0 and no
 * test (NaN). Errors are the roots of the inverse (penalised) information's diagonal. */
typedef struct pbt_regression {
    size_t d;
    double weights[PBT_MAX_FEATURES + 1], errors[PBT_MAX_FEATURES + 1];
    double z[PBT_MAX_FEATURES + 1], p[PBT_MAX_FEATURES + 1]; /* two-sided, normal */
    double robust_p[PBT_MAX_FEATURES + 1]; /* the same with errors clustered by `cluster` (sandwich) */
    double log_likelihood;
    double ridge;
    int32_t iterations;
    bool converged;
} pbt_regression;

/* Most likely weights under the penalty `ridge` (0: none). Not converged within 100 steps: said in the
 * result, no error. PBT_USAGE where d > PBT_MAX_FEATURES or a value is not finite. */
pbt_code pbt_logistic_fit(const pbt_cases_table *table, double ridge, pbt_regression *fit, pbt_error *error);
/* Without penalty; where that has no finite answer, with PBT_FALLBACK_RIDGE (fit->ridge says so). */
pbt_code pbt_logistic_fit_safe(const pbt_cases_table *table, pbt_regression *fit, pbt_error *error);
/* The probability of y = 1 for a row. */
double pbt_logistic_predict(const pbt_regression *fit, const double *row);

/* Columns to mean 0 and standard deviation 1 (over n, as scikit-learn's StandardScaler; a constant column
 * becomes 0). mean and scale: [d], may be NULL. */
void pbt_standardize(double *x, size_t n, size_t d, double *mean, double *scale);

/* k folds, each predicted by a fit on the others (standardised on the others). `by_cluster`: rows of one
 * cluster are in one fold. Which rows make a fold is drawn with `key`. predicted: [n] probabilities. */
pbt_code pbt_cross_validate(const pbt_cases_table *table, size_t k, bool by_cluster, pbt_key key,
                            double *predicted, pbt_error *error);
/* The same with given folds: fold[i] in 0..k-1. */
pbt_code pbt_cross_validate_folds(const pbt_cases_table *table, const size_t *fold, size_t k,
                                  double *predicted, pbt_error *error);

#endif
