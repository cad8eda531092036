/* Siblings compared, kinds, and reasons for every candidate that became no pair. */
#include "dialogue/pairs.h"

#include "base/file.h"
#include "base/hash.h"
#include "base/memory.h"

#include <stdlib.h>
#include <string.h>

const char *const pbt_reason_names[PBT_REASONS] = {
    "kept",           "equal_score", "small_margin",    "unequal_children", "same_answer",
    "no_answer",      "filter_same", "no_disagreement", "no_kind",          "duplicate",
    "other_listener", "equal_text",  "empty_text"};
const char *const pbt_reason_descriptions[PBT_REASONS] = {
    "became a pair",
    "both responses have the same score",
    "the scores are too close (pairs.min_relative_margin)",
    "the responses have different numbers of children (pairs.unequal_children)",
    "both responses hold the same answer",
    "no answer could be read from one of the responses",
    "the filter model says that the answers do not differ in substance",
    "not one agrees and the other disagrees (pairs.require_disagreement)",
    "neither a case for resisting nor for accepting",
    "the same prompt and responses are a pair already (pairs.drop_duplicates)",
    "the listener is not the agent that is trained (pairs.listeners)",
    "both responses are the same text, so there is nothing to prefer",
    "one of the responses has no text",
};

pbt_pair_rules pbt_pair_rules_default(void) {
    return (pbt_pair_rules){
        .min_relative_margin = 0.25, .unequal_children = true, .require_disagreement = true};
}

/* Two siblings, the better one first, and what has been found so far. */
typedef struct candidate {
    pbt_pair pair;
    pbt_reason reason;
} candidate;

typedef struct candidate_list {
    candidate *items;
    size_t count, capacity;
} candidate_list;

/* Everything that can be said without a model. */
static pbt_reason judge(const pbt_pair *pair, const pbt_pair_rules *rules) {
    const pbt_node *chosen = &pair->tree->nodes[pair->chosen], *rejected = &pair->tree->nodes[pair->rejected];
    const char *a = chosen->held[chosen->speaker], *b = rejected->held[rejected->speaker];
    if (chosen->score == rejected->score) return PBT_EQUAL_SCORE;
    if ((double)(chosen->score - rejected->score) < rules->min_relative_margin * chosen->score)
        return PBT_SMALL_MARGIN;
    if (!rules->unequal_children && chosen->n_children != rejected->n_children) return PBT_UNEQUAL_CHILDREN;
    if (!a || !b) return PBT_NO_ANSWER;
    return pbt_question_same(pair->tree->question, a, b) ? PBT_SAME_ANSWER : PBT_KEPT;
}

/* The kind seen from the listener: what it held, what it was told, and what the two responses make of it. */
static bool kind_of(const pbt_pair *pair, pbt_pair_kind *kind) {
    const pbt_tree *tree = pair->tree;
    const pbt_node *parent = &tree->nodes[pair->parent], *chosen = &tree->nodes[pair->chosen],
                   *rejected = &tree->nodes[pair->rejected];
    int listener = chosen->speaker;
    const char *own = parent->held[listener], *told = parent->held[1 - listener];
    if (!own || !told || !chosen->correct || rejected->correct) return false;
    bool own_right = pbt_question_correct(tree->question, own),
         told_right = pbt_question_correct(tree->question, told);
    *kind = own_right ? PBT_RESIST : PBT_ACCEPT;
    return own_right != told_right;
}

static bool disagreement(const pbt_pair *pair) {
    pbt_verdict a = pair->tree->nodes[pair->chosen].verdict, b = pair->tree->nodes[pair->rejected].verdict;
    return a == PBT_NO_VERDICT || b == PBT_NO_VERDICT || a != b;
}

