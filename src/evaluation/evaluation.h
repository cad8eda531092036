/*
 * The evaluations of stage "eval": each is a list of items that are judged in batches, one commit a batch.
 * An item becomes a JSON document with {"question", "scores": {measure's key: number}} and what was said;
 * "details" beside the scores: further figures under longer dotted names, for the report's lesser tables.
 */
#ifndef PBT_EVALUATION_EVALUATION_H
#define PBT_EVALUATION_EVALUATION_H

#include "evaluation/context.h"
#include "evaluation/stored_trees.h"
#include "measures/measures.h"

/* Who is tested, and on what. */
typedef struct pbt_evaluation_task {
    const pbt_evaluation_context *context;
    int64_t seed;
    const char *arm;
    pbt_agent *agent;   /* the tested model: the base, or with an arm's adapter */
    pbt_agent *partner; /* the other agent, untouched */
    pbt_agent *extractor;
    int self;    /* 0: the tested agent is A, 1: it is B */
    void *cases; /* of the evaluation in progress; made by its open */
} pbt_evaluation_task;

typedef struct pbt_evaluation {
    const pbt_evaluation_kind *kind;
    bool (*enabled)(const pbt_experiment *experiment, const char *arm);
    /* Prepares x->cases and says how many items there are. */
    pbt_code (*open)(pbt_evaluation_task *x, size_t *n, pbt_error *error);
    /* Judges items first .. first + n - 1: items[i] becomes a new reference. */
    pbt_code (*judge)(pbt_evaluation_task *x, size_t first, size_t n, json_t **items, pbt_error *error);
    void (*close)(pbt_evaluation_task *x);
} pbt_evaluation;

extern const pbt_evaluation pbt_evaluation_balanced, pbt_evaluation_flipflop, pbt_evaluation_team,
    pbt_evaluation_farm, pbt_evaluation_answers, pbt_evaluation_flips;

#endif
