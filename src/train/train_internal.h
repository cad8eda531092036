/*
 * What the files of train/ share with each other and with nobody else: a batch of examples cut into passes,
 * the losses, the optimizer, the checkpoint and the metrics file of a running trainer.
 */
#ifndef PBT_TRAIN_TRAIN_INTERNAL_H
#define PBT_TRAIN_TRAIN_INTERNAL_H

#include "train/events.h"
#include "train/trainer.h"
#include "train/trie.h"

/* ---- schedule.c ---- */

/* Micro-batches and optimizer steps of one epoch, as transformers' Trainer counts them. */
typedef struct pbt_epoch_plan {
    int64_t micro_batches; /* ceil(examples / batch size) */
    int64_t steps;         /* ceil(micro_batches / accumulation), at least 1 */
} pbt_epoch_plan;
pbt_epoch_plan pbt_epoch_plan_of(const pbt_train_settings *settings, size_t n_examples);
/* Warm-up steps: a number >= 1 as it is, a smaller one as a share of all steps, rounded up. */
int64_t pbt_warmup_steps(const pbt_train_settings *settings, int64_t total_steps);
/* The learning rate of optimizer step `step`, counted from 0. */
double pbt_learning_rate(const pbt_train_settings *settings, int64_t total_steps, int64_t step);
/* The epoch that stands in the log after `step` optimizer steps. */
double pbt_epoch_after(const pbt_train_settings *settings, size_t n_examples, int64_t step);
/* Order of an epoch's examples: as they stand, or shuffled by (seed, epoch); with group_trees those of one
 * group then stand together. group: pbt_example_groups, needed for that only. order: n_examples entries. */
pbt_code pbt_epoch_order(const pbt_train_settings *settings, int64_t epoch, const uint32_t *group,
                         uint32_t *order, size_t n_examples, pbt_error *error);
/* Numbers the groups of the examples 0, 1, ...: group[i] < count. An example without one is its own. */
pbt_code pbt_example_groups(const pbt_dataset *dataset, uint32_t *group, pbt_error *error);

/* ---- loss.c ---- */

/* One pair: sums of log-probabilities of the completions under policy and reference, and their tokens. */
typedef struct pbt_pair_logps {
    double chosen, rejected, ref_chosen, ref_rejected;
    int32_t chosen_tokens, rejected_tokens;
} pbt_pair_logps;
/* The loss of one pair, without its "sft" terms, and its derivatives by the two policy log-probabilities. */
typedef struct pbt_pair_loss {
    double loss, d_chosen, d_rejected;
} pbt_pair_loss;
pbt_pair_loss pbt_pair_loss_of(const pbt_train_settings *settings, const pbt_pair_logps *pair);
/* The weight of the "sft" terms together. */
double pbt_sft_weight_of(const pbt_train_settings *settings);

/* ---- batch.c ---- */

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
pbt_code pbt_pass_buffers_create(const pbt_model *model, int32_t rows, int32_t adapter_rank, bool keep,
                                 pbt_pass_buffers *buffers, pbt_error *error);
/* Makes room for a pass of `rows` rows and `targets` targets. */
pbt_code pbt_pass_buffers_reserve(pbt_pass_buffers *buffers, int32_t rows, int32_t targets, pbt_error *error);
void pbt_pass_buffers_free(pbt_pass_buffers *buffers);

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
pbt_code pbt_batch_plan(const pbt_example *const *examples, size_t n, bool preference, bool share,
                        int32_t max_rows, pbt_batch *batch, pbt_error *error);
void pbt_batch_free(pbt_batch *batch);
/* Rows the example needs alone. */
int64_t pbt_example_rows(const pbt_example *example, bool preference, bool share);
/* Tokens that carry loss in the chosen (or only) sequence. */
int64_t pbt_example_targets(const pbt_example *example);
/* The trie of one pass. Sequence 2j is the chosen and 2j+1 the rejected of the pass's j-th example when
 * `preference`, else sequence j is the j-th example. */
pbt_code pbt_batch_trie(const pbt_batch *batch, size_t pass, bool share, pbt_trie *trie, pbt_error *error);

/* ---- check.c ---- */

