/*
 * The debates of a run as compact data for the explorer of report.html. Trees are scored again from what the
 * store holds, so that held answers and correctness are the run's own. Past PBT_EXPLORER_NODES nodes, every
 * k-th tree of the whole run is shown and the page says so.
 */
#include "report/page/explorer.h"

#include "dialogue/pairs.h"
#include "report/page/assets.h"
#include "report/page/html.h"

#include <string.h>

enum { EXPLORER_NODES = 30000 };
static const char *const parts[] = {"train", "dev", "test"};
enum { N_PARTS = sizeof parts / sizeof *parts };

typedef struct explorer {
    pbt_page *page;
    json_t *questions; /* [[id, text, [answers]], ...] */
    json_t *places;    /* question id -> place in `questions` */
    json_t *trees;     /* see docs/FORMATS.md, "report.html" */
    json_t *pairs;     /* tree id -> [[chosen, rejected, kind, arms], ...], of the seed being read */
    json_t *arms;      /* pair name -> bits of the arms trained on it, of the seed being read */
    int64_t seed, seen, stride, n_trees, n_nodes;
    size_t part;
} explorer;

/* ---- what became of siblings ---- */

static pbt_code read_selections(explorer *x, pbt_error *error) {
    for (size_t a = 0; a < PBT_ARMS; a++) {
        json_t *names;
        pbt_artefact_key key = {"pairs", x->seed, pbt_arm_names[a], "selection", ""};
        PBT_TRY(pbt_store_get(x->page->store, &key, &names, error));
        for (size_t i = 0; i < json_array_size(names); i++) {
            const char *name = json_string_value(json_array_get(names, i));
            json_int_t bits = name ? json_integer_value(json_object_get(x->arms, name)) : 0;
            if (name) json_object_set_new(x->arms, name, json_integer(bits | (json_int_t)1 << a));
        }
        json_decref(names);
    }
    return PBT_OK;
}

/* The list of a tree's pairs, made when it is not there. */
static json_t *pairs_of(explorer *x, const char *tree) {
    json_t *list = json_object_get(x->pairs, tree);
    if (list) return list;
    list = json_array();
    return json_object_set_new(x->pairs, tree, list) == 0 ? list : NULL;
}

static pbt_code visit_pair(void *user, const char *name, json_t *value, pbt_error *error) {
    explorer *x = user;
    const char *tree, *kind;
    int64_t chosen, rejected;
    PBT_TRY(pbt_json_string(value, "tree", NULL, name, &tree, error));
    PBT_TRY(pbt_json_string(value, "kind", NULL, name, &kind, error));
    PBT_TRY(pbt_json_integer(value, "chosen_node", 0, INT32_MAX, NULL, name, &chosen, error));
    PBT_TRY(pbt_json_integer(value, "rejected_node", 0, INT32_MAX, NULL, name, &rejected, error));
    json_t *pair = json_pack("[I, I, s, I]", (json_int_t)chosen, (json_int_t)rejected, kind,
                             json_integer_value(json_object_get(x->arms, name)));
    if (json_array_append_new(pairs_of(x, tree), pair) != 0)
        return pbt_fail_memory(error, 0, "a page's pairs");
    return PBT_OK;
}

static pbt_code visit_drops(void *user, const char *tree, json_t *value, pbt_error *error) {
    explorer *x = user;
    if (!json_is_array(value) || json_array_extend(pairs_of(x, tree), value) != 0)
        return pbt_fail(error, PBT_BAD_INPUT, "dropped pairs of tree %s: expected a list", tree);
    return PBT_OK;
}

static pbt_code read_pairs(explorer *x, pbt_error *error) {
    json_object_clear(x->pairs);
    json_object_clear(x->arms);
    PBT_TRY(read_selections(x, error));
    pbt_artefact_key key = {"pairs", x->seed, "", "pair", ""};
    PBT_TRY(pbt_store_each(x->page->store, &key, visit_pair, x, error));
    key.kind = "dropped";
    return pbt_store_each(x->page->store, &key, visit_drops, x, error);
}

/* ---- trees ---- */

static json_t *place_of_question(explorer *x, const pbt_question *question) {
    json_t *place = json_object_get(x->places, question->id);
    if (place) return json_incref(place);
    json_t *answers = json_array();
    for (size_t i = 0; i < question->n_answers && i < 8; i++)
        json_array_append_new(answers, json_string(question->answers[i]));
    place = json_integer((json_int_t)json_array_size(x->questions));
    json_object_set(x->places, question->id, place);
    json_array_append_new(x->questions, json_pack("[s, s, o]", question->id, question->text, answers));
    return place;
}

/* Answers of one tree, each once: the place of `text`, or -1 for none. */
static json_int_t place_of_answer(json_t *answers, const char *text) {
    if (!text) return -1;
    size_t n = json_array_size(answers);
    for (size_t i = 0; i < n; i++)
        if (strcmp(json_string_value(json_array_get(answers, i)), text) == 0) return (json_int_t)i;
    return json_array_append_new(answers, json_string(text)) == 0 ? (json_int_t)n : -1;
}

/* [parent, speaker, role, text, answer, verdict, held by A, held by B, score] */
static json_t *node_data(const pbt_node *node, json_t *answers) {
    return json_pack("[i, i, i, s, I, i, I, I, i]", (int)node->parent, node->speaker, (int)node->role,
                     node->text, place_of_answer(answers, node->answer), (int)node->verdict,
                     place_of_answer(answers, node->held[0]), place_of_answer(answers, node->held[1]),
                     (int)node->score);
}

