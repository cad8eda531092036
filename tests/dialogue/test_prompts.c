/* Prompt sets: what must be in a file, and what nothing is filled in for. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/file.h"
#include "dialogue/prompt.h"
#include "folder.h"

#include <unistd.h>

static void write_prompt(const char *name, const char *text) {
    char *path = pbt_string_format("%s/%s.txt", folder, name);
    assert_int_equal(pbt_file_write(path, text, strlen(text), &problem), PBT_OK);
    free(path);
}

static void write_set(void) {
    for (int r = 0; r < PBT_ROLES; r++) write_prompt(pbt_role_names[r], "Say: {question}\n");
    write_prompt("extract", "{text}\n");
}

/* The set with one file changed: refused with these words, or read (NULL). */
static void read_with(const char *name, const char *text, const char *words) {
    pbt_prompts prompts;
    write_set();
    write_prompt(name, text);
    pbt_code code = pbt_prompts_read(folder, &prompts, &problem);
    if (code == PBT_OK) pbt_prompts_free(&prompts);
    if (words ? code != PBT_BAD_INPUT || !strstr(problem.message, words) : code != PBT_OK)
        fail_msg("%s: %d, %s", name, code, problem.message);
    char *path = pbt_string_format("%s/%s.txt", folder, name);
    unlink(path);
    free(path);
}

static void test_placeholders(void **state) {
    (void)state;
    read_with("standard", "Q: {qestion}",
              "line 1: nothing is filled in for {qestion}; known here: {question}");
    read_with("logical", "Say it.\nQ: {question} {text}", "line 2: nothing is filled in for {text}");
    read_with("credible", "Say it.", "expected {question} in the prompt, found none");
    read_with("extract", "What is meant?", "expected {text} in the prompt");
    read_with("extract", "{question}: {text}", NULL);
    read_with("filter", "{question}: {first}?", "expected {second} in the prompt");
    read_with("filter", "{first} or {second}?", NULL);
    read_with("choose", "{first} or {second}?", "expected {question}");
    read_with("final", "And {question}?", "{question}; known here: no placeholder");
    read_with("challenge", "Sure?\nOf {answer}?", "line 2: nothing is filled in for {answer}");
    read_with("farm_choice", "{question}", "expected {options}");
    read_with("farm_yes_no", "Yes or no?", "expected {question}");
    read_with("farm_claim", "It is {claims}", "{claims}; known here: {claim}");
    read_with("farm_appeal", "So {claim}", "expected {appeal}");
    read_with("farm_appeal", "{appeal} So {claim}", NULL);
    read_with("confidence", "{question}: sure?", "expected {text}");
    read_with("standard", "Reply as { answer } or {\"a\": 1}. {question}", NULL);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_placeholders, make_folder, remove_folder)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
