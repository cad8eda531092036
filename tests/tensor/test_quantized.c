/* Quantised matrices in the kernels: the floats they stand for, in every instruction set, wherever blocks
 * end. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "device.h"
#include "tensor/ops.h"
#include "tensor/quantize.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static const char *const names[] = {"portable", "avx2", "avx512"};

static float *numbers(size_t n, uint64_t tag) {
    float *x = malloc((n ? n : 1) * sizeof *x);
    pbt_key key = pbt_key_of_seed(tag);
    for (size_t i = 0; i < n; i++) x[i] = (float)pbt_random_normal(key, i);
    return x;
}

/* A quantised matrix with all its memory, and the floats it stands for by the definition of tensor.h. */
typedef struct sample {
    pbt_matrix matrix;
    pbt_quantization quantization;
    void *codes;
    float *absmax, *floats, map[256];
} sample;

static void nest(sample *s, int64_t blocks) {
    uint8_t *nested = malloc((size_t)blocks);
    float *outer = malloc(((size_t)blocks / PBT_NESTED_BLOCK + 1) * sizeof *outer);
    pbt_dynamic_map(s->map);
    pbt_quantize_nested(s->absmax, blocks, nested, outer, &s->quantization.offset);
    s->quantization.absmax = NULL;
    s->quantization.nested = nested;
    s->quantization.nested_map = s->map;
    s->quantization.nested_absmax = outer;
}

static sample *make(pbt_dtype dtype, bool nested, int32_t rows, int32_t cols) {
    sample *s = calloc(1, sizeof *s);
    int64_t count = (int64_t)rows * cols, blocks = (count + 63) / 64;
    float *values = numbers((size_t)count, 7);
    s->codes = malloc((size_t)count + 1);
    s->absmax = malloc((size_t)(blocks + rows) * sizeof(float));
    s->floats = malloc((size_t)count * sizeof(float));
    s->quantization.absmax = s->absmax;
    s->quantization.block = dtype == PBT_INT8 ? cols : PBT_QUANTIZED_BLOCK;
    if (dtype == PBT_INT8) {
        int8_t *codes = s->codes;
        for (int32_t r = 0; r < rows; r++)
            pbt_quantize_int8(values + r * cols, cols, codes + r * cols, &s->absmax[r]);
        for (int64_t i = 0; i < count; i++)
            s->floats[i] = (float)codes[i] * s->absmax[i / cols] * (1.0f / 127.0f);
    } else {
        const uint8_t *codes = s->codes;
        pbt_quantize_4bit(dtype, values, count, PBT_QUANTIZED_BLOCK, s->codes, s->absmax);
        if (nested) nest(s, blocks);
        for (int64_t i = 0; i < count; i++)
            s->floats[i] = (dtype == PBT_NF4 ? pbt_nf4_codes
                                             : pbt_fp4_codes)[i % 2 ? codes[i / 2] & 15 : codes[i / 2] >> 4] *
                           pbt_block_absmax(&s->quantization, i / 64);
    }
    s->matrix = (pbt_matrix){
        .dtype = dtype, .rows = rows, .cols = cols, .data = s->codes, .quantization = &s->quantization};
    free(values);
    return s;
}

static void discard(sample *s) {
    free(s->codes);
    free(s->absmax);
    free((void *)(uintptr_t)s->quantization.nested);
    free((void *)(uintptr_t)s->quantization.nested_absmax);
    free(s->floats);
    free(s);
}

static void check(const pbt_ops *ops, const sample *s, int32_t T) {
    int32_t N = s->matrix.rows, K = s->matrix.cols;
    pbt_matrix plain = {.dtype = PBT_F32, .rows = N, .cols = K, .data = s->floats};
    float *x = numbers((size_t)T * (size_t)K, 1), *dy = numbers((size_t)T * (size_t)N, 2);
    float *y[3], *dx[2];
    pbt_matrix packed = s->matrix;
    pbt_error problem;
    assert_int_equal(ops->prepare(&packed, &problem), PBT_OK);
    assert_true((packed.prepared != NULL) == (s->matrix.dtype == PBT_INT8 || K % PBT_QUANTIZED_BLOCK == 0));
    y[2] = numbers((size_t)T * (size_t)N, 3);
    ops->linear(y[2], N, x, K, &packed, T, true);
    for (int i = 0; i < 2; i++) {
        y[i] = numbers((size_t)T * (size_t)N, 3);
        dx[i] = numbers((size_t)T * (size_t)K, 4);
        ops->linear(y[i], N, x, K, i ? &s->matrix : &plain, T, true);
        ops->linear_backward_input(dx[i], K, dy, N, i ? &s->matrix : &plain, T, true);
    }
    assert_memory_equal(y[0], y[1], (size_t)T * (size_t)N * sizeof(float));
    assert_memory_equal(y[0], y[2], (size_t)T * (size_t)N * sizeof(float));
    ops->unprepare(&packed);
    free(y[2]);
    assert_memory_equal(dx[0], dx[1], (size_t)T * (size_t)K * sizeof(float));
    const int32_t ids[] = {N - 1, 0};
    float *row = malloc(2 * (size_t)K * sizeof *row);
    ops->embed(row, &s->matrix, ids, 2);
    assert_memory_equal(row, s->floats + (int64_t)(N - 1) * K, (size_t)K * sizeof *row);
    assert_memory_equal(row + K, s->floats, (size_t)K * sizeof *row);
    for (int i = 0; i < 2; i++) free(y[i]), free(dx[i]);
    free(x), free(dy), free(row);
}

static void test_products(void **state) {
    (void)state;
    static const int32_t shapes[][2] = {{1, 1},   {3, 64},   {17, 33},  {40, 416},
                                        {70, 97}, {16, 700}, {130, 128}};
    for (int dtype = PBT_NF4; dtype <= PBT_INT8; dtype++)
        for (int nested = 0; nested <= (dtype != PBT_INT8); nested++)
            for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
                sample *s = make((pbt_dtype)dtype, nested, shapes[i][0], shapes[i][1]);
                for (size_t set = 0; set < sizeof names / sizeof *names; set++) {
                    const pbt_ops *ops = ops_named(names[set]);
                    if (!ops) continue;
                    check(ops, s, 1);
                    check(ops, s, 19);
                }
                discard(s);
            }
}

static void test_map(void **state) {
    (void)state;
    float map[256];
    pbt_dynamic_map(map);
    for (int i = 1; i < 256; i++) assert_true(map[i] > map[i - 1]);
    assert_true(map[127] == 0 && map[255] == 1 && map[0] > -1);
}

/* Cutting a matrix at blocks changes nothing; an odd last block is divided and filled up. */
static void test_pieces(void **state) {
    (void)state;
    enum { COUNT = 64 * 9 + 27 };
    float *values = numbers(COUNT, 3), absmax[2][10];
    uint8_t codes[2][COUNT / 2 + 1];
    pbt_quantize_4bit(PBT_NF4, values, COUNT, 64, codes[0], absmax[0]);
    pbt_quantize_4bit(PBT_NF4, values, 64 * 4, 64, codes[1], absmax[1]);
    pbt_quantize_4bit(PBT_NF4, values + 64 * 4, COUNT - 64 * 4, 64, codes[1] + 32 * 4, absmax[1] + 4);
    assert_memory_equal(codes[0], codes[1], sizeof codes[0]);
    assert_memory_equal(absmax[0], absmax[1], sizeof absmax[0]);
    assert_int_equal(codes[0][COUNT / 2] & 15, 7);
    free(values);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_products), cmocka_unit_test(test_map),
                                       cmocka_unit_test(test_pieces)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
