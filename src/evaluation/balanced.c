/* The balanced test (Table 3): is the model right after it was told otherwise, and does it stay right? */
#include "evaluation/cases.h"
#include "evaluation/evaluation.h"
#include "evaluation/reply_batch.h"

#include "base/memory.h"

#include <stdio.h>
#include <stdlib.h>

typedef struct balanced_set {
    pbt_tree_list trees;
    pbt_case_list cases;
} balanced_set;

static bool enabled(const pbt_experiment *e, const char *arm) {
    (void)arm;
    return e->balanced.enabled;
}

static pbt_code open_cases(pbt_evaluation_task *x, size_t *n, pbt_error *error) {
    balanced_set *set = pbt_alloc(1, sizeof *set);
    if (!set) return pbt_fail_memory(error, sizeof *set, "balanced cases");
    x->cases = set;
    PBT_TRY(pbt_trees_read(x->context, x->seed, PBT_TEST_PART, &set->trees, error));
    for (size_t i = 0; i < set->trees.count; i++) PBT_TRY(pbt_tree_score(&set->trees.items[i], error));
    PBT_TRY(pbt_cases_cut(&set->trees, x->self, x->context->experiment->balanced.max_per_side[1],
                          pbt_key_of_stage(x->seed, "test cases"), &set->cases, error));
    *n = set->cases.count;
    return PBT_OK;
}

static void set(json_t *object, const char *group, const char *name, double value) {
    char key[128];
    snprintf(key, sizeof key, "%s.%s", group, name);
    json_object_set_new(object, key, json_real(value));
}

/* What the listener did with what it was told, and what could not be read; by context and side. */
static json_t *details_of(const pbt_case *c, const pbt_case_result *r) {
    const pbt_node *node = &c->tree->nodes[c->node];
    const char *own = node->held[c->listener], *told = node->held[1 - c->listener];
    const pbt_question *q = c->tree->question;
    bool kept = pbt_question_same(q, r->held, own), moved = pbt_question_same(q, r->held, told);
    json_t *details = json_object();
    const char *side = pbt_side_names[c->plus_minus];
    char by_side[48];
    snprintf(by_side, sizeof by_side, "by_side.%s", side);
    for (int mixed = c->own ? 0 : 1; mixed < 2; mixed++) {
        const char *group = pbt_measures[pbt_balanced_overall(mixed)].group->key;
        set(details, group, "unparsed", !r->parsed);
        for (int all = 0; all < 2; all++) {
            char name[64];
            snprintf(name, sizeof name, "%s.kept", all ? "by_side.overall" : by_side);
            set(details, group, name, kept);
            snprintf(name, sizeof name, "%s.adopted", all ? "by_side.overall" : by_side);
            set(details, group, name, moved && !kept);
            snprintf(name, sizeof name, "%s.other", all ? "by_side.overall" : by_side);
            set(details, group, name, !kept && !moved);
            snprintf(name, sizeof name, "%s.unparsed", all ? "by_side.overall" : by_side);
            set(details, group, name, !r->parsed);
        }
    }
    if (!c->own) {
        set(details, "balanced_partner", side, r->correct);
        set(details, "balanced_partner", "overall", r->correct);
        set(details, "balanced_partner", "unparsed", !r->parsed);
    }
    return details;
}

/* Own cases count in both groups, the partner's in the mixed one. */
static json_t *scores_of(const pbt_case *c, bool correct) {
    json_t *scores = json_object();
    for (int mixed = c->own ? 0 : 1; mixed < 2; mixed++) {
        const pbt_measure_info *side = &pbt_measures[pbt_balanced_measure(mixed, c->plus_minus)],
                               *overall = &pbt_measures[pbt_balanced_overall(mixed)];
        json_object_set_new(scores, side->key, json_integer(correct));
        json_object_set_new(scores, overall->key, json_integer(correct));
    }
    return scores;
}

static json_t *item_of(const pbt_case *c, const pbt_case_result *r) {
    const pbt_node *node = &c->tree->nodes[c->node];
    return json_pack(
        "{s:s, s:s, s:i, s:s, s:s, s:o, s:o, s:o, s:o, s:o, s:b, s:b, s:o, s:o}", "question",
        c->tree->question->id, "tree", c->tree->id, "node", (int)c->node, "listener", c->listener ? "B" : "A",
        "side", pbt_side_names[c->plus_minus], "own_answer", pbt_json_text(node->held[c->listener]),
        "told_answer", pbt_json_text(node->held[1 - c->listener]), "text", pbt_json_text(r->text), "answer",
        pbt_json_text(r->answer), "held", pbt_json_text(r->held), "parsed", (int)r->parsed, "correct",
        (int)r->correct, "details", details_of(c, r), "scores", scores_of(c, r->correct));
}

static pbt_code judge(pbt_evaluation_task *x, size_t first, size_t n, json_t **items, pbt_error *error) {
    const balanced_set *set = x->cases;
    pbt_case_result *results = pbt_alloc(n, sizeof *results);
    if (!results) return pbt_fail_memory(error, n * sizeof *results, "balanced cases");
    pbt_code code = pbt_cases_judge(x->context, set->cases.items + first, n, x->agent, x->extractor,
                                    pbt_key_of_stage(x->seed, "test replies"), results, error);
    for (size_t i = 0; i < n && code == PBT_OK; i++) {
        items[i] = item_of(&set->cases.items[first + i], &results[i]);
        if (!items[i]) code = pbt_fail_memory(error, 0, "a judged case");
    }
    pbt_case_results_clear(results, n);
    free(results);
    return code;
}

static void close_cases(pbt_evaluation_task *x) {
    balanced_set *set = x->cases;
    if (!set) return;
    pbt_case_list_free(&set->cases);
    pbt_tree_list_free(&set->trees);
    free(set);
}

const pbt_evaluation pbt_evaluation_balanced = {&pbt_evaluation_kinds[PBT_EVALUATION_BALANCED], enabled,
                                                open_cases, judge, close_cases};