static pbt_code add_candidate(pbt_tree *tree, const pbt_node *a, const pbt_node *b,
                              const pbt_pair_rules *rules, candidate_list *list, pbt_error *error) {
    bool swap = b->score > a->score;
    candidate c = {.pair = {.tree = tree,
                            .parent = a->parent,
                            .chosen = swap ? b->id : a->id,
                            .rejected = swap ? a->id : b->id}};
    c.reason = judge(&c.pair, rules);
    pbt_code code = pbt_grow(list->items, &list->capacity, list->count + 1, error);
    if (code == PBT_OK) list->items[list->count++] = c;
    return code;
}

/* Every two siblings, in the order of the earlier, then of the later one. next[i]: the sibling after i. */
static pbt_code add_candidates(pbt_tree *tree, const pbt_pair_rules *rules, candidate_list *list,
                               pbt_error *error) {
    const size_t n = tree->n_nodes;
    int32_t *next = pbt_alloc(2 * n, sizeof *next);
    if (!next) return pbt_fail_memory(error, 2 * n * sizeof *next, "siblings");
    int32_t *first = next + n;
    for (size_t i = n; i-- > 1;) { /* 0 is the root, nobody's sibling: "none" */
        next[i] = first[tree->nodes[i].parent];
        first[tree->nodes[i].parent] = (int32_t)i;
    }
    pbt_code code = PBT_OK;
    for (size_t i = 1; i < n && code == PBT_OK; i++)
        for (int32_t j = next[i]; j && code == PBT_OK; j = next[j])
            code = add_candidate(tree, &tree->nodes[i], &tree->nodes[j], rules, list, error);
    free(next);
    return code;
}

/* ---- the filter model ---- */

static pbt_code set_measure(const pbt_pair *pair, const char *prompt, const char *word, pbt_arena *arena,
                            pbt_measure *measure, pbt_error *error) {
    const pbt_node *chosen = &pair->tree->nodes[pair->chosen], *rejected = &pair->tree->nodes[pair->rejected];
    char *filled =
        pbt_prompt_fill(prompt, "question", pair->tree->question->text, "first",
                        chosen->held[chosen->speaker], "second", rejected->held[rejected->speaker], NULL);
    char *text = filled ? pbt_arena_string(arena, filled) : NULL;
    pbt_message *message = pbt_arena_alloc(arena, 1, sizeof *message);
    free(filled);
    if (!text || !message) return pbt_fail_memory(error, 0, "a prompt");
    *message = (pbt_message){"user", text};
    *measure = (pbt_measure){.messages = message, .n_messages = 1, .answer = word, .open = true};
    return PBT_OK;
}

/* "Yes": the answers differ in substance. */
static pbt_code filter(const pbt_pair_rules *rules, candidate_list *list, const pbt_monitor *monitor,
                       pbt_error *error) {
    size_t n = 0;
    if (!rules->filter) return PBT_OK;
    if (!rules->prompts || !rules->prompts->filter)
        return pbt_fail(error, PBT_BAD_INPUT,
                        "a filter model needs the prompt filter.txt; the prompt set has none");
    for (size_t i = 0; i < list->count; i++) n += list->items[i].reason == PBT_KEPT;
    pbt_measure *measures = pbt_alloc(2 * n, sizeof *measures);
    pbt_arena *arena = pbt_arena_create();
    pbt_code code = measures && arena ? PBT_OK : pbt_fail_memory(error, 2 * n * sizeof *measures, "a filter");
    for (size_t i = 0, at = 0; i < list->count && code == PBT_OK; i++)
        for (int word = 0; list->items[i].reason == PBT_KEPT && word < 2 && code == PBT_OK; word++)
            code = set_measure(&list->items[i].pair, rules->prompts->filter, word ? "No" : "Yes", arena,
                               &measures[at++], error);
    if (code == PBT_OK) code = pbt_agent_measure(rules->filter, measures, 2 * n, monitor, error);
    for (size_t i = 0, at = 0; i < list->count && code == PBT_OK; i++) {
        if (list->items[i].reason != PBT_KEPT) continue;
        if (measures[at].logprob <= measures[at + 1].logprob) list->items[i].reason = PBT_FILTER_SAME;
        at += 2;
    }
    if (arena) pbt_arena_free(arena);
    free(measures);
    return code;
}

