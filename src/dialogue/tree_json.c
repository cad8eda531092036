/* Tree JSONL. */
#include "base/file.h"
#include "base/hash.h"
#include "base/memory.h"
#include "dialogue/tree.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_NODES = 1 << 16, MAX_CHILDREN = 64 };

static json_t *text_json(const char *text) {
    json_t *value = text ? json_string(text) : json_null();
    /* Text that is not UTF-8 (a garbled token) is kept with its bad bytes replaced. */
    if (value || !text) return value;
    pbt_text clean = {0};
    size_t length = strlen(text), size;
    for (size_t i = 0; i < length; i += size) {
        char bytes[4];
        uint32_t c = pbt_utf8_decode(text + i, length - i, &size);
        pbt_text_append(&clean, bytes, pbt_utf8_encode(c, bytes));
    }
    value = json_string(pbt_text_string(&clean));
    pbt_text_free(&clean);
    return value;
}

static json_t *node_json(const pbt_tree *tree, const pbt_node *node) {
    static const char *const verdicts[] = {NULL, "agree", "disagree"};
    const pbt_node *parent = node->parent < 0 ? NULL : &tree->nodes[node->parent];
    json_t *value = json_pack("{s:I, s:o, s:i, s:s, s:s, s:o, s:o, s:o}", "id", (json_int_t)node->label,
                              "parent", parent ? json_integer(parent->label) : json_null(), "turn",
                              (int)node->turn, "speaker", node->speaker ? "B" : "A", "role",
                              pbt_role_names[node->role], "text", text_json(node->text), "answer",
                              text_json(node->answer), "verdict", text_json(verdicts[node->verdict]));
    if (value && node->raw_answer) json_object_set_new(value, "raw_answer", text_json(node->raw_answer));
    return value;
}

json_t *pbt_tree_to_json(const pbt_tree *tree) {
    json_t *nodes = json_array(), *answers = json_array();
    for (size_t i = 0; i < tree->question->n_answers; i++)
        json_array_append_new(answers, text_json(tree->question->answers[i]));
    for (size_t i = 0; i < tree->n_nodes; i++) json_array_append_new(nodes, node_json(tree, &tree->nodes[i]));
    return json_pack("{s:o, s:{s:o, s:o, s:o}, s:o}", "id", text_json(tree->id), "question", "id",
                     text_json(tree->question->id), "text", text_json(tree->question->text), "answers",
                     answers, "nodes", nodes);
}

/* Whether the question that was met before under this id is the same one. */
static pbt_code check_question(const pbt_question *known, const char *text, const json_t *answers,
                               const char *file, const char *where, pbt_error *error) {
    bool same = strcmp(known->text, text) == 0 && json_array_size(answers) == known->n_answers;
    for (size_t i = 0; same && i < known->n_answers; i++) {
        const char *answer = json_string_value(json_array_get(answers, i));
        same = answer && strcmp(answer, known->answers[i]) == 0;
    }
    if (same) return PBT_OK;
    return pbt_fail_at(error, PBT_BAD_INPUT, file, where,
                       "the question \"%s\" had another text or other answers before", known->id);
}

static pbt_code find_question(const json_t *value, const char *file, const char *where,
                              pbt_questions *questions, const pbt_question **question, pbt_error *error) {
    const json_t *object, *answers;
    const char *id, *text;
    PBT_TRY(pbt_json_object(value, "question", file, where, &object, error));
    PBT_TRY(pbt_json_string(object, "id", file, where, &id, error));
    PBT_TRY(pbt_json_string(object, "text", file, where, &text, error));
    PBT_TRY(pbt_json_array(object, "answers", file, where, &answers, error));
    size_t place = pbt_questions_find(questions, id);
    if (place < questions->count) {
        *question = &questions->items[place];
        return check_question(*question, text, answers, file, where, error);
    }
    size_t n = json_array_size(answers);
    const char **texts = pbt_alloc(n, sizeof *texts);
    if (!texts) return pbt_fail_memory(error, n, "answers");
    pbt_code code =
        n ? PBT_OK : pbt_fail_at(error, PBT_BAD_INPUT, file, where, "the question has no right answer");
    for (size_t i = 0; i < n && code == PBT_OK; i++)
        if (!(texts[i] = json_string_value(json_array_get(answers, i))))
            code =
                pbt_fail_at(error, PBT_BAD_INPUT, file, where, "an answer of the question is not a string");
    if (code == PBT_OK) code = pbt_questions_add(questions, id, text, texts, n, error);
    free(texts);
    if (code == PBT_OK) *question = &questions->items[questions->count - 1];
    return code;
}

/* Place of the node with this id in the file, where ids need not count from 0; -1: none yet. */
static int32_t place_of(const pbt_hash_table *labels, int64_t label) {
    const pbt_hash_slot *slot = pbt_hash_table_find(labels, (uint64_t)label);
    return slot ? (int32_t)slot->value : -1;
}

static pbt_code wrong(const char *file, const char *where, size_t node, const char *expected,
                      pbt_error *error) {
    return pbt_fail_at(error, PBT_BAD_INPUT, file, where, "node %zu: expected %s", node, expected);
}

static pbt_code optional_string(const json_t *value, const char *key, const char *file, const char *where,
                                size_t i, const char **text, pbt_error *error) {
    const json_t *item = json_object_get(value, key);
    char expected[64];
    *text = json_string_value(item);
    if (!item || json_is_null(item) || json_is_string(item)) return PBT_OK;
    snprintf(expected, sizeof expected, "\"%s\" to be a string or null", key);
    return wrong(file, where, i, expected, error);
}

