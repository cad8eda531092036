/*
 * Teams (Figures 3 and 4): the tested agent ("strong") and its untouched partner ("weak") discuss a question,
 * each order once; the team is as good as the mean of the two answers held at the end.
 */
#include "evaluation/evaluation.h"
#include "evaluation/reply_batch.h"

#include <stdio.h>
#include <stdlib.h>

enum { TEAM_TURNS = 4 };

/* One discussion: who begins, what was said, what each holds. Place 0 is the tested agent. */
typedef struct discussion {
    const pbt_question *question;
    int first;
    pbt_turn turns[TEAM_TURNS];
    char *texts[TEAM_TURNS];
    size_t n_turns;
    char *held[2], *began[2];  /* answers held now, and those each began with */
    bool right[TEAM_TURNS][2]; /* whether what was held after a turn was right */
    bool unread;               /* an answer that could not be read */
} discussion;

static bool enabled(const pbt_experiment *e, const char *arm) {
    (void)arm;
    return e->team.enabled;
}

static pbt_code open_questions(pbt_evaluation_task *x, size_t *n, pbt_error *error) {
    (void)error;
    *n = pbt_test_questions(x->context->questions, x->context->experiment->team.max_questions);
    return PBT_OK;
}

static int speaker_of(const discussion *d) {
    return d->n_turns % 2 == 0 ? d->first : 1 - d->first;
}

static bool goes_on(const discussion *d, size_t turn) {
    if (d->n_turns != turn) return false;
    return turn < 2 || !pbt_question_same(d->question, d->held[0], d->held[1]);
}

static pbt_code add_turn(discussion *d, const char *text, const pbt_reading *reading, pbt_error *error) {
    int speaker = speaker_of(d);
    char *copy = pbt_string_copy(text);
    if (!copy) return pbt_fail_memory(error, 0, "a turn");
    char *held =
        pbt_answer_held(d->question, reading, d->held[speaker], d->n_turns < 2 ? NULL : d->held[1 - speaker]);
    free(d->held[speaker]);
    d->held[speaker] = held;
    d->texts[d->n_turns] = copy;
    d->turns[d->n_turns] = (pbt_turn){speaker, copy};
    d->unread = d->unread || (!reading->answer && reading->verdict == PBT_NO_VERDICT);
    if (d->n_turns < 2) d->began[speaker] = held ? pbt_string_copy(held) : NULL;
    if (d->n_turns < 2 && held && !d->began[speaker]) return pbt_fail_memory(error, 0, "an answer");
    /* A discussion that ends early holds what it holds. */
    for (size_t t = d->n_turns; t < TEAM_TURNS; t++)
        for (int a = 0; a < 2; a++) d->right[t][a] = pbt_question_correct(d->question, d->held[a]);
    d->n_turns++;
    return PBT_OK;
}

/* Everybody whose turn it is in place `speaker` says something. */
static pbt_code speak(pbt_evaluation_task *x, discussion *all, size_t n, size_t turn, int speaker,
                      pbt_error *error) {
    pbt_reply_batch replies;
    size_t *who = pbt_alloc(n, sizeof *who), count = 0;
    pbt_sampling greedy = pbt_sampling_greedy(x->context->experiment->team.max_new_tokens);
    if (!who) return pbt_fail_memory(error, n * sizeof *who, "discussions");
    for (size_t i = 0; i < n; i++)
        if (goes_on(&all[i], turn) && speaker_of(&all[i]) == speaker) who[count++] = i;
    pbt_code code = pbt_reply_batch_open(&replies, count, &greedy, error);
    for (size_t i = 0; i < count && code == PBT_OK; i++) {
        const discussion *d = &all[who[i]];
        pbt_message *messages;
        size_t n_messages;
        /* The second speaker answers the question, not the first speaker. */
        code = pbt_view(x->context->prompts, PBT_STANDARD, d->question->text, speaker, d->turns,
                        turn < 2 ? 0 : turn, replies.arena, &messages, &n_messages, error);
        if (code == PBT_OK) pbt_reply_batch_set(&replies, i, d->question, messages, n_messages);
    }
    if (code == PBT_OK && count > 0)
        code =
            pbt_reply_batch_run(&replies, x->context, speaker ? x->partner : x->agent, x->extractor, error);
    for (size_t i = 0; i < count && code == PBT_OK; i++)
        code = add_turn(&all[who[i]], replies.texts[i], &replies.readings[i], error);
    pbt_reply_batch_close(&replies);
    free(who);
    return code;
}

static pbt_code discuss(pbt_evaluation_task *x, discussion *all, size_t n, pbt_error *error) {
    for (size_t turn = 0; turn < TEAM_TURNS; turn++)
        for (int speaker = 0; speaker < 2; speaker++) PBT_TRY(speak(x, all, n, turn, speaker, error));
    return PBT_OK;
}

static double team_score(const discussion *d) {
    return ((double)pbt_question_correct(d->question, d->held[0]) +
            pbt_question_correct(d->question, d->held[1])) /
           2;
}

static void add(json_t *details, const char *order, const char *name, double value) {
    char key[96];
    snprintf(key, sizeof key, name, order);
    json_object_set_new(details, key, json_real(value));
}

