/*
 * Vectors of the instruction set this file is compiled for. The operations are those of IEEE 754 lane by
 * lane, so results do not depend on the width. GCC's vector extensions give + - * / and comparisons; only
 * what they lack is written here.
 */
#ifndef PBT_TENSOR_CPU_KERNELS_VECTOR_H
#define PBT_TENSOR_CPU_KERNELS_VECTOR_H

#include "tensor/tensor.h"

#include <math.h>
#include <string.h>

#if defined(__AVX512F__)
#include <immintrin.h>
#define LANES 16
#elif defined(__AVX2__) && defined(__FMA__)
#include <immintrin.h>
#define LANES 8
#elif defined(__aarch64__)
#include <arm_neon.h>
#define LANES 4
#else
#define LANES 4
#endif

/* Vectors in 16 floats. */
#define VECTORS (16 / LANES)

typedef float vec __attribute__((vector_size(4 * LANES)));
typedef int32_t veci __attribute__((vector_size(4 * LANES)));
typedef uint32_t vecu __attribute__((vector_size(4 * LANES)));

#define INLINE static inline __attribute__((always_inline, unused))

#ifdef __clang__
#define UNROLL _Pragma("clang loop unroll(full)")
#else
#define UNROLL _Pragma("GCC unroll 32")
#endif

INLINE vec vec_load(const float *from) {
    vec v;
    memcpy(&v, from, sizeof v);
    return v;
}

INLINE void vec_store(float *to, vec v) {
    memcpy(to, &v, sizeof v);
}

/* The first n lanes; the others are `rest`. */
INLINE vec vec_load_n(const float *from, size_t n, float rest) {
    float lanes[LANES];
    for (size_t i = 0; i < LANES; i++) lanes[i] = i < n ? from[i] : rest;
    return vec_load(lanes);
}

INLINE void vec_store_n(float *to, vec v, size_t n) {
    float lanes[LANES];
    vec_store(lanes, v);
    for (size_t i = 0; i < n; i++) to[i] = lanes[i];
}

#if defined(__AVX512F__)
INLINE vec vec_set(float x) {
    return (vec)_mm512_set1_ps(x);
}
INLINE vec vec_fma(vec a, vec b, vec c) {
    return (vec)_mm512_fmadd_ps((__m512)a, (__m512)b, (__m512)c);
}
#elif defined(__AVX2__) && defined(__FMA__)
INLINE vec vec_set(float x) {
    return (vec)_mm256_set1_ps(x);
}
INLINE vec vec_fma(vec a, vec b, vec c) {
    return (vec)_mm256_fmadd_ps((__m256)a, (__m256)b, (__m256)c);
}
#elif defined(__aarch64__)
INLINE vec vec_set(float x) {
    return (vec)vdupq_n_f32(x);
}
INLINE vec vec_fma(vec a, vec b, vec c) {
    return (vec)vfmaq_f32((float32x4_t)c, (float32x4_t)a, (float32x4_t)b);
}
#else
INLINE vec vec_set(float x) {
    return (vec){x, x, x, x};
}
INLINE vec vec_fma(vec a, vec b, vec c) {
    return (vec){fmaf(a[0], b[0], c[0]), fmaf(a[1], b[1], c[1]), fmaf(a[2], b[2], c[2]),
                 fmaf(a[3], b[3], c[3])};
}
#endif

/* LANES elements of 16 bits, which floats hold exactly. */
INLINE vec vec_load_bf16(const uint16_t *from) {
#if defined(__AVX512F__)
    return (vec)_mm512_slli_epi32(_mm512_cvtepu16_epi32(_mm256_loadu_si256((const __m256i *)from)), 16);
#elif defined(__AVX2__) && defined(__FMA__)
    return (vec)_mm256_slli_epi32(_mm256_cvtepu16_epi32(_mm_loadu_si128((const __m128i *)from)), 16);
#else
    vecu bits;
    for (int i = 0; i < LANES; i++) bits[i] = (uint32_t)from[i] << 16;
    return (vec)bits;
#endif
}

INLINE vec vec_load_f16(const uint16_t *from) {
#if defined(__AVX512F__)
    return (vec)_mm512_cvtph_ps(_mm256_loadu_si256((const __m256i *)from));
#elif defined(__AVX2__) && defined(__F16C__)
    return (vec)_mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)from));
#else
    vec v;
    for (int i = 0; i < LANES; i++) v[i] = pbt_f16_to_f32(from[i]);
    return v;
#endif
}

INLINE vec vec_load_int8(const int8_t *from) {
#if defined(__AVX512F__)
    return (vec)_mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(_mm_loadu_si128((const __m128i *)from)));
