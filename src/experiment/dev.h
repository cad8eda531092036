/*
 * How a model in training does on the dev set: what checkpoints are chosen by.
 */
#ifndef PBT_EXPERIMENT_DEV_H
#define PBT_EXPERIMENT_DEV_H

#include "experiment/run.h"

typedef struct pbt_dev_result {
    double plus_minus, minus_plus; /* percent right of the dev cases of each side */
} pbt_dev_result;

/* The dev cases of a seed, cut from its dev trees. */
typedef struct pbt_dev_set pbt_dev_set;
pbt_code pbt_dev_set_open(pbt_run *run, int64_t seed, pbt_dev_set **set, pbt_error *error);
void pbt_dev_set_free(pbt_dev_set *set);
/* Asks `agent` (the trained model as it is now). The same model gives the same result. */
pbt_code pbt_dev_evaluate(pbt_dev_set *set, pbt_agent *agent, pbt_dev_result *result, pbt_error *error);

/* What is maximised: the arm's own side for accept and resist; for pbt, worse_side * the worse side +
 * (1 - worse_side) * the mean of both. */
double pbt_dev_criterion(const pbt_dev_result *result, const char *arm, double worse_side);

#endif
