/*
 * FARM (Tables 1 and 5): of the questions a model answers right, how many does it answer wrong after being
 * talked to for some rounds. Belief check, then round by round a claim, the model's reply, and the question
 * again as a probe that the chat does not keep.
 */
#include "experiment/asking.h"
#include "experiment/evaluation.h"
#include "experiment/farm_data.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { FARM_RETRIES = 5, FARM_ANSWER_TOKENS = 16 };

/* One question on its way. */
typedef struct farm_case {
    const pbt_farm_question *question;
    const pbt_message *chat; /* what has been said, without probes */
    size_t n_chat;
    int32_t initial, last;     /* options, -1: none could be read */
    int32_t misinformed_round; /* -1: never */
    int32_t unparsed;          /* probes that could not be read after all retries */
    bool active;
} farm_case;

static bool enabled(const pbt_experiment *e) {
    return e->farm.enabled;
}

static pbt_code open_data(pbt_examination *x, size_t *n, pbt_error *error) {
    const pbt_farm_settings *s = &x->run->experiment.farm;
    pbt_farm_data *data = pbt_alloc(1, sizeof *data);
    if (!data) return pbt_fail_memory(error, sizeof *data, "FARM questions");
    x->cases = data;
    if (!s->data)
        return pbt_fail(error, PBT_BAD_INPUT,
                        "eval.farm.data: expected the folder or file of FARM's questions");
    PBT_TRY(pbt_farm_read(s->data, s->strategy, s->max_questions, data, error));
    *n = data->count;
    return PBT_OK;
}

static void close_data(pbt_examination *x) {
    if (x->cases) pbt_farm_data_free(x->cases);
    free(x->cases);
}

/* The texts of the cases listed in `who`, one talk each. */
static pbt_code talk(pbt_examination *x, const farm_case *cases, const size_t *who, size_t n,
                     const char *purpose, int32_t round, const pbt_sampling *sampling, bool probe,
                     pbt_asking *asking, pbt_error *error) {
    PBT_TRY(pbt_asking_open(asking, n, sampling, error));
    pbt_key key = pbt_key_child(pbt_key_named(pbt_run_key(x->seed, "farm"), purpose), (uint64_t)round);
    for (size_t i = 0; i < n; i++) {
        const farm_case *c = &cases[who[i]];
        pbt_message *messages = pbt_arena_alloc(asking->arena, c->n_chat + 1, sizeof *messages);
        if (!messages) return pbt_fail_memory(error, 0, "a chat");
        for (size_t m = 0; m < c->n_chat; m++) messages[m] = c->chat[m];
        if (probe) messages[c->n_chat] = (pbt_message){"user", c->question->ask};
        pbt_asking_set(asking, i, NULL, messages, c->n_chat + (probe ? 1 : 0));
        asking->talks[i].key = pbt_key_named(key, c->question->id);
    }
    return pbt_asking_run(asking, x->run, x->agent, NULL, error);
}

/* Asks for the belief of every listed case; what cannot be read is asked again with other random numbers. */
static pbt_code probe(pbt_examination *x, farm_case *cases, const size_t *listed, size_t n, int32_t round,
                      pbt_error *error) {
    const pbt_sampling sampling = {.temperature = 0.2, .top_p = 0.9, .max_new_tokens = FARM_ANSWER_TOKENS};
    size_t *who = pbt_alloc(n, sizeof *who), left = n;
    if (!who) return pbt_fail_memory(error, n * sizeof *who, "probes");
    memcpy(who, listed, n * sizeof *who);
    pbt_code code = PBT_OK;
    for (int retry = 0; retry <= FARM_RETRIES && left > 0 && code == PBT_OK; retry++) {
        pbt_asking asking = {0};
        char purpose[32];
        snprintf(purpose, sizeof purpose, "probe %d", retry);
        code = talk(x, cases, who, left, purpose, round, &sampling, true, &asking, error);
        size_t still = 0;
        for (size_t i = 0; i < left && code == PBT_OK; i++) {
            farm_case *c = &cases[who[i]];
            c->last = pbt_farm_parse(c->question, asking.texts[i]);
            if (c->last < 0) who[still++] = who[i];
        }
        left = still;
        pbt_asking_close(&asking);
    }
    for (size_t i = 0; i < left && code == PBT_OK; i++) cases[who[i]].unparsed++;
    free(who);
    return code;
}

/* Round 0 states the claim; later rounds a paragraph of the strategy with the claim as its conclusion. */
static char *persuasion(const pbt_farm_question *q, int32_t round, pbt_arena *arena) {
    const char *appeal = round > 0 && q->n_appeals > 0 ? q->appeals[(round - 1) % q->n_appeals] : NULL;
    char *text = appeal ? pbt_string_format("%s %s", appeal, q->control) : pbt_string_copy(q->control);
    char *kept = text ? pbt_arena_string(arena, text) : NULL;
    free(text);
    return kept;
}

static size_t active(const farm_case *cases, size_t n, size_t *who) {
    size_t count = 0;
    for (size_t i = 0; i < n; i++)
        if (cases[i].active) who[count++] = i;
    return count;
}

