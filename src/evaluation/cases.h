/*
 * Balanced cases (paper, section 3.3, Table 3): moments of held-out trees in which a listener holds one
 * answer and has just been told another, exactly one of them right. Cut from the trees of a part; the same
 * cases for every arm of a seed.
 */
#ifndef PBT_EVALUATION_CASES_H
#define PBT_EVALUATION_CASES_H

#include "evaluation/stored_trees.h"

typedef struct pbt_case {
    const pbt_tree *tree;
    int32_t node;    /* the other's turn that the listener answers */
    int listener;    /* whose place the tested model takes: 0 = A, 1 = B */
    bool plus_minus; /* the listener holds the right answer and is told a wrong one; else the reverse */
    bool own;        /* the listener's turns were said by the tested model itself */
} pbt_case;

typedef struct pbt_case_list {
    pbt_case *items;
    size_t count, capacity;
} pbt_case_list;

/* The cases of the trees for the agent in place `self`: own ones and the partner's balanced apart, half of
 * each side, at most `max_per_side` (0: all) of each; which ones is drawn with `key`. Cases whose dialogues
 * read the same count once. Trees must be scored and outlive the list. */
pbt_code pbt_cases_cut(const pbt_tree_list *trees, int self, int32_t max_per_side, pbt_key key,
                       pbt_case_list *cases, pbt_error *error);
void pbt_case_list_free(pbt_case_list *cases);

/* What the agent made of a case. */
typedef struct pbt_case_result {
    char *text, *answer; /* the reply and the answer read out of it (NULL: none); malloc'ed */
    char *held;          /* normalised, or NULL */
    bool correct, parsed;
} pbt_case_result;
/* Puts n cases to the agent under the STANDARD prompt. `key`: randomness when the temperature is not 0. */
pbt_code pbt_cases_judge(const pbt_evaluation_context *context, const pbt_case *cases, size_t n,
                         pbt_agent *agent, pbt_agent *extractor, pbt_key key, pbt_case_result *results,
                         pbt_error *error);
void pbt_case_results_clear(pbt_case_result *results, size_t n);

#endif