/* ---- the list ---- */

/* Prompt and responses: what makes two pairs the same. */
static uint64_t pair_hash(const pbt_pair *pair) {
    const pbt_tree *tree = pair->tree;
    int speaker = tree->nodes[pair->chosen].speaker;
    uint64_t hash = pbt_hash(tree->question->id, strlen(tree->question->id), (uint64_t)speaker);
    for (int32_t at = pair->parent; at >= 0; at = tree->nodes[at].parent)
        hash = pbt_hash(tree->nodes[at].text, strlen(tree->nodes[at].text), hash);
    hash = pbt_hash(tree->nodes[pair->chosen].text, strlen(tree->nodes[pair->chosen].text), hash ^ 1);
    return pbt_hash(tree->nodes[pair->rejected].text, strlen(tree->nodes[pair->rejected].text), hash ^ 2);
}

static pbt_code keep(pbt_pair_list *pairs, const pbt_pair *pair, pbt_error *error) {
    pbt_code code = pbt_grow(pairs->items, &pairs->capacity, pairs->count + 1, error);
    if (code == PBT_OK) pairs->items[pairs->count++] = *pair;
    return code;
}

static pbt_code drop(pbt_pair_list *pairs, const pbt_pair *pair, pbt_reason reason, pbt_error *error) {
    pbt_code code = pbt_grow(pairs->drops, &pairs->drop_capacity, pairs->n_drops + 1, error);
    if (code == PBT_OK)
        pairs->drops[pairs->n_drops++] = (pbt_drop){pair->tree, pair->chosen, pair->rejected, reason};
    return code;
}

static bool empty_text(const char *text) {
    return text[strspn(text, " \t\n\v\f\r")] == '\0';
}

/* Why the two texts can be no pair, whatever answers were read out of them; PBT_KEPT: they can. */
static pbt_reason judge_texts(const pbt_pair *pair) {
    const char *chosen = pair->tree->nodes[pair->chosen].text,
               *rejected = pair->tree->nodes[pair->rejected].text;
    if (empty_text(chosen) || empty_text(rejected)) return PBT_EMPTY_TEXT;
    return strcmp(chosen, rejected) == 0 ? PBT_EQUAL_TEXT : PBT_KEPT;
}

static pbt_code finish(candidate_list *list, const pbt_pair_rules *rules, pbt_pair_list *pairs,
                       pbt_error *error) {
    pbt_hash_table seen = {0};
    pbt_code code = PBT_OK;
    for (size_t i = 0; i < list->count && code == PBT_OK; i++) {
        candidate *c = &list->items[i];
        if (c->reason == PBT_KEPT && rules->require_disagreement && !disagreement(&c->pair))
            c->reason = PBT_NO_DISAGREEMENT;
        if (c->reason == PBT_KEPT && !kind_of(&c->pair, &c->pair.kind)) c->reason = PBT_NO_KIND;
        if (c->reason == PBT_KEPT) c->reason = judge_texts(&c->pair);
        if (c->reason == PBT_KEPT && rules->drop_duplicates) {
            uint64_t hash = pair_hash(&c->pair);
            if (pbt_hash_table_find(&seen, hash))
                c->reason = PBT_DUPLICATE;
            else
                code = pbt_hash_table_add(&seen, hash, i, error);
            if (code != PBT_OK) break;
        }
        pairs->reasons[c->reason]++;
        if (c->reason != PBT_KEPT) {
            code = drop(pairs, &c->pair, c->reason, error);
            continue;
        }
        pairs->kinds[c->pair.kind][c->pair.tree->nodes[c->pair.chosen].speaker]++;
        code = keep(pairs, &c->pair, error);
    }
    pbt_hash_table_free(&seen);
    return code;
}

