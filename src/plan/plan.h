/*
 * The plan of work and memory of an experiment, made from configurations and questions before any weight is
 * loaded.
 */
#ifndef PBT_PLAN_PLAN_H
#define PBT_PLAN_PLAN_H

#include "plan/estimate.h"

typedef struct pbt_plan_model {
    const char *role; /* "agent A", "agent B", "extractor", "filter" */
    const char *dtype;
    const char *name; /* folder or id */
    int64_t parameters;
    bool shared;            /* with a model named before: costs nothing more */
    bool known;             /* not on disk: its shape is known by its id (known.h) */
    pbt_config config;      /* without `raw` */
    pbt_dtype held, stored; /* of the linear layers */
    int32_t kv_rows;
    /* bytes */
    int64_t bytes;       /* weights as held: */
    int64_t owned;       /* of them in memory of their own; the others are pages of the mapped files */
    int64_t packed;      /* copies that are faster to compute with */
    int64_t kv, buffers; /* of its engine */
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
    int32_t train_rows; /* of a pass of the trainer */
    pbt_plan_model models[4];
    size_t n_models;
    /* Bytes, of all models: weights in memory of their own; packed copies; pages of the trained model's
     * files, which training reads again; keys and values; other buffers of the engines; the passes of the
     * trainer; adapter, gradients and moments. */
    int64_t weights, packed, mapped, kv, activations, training, optimizer, total;
    const pbt_device *device;
    int64_t available;     /* physical memory of the device */
    bool packs;            /* there is room for packed copies; else total has none, and all is slower */
    pbt_estimate estimate; /* its work is counted by pbt_plan_make, its rates by pbt_plan_measure */
    bool measured;
} pbt_plan;

/* For a run on `device`. */
pbt_code pbt_plan_make(const pbt_experiment *experiment, const pbt_device *device, pbt_plan *plan,
                       pbt_error *error);
/* Models and memory only (plan_memory.c). */
pbt_code pbt_plan_memory(const pbt_experiment *experiment, const pbt_device *device, pbt_plan *plan,
                         pbt_error *error);
/* Measures the device's rates (a second or a few for each shape) and fills the seconds of every stage. */
pbt_code pbt_plan_measure(const pbt_experiment *experiment, pbt_plan *plan, pbt_error *error);
/* PBT_FAILED with the plan in one sentence where memory does not suffice. */
pbt_code pbt_plan_check(const pbt_plan *plan, pbt_error *error);
json_t *pbt_plan_json(const pbt_plan *plan, const pbt_experiment *experiment);
void pbt_plan_text(const pbt_plan *plan, const pbt_experiment *experiment, pbt_text *out);

#endif
