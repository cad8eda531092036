/*
 * The trainers: SFT and DPO over LoRA adapters or all weights. Option names, defaults and metrics are TRL's
 * and transformers'. Checkpoints make a run continue after any interruption with the same bits.
 */
#ifndef PBT_TRAIN_TRAINER_H
#define PBT_TRAIN_TRAINER_H

#include "base/declarations.h"
#include "base/monitor.h"
#include "model/backward.h"
#include "train/dataset.h"

PBT_BEGIN_DECLS

typedef enum pbt_schedule {
    PBT_LINEAR_SCHEDULE,
    PBT_COSINE,
    PBT_CONSTANT,
    PBT_CONSTANT_WITH_WARMUP
} pbt_schedule;
typedef enum pbt_eval_strategy { PBT_EVAL_NO, PBT_EVAL_STEPS, PBT_EVAL_EPOCH } pbt_eval_strategy;
typedef enum pbt_objective { PBT_SFT, PBT_DPO } pbt_objective;
typedef enum pbt_loss_type {
    PBT_SIGMOID,
    PBT_IPO,
    PBT_HINGE,
    PBT_ROBUST,
    PBT_APO_ZERO,
    PBT_APO_DOWN,
    PBT_SIGMOID_NORM,
    PBT_SFT_TERM, /* "sft": mean negative log-probability of the chosen completions' tokens */
    PBT_LOSS_TYPES
} pbt_loss_type;

/* TRL's loss_type and loss_weights: the loss is the weighted sum. n_weights 0: every weight is 1. */
typedef struct pbt_loss_mix {
    int32_t n, n_weights;
    pbt_loss_type types[PBT_LOSS_TYPES];
    double weights[PBT_LOSS_TYPES];
} pbt_loss_mix;

/* transformers' TrainingArguments and TRL's DPOConfig, by their names. pbt_train_settings_default fills TRL's
 * defaults. */
typedef struct pbt_train_settings {
    pbt_objective objective;
    uint64_t seed;
    int32_t per_device_train_batch_size, gradient_accumulation_steps;
    double num_train_epochs;
    int64_t max_steps; /* > 0 overrides epochs */
    double learning_rate;
    pbt_schedule lr_scheduler_type;
    double warmup_steps; /* < 1: share of all steps */
    double min_lr_ratio; /* floor of the linear and cosine schedules as a share of learning_rate; 0 =
                            transformers' */
    double weight_decay, adam_beta1, adam_beta2, adam_epsilon, max_grad_norm;
    int64_t logging_steps, save_steps; /* save_steps 0: only at the end */
    /* Evaluations on the trainer's eval_dataset. */
    pbt_eval_strategy eval_strategy;
    int64_t eval_steps; /* for PBT_EVAL_STEPS */
    int32_t per_device_eval_batch_size;
    bool load_best_model_at_end; /* the numbers of the best evaluation are what is left, not the last ones */
    bool sequential;             /* train_sampling_strategy sequential */
    bool
        group_trees; /* shuffled, but the examples of a group (tree) stand together, so that more is shared */
    double beta, label_smoothing;
    pbt_loss_mix loss;
    double sft_weight;    /* one more "sft" term of this weight */
    bool disable_dropout; /* TRL: true for DPO; dropout comes from the adapter's settings */
    bool share_prefixes;  /* token tries; false: sequence by sequence */
    int32_t max_rows;     /* rows of one forward/backward pass; batches are cut into passes; 0: chosen */
} pbt_train_settings;
pbt_train_settings pbt_train_settings_default(pbt_objective objective);
/* PBT_USAGE for settings that make no sense, with the name and the number: what every training asks before
 * anything else. */
pbt_code pbt_train_settings_check(const pbt_train_settings *settings, pbt_error *error);
/* TRL's names of schedules and losses; an unknown one is PBT_USAGE with the known ones. */
const char *pbt_schedule_name(pbt_schedule schedule);
pbt_code pbt_schedule_parse(const char *text, pbt_schedule *schedule, pbt_error *error);
const char *pbt_loss_type_name(pbt_loss_type loss_type);
pbt_code pbt_loss_type_parse(const char *text, pbt_loss_type *loss_type, pbt_error *error);
/* A single loss; a list of names; a list of weights (n 0: all 1), of finite numbers. Too many, unknown and
 * doubled ones are PBT_USAGE. */
pbt_loss_mix pbt_loss_mix_of(pbt_loss_type loss_type);
pbt_code pbt_loss_mix_set_types(pbt_loss_mix *mix, const char *const *names, size_t n, pbt_error *error);
pbt_code pbt_loss_mix_set_weights(pbt_loss_mix *mix, const double *weights, size_t n, pbt_error *error);
/* PBT_USAGE where there are not as many weights as losses. */
pbt_code pbt_loss_mix_check(const pbt_loss_mix *mix, pbt_error *error);
/* The names with a comma between them, and weights where they were given: "sigmoid,sft (1, 0.1)". */
void pbt_loss_mix_text(const pbt_loss_mix *mix, pbt_text *text);

