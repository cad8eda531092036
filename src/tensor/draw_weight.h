/*
 * The weight of a logit in a draw: an exponential of our own in plain double operations, so that a draw never
 * depends on the machine's libm, nor on how wide its vectors are. engine/sampler.c draws with it; devices
 * have it as a loop over many logits (pbt_device.draw_weights).
 */
#ifndef PBT_TENSOR_DRAW_WEIGHT_H
#define PBT_TENSOR_DRAW_WEIGHT_H

#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

/* a where `is` holds, else b, without a branch: loops with branches do not become vector code. */
static inline double pbt_choose(bool is, double a, double b) {
    uint64_t x, y, mask = -(uint64_t)is;
    memcpy(&x, &a, sizeof x);
    memcpy(&y, &b, sizeof y);
    x = (x & mask) | (y & ~mask);
    memcpy(&a, &x, sizeof a);
    return a;
}

/* exp(x) for x <= 0, in plain double operations: 2^n * exp(r), |r| <= ln(2)/2, Taylor to r^13. */
static inline double pbt_exp_negative(double x) {
    static const double shift = 0x1.8p52, log2_e = 0x1.71547652b82fep0, ln2_high = 0x1.62e42feep-1,
                        ln2_low = 0x1.a39ef35793c76p-33;
    const bool above = x > -708;
    double bounded = pbt_choose(above, x, -708);
    double shifted = bounded * log2_e + shift, n = shifted - shift, power;
    double r = bounded - n * ln2_high - n * ln2_low, sum = 1.0 / 6227020800;
    sum = sum * r + 1.0 / 479001600;
    sum = sum * r + 1.0 / 39916800;
    sum = sum * r + 1.0 / 3628800;
    sum = sum * r + 1.0 / 362880;
    sum = sum * r + 1.0 / 40320;
    sum = sum * r + 1.0 / 5040;
    sum = sum * r + 1.0 / 720;
    sum = sum * r + 1.0 / 120;
    sum = sum * r + 1.0 / 24;
    sum = sum * r + 1.0 / 6;
    sum = sum * r + 0.5;
    sum = sum * r + 1;
    sum = sum * r + 1;
    /* The low bits of `shifted` are n. */
    uint64_t bits;
    memcpy(&bits, &shifted, sizeof bits);
    bits = (bits + 1023) << 52;
    memcpy(&power, &bits, sizeof power);
    return pbt_choose(above, sum * power, 0);
}

/* exp((logit - most) / temperature) for logit <= most; a NaN counts as -infinity: 0. */
static inline double pbt_draw_weight(float logit, double most, double temperature) {
    return pbt_exp_negative((pbt_choose(logit == logit, logit, -INFINITY) - most) / temperature);
}

#endif
