/*
 * What the files of train/ share with each other and with nobody else: the types of a training in work. What
 * is done with each stands in a header of its own.
 */
#ifndef PBT_TRAIN_TRAINING_H
#define PBT_TRAIN_TRAINING_H

#include "train/events.h"
#include "train/trainer.h"
#include "train/trie.h"

/* Micro-batches and optimizer steps of one epoch, as transformers' Trainer counts them. */
typedef struct pbt_epoch_plan {
    int64_t micro_batches; /* ceil(examples / batch size) */
    int64_t steps;         /* ceil(micro_batches / accumulation), at least 1 */
} pbt_epoch_plan;

/* One pair: sums of log-probabilities of the completions under policy and reference, and their tokens. */
typedef struct pbt_pair_logps {
    double chosen, rejected, ref_chosen, ref_rejected;
    int32_t chosen_tokens, rejected_tokens;
} pbt_pair_logps;
/* The loss of one pair, without its "sft" terms, and its derivatives by the two policy log-probabilities. */
typedef struct pbt_pair_loss {
    double loss, d_chosen, d_rejected;
} pbt_pair_loss;

/* Buffers of the passes, allocated once for `rows` rows. */
typedef struct pbt_pass_buffers {
    const pbt_model *model;
    pbt_kv kv;
    pbt_activations *activations;
    int32_t rows, adapter_rank;
    bool keep;
    float *logprob, *weight; /* [targets] */
    pbt_target_statistics statistics;
    size_t logprob_capacity, weight_capacity, entropy_capacity, mean_capacity, top_capacity;
} pbt_pass_buffers;

/* The examples of one optimizer step, in the order of their texts, cut into passes of at most max_rows rows
 * (an example that is longer than that alone makes a pass of its own). */
typedef struct pbt_batch {
    const pbt_example **examples; /* [n] in the order of the data */
    uint32_t *order;              /* [n] the order in which passes take them */
    size_t n;
    size_t *pass_start; /* [n_passes + 1] into order */
    size_t n_passes;
    bool preference;
} pbt_batch;

typedef struct pbt_optimizer {
    const pbt_ops *ops;
    const pbt_parameter *parameters; /* owned by the gradients */
    size_t n_parameters;
    float **m, **v; /* first and second moments, in the device's memory */
} pbt_optimizer;

/* Sums since the last logged line. */
typedef struct pbt_metric_sums {
    double loss, rewards_chosen, rewards_rejected, rewards_margins, rewards_accuracies, logps_chosen,
        logps_rejected, logits_chosen, logits_rejected, entropy, mean_token_accuracy, step_time;
    int64_t steps, num_tokens, unique_tokens; /* tokens: since the beginning of the training */
} pbt_metric_sums;

struct pbt_training_log {
    int descriptor; /* of metrics.jsonl; -1: closed */
    char *path;
    pbt_event_file events;
};
typedef struct pbt_training_log pbt_training_log;

/* Best evaluation so far; step 0: none. */
typedef struct pbt_best {
    int64_t step;
    double metric;
} pbt_best;

typedef struct pbt_checkpoint_state {
    const char *record; /* pbt_training_record; borrowed */
    int64_t step;
    pbt_metric_sums sums;
    pbt_best best;
} pbt_checkpoint_state;
/* XXH3 of the data, the data of evaluations (0: none), the model, and the adapter as it is at the start (0:
 * none). */
typedef struct pbt_hashes {
    uint64_t data, eval_data, model, adapter;
} pbt_hashes;

/* Reference log-probabilities of a dataset's completions, sums over their tokens. */
typedef struct pbt_reference {
    const pbt_dataset *dataset;
    double *chosen, *rejected; /* [dataset->count] */
} pbt_reference;

/* What a trainer works with from the first to the last step. */
typedef struct pbt_training {
    const pbt_trainer *trainer;
    const pbt_train_settings *settings;
    const pbt_adapter *adapters[2]; /* the frozen one, where there is one, and the trained one */
    int32_t n_adapters;
    int32_t max_rows;
    double dropout;
    pbt_reference reference[2]; /* of the dataset and of the evaluations' dataset; empty for SFT */
    pbt_pass_buffers buffers;
    pbt_gradients *gradients;
    pbt_optimizer optimizer;
} pbt_training;

/* Sums over an example's loss-carrying tokens; [0] of the chosen (or only) completion, [1] of the rejected.
 */
typedef struct pbt_example_sums {
    double entropy[2], mean_logit[2];
    int64_t tokens[2], top; /* top: tokens of the chosen one that were the likeliest */
} pbt_example_sums;

#endif
