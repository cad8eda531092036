/* The layouts of ggml's blocks (ggml-common.h) and their values. */
#include "gguf/blocks.h"

#include "tensor/tensor.h"

#include <string.h>

enum { SUPER = 256 };

/* The sixteen values of the non-linear 4-bit types. */
static const int8_t nonlinear[16] = {-127, -104, -83, -65, -49, -35, -22, -10,
                                     1,    13,   25,  38,  53,  69,  89,  113};

static float half_at(const unsigned char *p) {
    return pbt_f16_to_f32((uint16_t)(p[0] | p[1] << 8));
}

/* ---- plain numbers ---- */

static void from_f32(const unsigned char *p, float *to) {
    memcpy(to, p, sizeof *to);
}

static void from_f16(const unsigned char *p, float *to) {
    *to = half_at(p);
}

static void from_bf16(const unsigned char *p, float *to) {
    *to = pbt_bf16_to_f32((uint16_t)(p[0] | p[1] << 8));
}

/* ---- blocks of 32: low nibbles are the first half, high ones the second ---- */

static int nibble(const unsigned char *q, int i, int half) {
    return i < half ? q[i] & 15 : q[i - half] >> 4;
}

static void from_q4_0(const unsigned char *p, float *to) {
    float d = half_at(p);
    for (int i = 0; i < 32; i++) to[i] = d * (float)(nibble(p + 2, i, 16) - 8);
}

static void from_q4_1(const unsigned char *p, float *to) {
    float d = half_at(p), least = half_at(p + 2);
    for (int i = 0; i < 32; i++) to[i] = d * (float)nibble(p + 4, i, 16) + least;
}

/* The fifth bits stand in 32 bits before the nibbles. */
static int five_bits(const unsigned char *p, int i) {
    return nibble(p + 4, i, 16) | (p[i / 8] >> (i % 8) & 1) << 4;
}

static void from_q5_0(const unsigned char *p, float *to) {
    float d = half_at(p);
    for (int i = 0; i < 32; i++) to[i] = d * (float)(five_bits(p + 2, i) - 16);
}

static void from_q5_1(const unsigned char *p, float *to) {
    float d = half_at(p), least = half_at(p + 2);
    for (int i = 0; i < 32; i++) to[i] = d * (float)five_bits(p + 4, i) + least;
}

static void from_q8_0(const unsigned char *p, float *to) {
    float d = half_at(p);
    for (int i = 0; i < 32; i++) to[i] = (float)(int8_t)p[2 + i] * d;
}

static void from_iq4_nl(const unsigned char *p, float *to) {
    float d = half_at(p);
    for (int i = 0; i < 32; i++) to[i] = d * (float)nonlinear[nibble(p + 2, i, 16)];
}

/* ---- super-blocks of 256 ---- */

/* Two bits of element i: four groups of 32 share their bytes. */
static int two_bits(const unsigned char *q, int i) {
    return q[i / 128 * 32 + i % 32] >> (2 * (i % 128 / 32)) & 3;
}

static void from_q2_k(const unsigned char *p, float *to) {
    const unsigned char *scales = p, *q = p + 16;
    float d = half_at(p + 80), least = half_at(p + 82);
    for (int i = 0; i < SUPER; i++)
        to[i] =
            d * (float)(scales[i / 16] & 15) * (float)two_bits(q, i) - least * (float)(scales[i / 16] >> 4);
}

/* The sixteen 6-bit scales of a Q3_K block in twelve bytes. */
static int scale_q3(const unsigned char *s, int i) {
    int low = i < 8 ? s[i] & 15 : s[i - 8] >> 4;
    return (low | (s[8 + i % 4] >> (2 * (i / 4)) & 3) << 4) - 32;
}

static void from_q3_k(const unsigned char *p, float *to) {
    const unsigned char *high = p, *q = p + 32, *scales = p + 96;
    float d = half_at(p + 108);
    for (int i = 0; i < SUPER; i++) {
        int value = two_bits(q, i) - (high[i % 32] >> (i / 32) & 1 ? 0 : 4);
        to[i] = d * (float)scale_q3(scales, i / 16) * (float)value;
    }
}

/* The eight 6-bit scales and minima of Q4_K and Q5_K in twelve bytes. */
static void scale_and_least(const unsigned char *s, int i, int *scale, int *least) {
    if (i < 4) {
        *scale = s[i] & 63;
        *least = s[i + 4] & 63;
    } else {
        *scale = (s[i + 4] & 15) | (s[i - 4] >> 6) << 4;
        *least = s[i + 4] >> 4 | (s[i] >> 6) << 4;
    }
}

/* Four bits of element i: two groups of 32 share their bytes. */
static int four_bits(const unsigned char *q, int i) {
    return q[i / 64 * 32 + i % 32] >> (4 * (i % 64 / 32)) & 15;
}

static void from_q4_k(const unsigned char *p, float *to) {
    float d = half_at(p), least = half_at(p + 2);
    for (int i = 0; i < SUPER; i++) {
        int scale, low;
        scale_and_least(p + 4, i / 32, &scale, &low);
        to[i] = d * (float)scale * (float)four_bits(p + 16, i) - least * (float)low;
    }
}

