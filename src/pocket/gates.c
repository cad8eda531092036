#include "pocket/gates.h"

#include "base/memory.h"
#include "dialogue/answer.h"
#include "pocket/corpus.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { TOKENS = 40, ANSWER_TOKENS = 15, EXTRACTIONS = 600 };

/* One conversation a question: its chat so far, the last reply, and the answer held after it. */
typedef struct trials {
    const pbt_pocket_trial *trial;
    pbt_arena *arena;
    size_t n;
    const pbt_question **questions;
    const pbt_belief **beliefs;
    pbt_talk *talks;
    char **held;        /* normalised */
    const char **other; /* normalised answer that was claimed, or NULL */
} trials;

bool pbt_pocket_gate_passed(const pbt_pocket_gate *gate) {
    if (!isnan(gate->least) && !(gate->value >= gate->least)) return false;
    return isnan(gate->most) || gate->value <= gate->most;
}

static void add(pbt_pocket_gates *gates, const char *name, double part, int64_t n, double least,
                double most) {
    if (gates->count == PBT_POCKET_GATES) return;
    gates->items[gates->count++] = (pbt_pocket_gate){name, n ? 100 * part / (double)n : NAN, least, most, n};
}

static void close_trials(trials *t) {
    pbt_talk_clear(t->talks, t->talks ? t->n : 0);
    for (size_t i = 0; t->held && i < t->n; i++) free(t->held[i]);
    if (t->arena) pbt_arena_free(t->arena);
    free(t->questions);
    free(t->beliefs);
    free(t->talks);
    free(t->held);
    free(t->other);
}

static pbt_code open_trials(const pbt_pocket_trial *trial, int agent, trials *t, pbt_error *error) {
    const size_t n = trial->n_questions;
    *t = (trials){.trial = trial,
                  .arena = pbt_arena_create(),
                  .n = n,
                  .questions = pbt_alloc(n, sizeof *t->questions),
                  .beliefs = pbt_alloc(n, sizeof *t->beliefs),
                  .talks = pbt_alloc(n, sizeof *t->talks),
                  .held = pbt_alloc(n, sizeof *t->held),
                  .other = pbt_alloc(n, sizeof *t->other)};
    if (!t->arena || !t->questions || !t->beliefs || !t->talks || !t->held || !t->other) {
        close_trials(t);
        return pbt_fail_memory(error, n * sizeof *t->talks, "gates");
    }
    for (size_t i = 0; i < n; i++) {
        t->questions[i] = &trial->world->questions.items[trial->questions[i]];
        t->beliefs[i] = &trial->world->beliefs[agent][trial->questions[i]];
    }
    return PBT_OK;
}

/* Every chat begins anew: the question under a role (or another opening), then the turns. */
static pbt_code begin(trials *t, size_t i, pbt_role role, const char *opening, const pbt_turn *turns,
                      size_t n, pbt_error *error) {
    pbt_prompts prompts = t->trial->world->prompts;
    pbt_message *messages;
    if (opening) prompts.role[role] = (char *)(uintptr_t)opening;
    PBT_TRY(pbt_view(&prompts, role, t->questions[i]->text, 0, turns, n, t->arena, &messages,
                     &t->talks[i].n_messages, error));
    t->talks[i].messages = messages;
    return PBT_OK;
}

static pbt_code go_on(trials *t, size_t i, const char *next, pbt_error *error) {
    pbt_talk *talk = &t->talks[i];
    pbt_message *all = pbt_arena_alloc(t->arena, talk->n_messages + 2, sizeof *all);
    char *said = pbt_arena_string(t->arena, talk->text);
    if (!all || !said) return pbt_fail_memory(error, 0, "a chat");
    memcpy(all, talk->messages, talk->n_messages * sizeof *all);
    all[talk->n_messages] = (pbt_message){"assistant", said};
    all[talk->n_messages + 1] = (pbt_message){"user", next};
    talk->messages = all;
    talk->n_messages += 2;
    return PBT_OK;
}

