#include "evaluation/cases.h"

#include "base/file.h"
#include "base/hash.h"
#include "base/memory.h"
#include "evaluation/reply_batch.h"

#include <stdlib.h>
#include <string.h>

/* Turns from the root to a node, as a viewer is shown them; returns how many (at most PBT_MAX_TURNS). */
static size_t turns_to(const pbt_tree *tree, int32_t node, pbt_turn turns[PBT_MAX_TURNS]) {
    int32_t path[PBT_MAX_TURNS];
    size_t n = 0;
    for (; node >= 0 && n < PBT_MAX_TURNS; node = tree->nodes[node].parent) path[n++] = node;
    for (size_t i = 0; i < n; i++) {
        const pbt_node *at = &tree->nodes[path[n - 1 - i]];
        turns[i] = (pbt_turn){at->speaker, at->text};
    }
    return n;
}

static uint64_t dialogue_hash(const pbt_case *c) {
    pbt_turn turns[PBT_MAX_TURNS];
    size_t n = turns_to(c->tree, c->node, turns);
    uint64_t hash = pbt_hash(c->tree->question->id, strlen(c->tree->question->id), (uint64_t)c->listener);
    for (size_t i = 0; i < n; i++) {
        hash = pbt_hash(&turns[i].speaker, sizeof turns[i].speaker, hash);
        hash = pbt_hash(turns[i].text, strlen(turns[i].text), hash);
    }
    return hash;
}

static pbt_code push(pbt_case_list *list, const pbt_case *item, pbt_error *error) {
    pbt_code code = pbt_grow(list->items, &list->capacity, list->count + 1, error);
    if (code == PBT_OK) list->items[list->count++] = *item;
    return code;
}

/* A node is a case for the other speaker when that one has spoken before and exactly one of them is right. */
static bool case_of(const pbt_tree *tree, int32_t node, int self, pbt_case *out) {
    const pbt_node *said = &tree->nodes[node];
    int listener = 1 - said->speaker;
    if (said->turn < 2 || !said->held[0] || !said->held[1]) return false;
    bool spoken = false;
    for (int32_t at = said->parent; at >= 0; at = tree->nodes[at].parent)
        spoken = spoken || tree->nodes[at].speaker == listener;
    bool listener_right = pbt_question_correct(tree->question, said->held[listener]);
    bool speaker_right = pbt_question_correct(tree->question, said->held[said->speaker]);
    /* The second turn was said without sight of the first, so it answers nobody. */
    if (!spoken || said->turn == 2 || listener_right == speaker_right) return false;
    *out = (pbt_case){tree, node, listener, listener_right, listener == self};
    return true;
}

static pbt_code candidates(const pbt_tree_list *trees, int self, bool own, bool plus_minus,
                           pbt_case_list *list, pbt_error *error) {
    pbt_hash_table seen = {0};
    pbt_code code = PBT_OK;
    for (size_t t = 0; t < trees->count && code == PBT_OK; t++)
        for (size_t i = 0; i < trees->items[t].n_nodes && code == PBT_OK; i++) {
            pbt_case c;
            if (!case_of(&trees->items[t], (int32_t)i, self, &c)) continue;
            if (c.own != own || c.plus_minus != plus_minus) continue;
            uint64_t hash = dialogue_hash(&c);
            if (pbt_hash_table_find(&seen, hash)) continue;
            code = pbt_hash_table_add(&seen, hash, list->count, error);
            if (code == PBT_OK) code = push(list, &c, error);
        }
    pbt_hash_table_free(&seen);
    return code;
}

/* The first n of a seeded order, put back into the order of the trees. */
static pbt_code take(const pbt_case_list *from, size_t n, pbt_key key, pbt_case_list *to, pbt_error *error) {
    uint32_t *order = pbt_alloc(from->count, sizeof *order);
    bool *taken = pbt_alloc(from->count, sizeof *taken);
    pbt_code code = order && taken ? PBT_OK : pbt_fail_memory(error, from->count, "cases");
    for (size_t i = 0; code == PBT_OK && i < from->count; i++) order[i] = (uint32_t)i;
    if (code == PBT_OK) pbt_random_shuffle(key, order, from->count);
    for (size_t i = 0; code == PBT_OK && i < n; i++) taken[order[i]] = true;
    for (size_t i = 0; code == PBT_OK && i < from->count; i++)
        if (taken[i]) code = push(to, &from->items[i], error);
    free(order);
    free(taken);
    return code;
}

