/*
 * Trees and pairs of a run read back from its store.
 */
#ifndef PBT_EXPERIMENT_TREES_H
#define PBT_EXPERIMENT_TREES_H

#include "experiment/run.h"

typedef struct pbt_tree_list {
    pbt_tree *items;
    size_t count, capacity;
} pbt_tree_list;
/* Trees of a part in the order they were stored; their questions are those of the run (opened before). */
pbt_code pbt_trees_read(pbt_run *run, int64_t seed, pbt_part part, pbt_tree_list *trees, pbt_error *error);
void pbt_tree_list_free(pbt_tree_list *trees);

/* All trees of all seeds as JSONL, in the form of docs/FORMATS.md. */
pbt_code pbt_trees_export(pbt_run *run, const char *path, pbt_error *error);

#endif
