/* The weights of a draw: the same operations in wider vectors, without fused multiply-adds, so the same bits.
 */
#include "tensor/cpu/instruction_sets.h"
#include "tensor/cpu/kernels/kernel.h"

#include "tensor/draw_weight.h"

void KERNEL(draw_weights)(double *weights, const float *logits, int32_t n, double most, double temperature) {
    for (int32_t i = 0; i < n; i++) weights[i] = pbt_draw_weight(logits[i], most, temperature);
}