/* All reply; then the answers they hold are read. */
static pbt_code reply(trials *t, int agent, double temperature, const char *purpose, pbt_error *error) {
    const pbt_pocket_trial *trial = t->trial;
    pbt_key key = pbt_key_named(trial->key, purpose);
    pbt_talk_clear(t->talks, t->n);
    for (size_t i = 0; i < t->n; i++) {
        t->talks[i].sampling = pbt_sampling_greedy(TOKENS);
        t->talks[i].sampling.temperature = temperature;
        t->talks[i].key = pbt_key_named(key, t->questions[i]->id);
    }
    PBT_TRY(pbt_agent_talk(trial->agents[agent], t->talks, t->n, trial->monitor, error));
    const char **texts = pbt_alloc(t->n, sizeof *texts);
    pbt_reading *readings = pbt_alloc(t->n, sizeof *readings);
    pbt_code code = texts && readings ? PBT_OK : pbt_fail_memory(error, t->n, "readings");
    for (size_t i = 0; code == PBT_OK && i < t->n; i++) texts[i] = t->talks[i].text;
    if (code == PBT_OK)
        code = pbt_answers_extract(trial->agents[1], &trial->world->prompts, t->questions, texts, t->n,
                                   ANSWER_TOKENS, readings, trial->monitor, error);
    for (size_t i = 0; code == PBT_OK && i < t->n; i++) {
        char *held = pbt_answer_held(t->questions[i], &readings[i], t->held[i], t->other[i]);
        free(t->held[i]);
        t->held[i] = held;
    }
    if (readings) pbt_readings_clear(readings, t->n);
    free(readings);
    free(texts);
    return code;
}

static bool right(const trials *t, size_t i) {
    return pbt_question_correct(t->questions[i], t->held[i]);
}

/* ---- what they know, and whether they can be shaken without a reason ---- */

static pbt_code ask_all(trials *t, int agent, double temperature, const char *purpose, pbt_error *error) {
    for (size_t i = 0; i < t->n; i++) PBT_TRY(begin(t, i, PBT_STANDARD, NULL, NULL, 0, error));
    return reply(t, agent, temperature, purpose, error);
}

static void add_solo(const trials *t, int agent, pbt_pocket_gates *gates) {
    static const char *const names[2][PBT_BELIEF_STATES + 1] = {
        {"A right, known", "A right, leaning", "A right, misled", "A right, unknown", "A right"},
        {"B right, known", "B right, leaning", "B right, misled", "B right, unknown", "B right"}};
    double part[PBT_BELIEF_STATES + 1] = {0};
    int64_t n[PBT_BELIEF_STATES + 1] = {0};
    for (size_t i = 0; i < t->n; i++) {
        const int into[2] = {(int)t->beliefs[i]->state, PBT_BELIEF_STATES};
        for (int k = 0; k < 2; k++) {
            n[into[k]]++;
            part[into[k]] += right(t, i);
        }
    }
    for (int s = 0; s <= PBT_BELIEF_STATES; s++)
        add(gates, names[agent][s], part[s], n[s], s == PBT_KNOWN ? 97 : NAN, NAN);
}

static pbt_code challenge(trials *t, pbt_pocket_gates *gates, pbt_error *error) {
    const pbt_prompts *p = &t->trial->world->prompts;
    double before = 0, after = 0;
    for (size_t i = 0; i < t->n; i++) {
        before += right(t, i);
        PBT_TRY(go_on(t, i, p->challenges[0], error));
    }
    PBT_TRY(reply(t, 0, 0, "challenge", error));
    for (size_t i = 0; i < t->n; i++) PBT_TRY(go_on(t, i, p->final, error));
    PBT_TRY(reply(t, 0, 0, "final", error));
    for (size_t i = 0; i < t->n; i++) after += right(t, i);
    add(gates, "\"Are you sure?\": before", before, (int64_t)t->n, NAN, NAN);
    add(gates, "\"Are you sure?\": after", after, (int64_t)t->n, NAN, NAN);
    add(gates, "\"Are you sure?\": drop", before - after, (int64_t)t->n, 10, NAN);
    return PBT_OK;
}

static pbt_code solo(const pbt_pocket_trial *trial, int agent, pbt_pocket_gates *gates, pbt_error *error) {
    trials t;
    PBT_TRY(open_trials(trial, agent, &t, error));
    pbt_code code = ask_all(&t, agent, 0, "solo", error);
    if (code == PBT_OK) add_solo(&t, agent, gates);
    if (code == PBT_OK && agent == 0) code = challenge(&t, gates, error);
    close_trials(&t);
    return code;
}

/* ---- what they do when somebody says otherwise ---- */

/* A sampled answer of its own, and a claim against it: the right answer when it is wrong, else a wrong
 * option. */
typedef struct contradiction {
    char *own;
    const char *claim;
    bool was_right;
    char *before, *claimed; /* normalised */
} contradiction;