/* Whether the machine's memory holds what training a new adapter takes beside the model's weights; PBT_FAILED
 * with the numbers where it does not. Also refuses ranks and targets that no adapter can have. */
pbt_code pbt_train_memory_check(const pbt_config *config, const pbt_adapter_settings *lora, int32_t max_rows,
                                pbt_error *error);

/* One logged step; names in metrics.jsonl as docs/FORMATS.md. */
typedef struct pbt_metrics {
    int64_t step;
    double epoch, loss, learning_rate, grad_norm;
    double rewards_chosen, rewards_rejected, rewards_margins, rewards_accuracies, logps_chosen,
        logps_rejected, logits_chosen, logits_rejected;
    double entropy, mean_token_accuracy; /* NaN where not computed */
    double step_time;
    int64_t num_tokens, unique_tokens;
} pbt_metrics;

typedef struct pbt_trainer {
    pbt_train_settings settings;
    pbt_model *model;          /* writable when `adapter` is NULL */
    pbt_adapter *adapter;      /* the trained adapter, changed in place; or NULL: all weights */
    const pbt_adapter *frozen; /* added below `adapter`, never changed, part of the reference too; or NULL */
    const pbt_dataset *dataset;
    const pbt_dataset *eval_dataset; /* NULL: no evaluations */
    /* What is best (load_best_model_at_end): a metric of the evaluations, NULL: "eval_loss", and whether more
     * of it is better. */
    const char *metric_for_best_model;
    bool greater_is_better;
    const char *base_model; /* name that the kept checkpoints record; NULL: none */
    /* For objectives and orders that are made as training goes (pretraining): appends the examples of
     * micro-step `step` (counted from 0; gradient_accumulation_steps of them make an optimizer step) to
     * `batch`, which the trainer frees. When NULL, `dataset` is walked in seeded order. Must depend on
     * (user, step) only; needs max_steps. DPO examples need their own reference log-probabilities. */
    pbt_code (*next_batch)(void *user, int64_t step, pbt_dataset *batch, pbt_error *error);
    void *next_batch_user;
    const char *folder; /* output_dir: metrics.jsonl, checkpoint; NULL: nothing is written */
    /* Where the reference log-probabilities are kept, under a name made of their contents' hashes; NULL: in
     * `folder`. */
    const char *reference_folder;
    /* Called once with the reference log-probabilities of `dataset` ([count] each), before the first step.
     * May be NULL. */
    pbt_code (*reference_ready)(void *user, const double *chosen, const double *rejected, pbt_error *error);
    void *reference_ready_user;
    bool no_events; /* metrics.jsonl only, no TensorBoard file beside it */
    bool resume;    /* continue from the folder's checkpoint when there is one of the same settings */
    /* Called after every optimizer step, before that step's checkpoint is written (and once before the first,
     * step 0, for DPO): evaluate, keep the best. After an interruption it is called again for the steps since
     * the last checkpoint. May be NULL. */
    pbt_code (*after_step)(void *user, int64_t step, const pbt_metrics *metrics, pbt_error *error);
    void *after_step_user;
    const pbt_monitor *monitor;
    struct pbt_training_log *log; /* set while pbt_train runs */
} pbt_trainer;
/* DPO: reference log-probabilities are computed once, under the adapter as it is at the start (or the base
 * model for a fresh adapter), unless the dataset has them; step 0 must show margin 0 and loss ln 2 within
 * 1e-4, reported through the monitor. */
pbt_code pbt_train(pbt_trainer *trainer, pbt_error *error);
/* For after_step: one more line of metrics.jsonl and of the event file, with "step" and numbers of its own
 * (eval_NAME). Nothing happens where nothing is logged. */
pbt_code pbt_train_log(const pbt_trainer *trainer, const json_t *line, pbt_error *error);
/* The number of optimizer steps settings and data give. */
int64_t pbt_train_steps(const pbt_train_settings *settings, size_t n_examples);
/* The rows of one pass: settings.max_rows, or where that is 0 what the model's shape gives. */
int32_t pbt_train_rows(const pbt_trainer *trainer);
/* Bytes of the passes: kept activations, keys and values, logits, and gradients on their way back. */
int64_t pbt_train_pass_bytes(const pbt_config *config, int32_t rows, int32_t rank);
/* The same for a model that is not open: `max_rows` of the settings, the rank of the adapter (0: none). */
int32_t pbt_train_rows_of(const pbt_config *config, int32_t max_rows, int32_t rank);

PBT_END_DECLS

#endif
