/*
 * The first feature of the flip analysis: how much the base model's answer to a question varies. It is asked
 * several times under the standard prompt; equal answers form a bin; the entropy is that of the bins, in
 * nats.
 */
#include "base/memory.h"
#include "evaluation/cases.h"
#include "evaluation/evaluation.h"
#include "evaluation/reply_batch.h"
#include "measures/arms.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

typedef struct question_list {
    const pbt_question **items;
    size_t count;
} question_list;

/* Once for all arms: it is the base model that is asked. */
static bool enabled(const pbt_experiment *e, const char *arm) {
    return e->flip_analysis.enabled && pbt_arm_named(arm) == PBT_ARM_BASE;
}

/* Test questions that have a balanced case, in the order of the file. */
static pbt_code open_questions(pbt_evaluation_task *x, size_t *n, pbt_error *error) {
    const pbt_experiment *e = x->context->experiment;
    size_t most = x->context->questions->count[PBT_TEST_PART];
    question_list *list = pbt_alloc(1, sizeof *list);
    if (list) list->items = pbt_alloc(most + 1, sizeof *list->items);
    x->cases = list;
    if (!list || !list->items) return pbt_fail_memory(error, most, "questions");
    pbt_tree_list trees = {0};
    pbt_case_list cases = {0};
    pbt_code code = pbt_trees_read(x->context, x->seed, PBT_TEST_PART, &trees, error);
    for (size_t i = 0; i < trees.count && code == PBT_OK; i++) code = pbt_tree_score(&trees.items[i], error);
    if (code == PBT_OK)
        code = pbt_cases_cut(&trees, x->self, e->balanced.max_per_side[1],
                             pbt_key_of_stage(x->seed, "test cases"), &cases, error);
    for (size_t q = 0; q < most && code == PBT_OK; q++) {
        const pbt_question *question = x->context->questions->list[PBT_TEST_PART][q];
        bool asked = false;
        for (size_t i = 0; i < cases.count; i++) asked = asked || cases.items[i].tree->question == question;
        if (asked) list->items[list->count++] = question;
    }
    *n = list->count;
    pbt_case_list_free(&cases);
    pbt_tree_list_free(&trees);
    return code;
}

static void close_questions(pbt_evaluation_task *x) {
    question_list *list = x->cases;
    if (list) free(list->items);
    free(list);
}

/* {"answer": count} over the samples of one question; unread ones are left out. */
static json_t *bins_of(const pbt_reply_batch *replies, size_t first, size_t samples) {
    json_t *bins = json_object();
    for (size_t s = 0; bins && s < samples; s++) {
        char *held =
            pbt_answer_held(replies->questions[first + s], &replies->readings[first + s], NULL, NULL);
        json_int_t before = held ? json_integer_value(json_object_get(bins, held)) : 0;
        int failed = held ? json_object_set_new(bins, held, json_integer(before + 1)) : 0;
        free(held);
        if (failed) {
            json_decref(bins);
            return NULL;
        }
    }
    return bins;
}

static double entropy_of(json_t *bins, double *read) {
    const char *answer;
    json_t *count;
    double sum = 0;
    *read = 0;
    json_object_foreach(bins, answer, count) *read += (double)json_integer_value(count);
    json_object_foreach(bins, answer, count) {
        double p = (double)json_integer_value(count) / *read;
        sum -= p * log(p);
    }
    return sum;
}

static json_t *item_of(const pbt_question *question, json_t *bins, size_t samples) {
    double read, entropy = entropy_of(bins, &read);
    return json_pack("{s:s, s:o, s:f, s:f, s:I, s:{}}", "question", question->id, "answers", bins, "entropy",
                     entropy, "read", read, "samples", (json_int_t)samples, "scores");
}

static pbt_code ask(pbt_evaluation_task *x, size_t first, size_t n, pbt_reply_batch *replies,
                    pbt_error *error) {
    const question_list *list = x->cases;
    size_t samples = (size_t)x->context->experiment->flip_analysis.samples;
    pbt_key key = pbt_key_of_stage(x->seed, "answers");
    for (size_t i = 0; i < n; i++) {
        const pbt_question *question = list->items[first + i];
        pbt_message *messages;
        size_t n_messages;
        PBT_TRY(pbt_view(x->context->prompts, PBT_STANDARD, question->text, 0, NULL, 0, replies->arena,
                         &messages, &n_messages, error));
        for (size_t s = 0; s < samples; s++) {
            pbt_reply_batch_set(replies, i * samples + s, question, messages, n_messages);
            replies->talks[i * samples + s].key = pbt_key_child(pbt_key_named(key, question->id), s);
        }
    }
    return pbt_reply_batch_run(replies, x->context, x->agent, x->extractor, error);
}

static pbt_code judge(pbt_evaluation_task *x, size_t first, size_t n, json_t **items, pbt_error *error) {
    const pbt_experiment *e = x->context->experiment;
    size_t samples = (size_t)e->flip_analysis.samples;
    const pbt_sampling sampling = {.temperature = e->flip_analysis.temperature,
                                   .top_p = 1,
                                   .max_new_tokens = e->balanced.max_new_tokens};
    pbt_reply_batch replies = {0};
    pbt_code code = pbt_reply_batch_open(&replies, n * samples, &sampling, error);
    if (code == PBT_OK) code = ask(x, first, n, &replies, error);
    for (size_t i = 0; i < n && code == PBT_OK; i++) {
        json_t *bins = bins_of(&replies, i * samples, samples);
        items[i] = bins ? item_of(((question_list *)x->cases)->items[first + i], bins, samples) : NULL;
        if (!items[i]) code = pbt_fail_memory(error, 0, "answers of a question");
    }
    pbt_reply_batch_close(&replies);
    return code;
}

const pbt_evaluation pbt_evaluation_answers = {&pbt_evaluation_kinds[PBT_EVALUATION_ANSWERS], enabled,
                                               open_questions, judge, close_questions};