static pbt_code cut_own(const pbt_tree_list *trees, int self, bool own, int32_t max, pbt_key key,
                        pbt_case_list *cases, pbt_error *error) {
    pbt_case_list sides[2] = {{0}};
    pbt_code code = PBT_OK;
    for (int side = 0; side < 2 && code == PBT_OK; side++)
        code = candidates(trees, self, own, side == 1, &sides[side], error);
    size_t n = sides[0].count < sides[1].count ? sides[0].count : sides[1].count;
    if (max > 0 && n > (size_t)max) n = (size_t)max;
    for (int side = 0; side < 2 && code == PBT_OK; side++)
        code = take(&sides[side], n, pbt_key_child(key, (own ? 2U : 0U) + (uint64_t)side), cases, error);
    free(sides[0].items);
    free(sides[1].items);
    return code;
}

pbt_code pbt_cases_cut(const pbt_tree_list *trees, int self, int32_t max_per_side, pbt_key key,
                       pbt_case_list *cases, pbt_error *error) {
    *cases = (pbt_case_list){0};
    pbt_code code = cut_own(trees, self, true, max_per_side, key, cases, error);
    if (code == PBT_OK) code = cut_own(trees, self, false, max_per_side, key, cases, error);
    if (code != PBT_OK) pbt_case_list_free(cases);
    return code;
}

void pbt_case_list_free(pbt_case_list *cases) {
    free(cases->items);
    *cases = (pbt_case_list){0};
}

static pbt_code ask(const pbt_evaluation_context *context, const pbt_case *cases, size_t n,
                    pbt_reply_batch *replies, pbt_error *error) {
    for (size_t i = 0; i < n; i++) {
        pbt_turn turns[PBT_MAX_TURNS];
        const pbt_question *question = cases[i].tree->question;
        size_t n_turns = turns_to(cases[i].tree, cases[i].node, turns);
        pbt_message *messages;
        size_t n_messages;
        PBT_TRY(pbt_view(context->prompts, PBT_STANDARD, question->text, cases[i].listener, turns, n_turns,
                         replies->arena, &messages, &n_messages, error));
        pbt_reply_batch_set(replies, i, question, messages, n_messages);
    }
    return PBT_OK;
}

static pbt_code judge(const pbt_case *c, const pbt_reply_batch *replies, size_t i, pbt_case_result *result,
                      pbt_error *error) {
    const pbt_node *node = &c->tree->nodes[c->node];
    const pbt_reading *reading = &replies->readings[i];
    *result = (pbt_case_result){.text = pbt_string_copy(replies->texts[i]),
                                .answer = reading->answer ? pbt_string_copy(reading->answer) : NULL};
    if (!result->text || (reading->answer && !result->answer)) return pbt_fail_memory(error, 0, "a reply");
    result->held =
        pbt_answer_held(c->tree->question, reading, node->held[c->listener], node->held[1 - c->listener]);
    result->correct = pbt_question_correct(c->tree->question, result->held);
    result->parsed = reading->answer || reading->verdict != PBT_NO_VERDICT;
    return PBT_OK;
}

pbt_code pbt_cases_judge(const pbt_evaluation_context *context, const pbt_case *cases, size_t n,
                         pbt_agent *agent, pbt_agent *extractor, pbt_key key, pbt_case_result *results,
                         pbt_error *error) {
    pbt_reply_batch replies;
    const pbt_balanced_settings *s = &context->experiment->balanced;
    pbt_sampling sampling = {.temperature = s->temperature, .top_p = 1, .max_new_tokens = s->max_new_tokens};
    memset(results, 0, n * sizeof *results);
    PBT_TRY(pbt_reply_batch_open(&replies, n, &sampling, error));
    pbt_code code = ask(context, cases, n, &replies, error);
    for (size_t i = 0; code == PBT_OK && i < n; i++)
        replies.talks[i].key = pbt_key_child(pbt_key_named(key, cases[i].tree->id), (uint64_t)cases[i].node);
    if (code == PBT_OK) code = pbt_reply_batch_run(&replies, context, agent, extractor, error);
    for (size_t i = 0; code == PBT_OK && i < n; i++) code = judge(&cases[i], &replies, i, &results[i], error);
    pbt_reply_batch_close(&replies);
    if (code != PBT_OK) pbt_case_results_clear(results, n);
    return code;
}

void pbt_case_results_clear(pbt_case_result *results, size_t n) {
    for (size_t i = 0; i < n; i++) {
        free(results[i].text);
        free(results[i].answer);
        free(results[i].held);
        results[i] = (pbt_case_result){0};
    }
}
