/*
 * Dialogue trees (paper, section 3.1): a node is one turn; siblings are answers of one speaker under
 * different roles to the same history. The tree is the unit of work, of commit and of randomness.
 */
#ifndef PBT_DIALOGUE_TREE_H
#define PBT_DIALOGUE_TREE_H

#include "agent/agent.h"
#include "base/declarations.h"
#include "dialogue/prompt.h"
#include "dialogue/question.h"

PBT_BEGIN_DECLS

typedef enum pbt_verdict { PBT_NO_VERDICT, PBT_AGREE, PBT_DISAGREE } pbt_verdict;

typedef struct pbt_node {
    int32_t id, parent; /* places in `nodes`; parent -1 at the root; parents stand before children */
    int64_t label;      /* the node's id in a file that counts in its own way; otherwise id */
    int32_t turn;       /* 1.. */
    int speaker;        /* 0 = A, 1 = B */
    pbt_role role;
    char *text;
    char *answer; /* what the speaker holds after the turn, as read (not normalised), or NULL */
    pbt_verdict verdict;
    char *raw_answer; /* what the extractor wrote, or NULL */
    /* computed by pbt_tree_score, never read */
    char *held[2]; /* normalised answers A and B hold after this node, or NULL */
    bool correct;  /* held[speaker] is right */
    int32_t score; /* correct + sum of the children's scores */
    int32_t n_children;
} pbt_node;

typedef struct pbt_tree {
    char *id;                     /* unique within a run: question id and repetition */
    const pbt_question *question; /* borrowed */
    pbt_node *nodes;
    size_t n_nodes, capacity;
} pbt_tree;
void pbt_tree_free(pbt_tree *tree);
pbt_code pbt_tree_add(pbt_tree *tree, int32_t parent, int speaker, pbt_role role, const char *text,
                      const char *answer, pbt_verdict verdict, pbt_node **node, pbt_error *error);
/* Held answers, correctness and scores of every node (score.c). Held: `answer` normalised; where the answer
 * is null, verdict agree takes the other's answer, disagree keeps the speaker's own; else nothing is held. */
pbt_code pbt_tree_score(pbt_tree *tree, pbt_error *error);

/* JSONL of one tree (interface: "Tree JSONL"); reading validates parents, turns, speakers, roles with their
 * place. */
json_t *pbt_tree_to_json(const pbt_tree *tree);
pbt_code pbt_tree_from_json(const json_t *value, const char *file, const char *where,
                            pbt_questions *questions, pbt_tree *tree, pbt_error *error);

/* How trees grow: who speaks at each turn, and under which roles. */
enum { PBT_MAX_TURNS = 64 };
typedef struct pbt_tree_plan {
    int32_t n_turns;
    int first_speaker;
    pbt_role roles[PBT_MAX_TURNS][PBT_ROLES];
    int32_t n_roles[PBT_MAX_TURNS];
    pbt_sampling sampling;     /* 0.7, 8..80 tokens */
    bool trim_unfinished;      /* a dangling last sentence is cut, a text without full stop kept whole */
    int32_t max_answer_tokens; /* 15 */
} pbt_tree_plan;

/* A step of growth asks for at most so many batches of the engine at once: enough that the engine stays full
 * while the last texts of a step end, few enough that trees finish soon. */
enum { PBT_GROWTH_BATCHES = 4 };

typedef struct pbt_growth {
    const pbt_prompts *prompts;
    pbt_agent *agents[2];
    pbt_agent *extractor;
    pbt_tree_plan plan;
    pbt_key key; /* each tree's randomness: child keys by tree id, then node path */
    const pbt_monitor *monitor;
} pbt_growth;
/* Whether a tree has nothing left to say: every branch has ended or reached the last turn. */
bool pbt_tree_is_grown(const pbt_growth *growth, const pbt_tree *tree);
/* One batch of turns: the agent whose turn it is in the first unfinished tree says the next turn of that tree
 * and of those behind it that wait for the same agent, whole turns of at most `most` nodes together (but at
 * least one tree's). So trees finish one after another, and what a tree shares is still in the cache.
 * trees[0 .. n-1] have id and question set; a tree without nodes begins. Turn 2 does not see turn 1. A branch
 * ends when both hold the same answer. The same tree id gives the same tree whatever else grows beside it.
 * *said (may be NULL): nodes added; 0 when all trees are grown. */
pbt_code pbt_trees_step(const pbt_growth *growth, pbt_tree *trees, size_t n, size_t most, size_t *said,
                        pbt_error *error);
/* Steps until all trees are grown. */
pbt_code pbt_trees_grow(const pbt_growth *growth, pbt_tree *trees, size_t n, pbt_error *error);

PBT_END_DECLS

#endif
