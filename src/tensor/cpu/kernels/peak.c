/* As many multiply-adds as the processor can do: independent chains hide their latency. */
#include "tensor/cpu/instruction_sets.h"
#include "tensor/cpu/kernels/kernel.h"

enum { CHAINS = 12, ROUNDS = 20000 };

double KERNEL(peak)(float *seed) {
    vec x[CHAINS];
    const vec a = vec_set(0.999F), b = vec_set(*seed);
    for (int c = 0; c < CHAINS; c++) x[c] = vec_set(0);
    for (int r = 0; r < ROUNDS; r++) {
        UNROLL
        for (int c = 0; c < CHAINS; c++) x[c] = vec_fma(x[c], a, b);
    }
    vec sum = x[0];
    for (int c = 1; c < CHAINS; c++) sum += x[c];
    *seed = sum[0] * 1e-9F;
    return 2.0 * ROUNDS * CHAINS * LANES;
}