/* [question, id, seed, part, answers, which of them are right, nodes, pairs] */
static json_t *tree_data(explorer *x, const pbt_tree *tree) {
    json_t *answers = json_array(), *right = json_array(), *nodes = json_array();
    for (size_t i = 0; i < tree->n_nodes; i++)
        json_array_append_new(nodes, node_data(&tree->nodes[i], answers));
    for (size_t i = 0; i < json_array_size(answers); i++) {
        char *normalized = pbt_answer_normalize(json_string_value(json_array_get(answers, i)));
        bool correct = normalized && pbt_question_correct(tree->question, normalized);
        json_array_append_new(right, json_integer(correct));
        free(normalized);
    }
    json_t *pairs = x->part == 0 ? json_object_get(x->pairs, tree->id) : NULL;
    return json_pack("[o, s, I, i, o, o, o, o]", place_of_question(x, tree->question), tree->id,
                     (json_int_t)x->seed, (int)x->part, answers, right, nodes,
                     pairs ? json_incref(pairs) : json_array());
}

static pbt_code visit_tree(void *user, const char *name, json_t *value, pbt_error *error) {
    explorer *x = user;
    if (x->seen++ % x->stride != 0) return PBT_OK;
    pbt_questions questions = {0};
    pbt_tree tree;
    pbt_code code = pbt_tree_from_json(value, NULL, name, &questions, &tree, error);
    if (code == PBT_OK) {
        code = pbt_tree_score(&tree, error);
        json_t *data = code == PBT_OK ? tree_data(x, &tree) : NULL;
        if (code == PBT_OK && json_array_append_new(x->trees, data) != 0)
            code = pbt_fail_memory(error, 0, "a page's trees");
        pbt_tree_free(&tree);
    }
    pbt_questions_free(&questions);
    return code;
}

static pbt_code count_tree(void *user, const char *name, json_t *value, pbt_error *error) {
    explorer *x = user;
    const json_t *nodes;
    PBT_TRY(pbt_json_array(value, "nodes", NULL, name, &nodes, error));
    x->n_trees++;
    x->n_nodes += (int64_t)json_array_size(nodes);
    return PBT_OK;
}

static pbt_code each_tree(explorer *x, pbt_store_visitor visitor, pbt_error *error) {
    for (size_t s = 0; s < x->page->report->n_seeds; s++) {
        x->seed = x->page->report->seeds[s];
        if (visitor == visit_tree) PBT_TRY(read_pairs(x, error));
        for (x->part = 0; x->part < N_PARTS; x->part++) {
            pbt_artefact_key key = {"trees", x->seed, parts[x->part], "tree", ""};
            PBT_TRY(pbt_store_each(x->page->store, &key, visitor, x, error));
        }
    }
    return PBT_OK;
}

/* ---- the data and what it goes into ---- */

static json_t *reasons(void) {
    json_t *object = json_object();
    for (int r = 0; r < PBT_REASONS; r++)
        json_object_set_new(object, pbt_reason_names[r], json_string(pbt_reason_descriptions[r]));
    return object;
}

static json_t *names_of(const char *const *names, size_t n) {
    json_t *list = json_array();
    for (size_t i = 0; i < n; i++) json_array_append_new(list, json_string(names[i]));
    return list;
}

static pbt_code write_data(explorer *x, pbt_error *error) {
    json_t *data = json_pack("{s:o, s:o, s:o, s:o, s:O, s:O}", "roles", names_of(pbt_role_names, PBT_ROLES),
                             "arms", names_of(pbt_arm_names, PBT_ARMS), "parts", names_of(parts, N_PARTS),
                             "reasons", reasons(), "questions", x->questions, "trees", x->trees);
    pbt_code code = pbt_html_json(x->page->out, "debates-data", data, error);
    json_decref(data);
    return code;
}

static pbt_code write_section(explorer *x, pbt_error *error) {
    pbt_text *out = x->page->out;
    pbt_text_addf(
        out,
        "<section id=\"debates\" class=\"wide\">\n<h2>Debates</h2>\n<p class=\"lead\">%lld debates, %lld "
        "turns. Siblings answer the same history under different roles; lines between them are the "
        "preference pairs, or say why there is none.",
        (long long)x->n_trees, (long long)x->n_nodes);
    if (x->stride > 1)
        pbt_text_addf(out, " To keep this file small, one in %lld is shown; the run store has all of them.",
                      (long long)x->stride);
    pbt_text_add(out, "</p>\n");
    pbt_text_add(out, pbt_asset_debates_html);
    PBT_TRY(write_data(x, error));
    pbt_text_add(out, "</section>\n");
    return PBT_OK;
}

pbt_code pbt_page_explorer(pbt_page *page) {
    explorer x = {.page = page,
                  .questions = json_array(),
                  .places = json_object(),
                  .trees = json_array(),
                  .pairs = json_object(),
                  .arms = json_object(),
                  .stride = 1};
    bool ok = x.questions && x.places && x.trees && x.pairs && x.arms;
    pbt_code code = ok ? PBT_OK : pbt_fail_memory(page->error, 0, "a page's trees");
    if (code == PBT_OK) code = each_tree(&x, count_tree, page->error);
    x.stride = x.n_nodes > EXPLORER_NODES ? (x.n_nodes + EXPLORER_NODES - 1) / EXPLORER_NODES : 1;
    if (code == PBT_OK && x.n_trees > 0) {
        code = each_tree(&x, visit_tree, page->error);
        if (code == PBT_OK) code = write_section(&x, page->error);
    }
    json_decref(x.questions);
    json_decref(x.places);
    json_decref(x.trees);
    json_decref(x.pairs);
    json_decref(x.arms);
    return code;
}
