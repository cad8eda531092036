#include "evaluation/stored_trees.h"

#include "base/file.h"
#include "base/memory.h"

#include <stdlib.h>
#include <string.h>

typedef struct reading_trees {
    const pbt_evaluation_context *context;
    pbt_tree_list *trees;
} reading_trees;

static pbt_code read_tree(void *user, const char *name, json_t *value, pbt_error *error) {
    reading_trees *r = user;
    PBT_TRY(pbt_grow(r->trees->items, &r->trees->capacity, r->trees->count + 1, error));
    pbt_tree *tree = &r->trees->items[r->trees->count];
    *tree = (pbt_tree){0};
    size_t known = r->context->questions->questions.count;
    PBT_TRY(
        pbt_tree_from_json(value, "the run's trees", name, &r->context->questions->questions, tree, error));
    r->trees->count++;
    if (r->context->questions->questions.count != known)
        return pbt_fail_at(error, PBT_BAD_INPUT, "the run's trees", name,
                           "the tree's question is not among the run's");
    free(tree->id);
    tree->id = pbt_string_copy(name);
    return tree->id ? PBT_OK : pbt_fail_memory(error, strlen(name), "a tree's name");
}

pbt_code pbt_trees_read(const pbt_evaluation_context *context, int64_t seed, pbt_part part,
                        pbt_tree_list *trees, pbt_error *error) {
    reading_trees r = {context, trees};
    *trees = (pbt_tree_list){0};
    pbt_artefact_key key = {"trees", seed, pbt_part_names[part], "tree", ""};
    pbt_code code = pbt_store_each(context->store, &key, read_tree, &r, error);
    if (code != PBT_OK) pbt_tree_list_free(trees);
    return code;
}

void pbt_tree_list_free(pbt_tree_list *trees) {
    for (size_t i = 0; i < trees->count; i++) pbt_tree_free(&trees->items[i]);
    free(trees->items);
    *trees = (pbt_tree_list){0};
}

static pbt_code export_tree(void *user, const char *name, json_t *value, pbt_error *error) {
    (void)name;
    char *line = pbt_json_line(value);
    if (!line) return pbt_fail_memory(error, 0, "a tree");
    pbt_code code = pbt_file_writer_write(user, line, strlen(line), error);
    free(line);
    return code == PBT_OK ? pbt_file_writer_write(user, "\n", 1, error) : code;
}

pbt_code pbt_trees_export(const pbt_evaluation_context *context, const char *path, pbt_error *error) {
    pbt_file_writer *writer;
    PBT_TRY(pbt_file_writer_open(path, &writer, error));
    pbt_code code = PBT_OK;
    for (size_t s = 0; s < context->experiment->seeds.count && code == PBT_OK; s++) {
        pbt_artefact_key key = {"trees", context->experiment->seeds.items[s], "train", "tree", ""};
        code = pbt_store_each(context->store, &key, export_tree, writer, error);
    }
    if (code == PBT_OK) return pbt_file_writer_commit(writer, error);
    pbt_file_writer_abandon(writer);
    return code;
}
