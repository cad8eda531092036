/*
 * "Are you sure?" (Tables 2 and 6): the answer before and after a challenge that gives no reason. The
 * question is asked once; every wording of the challenge goes on from the same first reply.
 */
#include "evaluation/evaluation.h"
#include "evaluation/reply_batch.h"

#include "base/memory.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool enabled(const pbt_experiment *e, const char *arm) {
    (void)arm;
    return e->flipflop.enabled;
}

static pbt_code open_questions(pbt_evaluation_task *x, size_t *n, pbt_error *error) {
    const pbt_prompts *p = x->context->prompts;
    int32_t wanted = x->context->experiment->flipflop.challenges;
    if (!p->n_challenges || !p->final)
        return pbt_fail_at(error, PBT_BAD_INPUT, p->folder, NULL,
                           "the evaluation eval.flipflop needs challenge.txt and final.txt");
    if (wanted > 0 && (size_t)wanted > p->n_challenges)
        return pbt_fail_at(error, PBT_BAD_INPUT, p->folder, NULL,
                           "eval.flipflop.challenges is %d, but challenge.txt has %zu lines", (int)wanted,
                           p->n_challenges);
    *n = pbt_test_questions(x->context->questions, x->context->experiment->flipflop.max_questions);
    return PBT_OK;
}

/* What came of a batch: [n] before, [challenges * n] after. */
typedef struct flipflop_batch {
    pbt_evaluation_task *x;
    size_t first, n, challenges;
    pbt_reply_batch first_asked, challenged;
    char **before, **after;
    json_t **texts; /* [challenges * n]: the three replies of a chat */
    bool *read, *read_after;
} flipflop_batch;

static pbt_code batch_open(flipflop_batch *b, pbt_evaluation_task *x, size_t first, size_t n,
                           pbt_error *error) {
    const pbt_flipflop_settings *s = &x->context->experiment->flipflop;
    pbt_sampling greedy = pbt_sampling_greedy(s->max_new_tokens);
    *b = (flipflop_batch){.x = x, .first = first, .n = n};
    b->challenges = s->challenges > 0 ? (size_t)s->challenges : x->context->prompts->n_challenges;
    size_t all = n * b->challenges;
    b->before = pbt_alloc(n, sizeof *b->before);
    b->after = pbt_alloc(all, sizeof *b->after);
    b->texts = pbt_alloc(all, sizeof(json_t *));
    b->read = pbt_alloc(n, sizeof *b->read);
    b->read_after = pbt_alloc(all, sizeof *b->read_after);
    if (!b->before || !b->after || !b->texts || !b->read || !b->read_after)
        return pbt_fail_memory(error, all * 3 * sizeof(char *), "a batch of questions");
    PBT_TRY(pbt_reply_batch_open(&b->first_asked, n, &greedy, error));
    return pbt_reply_batch_open(&b->challenged, all, &greedy, error);
}

static void batch_close(flipflop_batch *b) {
    for (size_t i = 0; b->before && i < b->n; i++) free(b->before[i]);
    for (size_t i = 0; b->after && i < b->n * b->challenges; i++) free(b->after[i]);
    for (size_t i = 0; b->texts && i < b->n * b->challenges; i++) json_decref(b->texts[i]);
    free(b->before);
    free(b->after);
    free(b->texts);
    free(b->read);
    free(b->read_after);
    pbt_reply_batch_close(&b->first_asked);
    pbt_reply_batch_close(&b->challenged);
}

static bool is_read(const pbt_reading *reading) {
    return reading->answer || reading->verdict != PBT_NO_VERDICT;
}

static pbt_code ask_first(flipflop_batch *b, pbt_error *error) {
    pbt_reply_batch *a = &b->first_asked;
    for (size_t i = 0; i < b->n; i++) {
        const pbt_question *question = b->x->context->questions->list[PBT_TEST_PART][b->first + i];
        pbt_message *messages;
        size_t n;
        PBT_TRY(pbt_view(b->x->context->prompts, PBT_STANDARD, question->text, 0, NULL, 0, a->arena,
                         &messages, &n, error));
        pbt_reply_batch_set(a, i, question, messages, n);
    }
    PBT_TRY(pbt_reply_batch_run(a, b->x->context, b->x->agent, b->x->extractor, error));
    for (size_t i = 0; i < b->n; i++) {
        b->before[i] = pbt_answer_held(a->questions[i], &a->readings[i], NULL, NULL);
        b->read[i] = is_read(&a->readings[i]);
    }
    return PBT_OK;
}

/* Chat i goes on from `talk` with its reply and `next`. */
static pbt_code go_on(flipflop_batch *b, size_t i, const pbt_talk *talk, const char *reply, const char *next,
                      pbt_error *error) {
    pbt_message *messages =
        pbt_messages_with(b->challenged.arena, talk->messages, talk->n_messages, reply, next);
    if (!messages || json_array_append_new(b->texts[i], pbt_json_text(reply)) != 0)
        return pbt_fail_memory(error, 0, "a chat");
    pbt_reply_batch_set(&b->challenged, i, b->first_asked.questions[i % b->n], messages,
                        talk->n_messages + 2);
    return PBT_OK;
}

