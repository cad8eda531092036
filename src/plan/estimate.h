/*
 * How long an experiment takes on this machine: what every stage puts through each model, counted, times
 * rates that are measured when asked for (rates.h). Counted twice: as it may be expected, and at most.
 */
#ifndef PBT_PLAN_ESTIMATE_H
#define PBT_PLAN_ESTIMATE_H

#include "plan/lengths.h"
#include "plan/rates.h"

/* What goes through one model in one stage: tokens, and (`..._seen`) the sum over them of how many tokens
 * each attends to. */
typedef struct pbt_work {
    double read, read_seen;               /* many at a time; a shared beginning counts once */
    double passes, written, written_seen; /* generated, in so many passes */
    double drawn;                         /* of those generated: not simply the likeliest */
    double scored;                        /* of those read: with log-probabilities taken */
    double learned, learned_seen;         /* forward and backward */
    double targets;                       /* of those learned: with loss */
} pbt_work;

typedef enum pbt_work_stage { PBT_WORK_TREES, PBT_WORK_TRAIN, PBT_WORK_EVAL, PBT_WORK_STAGES } pbt_work_stage;
extern const char *const pbt_work_names[PBT_WORK_STAGES]; /* "trees", "training", "evaluation" */

enum { PBT_WORK_MODELS = 3 }; /* agent A, agent B, another extractor */

typedef struct pbt_estimate {
    pbt_work work[PBT_WORK_STAGES][PBT_WORK_MODELS]; /* expected; all seeds */
    pbt_work most[PBT_WORK_STAGES]
                 [PBT_WORK_MODELS]; /* every turn at its greatest length, no debate ends early
                                     */
    pbt_rates rates[PBT_WORK_MODELS];
    double seconds[PBT_WORK_STAGES], most_seconds[PBT_WORK_STAGES];
    int threads;
} pbt_estimate;

/* Counts the work of all seeds: questions[3] of train, dev, test; `sample`: some of them, n_sample >= 2, or
 * none; train_rows: of a training pass. */
pbt_code pbt_estimate_work(const pbt_experiment *experiment, const int64_t questions[3],
                           const char *const *sample, size_t n_sample, double train_rows,
                           pbt_estimate *estimate, pbt_error *error);
/* Seconds of work. What the processor does besides the models (templates, tokenizers, the store) is not
 * counted. */
double pbt_estimate_seconds(const pbt_work *work, const pbt_rates *rates);

#endif
