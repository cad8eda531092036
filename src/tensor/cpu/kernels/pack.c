/* Reading weights of every element type, and packing them into panels of sixteen outputs. */
#include "tensor/cpu/kernels/kernel.h"
#include "tensor/quantize.h"

static void read_16(float *to, const uint16_t *from, int64_t n, pbt_dtype dtype) {
    int64_t i = 0;
    if (dtype == PBT_BF16) {
        for (; i < n; i++) {
            uint32_t bits = (uint32_t)from[i] << 16;
            memcpy(to + i, &bits, sizeof bits);
        }
        return;
    }
#if defined(__F16C__)
    for (; i + 8 <= n; i += 8)
        _mm256_storeu_ps(to + i, _mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)(from + i))));
#endif
    for (; i < n; i++) to[i] = pbt_f16_to_f32(from[i]);
}

/* Sixteen codes of eight bytes times a scale. */
INLINE void read_16_codes(float *to, const uint8_t *bytes, const float *codes, float scale) {
#if LANES == 16
    __m128i raw = _mm_loadl_epi64((const __m128i *)bytes), low = _mm_set1_epi8(15);
    __m128i high = _mm_and_si128(_mm_srli_epi16(raw, 4), low);
    __m512i index = _mm512_cvtepu8_epi32(_mm_unpacklo_epi8(high, _mm_and_si128(raw, low)));
    __m512 values = _mm512_permutexvar_ps(index, _mm512_loadu_ps(codes));
    _mm512_storeu_ps(to, _mm512_mul_ps(values, _mm512_set1_ps(scale)));
#elif LANES == 8
    __m128i raw = _mm_loadl_epi64((const __m128i *)bytes), low = _mm_set1_epi8(15);
    __m128i high = _mm_and_si128(_mm_srli_epi16(raw, 4), low);
    __m128i index = _mm_unpacklo_epi8(high, _mm_and_si128(raw, low));
    __m256 first = _mm256_loadu_ps(codes), second = _mm256_loadu_ps(codes + 8);
    for (int half = 0; half < 2; half++, index = _mm_srli_si128(index, 8)) {
        __m256i eight = _mm256_cvtepu8_epi32(index);
        __m256 upper = _mm256_castsi256_ps(_mm256_slli_epi32(eight, 28)); /* sign: 8 or more */
        __m256 values = _mm256_blendv_ps(_mm256_permutevar8x32_ps(first, eight),
                                         _mm256_permutevar8x32_ps(second, eight), upper);
        _mm256_storeu_ps(to + 8 * half, _mm256_mul_ps(values, _mm256_set1_ps(scale)));
    }
#else
    for (int i = 0; i < 8; i++) {
        to[2 * i] = codes[bytes[i] >> 4] * scale;
        to[2 * i + 1] = codes[bytes[i] & 15] * scale;
    }
#endif
}

/* Elements first .. of the matrix, block by block. */
static void read_4(float *to, const pbt_matrix *from, int64_t first, int64_t n) {
    const uint8_t *bytes = from->data;
    const float *codes = from->dtype == PBT_NF4 ? pbt_nf4_codes : pbt_fp4_codes;
    const int shift = __builtin_ctz((unsigned)from->quantization->block);
    for (int64_t at = first, end = first + n; at < end;) {
        int64_t block = at >> shift, last = (block + 1) << shift;
        float scale = pbt_block_absmax(from->quantization, block);
        if (last > end) last = end;
        if (at & 1) *to++ = codes[bytes[at++ / 2] & 15] * scale;
        for (; at + 16 <= last; at += 16, to += 16) read_16_codes(to, bytes + at / 2, codes, scale);
        for (; at < last; at++) *to++ = codes[at & 1 ? bytes[at / 2] & 15 : bytes[at / 2] >> 4] * scale;
    }
}

void KERNEL(read)(float *to, const pbt_matrix *from, int64_t row, int64_t column, int64_t n) {
    int64_t first = row * from->cols + column;
    switch (from->dtype) {
    case PBT_F32:
        memcpy(to, (const float *)from->data + first, (size_t)n * sizeof *to);
        break;
    case PBT_F16:
    case PBT_BF16:
        read_16(to, (const uint16_t *)from->data + first, n, from->dtype);
        break;
    case PBT_NF4:
    case PBT_FP4:
        read_4(to, from, first, n);
        break;
    case PBT_INT8:
        for (int64_t i = 0; i < n; i++)
            to[i] = (float)((const int8_t *)from->data)[first + i] * from->quantization->absmax[row] *
                    (1.0f / 127.0f);
        break;
    default:
        memset(to, 0, (size_t)n * sizeof *to);
    }
}

#if LANES == 16
/* to[k][16] <- from[i][k] for 16 rows and 4 columns: rows i, i + 4, i + 8, i + 12 come into the quarters of
 * vector i, so that transposing 4 x 4 inside the quarters leaves every column in order. */
