/* GGUF files: blocks against gguf-py's floats, and what is said of files that are broken. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/file.h"
#include "gguf/gguf.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static pbt_error problem;

static unsigned char *contents(const char *name, size_t *length) {
    char path[256], *data = NULL;
    const char *root = getenv("PBT_TEST_DATA");
    snprintf(path, sizeof path, "%s/golden/gguf/%s", root ? root : "tests/data", name);
    assert_int_equal(pbt_file_read(path, 1 << 20, &data, length, &problem), PBT_OK);
    return (unsigned char *)data;
}

static uint32_t number_at(const unsigned char *p) {
    return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

static void test_blocks_to_the_bit(void **state) {
    (void)state;
    size_t length, types = 0;
    unsigned char *data = contents("blocks.bin", &length);
    for (size_t at = 0; at < length; types++) {
        uint32_t type = number_at(data + at), bytes = number_at(data + at + 4), n = number_at(data + at + 8);
        float *floats = malloc(n * sizeof *floats);
        assert_int_equal(
            bytes / (uint32_t)pbt_block_bytes((int)type) * (uint32_t)pbt_block_elements((int)type), n);
        pbt_block_floats((pbt_block_type)type, data + at + 12, n, floats);
        if (memcmp(floats, data + at + 12 + bytes, n * sizeof *floats) != 0)
            fail_msg("%s differs from gguf-py", pbt_block_name((int)type));
        free(floats);
        at += 12 + bytes + n * sizeof *floats;
    }
    assert_int_equal(types, 15);
    free(data);
}

/* The bytes must outlive a part that is read. */
static pbt_code parse(const unsigned char *data, size_t length) {
    pbt_gguf_part part;
    pbt_code code = pbt_gguf_parse(data, length, "test.gguf", &part, &problem);
    if (code == PBT_OK) pbt_gguf_part_close(&part);
    return code;
}

/* A copy of its own size, so that a sanitizer sees every step over the end. */
static void test_every_shorter_file_is_refused(void **state) {
    (void)state;
    size_t length;
    unsigned char *data = contents("train.gguf", &length);
    assert_int_equal(parse(data, length), PBT_OK);
    for (size_t n = 0; n < length - 32; n += n < 20000 ? 1 : 997) {
        unsigned char *copy = malloc(n + 1);
        memcpy(copy, data, n);
        assert_int_equal(parse(copy, n), PBT_BAD_INPUT);
        free(copy);
    }
    assert_non_null(strstr(problem.message, "ends too early"));
    free(data);
}

/* What is said when the bytes at `at` are others. */
static void expect(const char *sentence, size_t at, const void *bytes, size_t n) {
    size_t length;
    unsigned char *data = contents("train.gguf", &length);
    memcpy(data + at, bytes, n);
    assert_int_equal(parse(data, length), PBT_BAD_INPUT);
    if (!strstr(problem.message, sentence)) fail_msg("\"%s\" instead of \"%s\"", problem.message, sentence);
    free(data);
}

/* Where the type of the tensor stands: behind the name, the number of dimensions, and one or two of them. */
static size_t type_of_tensor(const char *name, int dimensions) {
    size_t length;
    unsigned char *data = contents("train.gguf", &length);
    unsigned char *found = memmem(data, length, name, strlen(name));
    size_t at = (size_t)(found - data) + strlen(name) + 4 + 8 * (size_t)dimensions;
    assert_non_null(found);
    free(data);
    return at;
}

static void test_sentences(void **state) {
    (void)state;
    const size_t type = type_of_tensor("token_embd.weight", 2);
    expect("expected a GGUF file, found something else", 0, "GGML", 4);
    expect("is GGUF of the version 1; expected 2 or 3", 4, "\1\0\0\0", 4);
    expect("(big endian?)", 4, "\0\0\0\3", 4);
    expect("more than its 75584 bytes can", 8, "\377\377\377\377\377\0\0\0", 8);
    expect("more than its 75584 bytes can", 16, "\377\377\377\377\377\0\0\0", 8);
    expect("is of the type IQ2_XXS (16), which is not read", type, "\20\0\0\0", 4);
    expect("is of the type unknown (4000000000), which is not read", type, "\0\50\153\356", 4);
    expect("has rows of 24 elements, which are no whole blocks of Q8_0 (32)", type, "\10\0\0\0", 4);
    expect("is not a multiple of 32", type + 4, "\1\0\0\0\0\0\0\0", 8);
    expect("lies over the tensor", type + 4, "\40\0\0\0\0\0\0\0", 8);
    expect("ends too early", type + 4, "\0\0\0\0\0\0\0\377", 8);
    expect("its dimension 1 is 0", type - 8, "\0\0\0\0\0\0\0\0", 8);
    expect("has 9 dimensions; expected 1 to 4", type - 20, "\11\0\0\0", 4);
}

static void test_values(void **state) {
    (void)state;
    pbt_gguf file;
    pbt_gguf_string text;
    int64_t integer;
    double number;
    char path[256];
    const char *root = getenv("PBT_TEST_DATA");
    snprintf(path, sizeof path, "%s/golden/gguf/train.gguf", root ? root : "tests/data");
    assert_true(pbt_gguf_is(path));
    assert_int_equal(pbt_gguf_open(path, &file, &problem), PBT_OK);
    assert_true(pbt_gguf_text(pbt_gguf_find(&file, "general.architecture"), &text));
    assert_memory_equal(text.bytes, "llama", 5);
    assert_true(pbt_gguf_integer(pbt_gguf_find(&file, "llama.block_count"), 0, &integer));
    assert_int_equal(integer, 2);
    assert_true(pbt_gguf_number(pbt_gguf_find(&file, "llama.rope.freq_base"), 0, &number));
    assert_true(number == 10000.0);
    assert_false(pbt_gguf_integer(pbt_gguf_find(&file, "llama.rope.freq_base"), 0, &integer));
    assert_null(pbt_gguf_find(&file, "llama.expert_count"));
    const pbt_gguf_value *tokens = pbt_gguf_find(&file, "tokenizer.ggml.tokens");
    const unsigned char *at = tokens->data;
    int n = 0;
    while (pbt_gguf_next_string(tokens, &at, &text)) n++;
    assert_int_equal(n, 320);
    pbt_gguf_close(&file);
    assert_int_equal(pbt_gguf_open("x-00002-of-00003.gguf", &file, &problem), PBT_BAD_INPUT);
    assert_non_null(strstr(problem.message, "give the one that ends with -00001-of-00003.gguf"));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_blocks_to_the_bit),
        cmocka_unit_test(test_every_shorter_file_is_refused),
        cmocka_unit_test(test_sentences),
        cmocka_unit_test(test_values),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
