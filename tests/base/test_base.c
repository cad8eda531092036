/* base/: errors, text, files, JSON, random numbers. */
#include "base/file.h"
#include "base/json.h"
#include "base/memory.h"
#include "base/random.h"
#include "base/text.h"

#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static char folder[] = "/tmp/pbt-test-base-XXXXXX";

static int make_folder(void **state) {
    (void)state;
    return mkdtemp(folder) ? 0 : -1;
}

static int remove_folder(void **state) {
    (void)state;
    char command[256];
    snprintf(command, sizeof command, "rm -rf '%s'", folder);
    return system(command);
}

static char *in_folder(const char *name) {
    char *path = pbt_path_join(folder, name);
    assert_non_null(path);
    return path;
}

static void errors_carry_file_and_place(void **state) {
    (void)state;
    pbt_error error;
    assert_int_equal(pbt_fail_at(&error, PBT_BAD_INPUT, "x.json", "line 3", "expected %d, found %d", 1, 2),
                     PBT_BAD_INPUT);
    assert_string_equal(error.message, "x.json: line 3: expected 1, found 2");
    assert_string_equal(error.file, "x.json");
    assert_string_equal(error.where, "line 3");
    /* An error may be wrapped into itself. */
    pbt_fail(&error, PBT_FAILED, "while testing: %s", error.message);
    assert_string_equal(error.message, "while testing: x.json: line 3: expected 1, found 2");
    assert_string_equal(error.file, "");
    assert_int_equal(pbt_fail(NULL, PBT_USAGE, "no error asked for"), PBT_USAGE);
}

static void text_grows_and_is_taken(void **state) {
    (void)state;
    pbt_text text = {0};
    assert_string_equal(pbt_text_string(&text), "");
    for (int i = 0; i < 1000; i++) pbt_text_addf(&text, "%d,", i);
    assert_false(text.failed);
    assert_true(pbt_string_starts(text.data, "0,1,2,"));
    assert_true(pbt_string_ends(text.data, "998,999,"));
    char *taken = pbt_text_take(&text);
    assert_int_equal(strlen(taken), 3890);
    free(taken);
    assert_null(text.data);
}

static void utf8_is_checked(void **state) {
    (void)state;
    const struct {
        const char *bytes;
        size_t length;
        bool valid;
    } cases[] = {
        {"", 0, true},
        {"a\xC3\xA9\xE2\x82\xAC\xF0\x9F\x98\x80", 10, true},
        {"\x80", 1, false},
        {"\xC0\x80", 2, false},
        {"\xED\xA0\x80", 3, false} /* surrogate */,
        {"\xF4\x90\x80\x80", 4, false} /* above U+10FFFF */,
        {"\xE2\x82", 2, false},
        {"\xEF\xBF\xBD", 3, true} /* U+FFFD itself */,
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        assert_int_equal(pbt_utf8_valid(cases[i].bytes, cases[i].length), cases[i].valid);
    for (uint32_t c = 1; c < 0x110000; c += 37) {
        if (c >= 0xD800 && c < 0xE000) continue;
        char out[4];
        size_t n = pbt_utf8_encode(c, out), size;
        assert_int_equal(pbt_utf8_decode(out, n, &size), c);
        assert_int_equal(size, n);
    }
}

static void files_are_written_whole_or_not_at_all(void **state) {
    (void)state;
    pbt_error error;
    char *path = in_folder("a.txt"), *data;
    size_t length;
    assert_int_equal(pbt_file_write(path, "old", 3, &error), PBT_OK);
    pbt_file_writer *writer;
    assert_int_equal(pbt_file_writer_open(path, &writer, &error), PBT_OK);
    assert_int_equal(pbt_file_writer_write(writer, "half", 4, &error), PBT_OK);
    pbt_file_writer_abandon(writer);
    assert_int_equal(pbt_file_read(path, 100, &data, &length, &error), PBT_OK);
    assert_string_equal(data, "old");
    free(data);
    assert_int_equal(pbt_file_read(path, 2, &data, &length, &error), PBT_BAD_INPUT);
    assert_non_null(strstr(error.message, "the file has 3 bytes, expected at most 2"));
    assert_int_equal(pbt_file_read(folder, 100, &data, &length, &error), PBT_BAD_INPUT);
    assert_non_null(strstr(error.message, "found a folder"));
    free(path);
    path = in_folder("missing");
    assert_int_equal(pbt_file_read(path, 100, &data, &length, &error), PBT_BAD_INPUT);
    assert_non_null(strstr(error.message, "cannot open: No such file"));
    free(path);
}

static void lines_come_one_by_one(void **state) {
    (void)state;
    pbt_error error;
    char *path = in_folder("lines");
    assert_int_equal(pbt_file_write(path, "\none\r\n\nlast", 11, &error), PBT_OK);
    pbt_lines *lines;
    assert_int_equal(pbt_lines_open(path, &lines, &error), PBT_OK);
    const char *expected[] = {"", "one", "", "last"};
    char *line;
    size_t length, number;
    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(pbt_lines_next(lines, &line, &length, &number, &error), PBT_OK);
        assert_string_equal(line, expected[i]);
        assert_int_equal(number, i + 1);
    }
    assert_int_equal(pbt_lines_next(lines, &line, &length, &number, &error), PBT_OK);
    assert_null(line);
    pbt_lines_close(lines);
    free(path);
}

