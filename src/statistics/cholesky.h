/*
 * Symmetric positive definite matrices of a few unknowns: the Cholesky factorisation A = L L' (Golub and Van
 * Loan, Matrix Computations, 4.2), and what a regression needs of it. Matrices are [n][n], row-major.
 */
#ifndef PBT_STATISTICS_CHOLESKY_H
#define PBT_STATISTICS_CHOLESKY_H

#include <stdbool.h>
#include <stddef.h>

/* Replaces the lower triangle of `matrix` by L; what stands above it is neither read nor changed. False, with
 * the triangle half done, where the matrix is not positive definite as far as doubles tell: some pivot is no
 * more than rounding leaves of its diagonal element, or not a number. */
bool pbt_cholesky_factor(double *matrix, size_t n);
/* x = A^-1 x, from L. */
void pbt_cholesky_solve(const double *factor, size_t n, double *x);
/* inverse = A^-1, all of it, from L (another array). */
void pbt_cholesky_inverse(const double *factor, size_t n, double *inverse);

#endif
