/* Trees: nodes, what each agent holds, and scores. */
#include "dialogue/tree.h"

#include "base/memory.h"
#include "dialogue/answer.h"

#include <stdlib.h>
#include <string.h>

static void free_node(pbt_node *node) {
    free(node->text);
    free(node->answer);
    free(node->raw_answer);
    free(node->held[0]);
    free(node->held[1]);
}

void pbt_tree_free(pbt_tree *tree) {
    for (size_t i = 0; i < tree->n_nodes; i++) free_node(&tree->nodes[i]);
    free(tree->nodes);
    free(tree->id);
    *tree = (pbt_tree){0};
}

pbt_code pbt_tree_add(pbt_tree *tree, int32_t parent, int speaker, pbt_role role, const char *text,
                      const char *answer, pbt_verdict verdict, pbt_node **node, pbt_error *error) {
    if (parent < -1 || parent >= (int32_t)tree->n_nodes || (parent == -1 && tree->n_nodes > 0))
        return pbt_fail(error, PBT_USAGE, "tree %s: node %zu has the parent %d", tree->id ? tree->id : "",
                        tree->n_nodes, parent);
    PBT_TRY(pbt_grow(tree->nodes, &tree->capacity, tree->n_nodes + 1, error));
    pbt_node *added = &tree->nodes[tree->n_nodes];
    *added = (pbt_node){.id = (int32_t)tree->n_nodes,
                        .label = (int64_t)tree->n_nodes,
                        .parent = parent,
                        .turn = parent < 0 ? 1 : tree->nodes[parent].turn + 1,
                        .speaker = speaker,
                        .role = role,
                        .text = pbt_string_copy(text),
                        .answer = answer ? pbt_string_copy(answer) : NULL,
                        .verdict = verdict};
    if (!added->text || (answer && !added->answer)) {
        free_node(added);
        return pbt_fail_memory(error, strlen(text), "a turn");
    }
    tree->n_nodes++;
    if (parent >= 0) tree->nodes[parent].n_children++;
    if (node) *node = added;
    return PBT_OK;
}

static pbt_code hold(pbt_tree *tree, pbt_node *node, pbt_error *error) {
    const pbt_node *parent = node->parent >= 0 ? &tree->nodes[node->parent] : NULL;
    int self = node->speaker, other = 1 - self;
    const char *own = parent ? parent->held[self] : NULL, *theirs = parent ? parent->held[other] : NULL;
    const pbt_reading reading = {.answer = node->answer, .verdict = node->verdict};
    free(node->held[0]);
    free(node->held[1]);
    node->held[self] = pbt_answer_held(tree->question, &reading, own, theirs);
    node->held[other] = theirs ? pbt_string_copy(theirs) : NULL;
    if (theirs && !node->held[other]) return pbt_fail_memory(error, strlen(theirs), "an answer");
    node->correct = pbt_question_correct(tree->question, node->held[self]);
    return PBT_OK;
}

pbt_code pbt_tree_score(pbt_tree *tree, pbt_error *error) {
    for (size_t i = 0; i < tree->n_nodes; i++) {
        tree->nodes[i].n_children = 0;
        PBT_TRY(hold(tree, &tree->nodes[i], error));
        tree->nodes[i].score = tree->nodes[i].correct;
    }
    /* Parents stand before children, so a child's score is complete when it is reached from behind. */
    for (size_t i = tree->n_nodes; i-- > 1;) {
        pbt_node *parent = &tree->nodes[tree->nodes[i].parent];
        parent->score += tree->nodes[i].score;
        parent->n_children++;
    }
    return PBT_OK;
}
