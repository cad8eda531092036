/*
 * Growing trees: batch by batch, the oldest trees first. A turn of a tree is said as a whole, so what is left
 * to say follows from the nodes that are there.
 */
#include "base/memory.h"
#include "dialogue/answer.h"
#include "dialogue/tree.h"

#include <stdlib.h>
#include <string.h>

/* A turn to be said: under which node of which tree, in which role. */
typedef struct ready {
    size_t tree;
    int32_t parent, turn;
    pbt_role role;
    pbt_key key;
} ready;

typedef struct batch {
    ready *items;
    size_t count, capacity;
    pbt_talk *talks;
    const pbt_question **questions;
    char **texts;
    pbt_reading *readings;
    pbt_arena *arena;
} batch;

/* The randomness of a node: its tree's key, then the roles from the root on. */
static pbt_key node_key(const pbt_growth *g, const pbt_tree *tree, int32_t parent, pbt_role role) {
    pbt_role path[PBT_MAX_TURNS];
    size_t n = 0;
    for (; parent >= 0; parent = tree->nodes[parent].parent) path[n++] = tree->nodes[parent].role;
    pbt_key key = pbt_key_named(g->key, tree->id);
    while (n > 0) key = pbt_key_child(key, (uint64_t)path[--n]);
    return pbt_key_child(key, (uint64_t)role);
}

static bool open_branch(const pbt_tree *tree, const pbt_node *node, int32_t turn) {
    if (node->turn != turn - 1) return false;
    return node->turn < 2 || !pbt_question_same(tree->question, node->held[0], node->held[1]);
}

/* The turn that a tree waits for, 0 when it is grown. Turns are added in order, so the last node is of the
 * latest. */
static int32_t next_turn(const pbt_growth *g, const pbt_tree *tree) {
    int32_t turn = tree->n_nodes ? tree->nodes[tree->n_nodes - 1].turn + 1 : 1;
    if (turn > g->plan.n_turns) return 0;
    for (size_t p = 0; p < tree->n_nodes && turn > 1; p++)
        if (open_branch(tree, &tree->nodes[p], turn)) return turn;
    return turn == 1 ? 1 : 0;
}

static int speaker_of(const pbt_growth *g, int32_t turn) {
    return (turn - 1) % 2 == 0 ? g->plan.first_speaker : 1 - g->plan.first_speaker;
}

bool pbt_tree_is_grown(const pbt_growth *growth, const pbt_tree *tree) {
    return next_turn(growth, tree) == 0;
}

static pbt_code collect_tree(const pbt_growth *g, const pbt_tree *trees, size_t t, int32_t turn, batch *b,
                             pbt_error *error) {
    size_t parents = turn == 1 ? 1 : trees[t].n_nodes;
    for (size_t p = 0; p < parents; p++) {
        if (turn > 1 && !open_branch(&trees[t], &trees[t].nodes[p], turn)) continue;
        for (int32_t r = 0; r < g->plan.n_roles[turn - 1]; r++) {
            PBT_TRY(pbt_grow(b->items, &b->capacity, b->count + 1, error));
            int32_t parent = turn == 1 ? -1 : (int32_t)p;
            pbt_role role = g->plan.roles[turn - 1][r];
            b->items[b->count++] = (ready){t, parent, turn, role, node_key(g, &trees[t], parent, role)};
        }
    }
    return PBT_OK;
}

/* The nodes of the batch; *speaker: who says them. */
static pbt_code collect(const pbt_growth *g, const pbt_tree *trees, size_t n, size_t most, batch *b,
                        int *speaker, pbt_error *error) {
    for (size_t t = 0; t < n; t++) {
        int32_t turn = next_turn(g, &trees[t]);
        if (turn == 0) continue;
        if (b->count == 0) *speaker = speaker_of(g, turn);
        if (speaker_of(g, turn) != *speaker) continue;
        size_t before = b->count;
        PBT_TRY(collect_tree(g, trees, t, turn, b, error));
        if (b->count <= most || before == 0) continue;
        b->count = before;
        break;
    }
    return PBT_OK;
}

