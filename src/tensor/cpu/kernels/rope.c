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

/* Cosines and sines of one position, angles first .. first+n-1. */
static void angles(float *cosine, float *sine, int32_t position, const double *frequency, float scaling,
                   bool inverse, int64_t n) {
    for (int64_t i = 0; i < n; i++) {
        double angle = (double)((float)position * (float)frequency[i]);
        cosine[i] = (float)cos(angle) * scaling;
        sine[i] = (float)sin(angle) * scaling;
        if (inverse) sine[i] = -sine[i];
    }
}

/* Where many rows stand at few positions, as in training, the positions are computed once: [positions][E] in
 * the caller's scratch, cosines then sines. NULL: not worth it. */
static const float *table_of(const int32_t *positions, const double *frequency, float scaling, int32_t T,
                             int64_t half, bool inverse) {
    pbt_scratch *scratch = pbt_scratch_of_thread();
    int64_t n = 0;
    for (int32_t t = 0; t < T; t++) n = positions[t] >= n ? (int64_t)positions[t] + 1 : n;
    if (2 * n > T || n * 2 * half > PBT_BLOCK_ROWS * PBT_BLOCK_STRIDE) return NULL;
    for (int64_t p = 0; p < n; p++)
        angles(scratch->rows + p * 2 * half, scratch->rows + p * 2 * half + half, (int32_t)p, frequency,
               scaling, inverse, half);
    return scratch->rows;
}

typedef struct rope_call {
    float *x;
    int64_t ldx, half;
    const int32_t *positions;
    const double *frequency;
    const float *table;
    float scaling;
    int32_t heads;
    bool inverse;
} rope_call;

static void rope_rows(void *user, int64_t first_row, int64_t last_row) {
    const rope_call *c = user;
    const int64_t half = c->half;
    for (int64_t t = first_row; t < last_row; t++) {
        float cosine[HALF], sine[HALF];
        for (int64_t first = 0; first < half; first += HALF) {
            int64_t n = half - first < HALF ? half - first : HALF;
            const float *at = c->table ? c->table + c->positions[t] * 2 * half + first : NULL;
            if (!at) angles(cosine, sine, c->positions[t], c->frequency + first, c->scaling, c->inverse, n);
            for (int32_t h = 0; h < c->heads; h++)
                turn(c->x + t * c->ldx + (int64_t)h * 2 * half, half, at ? at : cosine, at ? at + half : sine,
                     first, n);
        }
    }
}

void KERNEL(rope)(float *x, int64_t ldx, const int32_t *positions, const double *frequency,
                  float attention_scaling, int32_t T, int32_t heads, int32_t E, bool inverse) {
    const int64_t half = E / 2;
    rope_call c = {.x = x,
                   .ldx = ldx,
                   .half = half,
                   .positions = positions,
                   .frequency = frequency,
                   .table = table_of(positions, frequency, attention_scaling, T, half, inverse),
                   .scaling = attention_scaling,
                   .heads = heads,
                   .inverse = inverse};
    pbt_pool_run(pbt_threads_for((double)T * (double)half * (100 + 4 * heads)), T, rope_rows, &c);
}
