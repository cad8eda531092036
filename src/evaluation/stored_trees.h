/*
 * Trees and pairs of a run read back from its store.
 */
#ifndef PBT_EVALUATION_STORED_TREES_H
#define PBT_EVALUATION_STORED_TREES_H

#include "evaluation/context.h"

typedef struct pbt_tree_list {
    pbt_tree *items;
    size_t count, capacity;
} pbt_tree_list;
/* Trees of a part in the order they were stored; their questions are those of the run (opened before). */
pbt_code pbt_trees_read(const pbt_evaluation_context *context, int64_t seed, pbt_part part,
                        pbt_tree_list *trees, pbt_error *error);
void pbt_tree_list_free(pbt_tree_list *trees);

/* All trees of all seeds as JSONL, in the form of docs/FORMATS.md. */
pbt_code pbt_trees_export(const pbt_evaluation_context *context, const char *path, pbt_error *error);

#endif
