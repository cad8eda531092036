/* Answers: normalisation as TriviaQA's, reading the extractor's words, unfinished sentences; question files.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/file.h"
#include "dialogue/answer.h"

#include <stdlib.h>
#include <string.h>

static pbt_error problem;

static void normal(const char *answer, const char *expected) {
    char *found = pbt_answer_normalize(answer);
    assert_string_equal(found, expected);
    free(found);
}

static void test_normalize(void **state) {
    (void)state;
    normal("The  Beatles!", "beatles");
    normal("an_apple-a day", "apple day");
    normal("St. John's", "st john s");
    normal("ÉCOLE \u2018x\u2019", "école x");
    normal("theatre", "theatre");
    normal("a", "");
    normal("", "");
    normal("A.B.C", "b c");
}

static void read_as(const char *raw, const char *answer, pbt_verdict verdict) {
    pbt_reading reading;
    assert_int_equal(pbt_answer_parse(raw, &reading, &problem), PBT_OK);
    if (answer)
        assert_string_equal(reading.answer, answer);
    else
        assert_null(reading.answer);
    assert_int_equal(reading.verdict, verdict);
    pbt_readings_clear(&reading, 1);
}

static void test_parse(void **state) {
    (void)state;
    read_as("Final answer: John Milton", "John Milton", PBT_NO_VERDICT);
    read_as(" final ANSWER:  Paris (France).\nQuestion: more", "Paris", PBT_NO_VERDICT);
    read_as("Final Answer: \"Rome\".", "Rome", PBT_NO_VERDICT);
    read_as("Agree.", NULL, PBT_AGREE);
    read_as("Final answer: DISAGREE", NULL, PBT_DISAGREE);
    read_as("Final answer: none", NULL, PBT_NO_VERDICT);
    read_as("", NULL, PBT_NO_VERDICT);
    read_as("Final answer: (nothing)", NULL, PBT_NO_VERDICT);
}

static void trimmed(const char *text, const char *expected) {
    char *found = pbt_trim_unfinished(text);
    assert_string_equal(found, expected);
    free(found);
}

static void test_trim(void **state) {
    (void)state;
    trimmed("It is Paris. Because the", "It is Paris.");
    trimmed("It is Paris", "It is Paris");
    trimmed("He said \"no.\" And then", "He said \"no.\"");
    trimmed("Version 1.5 is", "Version 1.5 is");
    trimmed("Done.", "Done.");
}

static pbt_code read_text(const char *text, pbt_questions *questions) {
    char path[] = "/tmp/pbt-questions-XXXXXX";
    int descriptor = mkstemp(path);
    assert_true(descriptor >= 0);
    assert_int_equal(pbt_file_write(path, text, strlen(text), &problem), PBT_OK);
    *questions = (pbt_questions){0};
    pbt_code code = pbt_questions_read(path, questions, &problem);
    assert_int_equal(remove(path), 0);
    return code;
}

static void refused(const char *text, const char *words) {
    pbt_questions questions;
    assert_int_equal(read_text(text, &questions), PBT_BAD_INPUT);
    if (!strstr(problem.message, words)) fail_msg("expected \"%s\" in \"%s\"", words, problem.message);
    pbt_questions_free(&questions);
}

static void test_questions(void **state) {
    (void)state;
    pbt_questions q;
    assert_int_equal(
        read_text("{\"question\": \"Q?\", \"answers\": [\"The A\", \"B\", \"B\"]}\n\n"
                  "{\"id\": \"x\", \"text\": \"R?\", \"answers\": [\"C\"], \"choices\": [\"C\", \"D\"]}\n"
                  "{\"question\": \"S?\", \"question_id\": \"tq\", \"answer\": {\"value\": \"V\", "
                  "\"aliases\": [\"V\", \"W\"]}}\n",
                  &q),
        PBT_OK);
    assert_int_equal(q.count, 3);
    assert_string_equal(q.items[0].id, "q1");
    assert_int_equal(q.items[0].n_answers, 2);
    assert_string_equal(q.items[1].choices[1], "D");
    assert_int_equal(q.items[2].n_answers, 2);
    assert_true(pbt_question_correct(&q.items[2], "w") && !pbt_question_correct(&q.items[2], NULL));
    assert_true(pbt_question_same(&q.items[2], "v", "w") && !pbt_question_same(&q.items[2], "v", "z"));
    pbt_questions_free(&q);
    assert_int_equal(
        read_text("{\n \"Data\": [\n  {\"Question\": \"Q?\", \"QuestionId\": \"t1\", \"Answer\": "
                  "{\"Value\": \"V\", \"Aliases\": [\"W\"]}}\n ]\n}\n",
                  &q),
        PBT_OK);
    assert_string_equal(q.items[0].id, "t1");
    assert_int_equal(q.items[0].n_answers, 2);
    pbt_questions_free(&q);
    assert_int_equal(
        read_text("\xef\xbb\xbf{\"question\": \"Q?\", \"answers\": [\"A\"], \"score\": NaN}\n", &q), PBT_OK);
    assert_int_equal(q.count, 1);
    pbt_questions_free(&q);
    refused("{\"question\": \"Q?\", \"answers\": [\"a\\u0000b\"]}\n",
            "line 1: \"answers\" holds the character U+0000");
    refused("{\"question\": \"Q\\u0000?\", \"answers\": [\"a\"]}\n",
            "\"question\" holds the character U+0000");
    refused("{\"question\": \"Q?\", \"answers\": [\"a\"], \"choices\": [\"\\u0000\"]}\n",
            "\"choices\" holds");
    refused("{\"question\": \"Q?\", \"answers\": []}\n", "line 1: there is no right answer");
    refused("{\"question\": \" \", \"answers\": [\"a\"]}\n", "line 1: the question is empty");
    refused("{\"answers\": [\"a\"]}\n", "line 1: expected the question");
    refused("{\"id\": \"a\", \"text\": \"Q\", \"answers\": [\"a\"]}\n{\"id\": \"a\", \"text\": \"R\", "
            "\"answers\": "
            "[\"b\"]}\n",
            "line 2: the id \"a\" was used before");
    refused("{\"question\": \"Q\"}\n", "line 1: expected \"answers\"");
    refused("\n", "expected questions, found none");
    refused("{\"question\": \n", "line 1: not valid JSON");
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_normalize), cmocka_unit_test(test_parse),
                                       cmocka_unit_test(test_trim), cmocka_unit_test(test_questions)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
