/* The option table: every way of writing an option, every error sentence, help, and the record. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "../../src/cli/help.c"
#include "../../src/cli/parse.c"

typedef struct settings {
    bool flag, other_flag;
    int64_t lora_r;
    double rate;
    const char *name, *mode;
    pbt_strings set;
} settings;

static const pbt_option options[] = {
    {"flag", 'f', PBT_OPTION_FLAG, offsetof(settings, flag), NULL, "true", "a flag that is on", NULL},
    {"share_prefixes", 0, PBT_OPTION_FLAG, offsetof(settings, other_flag), NULL, NULL, "another", NULL},
    {"lora_r", 'r', PBT_OPTION_INTEGER, offsetof(settings, lora_r), "N", "16", "rank", NULL},
    {"learning_rate", 0, PBT_OPTION_NUMBER, offsetof(settings, rate), "X", "1e-6", "step size", NULL},
    {"name", 0, PBT_OPTION_STRING, offsetof(settings, name), "TEXT", NULL, "a name", NULL},
    {"mode", 0, PBT_OPTION_STRING, offsetof(settings, mode), "MODE", "fast", "how", "fast|slow"},
    {"set", 0, PBT_OPTION_LIST, offsetof(settings, set), "KEY=VALUE", NULL, "changes a setting", NULL},
};
static const pbt_command one = {.name = "train",
                                .summary = "Trains.",
                                .usage = "DATA",
                                .details = "More words.",
                                .options = options,
                                .n_options = sizeof options / sizeof *options,
                                .settings_size = sizeof(settings),
                                .least_arguments = 1,
                                .most_arguments = 2};
static const pbt_command two = {.name = "model inspect", .summary = "Looks.", .most_arguments = 1};
static const pbt_command *const list[] = {&one, &two, NULL};

static pbt_parsed parsed;
static pbt_error problem;

static pbt_code parse(const char *first, ...) {
    char *argv[24] = {(char *)(uintptr_t) "pbt"};
    int argc = 1;
    va_list args;
    va_start(args, first);
    for (const char *a = first; a; a = va_arg(args, const char *)) argv[argc++] = (char *)(uintptr_t)a;
    va_end(args);
    return pbt_command_line_parse(list, 3, "tests", argc, argv, &parsed, &problem);
}

static int clean(void **state) {
    (void)state;
    pbt_parsed_free(&parsed);
    return 0;
}

static void test_defaults(void **state) {
    (void)state;
    assert_int_equal(parse("train", "data", NULL), PBT_OK);
    const settings *s = parsed.settings;
    assert_true(s->flag);
    assert_false(s->other_flag);
    assert_int_equal(s->lora_r, 16);
    assert_true(s->rate == 1e-6);
    assert_null(s->name);
    assert_string_equal(s->mode, "fast");
    assert_int_equal(s->set.count, 0);
    assert_int_equal(parsed.n_arguments, 1);
    assert_string_equal(parsed.arguments[0], "data");
}

static void test_every_spelling(void **state) {
    (void)state;
    static const char *const spellings[][2] = {{"--lora_r", "32"}, {"--lora-r", "32"}, {"-r", "32"}};
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(parse("train", spellings[i][0], spellings[i][1], "d", NULL), PBT_OK);
        assert_int_equal(((settings *)parsed.settings)->lora_r, 32);
        pbt_parsed_free(&parsed);
    }
    static const char *const joined[] = {"--lora_r=32", "--lora-r=32", "-r32"};
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(parse("train", joined[i], "d", NULL), PBT_OK);
        assert_int_equal(((settings *)parsed.settings)->lora_r, 32);
        if (i < 2) pbt_parsed_free(&parsed);
    }
}

static void test_flags(void **state) {
    (void)state;
    assert_int_equal(parse("train", "--no_flag", "--share-prefixes", "d", NULL), PBT_OK);
    assert_false(((settings *)parsed.settings)->flag);
    assert_true(((settings *)parsed.settings)->other_flag);
    pbt_parsed_free(&parsed);
    assert_int_equal(parse("train", "--flag", "false", "--share_prefixes=true", "d", NULL), PBT_OK);
    assert_false(((settings *)parsed.settings)->flag);
    assert_true(((settings *)parsed.settings)->other_flag);
    pbt_parsed_free(&parsed);
    assert_int_equal(parse("train", "--no-share-prefixes", "d", NULL), PBT_OK);
    assert_false(((settings *)parsed.settings)->other_flag);
}

static void test_lists_negative_numbers_and_the_end_of_options(void **state) {
    (void)state;
    assert_int_equal(
        parse("train", "--set", "a=1", "--set=b=2", "--learning_rate", "-0.5", "--", "--x", NULL), PBT_OK);
    const settings *s = parsed.settings;
    assert_int_equal(s->set.count, 2);
    assert_string_equal(s->set.items[0], "a=1");
    assert_string_equal(s->set.items[1], "b=2");
    assert_true(s->rate == -0.5);
    assert_string_equal(parsed.arguments[0], "--x");
}

static void test_globals_and_sub_commands(void **state) {
    (void)state;
    assert_int_equal(parse("--json", "model", "inspect", "M", "-q", "--threads=2", NULL), PBT_OK);
    assert_ptr_equal(parsed.command, &two);
    assert_true(parsed.global.json && parsed.global.quiet && !parsed.global.verbose);
    assert_int_equal(parsed.global.threads, 2);
    assert_string_equal(parsed.global.device, "auto");
    pbt_parsed_free(&parsed);
    assert_int_equal(parse("model", "--help", NULL), PBT_OK);
    assert_null(parsed.command);
    assert_string_equal(parsed.group, "model");
    pbt_parsed_free(&parsed);
    assert_int_equal(parse("train", "--help", NULL), PBT_OK); /* its missing argument does not matter */
    assert_true(parsed.global.help);
    pbt_parsed_free(&parsed);
    assert_int_equal(parse("help", "train", NULL), PBT_OK);
    assert_true(parsed.global.help);
}

