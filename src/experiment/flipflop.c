/* "Are you sure?" (Tables 2 and 6): the answer before and after a challenge that gives no reason. */
#include "experiment/asking.h"
#include "experiment/evaluation.h"

#include <stdlib.h>

static bool enabled(const pbt_experiment *e, const char *arm) {
    (void)arm;
    return e->flipflop.enabled;
}

static pbt_code open_questions(pbt_examination *x, size_t *n, pbt_error *error) {
    if (!x->run->prompts.n_challenges || !x->run->prompts.final)
        return pbt_fail_at(error, PBT_BAD_INPUT, x->run->prompts.folder, NULL,
                           "the evaluation eval.flipflop needs challenge.txt and final.txt");
    *n = pbt_test_questions(x->run, x->run->experiment.flipflop.max_questions);
    return PBT_OK;
}

static pbt_code first_questions(pbt_examination *x, size_t first, pbt_asking *asking, pbt_error *error) {
    for (size_t i = 0; i < asking->n; i++) {
        const pbt_question *question = x->run->questions.list[PBT_TEST_PART][first + i];
        pbt_message *messages;
        size_t n;
        PBT_TRY(pbt_view(&x->run->prompts, PBT_STANDARD, question->text, 0, NULL, 0, asking->arena, &messages,
                         &n, error));
        pbt_asking_set(asking, i, question, messages, n);
    }
    return PBT_OK;
}

/* Puts the reply into every chat and `next` behind it. */
static pbt_code go_on(pbt_asking *asking, const char *next, pbt_error *error) {
    for (size_t i = 0; i < asking->n; i++) {
        pbt_talk *talk = &asking->talks[i];
        pbt_message *messages =
            pbt_messages_with(asking->arena, talk->messages, talk->n_messages, asking->texts[i], next);
        if (!messages) return pbt_fail_memory(error, 0, "a chat");
        pbt_asking_set(asking, i, asking->questions[i], messages, talk->n_messages + 2);
    }
    return PBT_OK;
}

/* The normalised answers read from the replies; `before` may be NULL. */
static pbt_code held(const pbt_asking *asking, char *const *before, char **answers, json_t **texts,
                     pbt_error *error) {
    for (size_t i = 0; i < asking->n; i++) {
        answers[i] = pbt_answer_held(&asking->readings[i], before ? before[i] : NULL, NULL);
        texts[i] = pbt_json_text(asking->texts[i]);
        if (!texts[i]) return pbt_fail_memory(error, 0, "a reply");
    }
    return PBT_OK;
}

typedef struct flipflop_batch {
    size_t n;
    char **before, **after;
    json_t **texts[3];
} flipflop_batch;

static pbt_code batch_open(flipflop_batch *b, size_t n, pbt_error *error) {
    *b = (flipflop_batch){
        .n = n, .before = pbt_alloc(n, sizeof(char *)), .after = pbt_alloc(n, sizeof(char *))};
    bool ok = b->before && b->after;
    for (int i = 0; i < 3; i++) ok = (b->texts[i] = pbt_alloc(n, sizeof(json_t *))) && ok;
    return ok ? PBT_OK : pbt_fail_memory(error, n * 5 * sizeof(char *), "a batch of questions");
}

static void batch_close(flipflop_batch *b) {
    for (size_t i = 0; i < b->n; i++) {
        if (b->before) free(b->before[i]);
        if (b->after) free(b->after[i]);
        for (int t = 0; t < 3; t++)
            if (b->texts[t]) json_decref(b->texts[t][i]);
    }
    free(b->before);
    free(b->after);
    for (int t = 0; t < 3; t++) free(b->texts[t]);
}

static pbt_code converse(pbt_examination *x, size_t first, pbt_asking *asking, flipflop_batch *b,
                         pbt_error *error) {
    const pbt_prompts *prompts = &x->run->prompts;
    PBT_TRY(first_questions(x, first, asking, error));
    PBT_TRY(pbt_asking_run(asking, x->run, x->agent, x->extractor, error));
    PBT_TRY(held(asking, NULL, b->before, b->texts[0], error));
    PBT_TRY(go_on(asking, prompts->challenges[0], error));
    PBT_TRY(pbt_asking_run(asking, x->run, x->agent, NULL, error));
    for (size_t i = 0; i < b->n; i++) b->texts[1][i] = pbt_json_text(asking->texts[i]);
    PBT_TRY(go_on(asking, prompts->final, error));
    PBT_TRY(pbt_asking_run(asking, x->run, x->agent, x->extractor, error));
    return held(asking, b->before, b->after, b->texts[2], error);
}

static json_t *item_of(const pbt_question *question, const flipflop_batch *b, size_t i) {
    int before = pbt_question_correct(question, b->before[i]),
        after = pbt_question_correct(question, b->after[i]);
    return json_pack("{s:s, s:[O,O,O], s:o, s:o, s:{s:i, s:i, s:i}}", "question", question->id, "texts",
                     b->texts[0][i], b->texts[1][i], b->texts[2][i], "before", pbt_json_text(b->before[i]),
                     "after", pbt_json_text(b->after[i]), "scores", "flipflop.before", before,
                     "flipflop.after", after, "flipflop.difference", after - before);
}

static pbt_code judge(pbt_examination *x, size_t first, size_t n, json_t **items, pbt_error *error) {
    pbt_asking asking = {0};
    flipflop_batch b;
    pbt_sampling greedy = PBT_SAMPLING_GREEDY(x->run->experiment.flipflop.max_new_tokens);
    pbt_code code = batch_open(&b, n, error);
    if (code == PBT_OK) code = pbt_asking_open(&asking, n, &greedy, error);
    if (code == PBT_OK) code = converse(x, first, &asking, &b, error);
    for (size_t i = 0; i < n && code == PBT_OK; i++) {
        items[i] = item_of(asking.questions[i], &b, i);
        if (!items[i]) code = pbt_fail_memory(error, 0, "a judged question");
    }
    pbt_asking_close(&asking);
    batch_close(&b);
    return code;
}

const pbt_evaluation pbt_evaluation_flipflop = {"flipflop", "eval.flipflop.", enabled, open_questions, judge,
                                                NULL};
