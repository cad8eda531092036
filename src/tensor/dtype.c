/* Element types: names, sizes, conversions, and the code tables of 4-bit types. */
#include "tensor/tensor.h"

#include <string.h>

const float pbt_nf4_codes[16] = {-1.0f,
                                 -0.6961928009986877f,
                                 -0.5250730514526367f,
                                 -0.39491748809814453f,
                                 -0.28444138169288635f,
                                 -0.18477343022823334f,
                                 -0.09105003625154495f,
                                 0.0f,
                                 0.07958029955625534f,
                                 0.16093020141124725f,
                                 0.24611230194568634f,
                                 0.33791524171829224f,
                                 0.44070982933044434f,
                                 0.5626170039176941f,
                                 0.7229568362236023f,
                                 1.0f};

const float pbt_fp4_codes[16] = {0.0f,       0.0625f / 12, 8.0f / 12,  1.0f,          4.0f / 12,  0.5f,
                                 2.0f / 12,  0.25f,        0.0f,       -0.0625f / 12, -8.0f / 12, -1.0f,
                                 -4.0f / 12, -0.5f,        -2.0f / 12, -0.25f};

const char *pbt_dtype_name(pbt_dtype dtype) {
    static const char *const names[PBT_DTYPES] = {"float32", "float16", "bfloat16", "nf4", "fp4", "int8"};
    return dtype >= 0 && dtype < PBT_DTYPES ? names[dtype] : "unknown";
}

int pbt_dtype_bits(pbt_dtype dtype) {
    static const int bits[PBT_DTYPES] = {32, 16, 16, 4, 4, 8};
    return dtype >= 0 && dtype < PBT_DTYPES ? bits[dtype] : 0;
}

static float float_of_bits(uint32_t bits) {
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

static uint32_t bits_of_float(float value) {
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    return bits;
}

float pbt_f16_to_f32(uint16_t half) {
    uint32_t sign = (uint32_t)(half & 0x8000u) << 16, exponent = half >> 10 & 31, fraction = half & 1023;
    if (exponent == 31) {
        /* A signalling NaN becomes quiet, as the hardware's conversion makes it. */
        return float_of_bits(sign | 0x7F800000u | (fraction ? 0x400000u | fraction << 13 : 0));
    }
    if (exponent == 0) {
        float magnitude = (float)fraction * 0x1p-24f;
        return float_of_bits(sign | bits_of_float(magnitude));
    }
    return float_of_bits(sign | (exponent + 112) << 23 | fraction << 13);
}

uint16_t pbt_f32_to_f16(float value) {
    uint32_t bits = bits_of_float(value), magnitude = bits & 0x7FFFFFFFu;
    uint16_t sign = (uint16_t)(bits >> 16 & 0x8000u);
    if (magnitude > 0x7F800000u) return (uint16_t)(sign | 0x7E00u | (magnitude >> 13 & 0x3FFu));
    if (magnitude >= 0x477FF000u) return (uint16_t)(sign | 0x7C00u); /* rounds to 65536 or more */
    if (magnitude < 0x38800000u) {
        /* Subnormal: adding 0.5 leaves the rounded multiple of 2^-24 in the low bits. */
        float shifted = float_of_bits(magnitude) + 0.5f;
        return (uint16_t)(sign | (bits_of_float(shifted) - 0x3F000000u));
    }
    uint32_t rounded = magnitude + 0xFFFu + (magnitude >> 13 & 1u) - (112u << 23);
    return (uint16_t)(sign | rounded >> 13);
}

float pbt_bf16_to_f32(uint16_t half) {
    return float_of_bits((uint32_t)half << 16);
}

uint16_t pbt_f32_to_bf16(float value) {
    uint32_t bits = bits_of_float(value);
    if ((bits & 0x7FFFFFFFu) > 0x7F800000u) return (uint16_t)(bits >> 16 | 0x40u);
    return (uint16_t)((bits + 0x7FFFu + (bits >> 16 & 1u)) >> 16);
}
