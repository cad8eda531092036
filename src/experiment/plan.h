/*
 * The plan of work and memory of an experiment, made from configurations and questions before any weight is
 * loaded.
 */
#ifndef PBT_EXPERIMENT_PLAN_H
#define PBT_EXPERIMENT_PLAN_H

#include "experiment/estimate.h"

typedef struct pbt_plan_model {
    const char *role; /* "agent A", "agent B", "extractor", "filter" */
    const char *dtype;
    const char *name; /* folder or id */
    int64_t parameters;
    int64_t bytes;     /* weights as held */
    bool shared;       /* with a model named before: costs nothing more */
    bool known;        /* not on disk: its shape is known by its id (known.h) */
    pbt_config config; /* without `raw` */
    pbt_dtype held;
} pbt_plan_model;

typedef struct pbt_plan {
    char questions_missing[512];  /* why the numbers of questions are the experiment's, not those of files; or
                                     "" */
    int64_t questions[3];         /* train, dev, test */
    int64_t trees[3], nodes[3];   /* nodes: at most */
    int64_t pairs;                /* of an arm; 0: as many as the scarcest arm has */
    int64_t sft_steps, dpo_steps; /* of one arm; -1: depends on the number of pairs */
    int64_t trainings;            /* seeds * arms */
    int64_t lora_parameters;
    pbt_plan_model models[4];
    size_t n_models;
    /* bytes */
    int64_t weights, kv, activations, optimizer, total, available; /* available: physical memory */
    pbt_estimate estimate; /* its work is counted by pbt_plan_make, its rates by pbt_plan_measure */
    bool measured;
} pbt_plan;

pbt_code pbt_plan_make(const pbt_experiment *experiment, pbt_plan *plan, pbt_error *error);
/* Measures this machine's rates (a second for each model) and fills the seconds of every stage. */
pbt_code pbt_plan_measure(const pbt_experiment *experiment, pbt_plan *plan, pbt_error *error);
json_t *pbt_plan_json(const pbt_plan *plan, const pbt_experiment *experiment);
void pbt_plan_text(const pbt_plan *plan, const pbt_experiment *experiment, pbt_text *out);
/* PBT_FAILED with the plan's sum where it does not fit into the machine's memory. */
pbt_code pbt_plan_check(const pbt_plan *plan, pbt_error *error);

#endif