static pbt_code read_parent(const json_t *up, const char *file, const char *where, const pbt_tree *tree,
                            const pbt_hash_table *labels, size_t i, int32_t *parent, pbt_error *error) {
    *parent = -1;
    if (i == 0)
        return !up || json_is_null(up)
                   ? PBT_OK
                   : wrong(file, where, i, "the first node's \"parent\" to be null", error);
    if (json_is_integer(up)) *parent = place_of(labels, json_integer_value(up));
    if (*parent < 0) return wrong(file, where, i, "\"parent\" to be the id of an earlier node", error);
    if (tree->nodes[*parent].n_children >= MAX_CHILDREN)
        return wrong(file, where, i, "at most 64 responses to a turn", error);
    return PBT_OK;
}

static pbt_code read_place(const json_t *value, const char *file, const char *where, const pbt_tree *tree,
                           const pbt_hash_table *labels, size_t i, int32_t *parent, int *speaker,
                           pbt_error *error) {
    const json_t *id = json_object_get(value, "id");
    const char *name = json_string_value(json_object_get(value, "speaker"));
    if (!json_is_integer(id)) return wrong(file, where, i, "\"id\" to be a whole number", error);
    if (place_of(labels, json_integer_value(id)) >= 0)
        return wrong(file, where, i, "an \"id\" that no earlier node has", error);
    if (!name || (strcmp(name, "A") != 0 && strcmp(name, "B") != 0))
        return wrong(file, where, i, "\"speaker\" to be \"A\" or \"B\"", error);
    *speaker = name[0] == 'B';
    PBT_TRY(read_parent(json_object_get(value, "parent"), file, where, tree, labels, i, parent, error));
    if (*parent >= 0 && tree->nodes[*parent].speaker == *speaker)
        return wrong(file, where, i, "the other speaker than its parent's", error);
    int32_t turn = *parent < 0 ? 1 : tree->nodes[*parent].turn + 1;
    const json_t *said = json_object_get(value, "turn");
    if (!json_is_integer(said) || json_integer_value(said) != turn)
        return wrong(file, where, i, "\"turn\" to be its parent's turn plus one (1 for the first)", error);
    if (turn > PBT_MAX_TURNS) return wrong(file, where, i, "at most 64 turns", error);
    return PBT_OK;
}

static pbt_code read_node(const json_t *value, const char *file, const char *where, pbt_tree *tree,
                          pbt_hash_table *labels, size_t i, pbt_error *error) {
    int32_t parent = -1;
    int speaker = 0;
    const char *text, *answer, *verdict, *raw;
    if (!json_is_object(value)) return wrong(file, where, i, "an object", error);
    PBT_TRY(read_place(value, file, where, tree, labels, i, &parent, &speaker, error));
    const char *role = json_string_value(json_object_get(value, "role"));
    if (!role || pbt_role_of(role) == PBT_ROLES)
        return wrong(file, where, i,
                     "\"role\" to be standard, resistant, acceptant, logical, emotional or credible", error);
    PBT_TRY(optional_string(value, "text", file, where, i, &text, error));
    PBT_TRY(optional_string(value, "answer", file, where, i, &answer, error));
    PBT_TRY(optional_string(value, "verdict", file, where, i, &verdict, error));
    PBT_TRY(optional_string(value, "raw_answer", file, where, i, &raw, error));
    if (!text) return wrong(file, where, i, "\"text\" to be a string", error);
    pbt_verdict said = PBT_NO_VERDICT;
    if (verdict && strcmp(verdict, "agree") == 0)
        said = PBT_AGREE;
    else if (verdict && strcmp(verdict, "disagree") == 0)
        said = PBT_DISAGREE;
    else if (verdict)
        return wrong(file, where, i, "\"verdict\" to be agree, disagree or null", error);
    pbt_node *node;
    PBT_TRY(pbt_tree_add(tree, parent, speaker, pbt_role_of(role), text, answer, said, &node, error));
    node->label = json_integer_value(json_object_get(value, "id"));
    PBT_TRY(pbt_hash_table_add(labels, (uint64_t)node->label, (uint64_t)node->id, error));
    if (raw && !(node->raw_answer = pbt_string_copy(raw)))
        return pbt_fail_memory(error, strlen(raw), "an answer");
    return PBT_OK;
}

pbt_code pbt_tree_from_json(const json_t *value, const char *file, const char *where,
                            pbt_questions *questions, pbt_tree *tree, pbt_error *error) {
    const json_t *nodes, *node;
    size_t i;
    *tree = (pbt_tree){0};
    if (!json_is_object(value))
        return pbt_fail_at(error, PBT_BAD_INPUT, file, where, "expected a tree, an object");
    PBT_TRY(find_question(value, file, where, questions, &tree->question, error));
    PBT_TRY(pbt_json_array(value, "nodes", file, where, &nodes, error));
    if (json_array_size(nodes) == 0 || json_array_size(nodes) > MAX_NODES)
        return pbt_fail_at(error, PBT_BAD_INPUT, file, where, "expected 1 to %d nodes, found %zu", MAX_NODES,
                           json_array_size(nodes));
    const char *id = json_string_value(json_object_get(value, "id"));
    pbt_hash_table labels = {0};
    tree->id = pbt_string_copy(id ? id : tree->question->id);
    pbt_code code = tree->id ? PBT_OK : pbt_fail_memory(error, 0, "a tree");
    if (code == PBT_OK) {
        json_array_foreach((json_t *)(uintptr_t)nodes, i, node) {
            code = read_node(node, file, where, tree, &labels, i, error);
            if (code != PBT_OK) break;
        }
    }
    pbt_hash_table_free(&labels);
    if (code != PBT_OK) pbt_tree_free(tree);
    return code;
}