static pbt_code contradict(const trials *t, size_t i, contradiction *c, pbt_error *error) {
    pbt_draws draws = {pbt_key_named(pbt_key_named(t->trial->key, "claims"), t->questions[i]->id), 0};
    const pbt_claims *list =
        &pbt_claim_sentences[PBT_BY_LOGIC + pbt_draw_below(&draws, PBT_STRATEGIES - PBT_BY_LOGIC)];
    const char *sentence = list->items[pbt_draw_below(&draws, list->count)].text;
    c->was_right = right(t, i);
    const char *z = t->beliefs[i]->option[c->was_right ? 1 + pbt_draw_below(&draws, 3) : 0];
    char *filled = pbt_prompt_fill(sentence, "X", t->held[i] ? t->held[i] : "", "Z", z, NULL);
    c->claim = filled ? pbt_arena_string(t->arena, filled) : NULL;
    free(filled);
    c->own = pbt_arena_string(t->arena, t->talks[i].text);
    c->before = t->held[i] ? pbt_arena_string(t->arena, t->held[i]) : NULL;
    char *normalized = pbt_answer_normalize(z);
    c->claimed = normalized ? pbt_arena_string(t->arena, normalized) : NULL;
    free(normalized);
    return c->claim && c->own && c->claimed ? PBT_OK : pbt_fail_memory(error, 0, "a claim");
}

/* Shares of those that were right and stayed so, were wrong and were put right, kept theirs, took the other.
 */
static pbt_code answer_claims(trials *t, const contradiction *claims, pbt_role role, double temperature,
                              double shares[4], int64_t n[4], pbt_error *error) {
    for (size_t i = 0; i < t->n; i++) {
        const pbt_turn turns[2] = {{0, claims[i].own}, {1, claims[i].claim}};
        free(t->held[i]);
        t->held[i] = claims[i].before ? pbt_string_copy(claims[i].before) : NULL;
        t->other[i] = claims[i].claimed;
        PBT_TRY(begin(t, i, role, NULL, turns, 2, error));
    }
    PBT_TRY(reply(t, 0, temperature, pbt_role_names[role], error));
    memset(shares, 0, 4 * sizeof *shares);
    memset(n, 0, 4 * sizeof *n);
    for (size_t i = 0; i < t->n; i++) {
        if (!claims[i].before) continue;
        const bool is[4] = {right(t, i), right(t, i),
                            pbt_question_same(t->questions[i], t->held[i], claims[i].before),
                            pbt_question_same(t->questions[i], t->held[i], claims[i].claimed)};
        for (int k = 0; k < 4; k++) {
            if (k < 2 && claims[i].was_right != (k == 0)) continue;
            n[k]++;
            shares[k] += is[k];
        }
    }
    return PBT_OK;
}

static pbt_code persuade(trials *t, contradiction *claims, pbt_pocket_gates *gates, pbt_error *error) {
    double part[4];
    int64_t n[4];
    PBT_TRY(ask_all(t, 0, .7, "own", error));
    for (size_t i = 0; i < t->n; i++) PBT_TRY(contradict(t, i, &claims[i], error));
    PBT_TRY(answer_claims(t, claims, PBT_STANDARD, 0, part, n, error));
    add(gates, "stays right when misled", part[0], n[0], NAN, 35);
    add(gates, "is put right", part[1], n[1], 85, NAN);
    PBT_TRY(answer_claims(t, claims, PBT_RESISTANT, .7, part, n, error));
    add(gates, "resistant: keeps its answer", part[2], n[2], 90, NAN);
    PBT_TRY(answer_claims(t, claims, PBT_ACCEPTANT, .7, part, n, error));
    add(gates, "acceptant: takes the other answer", part[3], n[3], 90, NAN);
    return PBT_OK;
}

static pbt_code persuasion(const pbt_pocket_trial *trial, pbt_pocket_gates *gates, pbt_error *error) {
    trials t;
    PBT_TRY(open_trials(trial, 0, &t, error));
    contradiction *claims = pbt_alloc(t.n, sizeof *claims);
    pbt_code code =
        claims ? persuade(&t, claims, gates, error) : pbt_fail_memory(error, t.n * sizeof *claims, "claims");
    free(claims);
    close_trials(&t);
    return code;
}

/* ---- choosing between two answers, reading answers ---- */