pbt_code pbt_trainer_check(const pbt_trainer *trainer, pbt_error *error);
pbt_code pbt_example_check(const pbt_trainer *trainer, const pbt_example *example, size_t index,
                           pbt_error *error);

/* ---- optimizer.c ---- */

typedef struct pbt_optimizer {
    const pbt_ops *ops;
    const pbt_parameter *parameters; /* owned by the gradients */
    size_t n_parameters;
    float **m, **v; /* first and second moments, in the device's memory */
} pbt_optimizer;
pbt_code pbt_optimizer_create(const pbt_ops *ops, const pbt_gradients *gradients, pbt_optimizer *optimizer,
                              pbt_error *error);
void pbt_optimizer_free(pbt_optimizer *optimizer);
/* The 2-norm of all gradients. */
double pbt_optimizer_gradient_norm(const pbt_optimizer *optimizer);
/* torch's clip_grad_norm_: what gradients are multiplied by; max_norm 0 switches clipping off. */
double pbt_clip_scale(double norm, double max_norm);
void pbt_optimizer_step(pbt_optimizer *optimizer, const pbt_train_settings *settings, double learning_rate,
                        int64_t step, double gradient_scale);

/* ---- metrics.c ---- */

/* Sums since the last logged line. */
typedef struct pbt_metric_sums {
    double loss, rewards_chosen, rewards_rejected, rewards_margins, rewards_accuracies, logps_chosen,
        logps_rejected, logits_chosen, logits_rejected, entropy, mean_token_accuracy, step_time;
    int64_t steps, num_tokens, unique_tokens; /* tokens: since the beginning of the training */
} pbt_metric_sums;
void pbt_metric_sums_add(pbt_metric_sums *sums, const pbt_metrics *metrics);
/* The line to log: means over the interval, the rest as `last` has it; starts the next interval. */
pbt_metrics pbt_metric_sums_take(pbt_metric_sums *sums, const pbt_metrics *last);
/* A line of metrics.jsonl; keys in their documented order. NULL when memory is out. */
json_t *pbt_metrics_line(const pbt_metrics *metrics, pbt_objective objective);

/* ---- log.c ---- */

struct pbt_training_log {
    int descriptor; /* of metrics.jsonl; -1: closed */
    char *path;
    pbt_event_file events;
};
typedef struct pbt_training_log pbt_training_log;
/* Opens FOLDER/metrics.jsonl and, with `events`, the event file for appending after dropping every line of a
 * step beyond `last_step`. */
pbt_code pbt_training_log_open(pbt_training_log *log, const char *folder, int64_t last_step, bool events,
                               pbt_error *error);
pbt_code pbt_training_log_append(pbt_training_log *log, const json_t *line, pbt_error *error);
pbt_code pbt_training_log_sync(pbt_training_log *log, pbt_error *error);
void pbt_training_log_close(pbt_training_log *log);

/* ---- state.c ---- */

/* Best evaluation so far; step 0: none. */
typedef struct pbt_best {
    int64_t step;
    double metric;
} pbt_best;
/* Writes FOLDER/trainer_state.json, as transformers' TrainerState reads it, from metrics.jsonl. `best` may be
 * NULL. */
pbt_code pbt_trainer_state_write(const char *folder, const pbt_train_settings *settings, int64_t step,
                                 int64_t max_steps, double epoch, const pbt_best *best, pbt_error *error);

/* ---- checkpoint.c ---- */

typedef struct pbt_checkpoint_state {
    uint64_t fingerprint; /* of settings, data, model and adapter as they were at the start */
    int64_t step;
    pbt_metric_sums sums;
    pbt_best best;
} pbt_checkpoint_state;
/* XXH3 of the data, the data of evaluations (0: none), the model, and the adapter as it is at the start (0:
 * none). */
typedef struct pbt_hashes {
    uint64_t data, eval_data, model, adapter;
} pbt_hashes;
/* Hash of everything that steers the numbers. */
uint64_t pbt_settings_fingerprint(const pbt_train_settings *settings, int64_t total_steps,
                                  const pbt_hashes *hashes);
pbt_code pbt_checkpoint_write(const char *folder, const pbt_checkpoint_state *state,
                              const pbt_optimizer *optimizer, pbt_error *error);