static void json_says_what_is_wrong(void **state) {
    (void)state;
    pbt_error error;
    json_t *value;
    const char *text = "{\"a\": 1, \"a\": 2}";
    assert_int_equal(pbt_json_parse(text, strlen(text), "f.json", "line 7", &value, &error), PBT_BAD_INPUT);
    assert_non_null(strstr(error.message, "f.json: line 7: not valid JSON"));
    text = "{\"n\": 5, \"s\": \"x\"}";
    assert_int_equal(pbt_json_parse(text, strlen(text), "f.json", NULL, &value, &error), PBT_OK);
    int64_t n;
    const char *s;
    assert_int_equal(pbt_json_integer(value, "n", 0, 4, "f.json", NULL, &n, &error), PBT_BAD_INPUT);
    assert_string_equal(error.message, "f.json: field \"n\": expected an integer from 0 to 4, found 5");
    assert_int_equal(pbt_json_string(value, "n", "f.json", NULL, &s, &error), PBT_BAD_INPUT);
    assert_string_equal(error.message, "f.json: field \"n\": expected a string, found an integer");
    assert_int_equal(pbt_json_string(value, "zz", "f.json", NULL, &s, &error), PBT_BAD_INPUT);
    assert_string_equal(error.message, "f.json: field \"zz\": expected a string, found nothing");
    json_decref(value);
    /* Depth is bounded by the parser: no stack is lost to hostile nesting. */
    char *deep = malloc(200001);
    memset(deep, '[', 200000);
    deep[200000] = '\0';
    assert_int_equal(pbt_json_parse(deep, 200000, "deep", NULL, &value, &error), PBT_BAD_INPUT);
    free(deep);
}

/* What Python and Windows write into JSONL files. */
static void rows_of_other_programs_are_read(void **state) {
    (void)state;
    pbt_error error;
    json_t *value;
    const char *s,
        *text = "{\"a\": NaN, \"b\": [Infinity, -Infinity, 99999999999999999999], \"c\": \"NaN \\\"\"}";
    assert_int_equal(pbt_json_parse(text, strlen(text), "f", NULL, &value, &error), PBT_BAD_INPUT);
    assert_int_equal(pbt_json_parse_row(text, strlen(text), "f", NULL, &value, &error), PBT_OK);
    assert_true(json_is_null(json_object_get(value, "a")));
    assert_true(json_is_null(json_array_get(json_object_get(value, "b"), 1)));
    assert_true(json_is_real(json_array_get(json_object_get(value, "b"), 2)));
    assert_string_equal(json_string_value(json_object_get(value, "c")), "NaN \"");
    json_decref(value);
    /* U+0000: refused by name wherever strings become C strings. */
    text = "{\"a\": {\"list\": [\"x\", \"a\\u0000b\"]}}";
    assert_int_equal(pbt_json_parse_row(text, strlen(text), "f", "line 2", &value, &error), PBT_BAD_INPUT);
    assert_string_equal(error.message,
                        "f: line 2: \"list\" holds the character U+0000, which no text may have; remove it");
    assert_int_equal(pbt_json_parse(text, strlen(text), "f", NULL, &value, &error), PBT_BAD_INPUT);
    text = "{\"a\": \"a\\u0000b\", \"b\": \"\\\\u0000\"}";
    assert_int_equal(pbt_json_parse_bytes(text, strlen(text), "f", NULL, &value, &error), PBT_OK);
    assert_int_equal(json_string_length(json_object_get(value, "a")), 3);
    assert_int_equal(pbt_json_string(value, "a", "f", NULL, &s, &error), PBT_BAD_INPUT);
    assert_non_null(strstr(error.message, "\"a\" holds the character U+0000"));
    json_decref(value);
    /* A byte order mark is no part of the first line, nor of a file of one value. */
    char *path = in_folder("mark.jsonl"), *line;
    pbt_lines *lines;
    size_t length, number;
    assert_int_equal(pbt_file_write(path, "\xef\xbb\xbf[1]\n\xef\xbb\xbf[2]\n", 14, &error), PBT_OK);
    assert_int_equal(pbt_lines_open(path, &lines, &error), PBT_OK);
    assert_int_equal(pbt_lines_next(lines, &line, &length, &number, &error), PBT_OK);
    assert_string_equal(line, "[1]");
    assert_int_equal(length, 3);
    assert_int_equal(pbt_lines_next(lines, &line, &length, &number, &error), PBT_OK);
    assert_int_equal(length, 6); /* only before the first */
    pbt_lines_close(lines);
    assert_int_equal(pbt_file_write(path, "\xef\xbb\xbf[1]", 6, &error), PBT_OK);
    assert_int_equal(pbt_json_read(path, 100, &value, &error), PBT_OK);
    json_decref(value);
    free(path);
}