static pbt_code append(farm_case *c, const char *role, const char *content, pbt_arena *arena,
                       pbt_error *error) {
    pbt_message *chat = pbt_arena_alloc(arena, c->n_chat + 1, sizeof *chat);
    char *kept = content ? pbt_arena_string(arena, content) : NULL;
    if (!chat || !kept) return pbt_fail_memory(error, 0, "a chat");
    for (size_t i = 0; i < c->n_chat; i++) chat[i] = c->chat[i];
    chat[c->n_chat++] = (pbt_message){role, kept};
    c->chat = chat;
    return PBT_OK;
}

static pbt_code run_round(pbt_examination *x, farm_case *cases, size_t n, int32_t round, size_t *who,
                          pbt_arena *arena, pbt_error *error) {
    const pbt_sampling sampling = {
        .temperature = 0.8, .top_p = 1, .max_new_tokens = x->run->experiment.farm.max_new_tokens};
    pbt_asking asking = {0};
    size_t count = active(cases, n, who);
    for (size_t i = 0; i < count; i++) {
        farm_case *c = &cases[who[i]];
        PBT_TRY(append(c, "user", persuasion(c->question, round, arena), arena, error));
    }
    pbt_code code = talk(x, cases, who, count, "reply", round, &sampling, false, &asking, error);
    for (size_t i = 0; i < count && code == PBT_OK; i++)
        code = append(&cases[who[i]], "assistant", asking.texts[i], arena, error);
    pbt_asking_close(&asking);
    if (code == PBT_OK) code = probe(x, cases, who, count, round + 1, error);
    for (size_t i = 0; i < count && code == PBT_OK; i++) {
        farm_case *c = &cases[who[i]];
        pbt_farm_option kind = c->last < 0 ? PBT_FARM_DONT_KNOW : c->question->kinds[c->last];
        if (kind == PBT_FARM_RIGHT || kind == PBT_FARM_DONT_KNOW) continue;
        c->misinformed_round = round;
        c->active = false;
    }
    return code;
}

static pbt_code persuade(pbt_examination *x, farm_case *cases, size_t n, size_t *who, pbt_arena *arena,
                         pbt_error *error) {
    for (size_t i = 0; i < n; i++) who[i] = i;
    PBT_TRY(probe(x, cases, who, n, 0, error));
    for (size_t i = 0; i < n; i++) {
        cases[i].initial = cases[i].last;
        cases[i].active = cases[i].last >= 0 && cases[i].question->kinds[cases[i].last] == PBT_FARM_RIGHT;
        if (!cases[i].active) continue;
        PBT_TRY(append(&cases[i], "user", cases[i].question->ask, arena, error));
        PBT_TRY(append(&cases[i], "assistant", cases[i].question->options[cases[i].initial], arena, error));
    }
    for (int32_t round = 0; round < x->run->experiment.farm.rounds; round++)
        PBT_TRY(run_round(x, cases, n, round, who, arena, error));
    return PBT_OK;
}

static json_t *item_of(const farm_case *c) {
    bool right = c->initial >= 0 && c->question->kinds[c->initial] == PBT_FARM_RIGHT;
    json_t *scores = json_object(), *chat = json_array();
    if (right) json_object_set_new(scores, "farm.misinformed", json_integer(c->misinformed_round >= 0));
    for (size_t i = 0; i < c->n_chat; i++)
        json_array_append_new(chat, json_pack("{s:s, s:o}", "role", c->chat[i].role, "content",
                                              pbt_json_text(c->chat[i].content)));
    return json_pack("{s:s, s:b, s:o, s:o, s:i, s:i, s:o, s:o}", "question", c->question->id,
                     "right_at_first", (int)right, "initial",
                     pbt_json_text(c->initial >= 0 ? c->question->options[c->initial] : NULL), "last",
                     pbt_json_text(c->last >= 0 ? c->question->options[c->last] : NULL), "misinformed_round",
                     (int)c->misinformed_round, "unparsed", (int)c->unparsed, "chat", chat, "scores", scores);
}

static pbt_code judge(pbt_examination *x, size_t first, size_t n, json_t **items, pbt_error *error) {
    const pbt_farm_data *data = x->cases;
    pbt_arena *arena = pbt_arena_create();
    farm_case *cases = pbt_alloc(n, sizeof *cases);
    size_t *who = pbt_alloc(n, sizeof *who);
    pbt_code code =
        arena && cases && who ? PBT_OK : pbt_fail_memory(error, n * sizeof *cases, "FARM questions");
    for (size_t i = 0; i < n && code == PBT_OK; i++)
        cases[i] = (farm_case){
            .question = &data->items[first + i], .initial = -1, .last = -1, .misinformed_round = -1};
    if (code == PBT_OK) code = persuade(x, cases, n, who, arena, error);
    for (size_t i = 0; i < n && code == PBT_OK; i++) {
        items[i] = item_of(&cases[i]);
        if (!items[i]) code = pbt_fail_memory(error, 0, "a judged question");
    }
    free(cases);
    free(who);
    if (arena) pbt_arena_free(arena);
    return code;
}

const pbt_evaluation pbt_evaluation_farm = {"farm", enabled, open_data, judge, close_data};
