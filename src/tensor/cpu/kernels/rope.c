/* Rotary position embedding in the rotate-half form: pairs (i, i + E/2) of a head turn by position *
 * frequency[i]. Angles are rounded to float as transformers rounds them. */
#include "tensor/cpu/kernels/kernel.h"

enum { HALF = 256 };

static void turn(float *x, int64_t half, const float *cosine, const float *sine, int64_t first, int64_t n) {
    for (int64_t i = 0; i < n; i++) {
        float a = x[first + i], b = x[first + half + i];
        x[first + i] = a * cosine[i] - b * sine[i];
        x[first + half + i] = b * cosine[i] + a * sine[i];
    }
}

void KERNEL(rope)(float *x, int64_t ldx, const int32_t *positions, const double *frequency,
                  float attention_scaling, int32_t T, int32_t heads, int32_t E, bool inverse) {
    const int64_t half = E / 2;
    int threads = pbt_threads_for((double)T * (double)half * (100 + 4 * heads));
#pragma omp parallel for num_threads(threads) if (threads > 1)
    for (int64_t t = 0; t < T; t++) {
        float cosine[HALF], sine[HALF];
        for (int64_t first = 0; first < half; first += HALF) {
            int64_t n = half - first < HALF ? half - first : HALF;
            for (int64_t i = 0; i < n; i++) {
                double angle = (double)((float)positions[t] * (float)frequency[first + i]);
                cosine[i] = (float)cos(angle) * attention_scaling;
                sine[i] = (float)sin(angle) * attention_scaling;
                if (inverse) sine[i] = -sine[i];
            }
            for (int32_t h = 0; h < heads; h++)
                turn(x + t * ldx + (int64_t)h * E, half, cosine, sine, first, n);
        }
    }
}
