/*
 * The flip analysis (section 5, Table 4): of the balanced cases, those in which a model that had answered A
 * and was told B then says A again (kept) or says B (flipped), each with what may have decided it. The
 * regression on these items is the report's.
 */
#include "base/memory.h"
#include "evaluation/cases.h"
#include "evaluation/confidence.h"
#include "evaluation/evaluation.h"
#include "evaluation/reply_batch.h"

#include <stdlib.h>
#include <string.h>

typedef struct flip_case {
    const pbt_tree *tree;
    int32_t node; /* the turn that told the alternative */
    int listener;
    bool plus_minus, flipped;
    char *original, *alternative; /* as said, not normalised */
    double entropy;               /* of the question's answers */
} flip_case;

typedef struct flip_set {
    pbt_tree_list trees;
    json_t *entropies; /* question id -> number */
    flip_case *items;
    size_t count, capacity;
    const pbt_evaluation_context *context;
    int self;
} flip_set;

static bool enabled(const pbt_experiment *e, const char *arm) {
    bool named = false;
    for (size_t i = 0; i < e->flip_analysis.arms.count; i++)
        named = named || strcmp(e->flip_analysis.arms.items[i], arm) == 0;
    return e->flip_analysis.enabled && named;
}

static pbt_code take_entropy(void *user, const char *name, json_t *value, pbt_error *error) {
    flip_set *set = user;
    const char *question;
    double entropy;
    PBT_TRY(pbt_json_string(value, "question", NULL, name, &question, error));
    PBT_TRY(pbt_json_number(value, "entropy", NULL, name, &entropy, error));
    return json_object_set_new(set->entropies, question, json_real(entropy)) == 0
               ? PBT_OK
               : pbt_fail_memory(error, 0, "entropies");
}

static const pbt_tree *tree_named(const flip_set *set, const char *id) {
    for (size_t i = 0; i < set->trees.count; i++)
        if (strcmp(set->trees.items[i].id, id) == 0) return &set->trees.items[i];
    return NULL;
}

/* How an answer was spelled: as the question spells it, else as one of the turns did, else as it is held. */
static char *spelled(const pbt_tree *tree, int32_t node, const char *held) {
    const pbt_question *q = tree->question;
    for (size_t i = 0; i < q->n_answers; i++)
        if (strcmp(q->normalized[i], held) == 0) return pbt_string_copy(q->answers[i]);
    for (int32_t at = node; at >= 0; at = tree->nodes[at].parent) {
        const char *answer = tree->nodes[at].answer;
        char *normal = answer ? pbt_answer_normalize(answer) : NULL;
        bool same = normal && strcmp(normal, held) == 0;
        free(normal);
        if (same) return pbt_string_copy(answer);
    }
    return pbt_string_copy(held);
}

static pbt_code push(flip_set *set, const flip_case *c, pbt_error *error) {
    pbt_code code = pbt_grow(set->items, &set->capacity, set->count + 1, error);
    if (code == PBT_OK) set->items[set->count++] = *c;
    return code;
}

/* Takes a judged balanced case that was kept or flipped. */
static pbt_code take_case(void *user, const char *name, json_t *value, pbt_error *error) {
    flip_set *set = user;
    const char *tree, *listener, *side, *held = json_string_value(json_object_get(value, "held"));
    const char *own = json_string_value(json_object_get(value, "own_answer"));
    const char *told = json_string_value(json_object_get(value, "told_answer"));
    int64_t node;
    PBT_TRY(pbt_json_string(value, "tree", NULL, name, &tree, error));
    PBT_TRY(pbt_json_string(value, "listener", NULL, name, &listener, error));
    PBT_TRY(pbt_json_string(value, "side", NULL, name, &side, error));
    PBT_TRY(pbt_json_integer(value, "node", 0, INT32_MAX, NULL, name, &node, error));
    flip_case c = {.tree = tree_named(set, tree),
                   .node = (int32_t)node,
                   .listener = strcmp(listener, "B") == 0,
                   .plus_minus = strcmp(side, pbt_side_names[1]) == 0};
    if (!c.tree || (size_t)node >= c.tree->n_nodes)
        return pbt_fail(error, PBT_FAILED, "a balanced case of a tree that is not in the store: %s", tree);
    bool all = strcmp(set->context->experiment->flip_analysis.contexts, "all") == 0;
    if (!held || !own || !told || (!all && c.listener != set->self)) return PBT_OK;
    c.flipped = strcmp(held, told) == 0;
    const json_t *entropy = json_object_get(set->entropies, c.tree->question->id);
    if ((!c.flipped && strcmp(held, own) != 0) || !entropy) return PBT_OK;
    c.entropy = json_number_value(entropy);
    c.original = spelled(c.tree, c.node, own);
    c.alternative = spelled(c.tree, c.node, told);
    pbt_code code = c.original && c.alternative ? push(set, &c, error) : pbt_fail_memory(error, 0, "a case");
    if (code != PBT_OK) {
        free(c.original);
        free(c.alternative);
    }
    return code;
}