/* *found = false when there is none. One of another fingerprint, or damaged, is PBT_BAD_INPUT. */
pbt_code pbt_checkpoint_read(const char *folder, uint64_t fingerprint, pbt_checkpoint_state *state,
                             pbt_optimizer *optimizer, bool *found, pbt_error *error);

/* ---- objective.c ---- */

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
/* Reference log-probabilities of an example of a dataset with a reference, or of one handed over with its
 * own. */
void pbt_training_reference(const pbt_training *training, const pbt_example *example, double *chosen,
                            double *rejected);
/* Forward and, with `gradients`, backward over all passes of a batch; fills loss, rewards, logps and token
 * counts of `metrics` (tokens of this batch only). `step` keys the dropout. */
pbt_code pbt_batch_run(pbt_training *training, const pbt_batch *batch, int64_t step, bool gradients,
                       pbt_metrics *metrics, pbt_error *error);
/* Sums of the completions' log-probabilities of every example: chosen[i], rejected[i] (may be NULL for SFT).
 */
pbt_code pbt_batch_logps(pbt_training *training, const pbt_batch *batch, double *chosen, double *rejected,
                         pbt_error *error);

/* ---- statistics.c ---- */

/* Sums over an example's loss-carrying tokens; [0] of the chosen (or only) completion, [1] of the rejected.
 */
typedef struct pbt_example_sums {
    double entropy[2], mean_logit[2];
    int64_t tokens[2], top; /* top: tokens of the chosen one that were the likeliest */
} pbt_example_sums;
/* Adds what `statistics` has of pass `pass` to sums[i] of every example i of the batch. */
void pbt_statistics_add(const pbt_batch *batch, size_t pass, const pbt_trie *trie,
                        const pbt_target_statistics *statistics, pbt_example_sums *sums);
/* Fills entropy, mean_token_accuracy and logits/... as TRL has them: means over the tokens of a micro-batch
 * of `size` examples, averaged over the micro-batches. */
void pbt_statistics_summarise(const pbt_example_sums *sums, size_t n, size_t size, bool preference,
                              pbt_metrics *metrics);

/* ---- reference.c ---- */

/* Fills reference->chosen and rejected of reference->dataset: from the dataset's columns, from the folder's
 * file, or by computing them. *given: whether every number came from the dataset. Free with
 * pbt_reference_free, after an error too. */
pbt_code pbt_reference_prepare(pbt_training *training, pbt_reference *reference, uint64_t data_hash,
                               const pbt_hashes *hashes, bool *given, pbt_error *error);
void pbt_reference_free(pbt_reference *reference);

/* ---- start.c ---- */

/* The settings with no weight on the "sft" terms. */
pbt_train_settings pbt_settings_without_sft(const pbt_train_settings *settings);
/* Says what `metrics`, of the first batch without the "sft" terms, must be before the first step, and fails
 * where it is not so and the reference was not given with the data. */
pbt_code pbt_start_report(const pbt_training *training, const pbt_metrics *metrics, const pbt_hashes *hashes,
                          bool given, pbt_error *error);

/* ---- evaluate.c ---- */

/* Means over all examples; the loss is TRL's: of batches of per_device_eval_batch_size, weighted by size. */
pbt_code pbt_evaluate(pbt_training *training, const pbt_dataset *dataset, pbt_metrics *mean,
                      pbt_error *error);
/* {"step", "epoch", "eval_loss", ..., "eval_runtime"}; NULL when memory is out. */
json_t *pbt_eval_line(const pbt_metrics *metrics, pbt_objective objective);
/* Whether settings ask for an evaluation after `step` (from 1). */
bool pbt_eval_due(const pbt_train_settings *settings, size_t n_examples, int64_t step, int64_t total_steps);

/* ---- best.c ---- */

/* Looks up the metric that decides in a line of an evaluation; where it is better than `best`, FOLDER/
 * checkpoint-STEP becomes the best one and the one before goes. */
pbt_code pbt_best_consider(const pbt_trainer *trainer, const json_t *line, pbt_best *best, pbt_error *error);
/* The trained numbers of FOLDER/checkpoint-STEP of `best`. */
pbt_code pbt_best_load(const pbt_training *training, const pbt_best *best, pbt_error *error);

#endif