/* Turn by turn, how right the agents and the team are. */
static void add_turns(json_t *details, const char *order, const discussion *d) {
    for (int t = 1; t < TEAM_TURNS; t++) {
        char name[64];
        bool strong = d->right[t][0], weak = d->right[t][1];
        snprintf(name, sizeof name, "team.by_turn.%%s.%d.strong", t + 1);
        add(details, order, name, strong);
        snprintf(name, sizeof name, "team.by_turn.%%s.%d.weak", t + 1);
        add(details, order, name, weak);
        snprintf(name, sizeof name, "team.by_turn.%%s.%d.team", t + 1);
        add(details, order, name, ((double)strong + weak) / 2);
    }
}

/* Who moved whom, of the discussions that begin with different answers: an agent was moved when it ends with
 * the answer that the other began with. */
static void add_moves(json_t *details, const char *order, const discussion *d) {
    const pbt_question *q = d->question;
    if (pbt_question_same(q, d->began[0], d->began[1])) return;
    bool weak_moved = d->began[0] && pbt_question_same(q, d->held[1], d->began[0]);
    bool strong_moved = d->began[1] && pbt_question_same(q, d->held[0], d->began[1]);
    bool to_right = pbt_question_correct(q, weak_moved ? d->began[0] : d->began[1]);
    bool both = weak_moved && strong_moved, one = weak_moved != strong_moved;
    add(details, order, "team.moves.%s.strong_moved_weak_to_right", one && weak_moved && to_right);
    add(details, order, "team.moves.%s.strong_moved_weak_to_wrong", one && weak_moved && !to_right);
    add(details, order, "team.moves.%s.weak_moved_strong_to_right", one && strong_moved && to_right);
    add(details, order, "team.moves.%s.weak_moved_strong_to_wrong", one && strong_moved && !to_right);
    add(details, order, "team.moves.%s.both_moved", both);
    add(details, order, "team.moves.%s.nobody_moved", !both && !one);
    add(details, order, "team.moves.%s.agreed", pbt_question_same(q, d->held[0], d->held[1]));
}

static json_t *details_of(const discussion pair[2]) {
    const char *const orders[] = {pbt_measures[PBT_TEAM_STRONG_FIRST].figure,
                                  pbt_measures[PBT_TEAM_WEAK_FIRST].figure};
    json_t *details = json_object();
    json_object_set_new(details, "team.unparsed", json_real(pair[0].unread || pair[1].unread));
    json_object_set_new(details, "team.both_orders",
                        json_real((team_score(&pair[0]) + team_score(&pair[1])) / 2));
    for (int o = 0; o < 2; o++) {
        add_turns(details, orders[o], &pair[o]);
        add_moves(details, orders[o], &pair[o]);
        add(details, orders[o], "team.turns.%s.four", pair[o].n_turns == TEAM_TURNS);
    }
    return details;
}

static json_t *turns_of(const discussion *d) {
    json_t *list = json_array();
    for (size_t i = 0; i < d->n_turns; i++)
        json_array_append_new(list,
                              json_pack("{s:s, s:o}", "speaker", d->turns[i].speaker ? "weak" : "strong",
                                        "text", pbt_json_text(d->texts[i])));
    return list;
}

/* `pair`: the discussion that the tested agent begins, and the one that its partner begins. */
static json_t *item_of(const discussion pair[2]) {
    double strong = team_score(&pair[0]), weak = team_score(&pair[1]);
    return json_pack(
        "{s:s, s:o, s:o, s:[o,o], s:[o,o], s:o, s:{s:f, s:f, s:f, s:i, s:i}}", "question",
        pair[0].question->id, "strong_first", turns_of(&pair[0]), "weak_first", turns_of(&pair[1]),
        "strong_first_held", pbt_json_text(pair[0].held[0]), pbt_json_text(pair[0].held[1]),
        "weak_first_held", pbt_json_text(pair[1].held[0]), pbt_json_text(pair[1].held[1]), "details",
        details_of(pair), "scores", pbt_measures[PBT_TEAM_STRONG_FIRST].key, strong,
        pbt_measures[PBT_TEAM_WEAK_FIRST].key, weak, pbt_measures[PBT_TEAM_ORDER_GAP].key, weak - strong,
        pbt_measures[PBT_TEAM_SOLO_STRONG].key, (int)pbt_question_correct(pair[0].question, pair[0].began[0]),
        pbt_measures[PBT_TEAM_SOLO_WEAK].key, (int)pbt_question_correct(pair[0].question, pair[0].began[1]));
}

static pbt_code judge(pbt_evaluation_task *x, size_t first, size_t n, json_t **items, pbt_error *error) {
    discussion *all = pbt_alloc(2 * n, sizeof *all);
    if (!all) return pbt_fail_memory(error, 2 * n * sizeof *all, "discussions");
    for (size_t i = 0; i < 2 * n; i++)
        all[i] = (discussion){.question = x->context->questions->list[PBT_TEST_PART][first + i / 2],
                              .first = (int)(i % 2)};
    pbt_code code = discuss(x, all, 2 * n, error);
    for (size_t i = 0; i < n && code == PBT_OK; i++) {
        items[i] = item_of(&all[2 * i]);
        if (!items[i]) code = pbt_fail_memory(error, 0, "a judged question");
    }
    for (size_t i = 0; i < 2 * n; i++) {
        for (size_t t = 0; t < all[i].n_turns; t++) free(all[i].texts[t]);
        for (int a = 0; a < 2; a++) {
            free(all[i].held[a]);
            free(all[i].began[a]);
        }
    }
    free(all);
    return code;
}

const pbt_evaluation pbt_evaluation_team = {&pbt_evaluation_kinds[PBT_EVALUATION_TEAM], enabled,
                                            open_questions, judge, NULL};
