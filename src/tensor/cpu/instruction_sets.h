/*
 * What kernels/ makes of every instruction set it is compiled for: a table of operations, and what a device
 * has beside it.
 */
#ifndef PBT_TENSOR_CPU_INSTRUCTION_SETS_H
#define PBT_TENSOR_CPU_INSTRUCTION_SETS_H

#include "tensor/ops.h"

extern const pbt_ops pbt_ops_portable, pbt_ops_avx2, pbt_ops_avx512;
/* What a device has beside its operations (device.h): kernels/draw_weights.c, kernels/peak.c. */
#define PBT_CPU_DECLARE(set)                                                                                 \
    void pbt_##set##_draw_weights(double *weights, const float *logits, int32_t n, double most,              \
                                  double temperature);                                                       \
    double pbt_##set##_peak(float *seed);
PBT_CPU_DECLARE(portable)
PBT_CPU_DECLARE(avx2)
PBT_CPU_DECLARE(avx512)

#endif