static void test_files_of_the_program(void **state) {
    (void)state;
    assert_int_equal(parse("train", "pbt:cli", "--name=pbt:cli/test_parse.c", "pbt:no such file", NULL),
                     PBT_OK);
    assert_string_equal(parsed.arguments[0], "tests/cli");
    assert_string_equal(parsed.arguments[1], "pbt:no such file");
    assert_string_equal(((settings *)parsed.settings)->name, "tests/cli/test_parse.c");
    pbt_parsed_free(&parsed);
    /* A file of the program that is missing is named by the path where it should lie. */
    assert_int_equal(parse("train", "pbt:prompts/none", NULL), PBT_OK);
    assert_string_equal(parsed.arguments[0], "tests/prompts/none");
}

static void expect(const char *sentence) {
    assert_int_equal(problem.code, PBT_USAGE);
    assert_string_equal(problem.message, sentence);
    pbt_parsed_free(&parsed);
}

static void test_error_sentences(void **state) {
    (void)state;
    assert_int_equal(parse("trian", NULL), PBT_USAGE);
    expect("unknown command \"trian\"; did you mean \"train\"? (pbt --help)");
    assert_int_equal(parse("zzzzzzzzzzzzzzzz", NULL), PBT_USAGE);
    expect("unknown command \"zzzzzzzzzzzzzzzz\"; see pbt --help");
    assert_int_equal(parse("model", "inspekt", NULL), PBT_USAGE);
    expect("unknown command \"model inspekt\"; did you mean \"model inspect\"? (pbt --help)");
    assert_int_equal(parse("train", "d", "--lora-rank", "3", NULL), PBT_USAGE);
    expect("unknown option --lora-rank; did you mean --lora_r? (pbt train --help)");
    assert_int_equal(parse("train", "d", "--zzzzzzzzzzzzzzzz", NULL), PBT_USAGE);
    expect("unknown option --zzzzzzzzzzzzzzzz; see pbt train --help");
    assert_int_equal(parse("train", "d", "-x", NULL), PBT_USAGE);
    expect("unknown option -x; see pbt train --help");
    assert_int_equal(parse("train", "d", "--lora_r", NULL), PBT_USAGE);
    expect("option --lora_r needs a value (N)");
    assert_int_equal(parse("train", "d", "--lora_r", "--flag", NULL), PBT_USAGE);
    expect("option --lora_r needs a value (N)");
    assert_int_equal(parse("train", "d", "--lora_r", "1.5", NULL), PBT_USAGE);
    expect("option --lora_r: expected a whole number, found \"1.5\"");
    assert_int_equal(parse("train", "d", "--lora_r", "99999999999999999999", NULL), PBT_USAGE);
    expect("option --lora_r: expected a whole number, found \"99999999999999999999\"");
    assert_int_equal(parse("train", "d", "--learning_rate", "nan", NULL), PBT_USAGE);
    expect("option --learning_rate: expected a number, found \"nan\"");
    assert_int_equal(parse("train", "d", "--mode=middling", NULL), PBT_USAGE);
    expect("option --mode: expected one of fast|slow, found \"middling\"");
    assert_int_equal(parse("train", "d", "--mode=fas", NULL), PBT_USAGE);
    expect("option --mode: expected one of fast|slow, found \"fas\"");
    assert_int_equal(parse("train", "d", "--flag=maybe", NULL), PBT_USAGE);
    expect("option --flag: expected true or false, found \"maybe\"");
    assert_int_equal(parse("train", NULL), PBT_USAGE);
    expect("pbt train: something is missing; usage: pbt train DATA");
    assert_int_equal(parse("train", "a", "b", "c", NULL), PBT_USAGE);
    expect("pbt train: unexpected argument \"c\"; usage: pbt train DATA");
    assert_int_equal(parse("train", "a", "--threads", "-1", NULL), PBT_USAGE);
    expect("option --threads: expected 1 to 4096 (0: all cores), found -1");
}

