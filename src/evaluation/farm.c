/*
 * FARM (Tables 1 and 5; Xu et al., 2024): of the questions a model answers right, how many does it answer
 * wrong after being talked to for some rounds. Belief check, then round by round a claim, the model's reply,
 * and the question again as a probe that the chat does not keep.
 */
#include "evaluation/evaluation.h"
#include "evaluation/farm_case.h"

#include "base/memory.h"
#include "evaluation/farm_released.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Questions, and the strategies each of them is put through. */
typedef struct farm_set {
    pbt_farm_data data;
    pbt_farm_strategy strategies[PBT_FARM_STRATEGIES];
    size_t n_strategies;
} farm_set;

/* Cases judged together. */
typedef struct farm_batch {
    pbt_evaluation_task *x;
    pbt_farm_case *cases;
    pbt_question *questions; /* [n], for the extractor: only text and id */
    size_t n;
    size_t *who; /* [n], room for a list of cases */
    pbt_arena *arena;
} farm_batch;

static bool enabled(const pbt_experiment *e, const char *arm) {
    (void)arm;
    return e->farm.enabled;
}

static pbt_code open_set(pbt_evaluation_task *x, size_t *n, pbt_error *error) {
    const pbt_farm_settings *s = &x->context->experiment->farm;
    farm_set *set = pbt_alloc(1, sizeof *set);
    if (!set) return pbt_fail_memory(error, sizeof *set, "FARM questions");
    x->cases = set;
    if (strcmp(s->probe, "final") == 0 && !x->context->prompts->final)
        return pbt_fail_at(error, PBT_BAD_INPUT, x->context->prompts->folder, NULL,
                           "eval.farm.probe: final needs final.txt");
    for (size_t i = 0; i < s->strategies.count; i++)
        set->strategies[set->n_strategies++] = pbt_farm_strategy_of(s->strategies.items[i]);
    PBT_TRY(pbt_farm_read(s->data, set->strategies, set->n_strategies, s->max_questions, &set->data, error));
    *n = set->data.count * set->n_strategies;
    return PBT_OK;
}

static void close_set(pbt_evaluation_task *x) {
    farm_set *set = x->cases;
    if (set) pbt_farm_data_free(&set->data);
    free(set);
}

static bool is_free(const farm_batch *b) {
    return strcmp(b->x->context->experiment->farm.protocol, "free") == 0;
}

/* What a listed case is asked: its chat, and behind it the probe's question (NULL: nothing). */
static pbt_code set_talk(const farm_batch *b, pbt_reply_batch *replies, size_t i, size_t at,
                         const char *probe, pbt_key key, pbt_error *error) {
    const pbt_farm_case *c = &b->cases[at];
    pbt_message *messages = pbt_arena_alloc(replies->arena, c->n_chat + 1, sizeof *messages);
    char *asked = probe ? pbt_arena_string(replies->arena, probe) : NULL;
    if (!messages || (probe && !asked)) return pbt_fail_memory(error, 0, "a chat");
    for (size_t m = 0; m < c->n_chat; m++) messages[m] = c->chat[m];
    if (probe) messages[c->n_chat] = (pbt_message){"user", asked};
    pbt_reply_batch_set(replies, i, &b->questions[at], messages, c->n_chat + (probe ? 1 : 0));
    /* The first belief check is the same for all strategies. */
    if (c->n_chat > 0) key = pbt_key_named(key, pbt_farm_strategy_names[c->strategy]);
    replies->talks[i].key = pbt_key_named(key, c->question->id);
    return PBT_OK;
}

static pbt_key key_of(const farm_batch *b, const char *purpose, int32_t round) {
    return pbt_key_child(pbt_key_named(pbt_key_of_stage(b->x->seed, "farm"), purpose), (uint64_t)round);
}

/* The belief of case `at` as its words show it: an option, or -1. */
static pbt_code read_belief(farm_batch *b, const pbt_reply_batch *replies, size_t i, size_t at,
                            pbt_error *error) {
    pbt_farm_case *c = &b->cases[at];
    bool released = strcmp(b->x->context->experiment->farm.compat, "released-code") == 0;
    if (!is_free(b)) {
        c->last = released ? pbt_farm_parse_released(c->question, replies->texts[i])
                           : pbt_farm_parse(c->question, replies->texts[i]);
        return PBT_OK;
    }
    const char *target = NULL;
    for (int32_t o = 0; o < c->question->n_options && !target; o++)
        if (c->question->kinds[o] == PBT_FARM_TARGET) target = c->question->options[o];
    char *pushed = target && c->n_chat > 2 ? pbt_answer_normalize(target) : NULL;
    char *held = pbt_answer_held(NULL, &replies->readings[i], c->held, pushed);
    c->last = pbt_farm_option_of(c->question, held);
    if (c->last >= 0) c->held = pbt_arena_string(b->arena, held);
    bool failed = c->last >= 0 && !c->held;
    free(pushed);
    free(held);
    return failed ? pbt_fail_memory(error, 0, "an answer") : PBT_OK;
}