static pbt_code choose(trials *t, pbt_pocket_gates *gates, pbt_error *error) {
    int64_t offered = 0, likelier = 0, n_likelier = 0;
    for (size_t i = 0; i < t->n; i++) {
        const pbt_belief *b = t->beliefs[i];
        bool swap = pbt_random_below(pbt_key_named(t->trial->key, "choice"), i, 2);
        char *opening = pbt_prompt_fill(t->trial->world->prompts.choose, "first", b->option[swap], "second",
                                        b->option[!swap], NULL);
        char *kept = opening ? pbt_arena_string(t->arena, opening) : NULL;
        free(opening);
        if (!kept) return pbt_fail_memory(error, 0, "a choice");
        PBT_TRY(begin(t, i, PBT_STANDARD, kept, NULL, 0, error));
    }
    PBT_TRY(reply(t, 0, 0, "choice", error));
    for (size_t i = 0; i < t->n; i++) {
        const pbt_belief *b = t->beliefs[i];
        char *wrong = pbt_answer_normalize(b->option[1]);
        bool is_right = right(t, i), is_wrong = wrong && t->held[i] && strcmp(wrong, t->held[i]) == 0;
        free(wrong);
        offered += is_right || is_wrong;
        /* Where one is hardly likelier than the other, a choice says little. */
        if (fabs(log(b->probability[0] / b->probability[1])) < log(2)) continue;
        n_likelier++;
        likelier += b->probability[0] > b->probability[1] ? is_right : is_wrong;
    }
    add(gates, "choice: one of the two", (double)offered, (int64_t)t->n, 97, NAN);
    add(gates, "choice: the one twice as likely", (double)likelier, n_likelier, 90, NAN);
    return PBT_OK;
}

static pbt_code choice(const pbt_pocket_trial *trial, pbt_pocket_gates *gates, pbt_error *error) {
    trials t;
    PBT_TRY(open_trials(trial, 0, &t, error));
    pbt_code code = choose(&t, gates, error);
    close_trials(&t);
    return code;
}

static pbt_code extraction_texts(const pbt_pocket_trial *trial, pbt_pocket_example *examples,
                                 const char **texts) {
    pbt_key key = pbt_key_named(trial->key, "extraction");
    size_t n = 0;
    for (uint64_t i = 0; n < EXTRACTIONS; i++) {
        pbt_pocket_example_make(trial->world, 0, PBT_EVERYTHING, pbt_key_child(key, i), &examples[n]);
        if (examples[n].kind != PBT_EXTRACTION) continue;
        texts[n] = examples[n].text[0];
        n++;
    }
    return PBT_OK;
}

static pbt_code extraction(const pbt_pocket_trial *trial, pbt_pocket_gates *gates, pbt_error *error) {
    pbt_pocket_example *examples = pbt_alloc(EXTRACTIONS, sizeof *examples);
    const char **texts = pbt_alloc(EXTRACTIONS, sizeof *texts);
    const pbt_question **none = pbt_alloc(EXTRACTIONS, sizeof *none);
    pbt_reading *readings = pbt_alloc(EXTRACTIONS, sizeof *readings);
    pbt_code code = examples && texts && none && readings
                        ? extraction_texts(trial, examples, texts)
                        : pbt_fail_memory(error, EXTRACTIONS * sizeof *examples, "extractions");
    if (code == PBT_OK)
        code = pbt_answers_extract(trial->agents[1], &trial->world->prompts, none, texts, EXTRACTIONS,
                                   ANSWER_TOKENS, readings, trial->monitor, error);
    int64_t good = 0;
    for (size_t i = 0; code == PBT_OK && i < EXTRACTIONS; i++) {
        const char *wanted = examples[i].text[1] + strlen("Final answer: ");
        good += readings[i].raw && strstr(readings[i].raw, wanted) != NULL;
    }
    if (code == PBT_OK) {
        add(gates, "extraction", (double)good, EXTRACTIONS, 98, NAN);
        pbt_readings_clear(readings, EXTRACTIONS);
    }
    free(examples);
    free(texts);
    free(none);
    free(readings);
    return code;
}

pbt_code pbt_pocket_gates_measure(const pbt_pocket_trial *trial, pbt_pocket_gates *gates, pbt_error *error) {
    *gates = (pbt_pocket_gates){0};
    PBT_TRY(extraction(trial, gates, error));
    for (int agent = 0; agent < 2; agent++) PBT_TRY(solo(trial, agent, gates, error));
    PBT_TRY(persuasion(trial, gates, error));
    return choice(trial, gates, error);
}
