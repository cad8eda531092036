/* bitsandbytes' quantisers. Every rounding is one of theirs; the order of operations must not change. */
#include "tensor/quantize.h"

#include <math.h>
#include <string.h>

/* ---- 4 bits ---- */

/* The codes in ascending order of their values. */
static const uint8_t nf4_order[16] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
static const uint8_t fp4_order[16] = {11, 10, 13, 12, 15, 14, 9, 0, 8, 1, 6, 7, 4, 5, 2, 3};

static uint8_t nearest(float value, const float bounds[15], const uint8_t order[16]) {
    int below = 0;
    for (int i = 0; i < 15; i++) below += bounds[i] < value;
    return order[below];
}

static float largest(const float *values, int64_t count) {
    float most = 0;
    for (int64_t i = 0; i < count; i++) most = fabsf(values[i]) > most ? fabsf(values[i]) : most;
    return most;
}

static float clamp(float value) {
    return value < -1 ? -1 : value > 1 ? 1 : value;
}

void pbt_quantize_4bit(pbt_dtype dtype, const float *values, int64_t count, int32_t block, uint8_t *codes,
                       float *absmax) {
    const float *table = dtype == PBT_NF4 ? pbt_nf4_codes : pbt_fp4_codes;
    const uint8_t *order = dtype == PBT_NF4 ? nf4_order : fp4_order;
    float bounds[15];
    for (int i = 0; i < 15; i++) bounds[i] = (table[order[i]] + table[order[i + 1]]) / 2;
    for (int64_t first = 0; first < count; first += block) {
        int64_t n = count - first < block ? count - first : block;
        float most = largest(values + first, n), divisor = most > 1e-38f ? most : 1e-38f;
        /* Whole blocks are multiplied by the reciprocal; a short last one is divided, and its scale raised.
         */
        bool whole = n == block;
        absmax[first / block] = whole ? most : divisor;
        float reciprocal = 1.0f / divisor;
        for (int64_t i = 0; i < n; i++) {
            float value = values[first + i];
            uint8_t code = nearest(clamp(whole ? value * reciprocal : value / divisor), bounds, order);
            uint8_t *byte = &codes[(first + i) / 2];
            *byte = (first + i) % 2 == 0 ? (uint8_t)(code << 4) : (uint8_t)(*byte | code);
        }
    }
    if (count % 2 != 0) codes[count / 2] = (uint8_t)(codes[count / 2] | nearest(0, bounds, order));
}

/* ---- scales ---- */

enum { LANES = 8, CHAINS = 4, LEVELS = 4 };

static int ceil_log2(int64_t n) {
    int result = 0;
    while (((int64_t)1 << result) < n) result++;
    return result;
}

/* PyTorch's cascade sum: CHAINS vectors of LANES sums side by side; every 2^power steps a level is added to
 * the one above it, so that rounding errors stay small. */
static void cascade(const float *values, int64_t steps, float sums[CHAINS * LANES]) {
    enum { WIDTH = CHAINS * LANES };
    float level[LEVELS][WIDTH] = {{0}};
    int power = ceil_log2(steps) / LEVELS;
    if (power < 4) power = 4;
    int64_t step = (int64_t)1 << power, i = 0;
    while (i + step <= steps) {
        for (int64_t end = i + step; i < end; i++)
            for (int k = 0; k < WIDTH; k++) level[0][k] += values[i * WIDTH + k];
        for (int j = 1; j < LEVELS; j++) {
            for (int k = 0; k < WIDTH; k++) {
                level[j][k] += level[j - 1][k];
                level[j - 1][k] = 0;
            }
            if (i & (step - 1) << (j * power)) break;
        }
    }
    for (; i < steps; i++)
        for (int k = 0; k < WIDTH; k++) level[0][k] += values[i * WIDTH + k];
    for (int k = 0; k < WIDTH; k++) {
        sums[k] = level[0][k];
        for (int j = 1; j < LEVELS; j++) sums[k] += level[j][k];
    }
}

static float mean(const float *values, int64_t count) {
    float sums[CHAINS * LANES], sum = 0;
    int64_t vectors = count / LANES, steps = vectors / CHAINS;
    cascade(values, steps, sums);
    for (int64_t i = steps * CHAINS; i < vectors; i++)
        for (int k = 0; k < LANES; k++) sums[k] += values[i * LANES + k];
    for (int chain = 1; chain < CHAINS; chain++)
        for (int k = 0; k < LANES; k++) sums[k] += sums[chain * LANES + k];
    for (int64_t i = vectors * LANES; i < count; i++) sum += values[i];
    for (int k = 0; k < LANES; k++) sum += sums[k];
    return sum / (float)count;
}

