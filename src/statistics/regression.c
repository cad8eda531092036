#include "statistics/regression.h"

#include "base/memory.h"
#include "statistics/cholesky.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { STEPS = 100, WIDE = PBT_MAX_FEATURES + 1 };

/* A fit in progress: the intercept and the features that have any spread. */
typedef struct fitting {
    const pbt_cases_table *table;
    size_t column[WIDE]; /* feature of active weight i >= 1 */
    size_t m;            /* active weights, the intercept included */
    double ridge;
    double w[WIDE], gradient[WIDE], information[WIDE * WIDE];
    double objective; /* log-likelihood less penalty */
} fitting;

static double value(const fitting *f, size_t row, size_t i) {
    return i == 0 ? 1 : f->table->x[row * f->table->d + f->column[i]];
}

static double sigmoid(double t) {
    return t >= 0 ? 1 / (1 + exp(-t)) : exp(t) / (1 + exp(t));
}

/* log(1 + exp(t)) without overflow */
static double softplus(double t) {
    return t > 0 ? t + log1p(exp(-t)) : log1p(exp(t));
}

static double linear(const fitting *f, const double *w, size_t row) {
    double t = 0;
    for (size_t i = 0; i < f->m; i++) t += w[i] * value(f, row, i);
    return t;
}

static double objective_at(const fitting *f, const double *w) {
    double sum = 0;
    for (size_t r = 0; r < f->table->n; r++) {
        double t = linear(f, w, r);
        sum += (f->table->y[r] ? t : 0) - softplus(t);
    }
    for (size_t i = 1; i < f->m; i++) sum -= f->ridge / 2 * w[i] * w[i];
    return sum;
}

static void differentiate(fitting *f) {
    memset(f->gradient, 0, sizeof f->gradient);
    memset(f->information, 0, sizeof f->information);
    for (size_t r = 0; r < f->table->n; r++) {
        double p = sigmoid(linear(f, f->w, r)), weight = p * (1 - p);
        for (size_t i = 0; i < f->m; i++) {
            f->gradient[i] += (f->table->y[r] - p) * value(f, r, i);
            for (size_t j = 0; j <= i; j++)
                f->information[i * f->m + j] += weight * value(f, r, i) * value(f, r, j);
        }
    }
    for (size_t i = 1; i < f->m; i++) {
        f->gradient[i] -= f->ridge * f->w[i];
        f->information[i * f->m + i] += f->ridge;
    }
    for (size_t i = 0; i < f->m; i++)
        for (size_t j = i + 1; j < f->m; j++) f->information[i * f->m + j] = f->information[j * f->m + i];
}

/* One step of Newton, halved until the objective does not fall. False: singular, or nothing gained. */
static bool step(fitting *f, double *moved) {
    double factor[WIDE * WIDE], direction[WIDE], tried[WIDE];
    differentiate(f);
    memcpy(factor, f->information, sizeof factor);
    memcpy(direction, f->gradient, sizeof direction);
    if (!pbt_cholesky_factor(factor, f->m)) return false;
    pbt_cholesky_solve(factor, f->m, direction);
    for (double scale = 1; scale > 1e-6; scale /= 2) {
        *moved = 0;
        for (size_t i = 0; i < f->m; i++) {
            tried[i] = f->w[i] + scale * direction[i];
            *moved = fmax(*moved, fabs(scale * direction[i]));
        }
        double objective = objective_at(f, tried);
        if (!(objective >= f->objective - 1e-12 * fabs(f->objective))) continue;
        memcpy(f->w, tried, f->m * sizeof *tried);
        f->objective = objective;
        return true;
    }
    return false;
}

/* Whether every row is on its side with near certainty: the weights are on their way to infinity. */
static bool separated(const fitting *f) {
    for (size_t r = 0; r < f->table->n; r++) {
        double t = linear(f, f->w, r);
        if ((f->table->y[r] ? t : -t) < 12) return false;
    }
    return true;
}

static void iterate(fitting *f, pbt_regression *fit) {
    f->objective = objective_at(f, f->w);
    for (fit->iterations = 0; fit->iterations < STEPS; fit->iterations++) {
        double moved;
        if (!step(f, &moved)) return;
        if (f->ridge <= 0 && separated(f)) return;
        if (moved < 1e-10) {
            fit->converged = true;
            return;
        }
    }
}

typedef struct row_order {
    uint32_t cluster;
    size_t row;
} row_order;

static int by_cluster_name(const void *a, const void *b) {
    const row_order *x = a, *y = b;
    if (x->cluster != y->cluster) return x->cluster > y->cluster ? 1 : -1;
    return (x->row > y->row) - (x->row < y->row);
}

/* The middle of the sandwich: sum over clusters of (sum of scores)(sum of scores)', with statsmodels'
 * correction G/(G-1) * (n-1)/(n-m). *enough: there are clusters and rows for it. */