pbt_code pbt_pairs_collect(pbt_tree *trees, size_t n, const pbt_pair_rules *rules, pbt_pair_list *pairs,
                           const pbt_monitor *monitor, pbt_error *error) {
    candidate_list list = {0};
    pbt_code code = PBT_OK;
    *pairs = (pbt_pair_list){0};
    for (size_t i = 0; i < n && code == PBT_OK; i++) {
        code = pbt_tree_score(&trees[i], error);
        if (code == PBT_OK) code = add_candidates(&trees[i], rules, &list, error);
    }
    if (code == PBT_OK) code = filter(rules, &list, monitor, error);
    if (code == PBT_OK) code = finish(&list, rules, pairs, error);
    free(list.items);
    if (code != PBT_OK) pbt_pair_list_free(pairs);
    return code;
}

pbt_code pbt_pairs_keep_listener(pbt_pair_list *pairs, int speaker, pbt_error *error) {
    size_t kept = 0;
    for (size_t i = 0; i < pairs->count; i++) {
        const pbt_pair *pair = &pairs->items[i];
        int listener = pair->tree->nodes[pair->chosen].speaker;
        if (listener == speaker) {
            pairs->items[kept++] = *pair;
            continue;
        }
        PBT_TRY(drop(pairs, pair, PBT_OTHER_LISTENER, error));
        pairs->reasons[PBT_KEPT]--;
        pairs->reasons[PBT_OTHER_LISTENER]++;
        pairs->kinds[pair->kind][listener]--;
    }
    pairs->count = kept;
    return PBT_OK;
}

void pbt_pair_list_free(pbt_pair_list *pairs) {
    free(pairs->items);
    free(pairs->drops);
    *pairs = (pbt_pair_list){0};
}

/* ---- JSON ---- */

static json_t *message_json(const char *role, const char *content) {
    json_t *text = json_string(content);
    return text ? json_pack("{s:s, s:o}", "role", role, "content", text) : NULL;
}

pbt_code pbt_pair_to_json(const pbt_pair *pair, const pbt_prompts *prompts, json_t **row, pbt_error *error) {
    const pbt_tree *tree = pair->tree;
    const pbt_node *chosen = &tree->nodes[pair->chosen], *rejected = &tree->nodes[pair->rejected];
    pbt_turn turns[PBT_MAX_TURNS];
    size_t n = 0, n_messages = 0;
    for (int32_t at = pair->parent; at >= 0; at = tree->nodes[at].parent) n++;
    size_t left = n;
    for (int32_t at = pair->parent; left > 0; at = tree->nodes[at].parent)
        turns[--left] = (pbt_turn){tree->nodes[at].speaker, tree->nodes[at].text};
    pbt_arena *arena = pbt_arena_create();
    pbt_message *messages = NULL;
    if (!arena) return pbt_fail_memory(error, 0, "a pair");
    pbt_code code = pbt_view(prompts, PBT_STANDARD, tree->question->text, chosen->speaker, turns, n, arena,
                             &messages, &n_messages, error);
    json_t *prompt = json_array();
    for (size_t i = 0; code == PBT_OK && i < n_messages; i++)
        json_array_append_new(prompt, message_json(messages[i].role, messages[i].content));
    pbt_arena_free(arena);
    *row = json_pack("{s:o, s:[o], s:[o], s:s, s:s, s:s, s:I, s:I, s:I, s:i, s:i}", "prompt", prompt,
                     "chosen", message_json("assistant", chosen->text), "rejected",
                     message_json("assistant", rejected->text), "kind",
                     pair->kind == PBT_RESIST ? "resist" : "accept", "question_id", tree->question->id,
                     "tree", tree->id, "parent", (json_int_t)tree->nodes[pair->parent].label, "chosen_node",
                     (json_int_t)chosen->label, "rejected_node", (json_int_t)rejected->label, "chosen_score",
                     (int)chosen->score, "rejected_score", (int)rejected->score);
    if (code == PBT_OK && !*row)
        code = pbt_fail(error, PBT_BAD_INPUT, "tree %s: a turn is not UTF-8 text, so it cannot become a pair",
                        tree->id);
    if (code != PBT_OK) {
        json_decref(*row);
        *row = NULL;
    }
    return code;
}