#elif defined(__AVX2__) && defined(__FMA__)
    return (vec)_mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(_mm_loadl_epi64((const __m128i *)from)));
#else
    vec x;
    for (int i = 0; i < LANES; i++) x[i] = (float)from[i];
    return x;
#endif
}

/* Lanes v * LANES .. of the values of sixteen 4-bit codes: byte i holds code i low and code i + 8 high. */
INLINE vec vec_load_codes(const uint8_t *bytes, int v, const float values[16]) {
#if defined(__AVX512F__)
    /* Of an index the permutation reads the low four bits alone. */
    __m128i low = _mm_loadl_epi64((const __m128i *)bytes);
    __m128i both = _mm_unpacklo_epi64(low, _mm_srli_epi16(low, 4));
    (void)v;
    return (vec)_mm512_permutexvar_ps(_mm512_cvtepu8_epi32(both), _mm512_loadu_ps(values));
#elif defined(__AVX2__) && defined(__FMA__)
    __m256i codes = _mm256_cvtepu8_epi32(_mm_loadl_epi64((const __m128i *)bytes));
    if (v > 0) codes = _mm256_srli_epi32(codes, 4);
    __m256 first = _mm256_permutevar8x32_ps(_mm256_loadu_ps(values), codes);
    __m256 second = _mm256_permutevar8x32_ps(_mm256_loadu_ps(values + 8), codes);
    return (vec)_mm256_blendv_ps(first, second, _mm256_castsi256_ps(_mm256_slli_epi32(codes, 28)));
#else
    vec x;
    for (int i = 0; i < LANES; i++) {
        int output = v * LANES + i;
        x[i] = values[output < 8 ? bytes[output] & 15 : bytes[output - 8] >> 4];
    }
    return x;
#endif
}

INLINE veci veci_set(int32_t x) {
    return (veci){0} + x;
}

/* mask ? a : b, for a mask of all ones or zeros as comparisons give. */
INLINE vec vec_select(veci mask, vec a, vec b) {
    return (vec)((mask & (veci)a) | (~mask & (veci)b));
}

/* The larger one; b when either is NaN. */
INLINE vec vec_max(vec a, vec b) {
    return vec_select(a > b, a, b);
}

/* Sixteen running sums, one for every index modulo 16: the same order for every width. */
typedef struct lanes16 {
    vec v[VECTORS];
} lanes16;

/* ((0+8)+(4+12))+... : a tree over the sixteen lanes. */
INLINE float lanes16_sum(const lanes16 *lanes) {
    float x[16];
    memcpy(x, lanes->v, sizeof x);
    for (int width = 8; width > 0; width /= 2)
        for (int i = 0; i < width; i++) x[i] += x[i + width];
    return x[0];
}

INLINE float lanes16_max(const lanes16 *lanes) {
    float x[16], most;
    memcpy(x, lanes->v, sizeof x);
    most = x[0];
    for (int i = 1; i < 16; i++) most = x[i] > most ? x[i] : most;
    return most;
}

/* e^x within 1.1 ulp: x = n ln 2 + r, a polynomial in r, and 2^n in two exact factors so that results below
 * the normal range round once. */
INLINE vec vec_exp(vec x) {
    x = vec_select(x > vec_set(90.0f), vec_set(90.0f), x);
    x = vec_select(x < vec_set(-120.0f), vec_set(-120.0f), x);
    const vec magic = vec_set(12582912.0f); /* 1.5 * 2^23: adding it rounds to an integer */
    vec shifted = vec_fma(x, vec_set(1.44269504088896341f), magic), n = shifted - magic;
    vec r = vec_fma(n, vec_set(-0.693145751953125f), x);
    r = vec_fma(n, vec_set(-1.42860682030941723212e-6f), r);
    vec p = vec_set(1.9875691500e-4f);
    p = vec_fma(p, r, vec_set(1.3981999507e-3f));
    p = vec_fma(p, r, vec_set(8.3334519073e-3f));
    p = vec_fma(p, r, vec_set(4.1665795894e-2f));
    p = vec_fma(p, r, vec_set(1.6666665459e-1f));
    p = vec_fma(p, r, vec_set(5.0000001201e-1f));
    p = vec_fma(p, r * r, r) + vec_set(1.0f);
    veci whole = (veci)((vecu)shifted - 0x4B400000u), half = whole >> 1;
    vec low = (vec)((half + 127) << 23), high = (vec)((whole - half + 127) << 23);
    return p * low * high;
}

#endif