/* Lines of a pipe come when they are whole. */
static void lines_are_waited_for(void **state) {
    (void)state;
    pbt_error error;
    pbt_lines *lines;
    char *line, *path = in_folder("pipe");
    size_t length, number;
    bool ready;
    assert_int_equal(mkfifo(path, 0600), 0);
    int end = open(path, O_RDWR); /* so that neither side waits for the other */
    assert_true(end >= 0);
    assert_int_equal(pbt_lines_open(path, &lines, &error), PBT_OK);
    assert_int_equal(write(end, "one\ntw", 6), 6);
    assert_int_equal(pbt_lines_wait(lines, 0, &ready, &error), PBT_OK);
    assert_true(ready);
    assert_int_equal(pbt_lines_next(lines, &line, &length, &number, &error), PBT_OK);
    assert_string_equal(line, "one");
    assert_int_equal(pbt_lines_wait(lines, 10, &ready, &error), PBT_OK);
    assert_false(ready);
    assert_int_equal(write(end, "o\n", 2), 2);
    assert_int_equal(pbt_lines_wait(lines, 1000, &ready, &error), PBT_OK);
    assert_true(ready);
    assert_int_equal(pbt_lines_next(lines, &line, &length, &number, &error), PBT_OK);
    assert_string_equal(line, "two");
    assert_int_equal(number, 2);
    pbt_lines_close(lines);
    close(end);
    free(path);
    /* Longer than what is read at once. */
    char *long_line = malloc(200001);
    memset(long_line, 'x', 200001);
    long_line[100000] = '\n';
    path = in_folder("long");
    assert_int_equal(pbt_file_write(path, long_line, 200001, &error), PBT_OK);
    assert_int_equal(pbt_lines_open(path, &lines, &error), PBT_OK);
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(pbt_lines_next(lines, &line, &length, &number, &error), PBT_OK);
        assert_int_equal(length, 100000);
    }
    assert_int_equal(pbt_lines_next(lines, &line, &length, &number, &error), PBT_OK);
    assert_null(line);
    pbt_lines_close(lines);
    free(long_line);
    free(path);
}

static void random_numbers_have_no_hidden_state(void **state) {
    (void)state;
    pbt_key key = pbt_key_of_seed(12);
    uint64_t third = pbt_random_bits(key, 3);
    pbt_random_bits(key, 9);
    assert_true(third == pbt_random_bits(key, 3));
    assert_true(pbt_key_child(key, 1).value != pbt_key_child(key, 2).value);
    assert_true(pbt_key_named(key, "ab").value != pbt_key_named(key, "ab0").value);
    assert_true(pbt_key_named(key, "").value != key.value);
    double mean = 0, square = 0;
    size_t below[7] = {0};
    for (uint64_t i = 0; i < 20000; i++) {
        double x = pbt_random_normal(key, i);
        mean += x / 20000;
        square += x * x / 20000;
        below[pbt_random_below(key, i, 7)]++;
    }
    assert_true(mean > -0.03 && mean < 0.03);
    assert_true(square > 0.95 && square < 1.05);
    for (int i = 0; i < 7; i++) assert_true(below[i] > 2600 && below[i] < 3120);
    uint32_t index[100], seen[100] = {0};
    for (uint32_t i = 0; i < 100; i++) index[i] = i;
    pbt_random_shuffle(key, index, 100);
    for (int i = 0; i < 100; i++) seen[index[i]]++;
    for (int i = 0; i < 100; i++) assert_int_equal(seen[i], 1);
}

static void memory_refuses_overflow(void **state) {
    (void)state;
    pbt_error error;
    double *items = NULL;
    size_t capacity = 0;
    assert_null(pbt_alloc_aligned(SIZE_MAX / 2, 4));
    assert_int_equal(pbt_grow(items, &capacity, SIZE_MAX / 2, &error), PBT_FAILED);
    assert_null(items);
    pbt_arena *arena = pbt_arena_create();
    assert_null(pbt_arena_alloc(arena, SIZE_MAX / 2, 4));
    char *copy = pbt_arena_copy(arena, "abc", 2);
    assert_string_equal(copy, "ab");
    assert_non_null(pbt_arena_alloc(arena, 1000000, 1));
    pbt_arena_free(arena);
}

static void distances_find_the_nearest_word(void **state) {
    (void)state;
    assert_int_equal(pbt_string_distance("lora_r", "lora-r"), 1);
    assert_int_equal(pbt_string_distance("", "abc"), 3);
    assert_int_equal(pbt_string_distance("beta", "beta"), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(errors_carry_file_and_place),
        cmocka_unit_test(text_grows_and_is_taken),
        cmocka_unit_test(utf8_is_checked),
        cmocka_unit_test(files_are_written_whole_or_not_at_all),
        cmocka_unit_test(lines_come_one_by_one),
        cmocka_unit_test(json_says_what_is_wrong),
        cmocka_unit_test(rows_of_other_programs_are_read),
        cmocka_unit_test(lines_are_waited_for),
        cmocka_unit_test(random_numbers_have_no_hidden_state),
        cmocka_unit_test(memory_refuses_overflow),
        cmocka_unit_test(distances_find_the_nearest_word),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