/* Asks for the belief of every listed case; what cannot be read is asked again with other random numbers.
 * `kept`: the words of the first belief check, which the chat keeps; NULL otherwise. */
static pbt_code probe(farm_batch *b, const size_t *listed, size_t n, int32_t round, const char **kept,
                      pbt_error *error) {
    const pbt_farm_settings *s = &b->x->context->experiment->farm;
    const pbt_sampling sampling = {
        .temperature = s->probe_temperature, .top_p = s->top_p, .max_new_tokens = s->probe_new_tokens};
    bool final = round > 0 && strcmp(s->probe, "final") == 0;
    int retries = s->probe_temperature > 0 && strcmp(s->compat, "none") == 0 ? s->retries : 0;
    size_t *who = pbt_alloc(n, sizeof *who), left = n;
    if (!who) return pbt_fail_memory(error, n * sizeof *who, "probes");
    memcpy(who, listed, n * sizeof *who);
    pbt_code code = PBT_OK;
    for (int retry = 0; retry <= retries && left > 0 && code == PBT_OK; retry++) {
        pbt_reply_batch replies = {0};
        char purpose[32];
        size_t still = 0;
        snprintf(purpose, sizeof purpose, "probe %d", retry);
        code = pbt_reply_batch_open(&replies, left, &sampling, error);
        for (size_t i = 0; i < left && code == PBT_OK; i++) {
            char *asked = final ? pbt_string_copy(b->x->context->prompts->final)
                                : pbt_farm_ask(b->x->context, b->cases[who[i]].question);
            code = asked ? set_talk(b, &replies, i, who[i], asked, key_of(b, purpose, round), error)
                         : pbt_fail_memory(error, 0, "a question");
            free(asked);
        }
        if (code == PBT_OK)
            code = pbt_reply_batch_run(&replies, b->x->context, b->x->agent,
                                       is_free(b) ? b->x->extractor : NULL, error);
        for (size_t i = 0; i < left && code == PBT_OK; i++) {
            pbt_farm_case *c = &b->cases[who[i]];
            code = read_belief(b, &replies, i, who[i], error);
            c->retries += retry > 0;
            if (kept) kept[who[i]] = pbt_arena_string(b->arena, replies.texts[i]);
            if (c->last < 0) who[still++] = who[i];
        }
        left = still;
        pbt_reply_batch_close(&replies);
    }
    for (size_t i = 0; i < left && code == PBT_OK; i++) {
        b->cases[who[i]].unread += round > 0;
        b->cases[who[i]].belief_unread = round == 0;
    }
    free(who);
    return code;
}

/* The model's replies to what the chats end with; with probe "reply" they are its belief as well. */
static pbt_code reply(farm_batch *b, const size_t *who, size_t n, int32_t round, pbt_error *error) {
    const pbt_farm_settings *s = &b->x->context->experiment->farm;
    const pbt_sampling sampling = {
        .temperature = s->temperature, .top_p = s->top_p, .max_new_tokens = s->max_new_tokens};
    bool belief = strcmp(s->probe, "reply") == 0;
    pbt_reply_batch replies = {0};
    pbt_code code = pbt_reply_batch_open(&replies, n, &sampling, error);
    for (size_t i = 0; i < n && code == PBT_OK; i++)
        code = set_talk(b, &replies, i, who[i], NULL, key_of(b, "reply", round), error);
    if (code == PBT_OK)
        code =
            pbt_reply_batch_run(&replies, b->x->context, b->x->agent, belief ? b->x->extractor : NULL, error);
    for (size_t i = 0; i < n && code == PBT_OK; i++) {
        code = pbt_farm_append(&b->cases[who[i]], "assistant", replies.texts[i], b->arena, error);
        if (code == PBT_OK && belief) code = read_belief(b, &replies, i, who[i], error);
        if (code == PBT_OK && belief && b->cases[who[i]].last < 0) b->cases[who[i]].unread++;
    }
    pbt_reply_batch_close(&replies);
    return code;
}