static void from_q5_k(const unsigned char *p, float *to) {
    const unsigned char *high = p + 16, *q = p + 48;
    float d = half_at(p), least = half_at(p + 2);
    for (int i = 0; i < SUPER; i++) {
        int scale, low, value = four_bits(q, i) | (high[i % 32] >> (i / 32) & 1) << 4;
        scale_and_least(p + 4, i / 32, &scale, &low);
        to[i] = d * (float)scale * (float)value - least * (float)low;
    }
}

static void from_q6_k(const unsigned char *p, float *to) {
    const unsigned char *low = p, *high = p + 128, *scales = p + 192;
    float d = half_at(p + 208);
    for (int i = 0; i < SUPER; i++) {
        int at = i % 128, byte = i / 128 * 64 + at % 64;
        int value =
            (low[byte] >> (4 * (at / 64)) & 15) | (high[i / 128 * 32 + at % 32] >> (2 * (at / 32)) & 3) << 4;
        to[i] = d * (float)(int8_t)scales[i / 16] * (float)(value - 32);
    }
}

static void from_iq4_xs(const unsigned char *p, float *to) {
    const unsigned char *low = p + 4, *q = p + 8;
    float d = half_at(p);
    int high = p[2] | p[3] << 8;
    for (int i = 0; i < SUPER; i++) {
        int group = i / 32;
        int scale = (low[group / 2] >> (4 * (group % 2)) & 15) | (high >> (2 * group) & 3) << 4;
        to[i] = d * (float)(scale - 32) * (float)nonlinear[nibble(q + 16 * group, i % 32, 16)];
    }
}

/* ---- the table ---- */

typedef struct block_type {
    const char *name;
    int32_t elements, bytes;
    void (*floats)(const unsigned char *block, float *to);
} block_type;

static const block_type types[PBT_BLOCK_TYPES] = {
    [PBT_BLOCK_F32] = {"F32", 1, 4, from_f32},
    [PBT_BLOCK_F16] = {"F16", 1, 2, from_f16},
    [PBT_BLOCK_Q4_0] = {"Q4_0", 32, 18, from_q4_0},
    [PBT_BLOCK_Q4_1] = {"Q4_1", 32, 20, from_q4_1},
    [PBT_BLOCK_Q5_0] = {"Q5_0", 32, 22, from_q5_0},
    [PBT_BLOCK_Q5_1] = {"Q5_1", 32, 24, from_q5_1},
    [PBT_BLOCK_Q8_0] = {"Q8_0", 32, 34, from_q8_0},
    [9] = {"Q8_1", 0, 0, NULL},
    [PBT_BLOCK_Q2_K] = {"Q2_K", SUPER, 84, from_q2_k},
    [PBT_BLOCK_Q3_K] = {"Q3_K", SUPER, 110, from_q3_k},
    [PBT_BLOCK_Q4_K] = {"Q4_K", SUPER, 144, from_q4_k},
    [PBT_BLOCK_Q5_K] = {"Q5_K", SUPER, 176, from_q5_k},
    [PBT_BLOCK_Q6_K] = {"Q6_K", SUPER, 210, from_q6_k},
    [15] = {"Q8_K", 0, 0, NULL},
    [16] = {"IQ2_XXS", 0, 0, NULL},
    [17] = {"IQ2_XS", 0, 0, NULL},
    [18] = {"IQ3_XXS", 0, 0, NULL},
    [19] = {"IQ1_S", 0, 0, NULL},
    [PBT_BLOCK_IQ4_NL] = {"IQ4_NL", 32, 18, from_iq4_nl},
    [21] = {"IQ3_S", 0, 0, NULL},
    [22] = {"IQ2_S", 0, 0, NULL},
    [PBT_BLOCK_IQ4_XS] = {"IQ4_XS", SUPER, 136, from_iq4_xs},
    [24] = {"I8", 0, 0, NULL},
    [25] = {"I16", 0, 0, NULL},
    [26] = {"I32", 0, 0, NULL},
    [27] = {"I64", 0, 0, NULL},
    [28] = {"F64", 0, 0, NULL},
    [29] = {"IQ1_M", 0, 0, NULL},
    [PBT_BLOCK_BF16] = {"BF16", 1, 2, from_bf16},
    [34] = {"TQ1_0", 0, 0, NULL},
    [35] = {"TQ2_0", 0, 0, NULL},
    [39] = {"MXFP4", 0, 0, NULL},
};

const char *pbt_block_name(int type) {
    return type >= 0 && type < PBT_BLOCK_TYPES ? types[type].name : NULL;
}

bool pbt_block_is_known(int type) {
    return type >= 0 && type < PBT_BLOCK_TYPES && types[type].floats;
}

int32_t pbt_block_elements(int type) {
    return pbt_block_is_known(type) ? types[type].elements : 0;
}

int32_t pbt_block_bytes(int type) {
    return pbt_block_is_known(type) ? types[type].bytes : 0;
}

void pbt_block_floats(pbt_block_type type, const unsigned char *data, int64_t n, float *to) {
    const block_type *t = &types[type];
    for (int64_t at = 0; at < n; at += t->elements, data += t->bytes) t->floats(data, to + at);
}
