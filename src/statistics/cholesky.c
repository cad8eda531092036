#include "statistics/cholesky.h"

#include <float.h>
#include <math.h>

/* sum over k < n of a[k] * b[k * step] */
static double product(const double *a, const double *b, size_t n, size_t step) {
    double sum = 0;
    for (size_t k = 0; k < n; k++) sum += a[k] * b[k * step];
    return sum;
}

bool pbt_cholesky_factor(double *matrix, size_t n) {
    for (size_t i = 0; i < n; i++) {
        double *row = matrix + i * n;
        for (size_t j = 0; j < i; j++)
            row[j] = (row[j] - product(row, matrix + j * n, j, 1)) / matrix[j * n + j];
        double pivot = row[i] - product(row, row, i, 1);
        if (!(pivot > (double)n * DBL_EPSILON * row[i]) || !isfinite(pivot)) return false;
        row[i] = sqrt(pivot);
    }
    return true;
}

void pbt_cholesky_solve(const double *factor, size_t n, double *x) {
    for (size_t i = 0; i < n; i++) x[i] = (x[i] - product(factor + i * n, x, i, 1)) / factor[i * n + i];
    for (size_t i = n; i-- > 0;)
        x[i] = (x[i] - product(x + i + 1, factor + (i + 1) * n + i, n - i - 1, n)) / factor[i * n + i];
}

void pbt_cholesky_inverse(const double *factor, size_t n, double *inverse) {
    /* A row of the inverse is a column: it is symmetric. */
    for (size_t i = 0; i < n; i++) {
        double *row = inverse + i * n;
        for (size_t j = 0; j < n; j++) row[j] = i == j;
        pbt_cholesky_solve(factor, n, row);
    }
}