static pbt_code meat_of(const fitting *f, double *meat, bool *enough, pbt_error *error) {
    size_t n = f->table->n, groups = 0;
    row_order *order = pbt_alloc(n, sizeof *order);
    if (!order) return pbt_fail_memory(error, n * sizeof *order, "the rows of a regression");
    for (size_t r = 0; r < n; r++)
        order[r] = (row_order){f->table->cluster ? f->table->cluster[r] : (uint32_t)r, r};
    qsort(order, n, sizeof *order, by_cluster_name);
    memset(meat, 0, f->m * f->m * sizeof *meat);
    for (size_t at = 0; at < n; groups++) {
        double score[WIDE] = {0};
        uint32_t name = order[at].cluster;
        for (; at < n && order[at].cluster == name; at++) {
            size_t r = order[at].row;
            double rest = f->table->y[r] - sigmoid(linear(f, f->w, r));
            for (size_t i = 0; i < f->m; i++) score[i] += rest * value(f, r, i);
        }
        for (size_t i = 0; i < f->m; i++)
            for (size_t j = 0; j < f->m; j++) meat[i * f->m + j] += score[i] * score[j];
    }
    free(order);
    *enough = groups >= 2 && n > f->m;
    if (!*enough) return PBT_OK;
    double correction = (double)groups / (double)(groups - 1) * (double)(n - 1) / (double)(n - f->m);
    for (size_t i = 0; i < f->m * f->m; i++) meat[i] *= correction;
    return PBT_OK;
}

static double two_sided(double z) {
    return erfc(fabs(z) / sqrt(2));
}

/* (inverse * meat * inverse)[i][i] */
static double sandwich(const double *inverse, const double *meat, size_t m, size_t i) {
    double sum = 0;
    for (size_t j = 0; j < m; j++)
        for (size_t k = 0; k < m; k++) sum += inverse[i * m + j] * meat[j * m + k] * inverse[k * m + i];
    return sum;
}

static pbt_code test_weights(fitting *f, pbt_regression *fit, pbt_error *error) {
    double factor[WIDE * WIDE], inverse[WIDE * WIDE], meat[WIDE * WIDE];
    bool robust;
    differentiate(f);
    memcpy(factor, f->information, sizeof factor);
    if (!pbt_cholesky_factor(factor, f->m)) return PBT_OK;
    pbt_cholesky_inverse(factor, f->m, inverse);
    PBT_TRY(meat_of(f, meat, &robust, error));
    for (size_t i = 0; i < f->m; i++) {
        size_t at = i == 0 ? 0 : 1 + f->column[i];
        fit->errors[at] = sqrt(inverse[i * f->m + i]);
        fit->z[at] = f->w[i] / fit->errors[at];
        fit->p[at] = two_sided(fit->z[at]);
        if (robust) fit->robust_p[at] = two_sided(f->w[i] / sqrt(sandwich(inverse, meat, f->m, i)));
    }
    return PBT_OK;
}

static bool has_spread(const pbt_cases_table *t, size_t feature) {
    for (size_t r = 1; r < t->n; r++)
        if (t->x[r * t->d + feature] != t->x[feature]) return true;
    return false;
}

pbt_code pbt_logistic_fit(const pbt_cases_table *table, double ridge, pbt_regression *fit, pbt_error *error) {
    if (table->d > PBT_MAX_FEATURES)
        return pbt_fail(error, PBT_USAGE, "a regression of %zu features; at most %d", table->d,
                        PBT_MAX_FEATURES);
    for (size_t i = 0; i < table->n * table->d; i++)
        if (!isfinite(table->x[i]))
            return pbt_fail(error, PBT_USAGE, "a feature that is not a finite number");
    fitting f = {.table = table, .m = 1, .ridge = ridge};
    for (size_t j = 0; j < table->d; j++)
        if (has_spread(table, j)) f.column[f.m++] = j;
    *fit = (pbt_regression){.d = table->d, .ridge = ridge};
    for (size_t i = 0; i <= table->d; i++) fit->errors[i] = fit->z[i] = fit->p[i] = fit->robust_p[i] = NAN;
    if (table->n > 0) iterate(&f, fit);
    for (size_t i = 0; i < f.m; i++) fit->weights[i == 0 ? 0 : 1 + f.column[i]] = f.w[i];
    fit->log_likelihood = f.objective;
    for (size_t i = 1; i < f.m; i++) fit->log_likelihood += ridge / 2 * f.w[i] * f.w[i];
    return fit->converged ? test_weights(&f, fit, error) : PBT_OK;
}

pbt_code pbt_logistic_fit_safe(const pbt_cases_table *table, pbt_regression *fit, pbt_error *error) {
    size_t ones = 0;
    for (size_t r = 0; r < table->n; r++) ones += table->y[r];
    bool both = ones > 0 && ones < table->n;
    PBT_TRY(pbt_logistic_fit(table, both ? 0 : PBT_FALLBACK_RIDGE, fit, error));
    if (fit->converged || !both) return PBT_OK;
    return pbt_logistic_fit(table, PBT_FALLBACK_RIDGE, fit, error);
}

double pbt_logistic_predict(const pbt_regression *fit, const double *row) {
    double t = fit->weights[0];
    for (size_t j = 0; j < fit->d; j++) t += fit->weights[1 + j] * row[j];
    return sigmoid(t);
}

void pbt_standardize(double *x, size_t n, size_t d, double *mean, double *scale) {
    for (size_t j = 0; j < d; j++) {
        double sum = 0, squares = 0;
        for (size_t r = 0; r < n; r++) sum += x[r * d + j];
        double center = n ? sum / (double)n : 0;
        for (size_t r = 0; r < n; r++) squares += (x[r * d + j] - center) * (x[r * d + j] - center);
        double spread = n ? sqrt(squares / (double)n) : 0;
        /* Rounding leaves a constant column a spread of its last digits. */
        if (spread <= 1e-12 * fmax(1, fabs(center))) spread = 0;
        for (size_t r = 0; r < n; r++) x[r * d + j] = spread > 0 ? (x[r * d + j] - center) / spread : 0;
        if (mean) mean[j] = center;
        if (scale) scale[j] = spread;
    }
}