INLINE void transpose_16_4(float *to, const float *const *from, int64_t k) {
    __m512 a[4], b[4];
    UNROLL for (int i = 0; i < 4; i++) {
        a[i] = _mm512_castps128_ps512(_mm_loadu_ps(from[i] + k));
        a[i] = _mm512_insertf32x4(a[i], _mm_loadu_ps(from[i + 4] + k), 1);
        a[i] = _mm512_insertf32x4(a[i], _mm_loadu_ps(from[i + 8] + k), 2);
        a[i] = _mm512_insertf32x4(a[i], _mm_loadu_ps(from[i + 12] + k), 3);
    }
    b[0] = _mm512_unpacklo_ps(a[0], a[1]);
    b[1] = _mm512_unpackhi_ps(a[0], a[1]);
    b[2] = _mm512_unpacklo_ps(a[2], a[3]);
    b[3] = _mm512_unpackhi_ps(a[2], a[3]);
    _mm512_storeu_ps(to, _mm512_shuffle_ps(b[0], b[2], 0x44));
    _mm512_storeu_ps(to + PBT_PANEL, _mm512_shuffle_ps(b[0], b[2], 0xEE));
    _mm512_storeu_ps(to + 2 * PBT_PANEL, _mm512_shuffle_ps(b[1], b[3], 0x44));
    _mm512_storeu_ps(to + 3 * PBT_PANEL, _mm512_shuffle_ps(b[1], b[3], 0xEE));
}
#elif LANES == 8
/* to[k][16] <- from[i][k] for 8 rows and 8 columns. */
INLINE void transpose_8(float *to, const float *const *from, int64_t k) {
    __m256 a[8], b[8];
    for (int i = 0; i < 8; i++) a[i] = _mm256_loadu_ps(from[i] + k);
    for (int i = 0; i < 4; i++) {
        b[2 * i] = _mm256_unpacklo_ps(a[2 * i], a[2 * i + 1]);
        b[2 * i + 1] = _mm256_unpackhi_ps(a[2 * i], a[2 * i + 1]);
    }
    for (int half = 0; half < 2; half++) {
        a[4 * half] = _mm256_shuffle_ps(b[4 * half], b[4 * half + 2], 0x44);
        a[4 * half + 1] = _mm256_shuffle_ps(b[4 * half], b[4 * half + 2], 0xEE);
        a[4 * half + 2] = _mm256_shuffle_ps(b[4 * half + 1], b[4 * half + 3], 0x44);
        a[4 * half + 3] = _mm256_shuffle_ps(b[4 * half + 1], b[4 * half + 3], 0xEE);
    }
    for (int i = 0; i < 4; i++) {
        _mm256_storeu_ps(to + i * PBT_PANEL, _mm256_permute2f128_ps(a[i], a[i + 4], 0x20));
        _mm256_storeu_ps(to + (i + 4) * PBT_PANEL, _mm256_permute2f128_ps(a[i], a[i + 4], 0x31));
    }
}
#endif

void KERNEL(transpose_16)(float *to, const float *const rows[16], int64_t depth) {
    int64_t begin = 0;
#if LANES == 16
    bool every = true;
    for (int i = 0; i < PBT_PANEL; i++) every = every && rows[i];
    for (; every && begin + 4 <= depth; begin += 4) transpose_16_4(to + begin * PBT_PANEL, rows, begin);
#endif
    for (int half = 0; half < PBT_PANEL; half += 8) {
        int64_t k = begin;
#if LANES == 8
        bool all = true;
        for (int i = 0; i < 8; i++) all = all && rows[half + i];
        for (; all && k + 8 <= depth; k += 8) transpose_8(to + k * PBT_PANEL + half, rows + half, k);
#endif
        for (; k < depth; k++)
            for (int i = 0; i < 8; i++) to[k * PBT_PANEL + half + i] = rows[half + i] ? rows[half + i][k] : 0;
    }
}

void KERNEL(pack_rows)(float *to, const pbt_matrix *from, int64_t first, int64_t first_k, int64_t depth,
                       float *read) {
    const float *rows[PBT_PANEL];
    for (int64_t i = 0; i < PBT_PANEL; i++) {
        rows[i] = NULL;
        if (first + i >= from->rows) continue;
        if (from->dtype == PBT_F32) {
            rows[i] = (const float *)from->data + (first + i) * from->cols + first_k;
        } else {
            KERNEL(read)(read + i * depth, from, first + i, first_k, depth);
            rows[i] = read + i * depth;
        }
    }
    KERNEL(transpose_16)(to, rows, depth);
}

void KERNEL(pack_columns)(float *to, const pbt_matrix *from, int64_t first, int64_t panels, int64_t limit,
                          int64_t first_k, int64_t depth) {
    const int64_t wanted = panels * PBT_PANEL, n = limit - first < wanted ? limit - first : wanted;
    const bool direct = from->dtype == PBT_F32 && n == wanted;
    float strip[PBT_BLOCK_STEP * PBT_PANEL] = {0};
    for (int64_t k = 0; k < depth; k++) {
        const float *row = strip;
        if (direct)
            row = (const float *)from->data + (first_k + k) * from->cols + first;
        else
            KERNEL(read)(strip, from, first_k + k, first, n);
        for (int64_t p = 0; p < panels; p++)
            for (int v = 0; v < VECTORS; v++)
                vec_store(to + (p * depth + k) * PBT_PANEL + v * LANES,
                          vec_load(row + p * PBT_PANEL + v * LANES));
    }
}
