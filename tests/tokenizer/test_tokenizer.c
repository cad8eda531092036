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
    refuses("tokenizer.model", twice, sizeof twice - 1, "is listed twice");
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

/* ---- what the folder says beside the vocabulary ---- */

static const char small_vocabulary[] = "{\"model\": {\"type\": \"BPE\", \"vocab\": {\"a\": 0, \"b\": 1, \" "
                                       "\": 2, \"<\": 3, \">\": 4, \"x\": 5}, "
                                       "\"merges\": []}, \"added_tokens\": [{\"id\": 6, \"content\": "
                                       "\"<a>\", \"special\": true, \"normalized\": false, "
                                       "\"lstrip\": false, \"rstrip\": false, \"single_word\": false}]}";

/* Files beside the vocabulary, a text, and the ids that transformers gives for it. */
typedef struct folder_case {
    const char *config, *map, *added; /* NULL: there is no such file */
    const char *text, *ids;
    const char *eos;
} folder_case;

static void write_or_not(const char *folder, const char *name, const char *text) {
    char path[96];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    if (text)
        assert_int_equal(pbt_file_write(path, text, strlen(text), &problem), PBT_OK);
    else
        unlink(path);
}

static void check_case(const char *folder, const folder_case *c) {
    pbt_tokenizer *tokenizer;
    pbt_ids ids = {0};
    pbt_text found = {0};
    write_or_not(folder, "tokenizer_config.json", c->config);
    write_or_not(folder, "special_tokens_map.json", c->map);
    write_or_not(folder, "added_tokens.json", c->added);
    if (pbt_tokenizer_open(folder, &tokenizer, &problem) != PBT_OK) fail_msg("%s", problem.message);
    assert_int_equal(pbt_tokenizer_encode(tokenizer, c->text, strlen(c->text), false, &ids, &problem),
                     PBT_OK);
    for (size_t i = 0; i < ids.count; i++) pbt_text_addf(&found, "%s%d", i ? " " : "", ids.items[i]);
    if (strcmp(pbt_text_string(&found), c->ids) != 0)
        fail_msg("%s, \"%s\": %s instead of %s", c->config, c->text, pbt_text_string(&found), c->ids);
    if (c->eos) assert_string_equal(pbt_tokenizer_special(tokenizer, "eos_token"), c->eos);
    pbt_text_free(&found);
    free(ids.items);
    pbt_tokenizer_free(tokenizer);
}

#define DECODER(fields) "{\"added_tokens_decoder\": {" fields "}}"

static void test_folder_tokens(void **state) {
    (void)state;
    static const folder_case cases[] = {
        {NULL, NULL, NULL, "a<a>b", "0 6 1", NULL},
        {DECODER("\"7\": {\"content\": \"<x>\"}"), NULL, NULL, "a<x>b", "0 7 1", NULL},
        /* ids go by order, whatever the keys say */
        {DECODER("\"90\": {\"content\": \"<x>\"}, \"80\": {\"content\": \"<b>\"}"), NULL, NULL, "<x><b>",
         "8 7", NULL},
        {DECODER("\"6\": {\"content\": \"<a>\", \"special\": true, \"rstrip\": true}"), NULL, NULL, "a<a>  b",
         "0 6 1", NULL},
        {DECODER("\"0\": {\"content\": \"a\", \"rstrip\": true}"), NULL, NULL, "a  b", "0 1", NULL},
        {"{\"additional_special_tokens\": [\"<x>\"]}", NULL, NULL, "a<x>", "0 7", NULL},
        {"{\"extra_special_tokens\": [\"<x>\"], \"additional_special_tokens\": [\"<b>\"]}", NULL, NULL,
         "<x><b>", "7 3 1 4", NULL},
        {"{\"extra_special_tokens\": {\"image_token\": \"<x>\"}}", NULL, NULL, "<x>", "7", NULL},
        {"{\"image_token\": \"<x>\"}", NULL, NULL, "<x>", "7", NULL},
        {"{\"eos_token\": \"<x>\", \"bos_token\": null}", NULL, NULL, "<x>", "7", "<x>"},
        {"{\"eos_token\": \"<b>\"}", "{\"eos_token\": \"<x>\"}", NULL, "<x><b>", "7 3 1 4", "<x>"},
        {"{\"eos_token\": \"<b>\", \"added_tokens_decoder\": {}}", "{\"eos_token\": \"<x>\"}", NULL, "<x><b>",
         "3 5 4 7", "<b>"},
        {"{}", NULL, "{\"<x>\": 8, \"<b>\": 7}", "<x><b>", "8 7", NULL},
        {DECODER("\"7\": {\"content\": \"<b>\"}"), NULL, "{\"<x>\": 8}", "<x><b>", "3 5 4 7", NULL},
        {"{\"split_special_tokens\": true}", NULL, NULL, "<a>", "3 0 4", NULL},
        /* white space that a token took in is looked through for tokens all the same */
        {DECODER("\"7\": {\"content\": \"<x>\", \"rstrip\": true}, \"8\": {\"content\": \" b\"}"), NULL, NULL,
         "<x> b<x>  ba", "7 8 7 8 0", NULL},
        {DECODER("\"7\": {\"content\": \"<x>\", \"rstrip\": true}, \"8\": {\"content\": \"  \"}"), NULL, NULL,
         "<x>   b", "7 8 2 1", NULL},
    };
    char folder[] = "/tmp/pbt-tokenizer-XXXXXX";
    assert_non_null(mkdtemp(folder));
    write_or_not(folder, "tokenizer.json", small_vocabulary);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) check_case(folder, &cases[i]);
    pbt_tokenizer *tokenizer;
    write_or_not(folder, "tokenizer_config.json", DECODER("\"x\": {\"content\": \"<x>\"}"));
    assert_int_equal(pbt_tokenizer_open(folder, &tokenizer, &problem), PBT_BAD_INPUT);
    assert_non_null(strstr(problem.message, "\"x\" is not a token id"));
    write_or_not(folder, "tokenizer_config.json", DECODER("\"7\": 5"));
    assert_int_equal(pbt_tokenizer_open(folder, &tokenizer, &problem), PBT_BAD_INPUT);
    assert_non_null(strstr(problem.message, "neither a string nor an object with \"content\""));
    static const char *const names[] = {"tokenizer.json", "tokenizer_config.json", "special_tokens_map.json",
                                        "added_tokens.json"};
    for (int i = 0; i < 4; i++) write_or_not(folder, names[i], NULL);
    assert_int_equal(rmdir(folder), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_byte_level),     cmocka_unit_test(test_metaspace),
        cmocka_unit_test(test_folder_tokens),  cmocka_unit_test(test_model_files),
        cmocka_unit_test(test_broken_json),    cmocka_unit_test(test_broken_models),
        cmocka_unit_test(test_endless_pattern)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