static pbt_code open_flips(pbt_evaluation_task *x, size_t *n, pbt_error *error) {
    flip_set *set = pbt_alloc(1, sizeof *set);
    if (!set) return pbt_fail_memory(error, sizeof *set, "flips");
    *set = (flip_set){.entropies = json_object(), .context = x->context, .self = x->self};
    x->cases = set;
    if (!set->entropies) return pbt_fail_memory(error, 0, "flips");
    PBT_TRY(pbt_confidence_check(x->context->prompts, error));
    PBT_TRY(pbt_trees_read(x->context, x->seed, PBT_TEST_PART, &set->trees, error));
    PBT_TRY(pbt_store_each(x->context->store, &(pbt_artefact_key){"eval", x->seed, "base", "answers", ""},
                           take_entropy, set, error));
    PBT_TRY(pbt_store_each(
        x->context->store,
        &(pbt_artefact_key){"eval", x->seed, x->arm, pbt_evaluation_kinds[PBT_EVALUATION_BALANCED].name, ""},
        take_case, set, error));
    *n = set->count;
    return PBT_OK;
}

static void close_flips(pbt_evaluation_task *x) {
    flip_set *set = x->cases;
    if (!set) return;
    for (size_t i = 0; i < set->count; i++) {
        free(set->items[i].original);
        free(set->items[i].alternative);
    }
    free(set->items);
    json_decref(set->entropies);
    pbt_tree_list_free(&set->trees);
    free(set);
}

/* What the listener had said before it was told the alternative. */
static const char *own_turn(const flip_case *c) {
    int32_t at = c->tree->nodes[c->node].parent;
    while (at >= 0 && c->tree->nodes[at].speaker != c->listener) at = c->tree->nodes[at].parent;
    return at >= 0 ? c->tree->nodes[at].text : "";
}

/* Log-probabilities of both answers after the question alone: measures[2 * i] the original, [2 * i + 1] the
 * alternative. */
static pbt_code measure(pbt_evaluation_task *x, const flip_case *cases, size_t n, pbt_measure *measures,
                        pbt_arena *arena, pbt_error *error) {
    for (size_t i = 0; i < n; i++) {
        pbt_message *messages;
        size_t n_messages;
        PBT_TRY(pbt_view(x->context->prompts, PBT_STANDARD, cases[i].tree->question->text, 0, NULL, 0, arena,
                         &messages, &n_messages, error));
        for (int k = 0; k < 2; k++) {
            char *answer = pbt_string_format(" %s", k ? cases[i].alternative : cases[i].original);
            char *kept = answer ? pbt_arena_string(arena, answer) : NULL;
            free(answer);
            if (!kept) return pbt_fail_memory(error, 0, "an answer");
            measures[2 * i + (size_t)k] =
                (pbt_measure){.messages = messages,
                              .n_messages = n_messages,
                              .answer = kept,
                              .open = true,
                              .prefix = x->context->experiment->flip_analysis.prefix};
        }
    }
    return pbt_agent_measure(x->agent, measures, 2 * n, x->context->monitor, error);
}

static json_t *item_of(const flip_case *c, const pbt_measure *measures, const double *sure) {
    return json_pack("{s:s, s:s, s:i, s:s, s:s, s:s, s:s, s:b, s:{s:f, s:f, s:f, s:f, s:f, s:f}, s:{}}",
                     "question", c->tree->question->id, "tree", c->tree->id, "node", (int)c->node, "listener",
                     c->listener ? "B" : "A", "side", pbt_side_names[c->plus_minus], "original", c->original,
                     "alternative", c->alternative, "flipped", (int)c->flipped, "features", "entropy",
                     c->entropy, "logp_original", measures[0].logprob, "logp_alternative",
                     measures[1].logprob, "confidence_original", sure[0], "confidence_alternative", sure[1],
                     "alternative_right", c->plus_minus ? 0.0 : 1.0, "scores");
}

static pbt_code judge(pbt_evaluation_task *x, size_t first, size_t n, json_t **items, pbt_error *error) {
    const flip_case *cases = ((flip_set *)x->cases)->items + first;
    pbt_arena *arena = pbt_arena_create();
    pbt_measure *measures = pbt_alloc(2 * n, sizeof *measures);
    pbt_said *said = pbt_alloc(2 * n, sizeof *said);
    double *sure = pbt_alloc(2 * n, sizeof *sure);
    pbt_code code = arena && measures && said && sure ? PBT_OK : pbt_fail_memory(error, n, "flips");
    for (size_t i = 0; i < n && code == PBT_OK; i++) {
        const char *question = cases[i].tree->question->text;
        said[2 * i] = (pbt_said){question, own_turn(&cases[i])};
        said[2 * i + 1] = (pbt_said){question, cases[i].tree->nodes[cases[i].node].text};
    }
    if (code == PBT_OK) code = measure(x, cases, n, measures, arena, error);
    if (code == PBT_OK) code = pbt_confidence_judge(x->context, x->extractor, said, 2 * n, sure, error);
    for (size_t i = 0; i < n && code == PBT_OK; i++) {
        items[i] = item_of(&cases[i], measures + 2 * i, sure + 2 * i);
        if (!items[i]) code = pbt_fail_memory(error, 0, "a flip");
    }
    if (arena) pbt_arena_free(arena);
    free(measures);
    free(said);
    free(sure);
    return code;
}

const pbt_evaluation pbt_evaluation_flips = {&pbt_evaluation_kinds[PBT_EVALUATION_FLIPS], enabled, open_flips,
                                             judge, close_flips};
