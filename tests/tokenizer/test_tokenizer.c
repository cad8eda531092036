/* Tokenizers of every kind on texts of every script: ids, offsets and decoded texts as tokenizers and
 * sentencepiece give them (tests/interop/tokens_golden.py), and what broken files are told. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/file.h"
#include "base/json.h"
#include "tokenizer/tokenizer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define GOLDEN "tests/data/golden/tokens/"

static pbt_error problem;

static void check_ids(const pbt_tokenizer *tokenizer, const char *text, bool special,
                      const json_t *expected) {
    pbt_ids ids = {0};
    if (pbt_tokenizer_encode(tokenizer, text, strlen(text), special, &ids, &problem) != PBT_OK)
        fail_msg("\"%s\": %s", text, problem.message);
    if (ids.count != json_array_size(expected))
        fail_msg("\"%s\": %zu tokens instead of %zu", text, ids.count, json_array_size(expected));
    for (size_t i = 0; i < ids.count; i++)
        if (ids.items[i] != json_integer_value(json_array_get(expected, i)))
            fail_msg("\"%s\": token %zu is %d", text, i, ids.items[i]);
    free(ids.items);
}

/* Offsets stay within the text and in order, and cover it where no normalizer drops anything. */
static void check_offsets(const pbt_tokenizer *tokenizer, const char *text) {
    pbt_ids ids = {0};
    size_t *offsets, length = strlen(text);
    assert_int_equal(pbt_tokenizer_encode_offsets(tokenizer, text, length, &ids, &offsets, &problem), PBT_OK);
    for (size_t i = 0; i < ids.count; i++) {
        assert_true(offsets[2 * i] <= offsets[2 * i + 1] && offsets[2 * i + 1] <= length);
        if (i) assert_true(offsets[2 * i] >= offsets[2 * i - 2]);
    }
    free(ids.items);
    free(offsets);
}

static void check_decoded(const pbt_tokenizer *tokenizer, const json_t *ids, bool skip,
                          const char *expected) {
    int32_t *items = calloc(json_array_size(ids) + 1, sizeof *items);
    pbt_text text = {0};
    for (size_t i = 0; i < json_array_size(ids); i++)
        items[i] = (int32_t)json_integer_value(json_array_get(ids, i));
    assert_int_equal(pbt_tokenizer_decode(tokenizer, items, json_array_size(ids), skip, &text, &problem),
                     PBT_OK);
    assert_string_equal(pbt_text_string(&text), expected);
    pbt_text_free(&text);
    free(items);
}

static void check_folder(const char *name) {
    char folder[128], path[160];
    pbt_tokenizer *tokenizer;
    pbt_lines *lines;
    char *line;
    size_t length, number;
    snprintf(folder, sizeof folder, GOLDEN "%s", name);
    snprintf(path, sizeof path, "%s/expected.jsonl", folder);
    if (pbt_tokenizer_open(folder, &tokenizer, &problem) != PBT_OK) fail_msg("%s", problem.message);
    assert_int_equal(pbt_lines_open(path, &lines, &problem), PBT_OK);
    while (pbt_lines_next(lines, &line, &length, &number, &problem) == PBT_OK && line) {
        json_t *row;
        assert_int_equal(pbt_json_parse(line, length, path, NULL, &row, &problem), PBT_OK);
        const char *text = json_string_value(json_object_get(row, "text"));
        const json_t *all = json_object_get(row, "all");
        check_ids(tokenizer, text, false, json_object_get(row, "ids"));
        check_ids(tokenizer, text, true, all);
        check_offsets(tokenizer, text);
        check_decoded(tokenizer, all, false, json_string_value(json_object_get(row, "decoded")));
        check_decoded(tokenizer, all, true, json_string_value(json_object_get(row, "plain")));
        json_decref(row);
    }
    assert_true(number > 100);
    pbt_lines_close(lines);
    pbt_tokenizer_free(tokenizer);
}

static void test_byte_level(void **state) {
    (void)state;
    check_folder("gpt2");
    check_folder("qwen2");
    check_folder("llama3");
    check_folder("lower-nfkd");
}

static void test_metaspace(void **state) {
    (void)state;
    check_folder("bytes-legacy");
    check_folder("bytes-always-split");
    check_folder("bytes-never-whole");
}

static void test_model_files(void **state) {
    (void)state;
    check_folder("sentencepiece");
    check_folder("sentencepiece-new");
    check_folder("tiktoken");
    pbt_tokenizer *tokenizer;
    assert_int_equal(pbt_tokenizer_open(GOLDEN "sentencepiece", &tokenizer, &problem), PBT_OK);
    assert_string_equal(pbt_tokenizer_special(tokenizer, "bos_token"), "<s>");
    assert_int_equal(pbt_tokenizer_eos(tokenizer), 2);
    pbt_ids ids = {0};
    assert_int_equal(pbt_tokenizer_encode(tokenizer, "a", 1, true, &ids, &problem), PBT_OK);
    assert_int_equal(ids.items[0], 1);
    free(ids.items);
    pbt_tokenizer_free(tokenizer);
}

