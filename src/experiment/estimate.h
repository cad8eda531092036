/*
 * How long an experiment takes on this machine: tokens of every stage, counted at most, over rates of matrix
 * products that are measured when asked for.
 */
#ifndef PBT_EXPERIMENT_ESTIMATE_H
#define PBT_EXPERIMENT_ESTIMATE_H

#include "experiment/settings.h"

/* Tokens of one stage of one model: `read` go through it many at a time, `written` one after the other. */
typedef struct pbt_work {
    double read, written, learned; /* learned: forward and backward */
} pbt_work;

typedef enum pbt_work_stage { PBT_WORK_TREES, PBT_WORK_TRAIN, PBT_WORK_EVAL, PBT_WORK_STAGES } pbt_work_stage;
extern const char *const pbt_work_names[PBT_WORK_STAGES]; /* "trees", "training", "evaluation" */

/* Floating-point operations a second of products with a model's matrices. */
typedef struct pbt_rates {
    double read, written, learned;
} pbt_rates;

typedef struct pbt_estimate {
    pbt_work work[PBT_WORK_STAGES][3]; /* of agent A, agent B, another extractor; all seeds */
    pbt_rates rates[3];
    double seconds[PBT_WORK_STAGES];
    int threads;
} pbt_estimate;

/* Counts the work of all seeds: questions[3] of train, dev, test. Debates are taken at full length, nothing
 * as shared, and a token of a prompt as four letters. */
pbt_code pbt_estimate_work(const pbt_experiment *experiment, const int64_t questions[3],
                           pbt_estimate *estimate, pbt_error *error);
/* Measures products with matrices of the model's width in `dtype` (about a second). */
pbt_code pbt_estimate_rates(const pbt_config *config, pbt_dtype dtype, int32_t batch, pbt_rates *rates,
                            pbt_error *error);
/* Seconds of work with a model. Attention and sampling are not counted. */
double pbt_estimate_seconds(const pbt_config *config, const pbt_work *work, const pbt_rates *rates);

#endif