static pbt_code prepare(const pbt_growth *g, const pbt_tree *trees, int speaker, batch *b, pbt_error *error) {
    b->arena = pbt_arena_create();
    b->talks = pbt_alloc(b->count, sizeof *b->talks);
    b->questions = pbt_alloc(b->count, sizeof *b->questions);
    b->texts = pbt_alloc(b->count, sizeof *b->texts);
    b->readings = pbt_alloc(b->count, sizeof *b->readings);
    if (!b->arena || !b->talks || !b->questions || !b->texts || !b->readings)
        return pbt_fail_memory(error, b->count * sizeof *b->talks, "a batch of turns");
    for (size_t i = 0; i < b->count; i++) {
        const ready *item = &b->items[i];
        const pbt_tree *tree = &trees[item->tree];
        pbt_turn turns[PBT_MAX_TURNS];
        size_t n = 0;
        /* The second speaker answers by itself. */
        for (int32_t at = item->parent; item->turn > 2 && at >= 0; at = tree->nodes[at].parent) n++;
        size_t left = n;
        for (int32_t at = item->parent; left > 0; at = tree->nodes[at].parent)
            turns[--left] = (pbt_turn){tree->nodes[at].speaker, tree->nodes[at].text};
        pbt_message *messages;
        size_t n_messages;
        PBT_TRY(pbt_view(g->prompts, item->role, tree->question->text, speaker, turns, n, b->arena, &messages,
                         &n_messages, error));
        b->questions[i] = tree->question;
        b->talks[i] = (pbt_talk){
            .messages = messages, .n_messages = n_messages, .sampling = g->plan.sampling, .key = item->key};
    }
    return PBT_OK;
}

static pbt_code take_texts(const pbt_growth *g, batch *b, pbt_error *error) {
    for (size_t i = 0; i < b->count; i++) {
        bool cut = g->plan.trim_unfinished && !b->talks[i].finished;
        b->texts[i] = cut ? pbt_trim_unfinished(b->talks[i].text) : pbt_string_copy(b->talks[i].text);
        if (!b->texts[i]) return pbt_fail_memory(error, 0, "a turn");
    }
    return PBT_OK;
}

static pbt_code add_nodes(pbt_tree *trees, int speaker, batch *b, pbt_error *error) {
    for (size_t i = 0; i < b->count; i++) {
        pbt_tree *tree = &trees[b->items[i].tree];
        pbt_reading *reading = &b->readings[i];
        pbt_node *node;
        PBT_TRY(pbt_tree_add(tree, b->items[i].parent, speaker, b->items[i].role, b->texts[i],
                             reading->answer, reading->verdict, &node, error));
        node->raw_answer = reading->raw;
        reading->raw = NULL;
        const pbt_node *parent = node->parent >= 0 ? &tree->nodes[node->parent] : NULL;
        const char *theirs = parent ? parent->held[1 - speaker] : NULL;
        node->held[speaker] =
            pbt_answer_held(tree->question, reading, parent ? parent->held[speaker] : NULL, theirs);
        node->held[1 - speaker] = theirs ? pbt_string_copy(theirs) : NULL;
        if (theirs && !node->held[1 - speaker]) return pbt_fail_memory(error, 0, "an answer");
    }
    return PBT_OK;
}

static void clear(batch *b) {
    if (b->talks) pbt_talk_clear(b->talks, b->count);
    for (size_t i = 0; b->texts && i < b->count; i++) free(b->texts[i]);
    if (b->readings) pbt_readings_clear(b->readings, b->count);
    if (b->arena) pbt_arena_free(b->arena);
    free(b->items);
    free(b->talks);
    free(b->questions);
    free(b->texts);
    free(b->readings);
}

pbt_code pbt_trees_step(const pbt_growth *g, pbt_tree *trees, size_t n, size_t most, size_t *said,
                        pbt_error *error) {
    batch b = {0};
    int speaker = 0;
    if (g->plan.n_turns < 1 || g->plan.n_turns > PBT_MAX_TURNS)
        return pbt_fail(error, PBT_USAGE, "trees of %d turns; expected 1 to %d", g->plan.n_turns,
                        PBT_MAX_TURNS);
    PBT_TRY(pbt_monitor_check(g->monitor, error));
    pbt_code code = collect(g, trees, n, most, &b, &speaker, error);
    if (code == PBT_OK && b.count > 0) {
        code = prepare(g, trees, speaker, &b, error);
        if (code == PBT_OK) code = pbt_agent_talk(g->agents[speaker], b.talks, b.count, g->monitor, error);
        if (code == PBT_OK) code = take_texts(g, &b, error);
        if (code == PBT_OK)
            code = pbt_answers_extract(g->extractor, g->prompts, b.questions, (const char *const *)b.texts,
                                       b.count, g->plan.max_answer_tokens, b.readings, g->monitor, error);
        if (code == PBT_OK) code = add_nodes(trees, speaker, &b, error);
    }
    if (said) *said = b.count;
    clear(&b);
    return code;
}

pbt_code pbt_trees_grow(const pbt_growth *growth, pbt_tree *trees, size_t n, pbt_error *error) {
    for (size_t said = 1; said > 0;) PBT_TRY(pbt_trees_step(growth, trees, n, SIZE_MAX, &said, error));
    return PBT_OK;
}