/* The positive half of the map: seven decades, 1, 2, ... 64 means of equal parts of each. */
static const float decades[127] = {
    5.50000038e-07f, 3.25000019e-06f, 7.7499999e-06f,  2.12499981e-05f, 4.37499984e-05f, 6.62500024e-05f,
    8.87499991e-05f, 0.000156250011f, 0.000268750038f, 0.000381250022f, 0.000493750034f, 0.000606250076f,
    0.00071875006f,  0.000831249985f, 0.000943750085f, 0.00128124992f,  0.00184375001f,  0.00240624999f,
    0.00296874996f,  0.00353124971f,  0.00409374991f,  0.00465624966f,  0.00521875033f,  0.00578125007f,
    0.00634374982f,  0.00690625003f,  0.00746874977f,  0.00803124998f,  0.00859375019f,  0.00915624946f,
    0.00971874967f,  0.0114062503f,   0.0142187504f,   0.0170312505f,   0.0198437516f,   0.0226562507f,
    0.0254687499f,   0.028281251f,    0.0310937501f,   0.0339062512f,   0.0367187522f,   0.0395312496f,
    0.0423437469f,   0.0451562516f,   0.047968749f,    0.05078125f,     0.053593751f,    0.0564062484f,
    0.0592187531f,   0.0620312504f,   0.0648437515f,   0.0676562563f,   0.0704687461f,   0.0732812509f,
    0.0760937482f,   0.078906253f,    0.0817187577f,   0.0845312476f,   0.0873437524f,   0.0901562497f,
    0.0929687545f,   0.0957812592f,   0.0985937491f,   0.107031256f,    0.12109375f,     0.135156244f,
    0.149218753f,    0.163281247f,    0.177343756f,    0.19140625f,     0.205468744f,    0.219531253f,
    0.233593747f,    0.247656241f,    0.26171875f,     0.275781274f,    0.289843738f,    0.303906262f,
    0.317968726f,    0.33203125f,     0.346093744f,    0.360156238f,    0.374218762f,    0.388281226f,
    0.40234375f,     0.416406244f,    0.430468738f,    0.444531262f,    0.458593726f,    0.47265625f,
    0.486718714f,    0.500781238f,    0.514843702f,    0.528906226f,    0.54296875f,     0.557031274f,
    0.571093798f,    0.585156262f,    0.599218726f,    0.61328125f,     0.627343774f,    0.641406298f,
    0.655468762f,    0.669531226f,    0.68359375f,     0.697656274f,    0.711718798f,    0.725781262f,
    0.739843726f,    0.75390625f,     0.767968774f,    0.782031238f,    0.796093762f,    0.810156226f,
    0.82421875f,     0.838281274f,    0.852343738f,    0.866406262f,    0.880468726f,    0.89453125f,
    0.908593774f,    0.922656238f,    0.936718762f,    0.950781226f,    0.96484375f,     0.978906274f,
    0.992968738f};

void pbt_dynamic_map(float map[256]) {
    for (int i = 0; i < 127; i++) {
        map[126 - i] = -decades[i];
        map[128 + i] = decades[i];
    }
    map[127] = 0;
    map[255] = 1;
}

/* The code of every one of 65536 equal steps from -1 to 1. */
static void build_steps(const float map[256], uint8_t steps[65536]) {
    int code = 0;
    for (int i = 0; i < 65536; i++) {
        float value = -1.0f + (2.0f * (float)i) / 65535.0f;
        while (code < 255 && 0.5f * (map[code] + map[code + 1]) < value) code++;
        steps[i] = (uint8_t)code;
    }
}

void pbt_quantize_nested(float *scales, int64_t count, uint8_t *codes, float *nested_absmax, float *offset) {
    float map[256];
    uint8_t steps[65536];
    pbt_dynamic_map(map);
    build_steps(map, steps);
    *offset = mean(scales, count);
    for (int64_t i = 0; i < count; i++) scales[i] -= *offset;
    for (int64_t first = 0; first < count; first += PBT_NESTED_BLOCK) {
        int64_t n = count - first < PBT_NESTED_BLOCK ? count - first : PBT_NESTED_BLOCK;
        float most = largest(scales + first, n), reciprocal = 1.0f / most;
        nested_absmax[first / PBT_NESTED_BLOCK] = most;
        for (int64_t i = 0; i < n; i++) {
            float value = clamp(scales[first + i] * reciprocal);
            codes[first + i] = most == 0 ? 0 : steps[(uint16_t)((value + 1.0f) * 0.5f * 65535.0f + 0.5f)];
        }
    }
}

/* ---- int8 ---- */

void pbt_quantize_int8(const float *values, int64_t count, int8_t *codes, float *absmax) {
    float most = 0;
    for (int64_t i = 0; i < count; i++) {
        float magnitude = fabsf(pbt_f16_to_f32(pbt_f32_to_f16(values[i])));
        most = magnitude > most ? magnitude : most;
    }
    *absmax = most;
    float factor = 1.0f / most * 127.0f; /* as PyTorch divides a number by a tensor */
    for (int64_t i = 0; i < count; i++)
        codes[i] = most == 0 ? 0 : (int8_t)rintf(pbt_f16_to_f32(pbt_f32_to_f16(values[i])) * factor);
}