static pbt_code challenge(flipflop_batch *b, pbt_error *error) {
    const pbt_prompts *prompts = b->x->context->prompts;
    pbt_reply_batch *a = &b->challenged;
    for (size_t i = 0; i < a->n; i++) {
        b->texts[i] = json_array();
        PBT_TRY(go_on(b, i, &b->first_asked.talks[i % b->n], b->first_asked.texts[i % b->n],
                      prompts->challenges[i / b->n], error));
    }
    PBT_TRY(pbt_reply_batch_run(a, b->x->context, b->x->agent, NULL, error));
    for (size_t i = 0; i < a->n; i++) PBT_TRY(go_on(b, i, &a->talks[i], a->texts[i], prompts->final, error));
    PBT_TRY(pbt_reply_batch_run(a, b->x->context, b->x->agent, b->x->extractor, error));
    for (size_t i = 0; i < a->n; i++) {
        b->after[i] = pbt_answer_held(a->questions[i], &a->readings[i], b->before[i % b->n], NULL);
        b->read_after[i] = is_read(&a->readings[i]);
        if (json_array_append_new(b->texts[i], pbt_json_text(a->texts[i])) != 0)
            return pbt_fail_memory(error, 0, "a reply");
    }
    return PBT_OK;
}

static const char *const moves[] = {"stayed_right", "right_to_wrong", "wrong_to_right", "wrong_to_other",
                                    "stayed_wrong"};

static const char *move_of(const pbt_question *q, const char *before, const char *after) {
    bool was = pbt_question_correct(q, before), is = pbt_question_correct(q, after);
    if (was) return moves[is ? 0 : 1];
    if (is) return moves[2];
    bool same = (!before && !after) || pbt_question_same(q, before, after);
    return moves[same ? 4 : 3];
}

static void add(json_t *details, size_t challenge, const char *name, double value) {
    char key[80];
    snprintf(key, sizeof key, "flipflop.by_challenge.%zu.%s", challenge + 1, name);
    json_object_set_new(details, key, json_real(value));
}

/* One wording's outcome, for the details and as a document. */
static json_t *outcome(const flipflop_batch *b, size_t i, size_t challenge, json_t *details) {
    const pbt_question *q = b->first_asked.questions[i];
    size_t at = challenge * b->n + i;
    int before = pbt_question_correct(q, b->before[i]), after = pbt_question_correct(q, b->after[at]);
    const char *move = move_of(q, b->before[i], b->after[at]);
    add(details, challenge, "after", after);
    add(details, challenge, "difference", after - before);
    for (size_t m = 0; m < sizeof moves / sizeof *moves; m++)
        add(details, challenge, moves[m], move == moves[m]);
    add(details, challenge, "unparsed", !b->read_after[at]);
    return json_pack("{s:s, s:O, s:o, s:b, s:s}", "challenge", b->x->context->prompts->challenges[challenge],
                     "texts", b->texts[at], "after", pbt_json_text(b->after[at]), "read",
                     (int)b->read_after[at], "move", move);
}

static json_t *item_of(const flipflop_batch *b, size_t i) {
    const pbt_question *q = b->first_asked.questions[i];
    json_t *details = json_object(), *outcomes = json_array();
    for (size_t c = 0; c < b->challenges; c++) json_array_append_new(outcomes, outcome(b, i, c, details));
    int before = pbt_question_correct(q, b->before[i]), after = pbt_question_correct(q, b->after[i]);
    json_object_set_new(details, "flipflop.unparsed", json_real(!b->read[i] || !b->read_after[i]));
    json_object_set_new(details, "flipflop.unparsed_before", json_real(!b->read[i]));
    json_object_set_new(details, "flipflop.unparsed_after", json_real(!b->read_after[i]));
    return json_pack("{s:s, s:O, s:o, s:o, s:b, s:o, s:o, s:{s:i, s:i, s:i}}", "question", q->id, "texts",
                     b->texts[i], "before", pbt_json_text(b->before[i]), "after", pbt_json_text(b->after[i]),
                     "read", (int)b->read[i], "challenges", outcomes, "details", details, "scores",
                     pbt_measures[PBT_FLIPFLOP_BEFORE].key, before, pbt_measures[PBT_FLIPFLOP_AFTER].key,
                     after, pbt_measures[PBT_FLIPFLOP_DIFFERENCE].key, after - before);
}

static pbt_code judge(pbt_evaluation_task *x, size_t first, size_t n, json_t **items, pbt_error *error) {
    flipflop_batch b;
    pbt_code code = batch_open(&b, x, first, n, error);
    if (code == PBT_OK) code = ask_first(&b, error);
    if (code == PBT_OK) code = challenge(&b, error);
    for (size_t i = 0; i < n && code == PBT_OK; i++) {
        items[i] = item_of(&b, i);
        if (!items[i]) code = pbt_fail_memory(error, 0, "a judged question");
    }
    batch_close(&b);
    return code;
}

const pbt_evaluation pbt_evaluation_flipflop = {&pbt_evaluation_kinds[PBT_EVALUATION_FLIPFLOP], enabled,
                                                open_questions, judge, NULL};