static void refuses(const char *file, const void *bytes, size_t length, const char *words) {
    char folder[] = "/tmp/pbt-tokenizer-XXXXXX", path[80];
    pbt_tokenizer *tokenizer = NULL;
    assert_non_null(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/%s", folder, file);
    assert_int_equal(pbt_file_write(path, bytes, length, &problem), PBT_OK);
    assert_int_equal(pbt_tokenizer_open(folder, &tokenizer, &problem), PBT_BAD_INPUT);
    if (!strstr(problem.message, words)) fail_msg("expected \"%s\" in \"%s\"", words, problem.message);
    remove(path);
    rmdir(folder);
}

static void refuses_json(const char *text, const char *words) {
    refuses("tokenizer.json", text, strlen(text), words);
}

#define MODEL(vocabulary, merges)                                                                            \
    "{\"model\":{\"type\":\"BPE\",\"vocab\":{" vocabulary "},\"merges\":[" merges "]}}"

static void test_broken_json(void **state) {
    (void)state;
    refuses_json("{", "tokenizer.json");
    refuses_json("[]", "expected a JSON object");
    refuses_json("{\"model\":{\"type\":\"Unigram\"}}", "only BPE is");
    refuses_json(MODEL("", ""), "the vocabulary is empty");
    refuses_json(MODEL("\"a\":-1", ""), "expected an id from 0");
    refuses_json(MODEL("\"a\":99999999999", ""), "expected an id from 0");
    refuses_json(MODEL("\"a\":1,\"b\":1", ""), "have the same id 1");
    refuses_json(MODEL("\"a\":0,\"b\":1", "\"a b\""), "\"ab\" is not in the vocabulary");
    refuses_json(MODEL("\"a\":0,\"b\":1", "\"a\""), "expected \"LEFT RIGHT\"");
    refuses_json(MODEL("\"a\":0", "[\"a\",\"\"]"), "the token \"\" is not in the vocabulary");
    refuses_json("{\"model\":{\"vocab\":{\"a\":0},\"merges\":[]},\"normalizer\":{\"type\":\"Precompiled\"}}",
                 "the normalizer \"Precompiled\" is not known");
    refuses_json("{\"model\":{\"vocab\":{\"a\":0},\"merges\":[]},\"pre_tokenizer\":{\"type\":\"Split\","
                 "\"pattern\":{\"Regex\":\"(?<n>a)\\\\k<n>\"},\"behavior\":\"Isolated\"}}",
                 "which pbt does not read as tokenizers would");
    char deep[4001];
    memset(deep, '[', 4000);
    deep[4000] = 0;
    refuses_json(deep, "tokenizer.json");
}

static void test_broken_models(void **state) {
    (void)state;
    static const char text[] = "IQ== 0\nIg== 0\n", ranks[] = "IQ== 0\n", twice[] = "IQ== 0\nIQ== 1\n";
    refuses("tokenizer.model", text, sizeof text - 1, "have the same id 0");
    refuses("tokenizer.model", ranks, sizeof ranks - 1, "has no token");
    refuses("tokenizer.model", twice, sizeof twice - 1, "stands there twice");
    refuses("tokenizer.model", "IQ== x\n", 7, "line 1: expected base64");
    refuses("tokenizer.model", "IQ= 1\n", 6, "line 1: expected base64");
    refuses("tokenizer.model", "", 0, "found neither");
    /* A piece that claims 4 GB; a unigram model; a piece of zero bytes. */
    refuses("tokenizer.model",
            "\x0a\xff\xff\xff\xff\x0f"
            "abc",
            9, "found neither");
    refuses("tokenizer.model",
            "\x0a\x03\x0a\x01"
            "a",
            5, "only BPE (2) is supported");
    refuses("tokenizer.model", "\x0a\x02\x0a\x00", 4, "piece 0 is broken");
}

/* A pattern that backtracks without end is stopped with a sentence. */
static void test_endless_pattern(void **state) {
    (void)state;
    static const char json[] =
        "{\"model\":{\"vocab\":{\"a\":0},\"merges\":[]},\"pre_tokenizer\":{\"type\":\"Split\",\"pattern\":"
        "{\"Regex\":\"(a*)*(a*)*(a*)*[bc]\"},\"behavior\":\"Isolated\"}}";
    char folder[] = "/tmp/pbt-tokenizer-XXXXXX", path[80];
    pbt_tokenizer *tokenizer = NULL;
    assert_non_null(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/tokenizer.json", folder);
    assert_int_equal(pbt_file_write(path, json, sizeof json - 1, &problem), PBT_OK);
    assert_int_equal(pbt_tokenizer_open(folder, &tokenizer, &problem), PBT_OK);
    char text[4001];
    memset(text, 'a', 4000);
    text[4000] = 0;
    pbt_ids ids = {0};
    assert_int_equal(pbt_tokenizer_encode(tokenizer, text, 4000, false, &ids, &problem), PBT_BAD_INPUT);
    assert_non_null(strstr(problem.message, "gave up"));
    free(ids.items);
    pbt_tokenizer_free(tokenizer);
    remove(path);
    rmdir(folder);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_byte_level),    cmocka_unit_test(test_metaspace),
        cmocka_unit_test(test_model_files),   cmocka_unit_test(test_broken_json),
        cmocka_unit_test(test_broken_models), cmocka_unit_test(test_endless_pattern)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