static pbt_code run_round(farm_batch *b, int32_t round, pbt_error *error) {
    size_t n = 0;
    for (size_t i = 0; i < b->n; i++)
        if (b->cases[i].active) b->who[n++] = i;
    if (n == 0) return PBT_OK;
    for (size_t i = 0; i < n; i++) {
        pbt_farm_case *c = &b->cases[b->who[i]];
        char *said = pbt_farm_say(b->x->context, c, round);
        pbt_code code = pbt_farm_append(c, "user", said, b->arena, error);
        free(said);
        if (code != PBT_OK) return code;
    }
    PBT_TRY(reply(b, b->who, n, round, error));
    if (strcmp(b->x->context->experiment->farm.probe, "reply") != 0)
        PBT_TRY(probe(b, b->who, n, round + 1, NULL, error));
    for (size_t i = 0; i < n; i++) {
        pbt_farm_case *c = &b->cases[b->who[i]];
        c->rounds = round + 1;
        if (!pbt_farm_misinformed(b->x->context, c)) continue;
        c->misinformed_round = round;
        c->active = false;
    }
    return PBT_OK;
}

/* The first belief check: who goes on, and what of it stays in the chat. */
static pbt_code begin(farm_batch *b, pbt_error *error) {
    const char **said = pbt_alloc(b->n, sizeof *said);
    pbt_code code = said ? PBT_OK : pbt_fail_memory(error, b->n * sizeof *said, "beliefs");
    for (size_t i = 0; i < b->n; i++) b->who[i] = i;
    if (code == PBT_OK) code = probe(b, b->who, b->n, 0, said, error);
    for (size_t i = 0; i < b->n && code == PBT_OK; i++) {
        pbt_farm_case *c = &b->cases[i];
        c->initial = c->last;
        c->entered = c->active = pbt_farm_enters(b->x->context, c);
        if (!c->active || !b->x->context->experiment->farm.keep_belief) continue;
        char *ask = pbt_farm_ask(b->x->context, c->question);
        code = pbt_farm_append(c, "user", ask, b->arena, error);
        if (code == PBT_OK) code = pbt_farm_append(c, "assistant", said[i], b->arena, error);
        free(ask);
    }
    free(said);
    return code;
}

static pbt_code open_batch(farm_batch *b, pbt_evaluation_task *x, size_t first, size_t n, pbt_error *error) {
    const farm_set *set = x->cases;
    *b = (farm_batch){.x = x,
                      .n = n,
                      .arena = pbt_arena_create(),
                      .cases = pbt_alloc(n, sizeof *b->cases),
                      .questions = pbt_alloc(n, sizeof *b->questions),
                      .who = pbt_alloc(n, sizeof *b->who)};
    if (!b->arena || !b->cases || !b->questions || !b->who)
        return pbt_fail_memory(error, n * sizeof *b->cases, "FARM questions");
    for (size_t i = 0; i < n; i++) {
        size_t strategy = (first + i) / set->data.count;
        const pbt_farm_question *q = &set->data.items[(first + i) % set->data.count];
        b->cases[i] = (pbt_farm_case){.question = q,
                                      .strategy = set->strategies[strategy],
                                      .main = strategy == 0,
                                      .initial = -1,
                                      .last = -1,
                                      .misinformed_round = -1};
        b->questions[i] = (pbt_question){.id = q->id, .text = q->text};
    }
    return PBT_OK;
}

static pbt_code judge(pbt_evaluation_task *x, size_t first, size_t n, json_t **items, pbt_error *error) {
    farm_batch b;
    pbt_code code = open_batch(&b, x, first, n, error);
    if (code == PBT_OK) code = begin(&b, error);
    for (int32_t round = 0; round < x->context->experiment->farm.rounds && code == PBT_OK; round++)
        code = run_round(&b, round, error);
    for (size_t i = 0; i < n && code == PBT_OK; i++) {
        items[i] = pbt_farm_item(x->context, &b.cases[i]);
        if (!items[i]) code = pbt_fail_memory(error, 0, "a judged question");
    }
    free(b.cases);
    free(b.questions);
    free(b.who);
    if (b.arena) pbt_arena_free(b.arena);
    return code;
}

const pbt_evaluation pbt_evaluation_farm = {&pbt_evaluation_kinds[PBT_EVALUATION_FARM], enabled, open_set,
                                            judge, close_set};
