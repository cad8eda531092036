/*
 * The tree of cached prefixes over the rows of the key/value buffers. Everything that was ever computed
 * stands in it: a node is a run of rows that continues its parent. A text in work holds a cursor, the place
 * in the tree up to which its tokens are computed (or will be by the pass in planning). So prefill, decode
 * and scoring are the same step: walk over what is there, append what is missing.
 */
#ifndef PBT_ENGINE_PREFIX_H
#define PBT_ENGINE_PREFIX_H

#include "engine/rows.h"

typedef struct pbt_prefix_node {
    struct pbt_prefix_node *parent;    /* NULL: the root of an adapter, which has no rows */
    struct pbt_prefix_node **children; /* in the order of their first tokens; all continue its last row */
    size_t n_children, capacity;
    struct pbt_prefix_node *older, *newer; /* in the list of what may be dropped */
    bool listed;
    int32_t kv_row, length; /* rows in use */
    int32_t reserved;       /* rows that belong to it, length and more while it grows */
    int32_t position;       /* of its first row */
    int32_t pins;           /* cursors in it */
    int64_t pass;           /* in which `segment` is its index in the layout */
    int32_t segment;
} pbt_prefix_node;

typedef struct pbt_prefix_tree {
    const pbt_adapter *adapter;
    pbt_prefix_node root;
} pbt_prefix_tree;

typedef struct pbt_prefix_cache {
    bool share;
    int32_t *tokens; /* [kv rows] the token of every row in use */
    pbt_free_rows free;
    pbt_prefix_node *oldest, *newest; /* leaves without cursors, by last use */
    pbt_prefix_tree **trees;
    size_t n_trees, capacity;
} pbt_prefix_cache;

/* A place in a tree: after `depth` tokens, in `node` (which it keeps from being dropped) or above it. */
typedef struct pbt_cursor {
    pbt_prefix_node *node;
    int32_t depth;
} pbt_cursor;

pbt_code pbt_prefix_cache_create(int32_t kv_rows, bool share, pbt_prefix_cache *cache, pbt_error *error);
void pbt_prefix_cache_free(pbt_prefix_cache *cache);
/* Drops the tree of an adapter, or all (`all`). No cursor may stand in them. */
void pbt_prefix_cache_forget(pbt_prefix_cache *cache, const pbt_adapter *adapter, bool all);

pbt_code pbt_cursor_open(pbt_prefix_cache *cache, const pbt_adapter *adapter, pbt_cursor *cursor,
                         pbt_error *error);
void pbt_cursor_close(pbt_prefix_cache *cache, pbt_cursor *cursor);
/* Moves over tokens[depth ..], at most to `limit`, as far as one node holds them; returns how many. The rows
 * passed over are then the last ones before pbt_cursor_row. 0: the next token is not there. */
int32_t pbt_cursor_walk(pbt_prefix_cache *cache, pbt_cursor *cursor, const int32_t *tokens, int32_t limit);
/* Adds tokens[depth ..], at most `want` (>= 1), to the tree and moves over them; call it when walk gives 0.
 * Up to `spare` rows more are kept for what will follow. Drops least recently used leaves when rows run out.
 * *got: how many were added; 0: every row is in use. */
pbt_code pbt_cursor_append(pbt_prefix_cache *cache, pbt_cursor *cursor, const int32_t *tokens, int32_t want,
                           int32_t spare, int32_t *got, pbt_error *error);
/* The row of the last token before the cursor (depth >= 1), right after walk or append. */
int32_t pbt_cursor_row(const pbt_cursor *cursor);

#endif
