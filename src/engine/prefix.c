/*
 * The tree of cached prefixes. Nodes are split over the rows where they lie: nothing is ever copied. When a
 * node is split, a new node takes its beginning and the old one keeps its end, so that pointers to the old
 * node together with a depth stay valid: the place is then in the old node or above it.
 */
#include "engine/prefix.h"

#include "base/memory.h"

#include <stdlib.h>
#include <string.h>

/* Below this a free range is not worth using while leaves can be dropped: short segments slow attention. */
enum { SMALLEST_RANGE = 16 };

static int32_t end_of(const pbt_prefix_node *node) {
    return node->position + node->length;
}

/* ---- children ----
 *
 * Sorted arrays and no hash table: children go as often as they come, which base/hash.h does not offer, and
 * without sharing several begin alike. Nearly every node has one child or two; only below the root are there
 * many, and there the search takes the logarithm of their number. */

static int32_t first_token(const pbt_prefix_cache *cache, const pbt_prefix_node *node) {
    return cache->tokens[node->kv_row];
}

/* Index of the first child whose first token is not below `token`. */
static size_t child_index(const pbt_prefix_cache *cache, const pbt_prefix_node *node, int32_t token) {
    size_t low = 0, high = node->n_children;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (first_token(cache, node->children[middle]) < token)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* Without sharing several children may begin alike: the one meant is found by its address. */
static size_t index_of_child(const pbt_prefix_cache *cache, const pbt_prefix_node *child) {
    size_t i = child_index(cache, child->parent, first_token(cache, child));
    while (child->parent->children[i] != child) i++;
    return i;
}

static pbt_code add_child(const pbt_prefix_cache *cache, pbt_prefix_node *node, pbt_prefix_node *child,
                          pbt_error *error) {
    PBT_TRY(pbt_grow(node->children, &node->capacity, node->n_children + 1, error));
    size_t i = child_index(cache, node, first_token(cache, child));
    memmove(node->children + i + 1, node->children + i, (node->n_children - i) * sizeof *node->children);
    node->children[i] = child;
    node->n_children++;
    child->parent = node;
    return PBT_OK;
}

static void remove_child(const pbt_prefix_cache *cache, pbt_prefix_node *child) {
    pbt_prefix_node *node = child->parent;
    size_t i = index_of_child(cache, child);
    memmove(node->children + i, node->children + i + 1, (node->n_children - i - 1) * sizeof *node->children);
    node->n_children--;
}

/* ---- leaves that may be dropped ---- */

static void unlist(pbt_prefix_cache *cache, pbt_prefix_node *node) {
    if (!node->listed) return;
    *(node->older ? &node->older->newer : &cache->oldest) = node->newer;
    *(node->newer ? &node->newer->older : &cache->newest) = node->older;
    node->older = node->newer = NULL;
    node->listed = false;
}

static void trim(pbt_prefix_cache *cache, pbt_prefix_node *node) {
    pbt_free_rows_give(&cache->free, node->kv_row + node->length, node->reserved - node->length);
    node->reserved = node->length;
}

/* Takes a leaf out of the tree; returns its parent. */
static pbt_prefix_node *take_out(pbt_prefix_cache *cache, pbt_prefix_node *node) {
    pbt_prefix_node *parent = node->parent;
    unlist(cache, node);
    remove_child(cache, node);
    pbt_free_rows_give(&cache->free, node->kv_row, node->reserved);
    free(node->children);
    free(node);
    return parent;
}

/* A leaf without cursors becomes the newest that may be dropped; without sharing nobody can come back to it.
 */
static void settle(pbt_prefix_cache *cache, pbt_prefix_node *node) {
    while (node->parent && node->pins == 0 && node->n_children == 0) {
        if (cache->share) {
            unlist(cache, node);
            node->older = cache->newest;
            *(cache->newest ? &cache->newest->newer : &cache->oldest) = node;
            cache->newest = node;
            node->listed = true;
            return;
        }
        node = take_out(cache, node);
    }
}

/* The parent of a dropped leaf becomes the newest: shared beginnings outlive their continuations. */
static void drop_oldest(pbt_prefix_cache *cache) {
    settle(cache, take_out(cache, cache->oldest));
}

static void pin(pbt_prefix_cache *cache, pbt_prefix_node *node) {
    node->pins++;
    unlist(cache, node);
}

static void unpin(pbt_prefix_cache *cache, pbt_prefix_node *node) {
    if (--node->pins > 0 || !node->parent) return;
    trim(cache, node);
    settle(cache, node);
}

/* ---- trees ---- */

pbt_code pbt_prefix_cache_create(int32_t kv_rows, bool share, pbt_prefix_cache *cache, pbt_error *error) {
    *cache = (pbt_prefix_cache){.share = share};
    PBT_TRY(pbt_free_rows_create(kv_rows, &cache->free, error));
    cache->tokens = pbt_alloc((size_t)kv_rows, sizeof *cache->tokens);
    if (cache->tokens) return PBT_OK;
    pbt_prefix_cache_free(cache);
    return pbt_fail_memory(error, (size_t)kv_rows * sizeof *cache->tokens, "tokens of cached rows");
}

/* Without recursion: a chain of nodes can be as long as the cache. */
static void free_tree(pbt_prefix_cache *cache, pbt_prefix_tree *tree) {
    pbt_prefix_node *node = &tree->root;
    while (node) {
        if (node->n_children > 0) {
            node = node->children[--node->n_children];
            continue;
        }
        pbt_prefix_node *parent = node->parent;
        unlist(cache, node);
        pbt_free_rows_give(&cache->free, node->kv_row, node->reserved);
        free(node->children);
        if (parent) free(node);
        node = parent;
    }
    /* Only nodes below the root were freed; the root is in the tree. */
    free(tree); /* NOLINT(clang-analyzer-unix.Malloc) */
}

void pbt_prefix_cache_forget(pbt_prefix_cache *cache, const pbt_adapter *adapter, bool all) {
    size_t kept = 0;
    for (size_t i = 0; i < cache->n_trees; i++) {
        if (all || cache->trees[i]->adapter == adapter)
            free_tree(cache, cache->trees[i]);
        else
            cache->trees[kept++] = cache->trees[i];
    }
    cache->n_trees = kept;
}

void pbt_prefix_cache_free(pbt_prefix_cache *cache) {
    pbt_prefix_cache_forget(cache, NULL, true);
    free(cache->trees);
    free(cache->tokens);
    pbt_free_rows_free(&cache->free);
    *cache = (pbt_prefix_cache){0};
}

static pbt_code find_tree(pbt_prefix_cache *cache, const pbt_adapter *adapter, pbt_prefix_tree **tree,
                          pbt_error *error) {
    for (size_t i = 0; i < cache->n_trees; i++) {
        *tree = cache->trees[i];
        if ((*tree)->adapter == adapter) return PBT_OK;
    }
    PBT_TRY(pbt_grow(cache->trees, &cache->capacity, cache->n_trees + 1, error));
    *tree = pbt_alloc(1, sizeof **tree);
    if (!*tree) return pbt_fail_memory(error, sizeof **tree, "a tree of prefixes");
    (*tree)->adapter = adapter;
    cache->trees[cache->n_trees++] = *tree;
    return PBT_OK;
}

/* The node's first `length` rows become a node of their own. */
static pbt_code split(pbt_prefix_cache *cache, pbt_prefix_node *node, int32_t length, pbt_error *error) {
    pbt_prefix_node *head = pbt_alloc(1, sizeof *head);
    if (!head) return pbt_fail_memory(error, sizeof *head, "a cached prefix");
    pbt_code code = pbt_grow(head->children, &head->capacity, 1, error);
    if (code != PBT_OK) {
        free(head);
        return code;
    }
    head->parent = node->parent;
    head->kv_row = node->kv_row;
    head->length = head->reserved = length;
    head->position = node->position;
    head->children[head->n_children++] = node;
    node->parent->children[index_of_child(cache, node)] = head;
    node->parent = head;
    node->kv_row += length;
    node->length -= length;
    node->reserved -= length;
    node->position += length;
    return PBT_OK;
}

/* ---- cursors ---- */

pbt_code pbt_cursor_open(pbt_prefix_cache *cache, const pbt_adapter *adapter, pbt_cursor *cursor,
                         pbt_error *error) {
    pbt_prefix_tree *tree;
    PBT_TRY(find_tree(cache, adapter, &tree, error));
    *cursor = (pbt_cursor){.node = &tree->root};
    pin(cache, cursor->node);
    return PBT_OK;
}

void pbt_cursor_close(pbt_prefix_cache *cache, pbt_cursor *cursor) {
    if (cursor->node) unpin(cache, cursor->node);
    *cursor = (pbt_cursor){0};
}

static void move_to(pbt_prefix_cache *cache, pbt_cursor *cursor, pbt_prefix_node *node) {
    pbt_prefix_node *from = cursor->node;
    pin(cache, node);
    cursor->node = node;
    unpin(cache, from);
}

/* To the node that holds the token before the cursor. */
static void normalise(pbt_prefix_cache *cache, pbt_cursor *cursor) {
    /* NOLINTNEXTLINE(clang-analyzer-unix.Malloc): the parent is pinned before its child may go */
    while (cursor->node->parent && cursor->node->position >= cursor->depth)
        move_to(cache, cursor, cursor->node->parent);
}

int32_t pbt_cursor_row(const pbt_cursor *cursor) {
    /* A node with a cursor is pinned, and not dropped. */
    const pbt_prefix_node *node = cursor->node;
    return node->kv_row + cursor->depth - 1 - node->position; /* NOLINT(clang-analyzer-unix.Malloc) */
}

int32_t pbt_cursor_walk(pbt_prefix_cache *cache, pbt_cursor *cursor, const int32_t *tokens, int32_t limit) {
    normalise(cache, cursor);
    if (!cache->share || cursor->depth >= limit) return 0;
    pbt_prefix_node *node = cursor->node;
    if (cursor->depth == end_of(node)) {
        size_t i = child_index(cache, node, tokens[cursor->depth]);
        if (i == node->n_children || first_token(cache, node->children[i]) != tokens[cursor->depth]) return 0;
        node = node->children[i];
        move_to(cache, cursor, node);
    }
    const int32_t end = end_of(node) < limit ? end_of(node) : limit, before = cursor->depth;
    const int32_t *held = cache->tokens + node->kv_row - node->position;
    while (cursor->depth < end && held[cursor->depth] == tokens[cursor->depth]) cursor->depth++;
    return cursor->depth - before;
}

/* Writes n tokens behind the rows of the cursor's node. */
static void write_tokens(pbt_prefix_cache *cache, pbt_cursor *cursor, const int32_t *tokens, int32_t n) {
    pbt_prefix_node *node = cursor->node;
    memcpy(cache->tokens + node->kv_row + node->length, tokens + cursor->depth,
           (size_t)n * sizeof *cache->tokens);
    node->length += n;
    cursor->depth += n;
}

static pbt_code new_child(pbt_prefix_cache *cache, pbt_cursor *cursor, const int32_t *tokens, int32_t want,
                          int32_t spare, int32_t *got, pbt_error *error) {
    pbt_prefix_node *child = pbt_alloc(1, sizeof *child);
    if (!child) return pbt_fail_memory(error, sizeof *child, "a cached prefix");
    child->reserved = pbt_free_rows_take(&cache->free, want + spare, &child->kv_row);
    if (child->reserved == 0) {
        free(child);
        return PBT_OK;
    }
    child->position = cursor->depth;
    cache->tokens[child->kv_row] = tokens[cursor->depth];
    pbt_code code = add_child(cache, cursor->node, child, error);
    if (code != PBT_OK) {
        pbt_free_rows_give(&cache->free, child->kv_row, child->reserved);
        free(child);
        return code;
    }
    *got = want < child->reserved ? want : child->reserved;
    move_to(cache, cursor, child);
    write_tokens(cache, cursor, tokens, *got);
    return PBT_OK;
}

pbt_code pbt_cursor_append(pbt_prefix_cache *cache, pbt_cursor *cursor, const int32_t *tokens, int32_t want,
                           int32_t spare, int32_t *got, pbt_error *error) {
    *got = 0;
    normalise(cache, cursor);
    if (cursor->depth < end_of(cursor->node)) {
        PBT_TRY(split(cache, cursor->node, cursor->depth - cursor->node->position, error));
        normalise(cache, cursor);
    }
    pbt_prefix_node *node = cursor->node;
    /* Rows kept for later must not starve others. */
    if (spare > cache->free.total / 4) spare = cache->free.total / 4;
    if (node->parent && node->n_children == 0) {
        if (node->reserved == node->length)
            node->reserved +=
                pbt_free_rows_take_at(&cache->free, node->kv_row + node->reserved, want + spare);
        int32_t room = node->reserved - node->length;
        if (room > 0) {
            *got = want < room ? want : room;
            write_tokens(cache, cursor, tokens, *got);
            return PBT_OK;
        }
    }
    if (node->parent) trim(cache, node);
    int32_t least = want + spare < SMALLEST_RANGE ? want + spare : SMALLEST_RANGE;
    while (cache->oldest && pbt_free_rows_largest(&cache->free) < least) drop_oldest(cache);
    return new_child(cache, cursor, tokens, want, spare, got, error);
}