static void test_record(void **state) {
    (void)state;
    assert_int_equal(parse("train", "d", "--set", "a=1", "--name", "n", NULL), PBT_OK);
    json_t *record = pbt_settings_record(&one, parsed.settings);
    char *line = pbt_json_line(record);
    assert_string_equal(line, "{\"flag\":true,\"share_prefixes\":false,\"lora_r\":16,"
                              "\"learning_rate\":9.9999999999999995e-7,\"name\":\"n\",\"mode\":\"fast\","
                              "\"set\":[\"a=1\"]}");
    free(line);
    json_decref(record);
}

static const pbt_help_style plain = {0};

static void test_help_fits_the_terminal(void **state) {
    (void)state;
    static const size_t columns[] = {0, 50, 79, 120};
    static const size_t widest[] = {80, 50, 79, 100};
    for (size_t i = 0; i < sizeof columns / sizeof *columns; i++) {
        pbt_text out = {0};
        pbt_help_command(&one, &(pbt_help_style){.columns = columns[i]}, &out);
        pbt_help_overview(list, 3, NULL, &(pbt_help_style){.columns = columns[i]}, &out);
        for (const char *line = pbt_text_string(&out); *line; line += strspn(line, "\n")) {
            size_t length = strcspn(line, "\n");
            if (!strstr(line, "experiments/smoke.yaml")) assert_in_range(length, 0, widest[i]);
            line += length;
        }
        pbt_text_free(&out);
    }
}

static void test_help(void **state) {
    (void)state;
    pbt_text out = {0};
    pbt_help_command(&one, &plain, &out);
    const char *text = pbt_text_string(&out);
    static const char *const wanted[] = {"pbt train DATA",
                                         "More words.",
                                         "-r, --lora_r N",
                                         "rank [default: 16]",
                                         "fast|slow",
                                         "--set KEY=VALUE",
                                         "[may be given several times]",
                                         "Options of every command"};
    for (size_t i = 0; i < sizeof wanted / sizeof *wanted; i++) assert_non_null(strstr(text, wanted[i]));
    assert_null(strstr(text, "\033"));
    pbt_text_clear(&out);
    pbt_help_overview(list, 3, NULL, &plain, &out);
    assert_non_null(strstr(pbt_text_string(&out), "model inspect"));
    pbt_text_clear(&out);
    pbt_help_overview(list, 3, "model", &plain, &out);
    assert_null(strstr(pbt_text_string(&out), "  train "));
    pbt_text_free(&out);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(test_defaults, clean),
        cmocka_unit_test_teardown(test_every_spelling, clean),
        cmocka_unit_test_teardown(test_flags, clean),
        cmocka_unit_test_teardown(test_lists_negative_numbers_and_the_end_of_options, clean),
        cmocka_unit_test_teardown(test_globals_and_sub_commands, clean),
        cmocka_unit_test_teardown(test_files_of_the_program, clean),
        cmocka_unit_test(test_error_sentences),
        cmocka_unit_test_teardown(test_record, clean),
        cmocka_unit_test(test_help),
        cmocka_unit_test(test_help_fits_the_terminal),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
