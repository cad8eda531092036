/*
 * The training loop: data order, passes, clipping, AdamW, logging, checkpoints, and the check before the
 * first step. Everything a step needs beside the numbers in the checkpoint is a function of (seed, step).
 */
#include "train/internal.h"

#include "base/file.h"
#include "base/memory.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct training_run {
    pbt_training training;
    pbt_train_settings settings; /* with max_rows resolved */
    pbt_trainer *trainer;
    int64_t total_steps, step; /* step: optimizer steps done */
    int64_t order_epoch;       /* the epoch `order` belongs to, -1: none */
    uint32_t *order, *group;
    pbt_metric_sums sums;
    pbt_training_log log;
    uint64_t fingerprint;
} training_run;

static pbt_code check_counts(const pbt_train_settings *s, pbt_error *error) {
    if (s->per_device_train_batch_size < 1 || s->gradient_accumulation_steps < 1)
        return pbt_fail(error, PBT_USAGE,
                        "per_device_train_batch_size is %d and gradient_accumulation_steps is %d; both must "
                        "be at least 1",
                        s->per_device_train_batch_size, s->gradient_accumulation_steps);
    if (s->max_steps <= 0 && !(s->num_train_epochs > 0 && s->num_train_epochs < 1e9))
        return pbt_fail(error, PBT_USAGE,
                        "num_train_epochs is %g; it must be positive, or max_steps must be given",
                        s->num_train_epochs);
    if (s->logging_steps < 1 || s->save_steps < 0 || s->max_rows < 0)
        return pbt_fail(error, PBT_USAGE,
                        "logging_steps is %" PRId64 ", save_steps %" PRId64 ", max_rows %d; logging_steps "
                        "must be at least 1, the others at least 0",
                        s->logging_steps, s->save_steps, s->max_rows);
    return PBT_OK;
}

static pbt_code check_numbers(const pbt_train_settings *s, pbt_error *error) {
    if (!(s->learning_rate >= 0 && isfinite(s->learning_rate)) || !(s->weight_decay >= 0) ||
        !(s->adam_beta1 >= 0 && s->adam_beta1 < 1) || !(s->adam_beta2 >= 0 && s->adam_beta2 < 1) ||
        !(s->adam_epsilon > 0) || !(s->max_grad_norm >= 0) || !(s->warmup_steps >= 0))
        return pbt_fail(error, PBT_USAGE,
                        "learning_rate %g, weight_decay %g, adam_beta1 %g, adam_beta2 %g, adam_epsilon %g, "
                        "max_grad_norm %g, warmup_steps %g: expected betas in [0, 1), a positive epsilon and "
                        "nothing below zero",
                        s->learning_rate, s->weight_decay, s->adam_beta1, s->adam_beta2, s->adam_epsilon,
                        s->max_grad_norm, s->warmup_steps);
    if (!(s->min_lr_ratio >= 0 && s->min_lr_ratio <= 1))
        return pbt_fail(error, PBT_USAGE, "min_lr_ratio is %g; expected a share from 0 to 1",
                        s->min_lr_ratio);
    if (s->objective != PBT_DPO) return PBT_OK;
    if (!(s->beta > 0 && isfinite(s->beta)))
        return pbt_fail(error, PBT_USAGE, "beta is %g; it must be positive", s->beta);
    if (!(s->label_smoothing >= 0 && s->label_smoothing < 0.5))
        return pbt_fail(error, PBT_USAGE,
                        "label_smoothing is %g; expected 0 <= label_smoothing < 0.5 (the share of flipped "
                        "labels)",
                        s->label_smoothing);
    if (!(s->sft_weight >= 0 && isfinite(s->sft_weight)))
        return pbt_fail(error, PBT_USAGE, "sft_weight is %g; it must not be negative", s->sft_weight);
    return pbt_loss_mix_check(&s->loss, error);
}

static pbt_code check_example(const pbt_trainer *trainer, const pbt_example *example, size_t index,
                              pbt_error *error) {
    bool preference = trainer->settings.objective == PBT_DPO;
    if (pbt_example_targets(example) < 1 || (preference && example->rejected.count == 0))
        return pbt_fail(error, PBT_BAD_INPUT,
                        "example %zu has no token that carries loss; every completion needs at least one",
                        index + 1);
    int32_t vocabulary = trainer->model->config.vocab_size;
    const pbt_ids *lists[] = {&example->prompt, &example->chosen, &example->rejected};
    for (int l = 0; l < 3; l++)
        for (size_t i = 0; i < lists[l]->count; i++)
            if (lists[l]->items[i] < 0 || lists[l]->items[i] >= vocabulary)
                return pbt_fail(error, PBT_BAD_INPUT,
                                "example %zu has token id %d, but the model's vocabulary has %d entries; the "
                                "tokenizer does not belong to this model",
                                index + 1, lists[l]->items[i], vocabulary);
    return PBT_OK;
}

static pbt_code check_trainer(const pbt_trainer *trainer, pbt_error *error) {
    PBT_TRY(check_counts(&trainer->settings, error));
    PBT_TRY(check_numbers(&trainer->settings, error));
    if (trainer->next_batch) {
        if (trainer->settings.max_steps <= 0)
            return pbt_fail(error, PBT_USAGE, "data made as training goes has no epochs; give max_steps");
        return PBT_OK;
    }
    if (!trainer->dataset || trainer->dataset->count == 0)
        return pbt_fail(error, PBT_BAD_INPUT, "the dataset has no examples to train on");
    if (trainer->dataset->count > UINT32_MAX)
        return pbt_fail(error, PBT_BAD_INPUT, "the dataset has %zu examples; at most %u are possible",
                        trainer->dataset->count, UINT32_MAX);
    for (size_t i = 0; i < trainer->dataset->count; i++)
        PBT_TRY(check_example(trainer, &trainer->dataset->items[i], i, error));
    return PBT_OK;
}

static int32_t adapter_rank(const pbt_trainer *trainer) {
    return trainer->adapter ? trainer->adapter->settings.r : 0;
}

int32_t pbt_train_rows(const pbt_trainer *trainer) {
    if (trainer->settings.max_rows > 0) return trainer->settings.max_rows;
    /* A function of the model's shape alone, never of the machine: where a batch is cut decides the order of
     * summation, and with it the last bits. */
    enum { PROBE = 256, LEAST = 256, MOST = 2048 };
    const size_t budget = (size_t)256 << 20;
    size_t row = pbt_activations_bytes(&trainer->model->config, PROBE, adapter_rank(trainer), true) / PROBE;
    size_t rows = budget / (row + 1) / 64 * 64;
    return (int32_t)(rows < LEAST ? LEAST : rows > MOST ? MOST : rows);
}

/* Rows to allocate: no more than a whole optimizer step of the longest example could need. */
static int32_t rows_to_allocate(const training_run *run) {
    const pbt_train_settings *s = &run->settings;
    const pbt_dataset *dataset = run->trainer->dataset;
    if (run->trainer->next_batch || !dataset) return s->max_rows;
    int64_t longest = 1;
    for (size_t i = 0; i < dataset->count; i++) {
        int64_t rows = pbt_example_rows(&dataset->items[i], s->objective == PBT_DPO, s->share_prefixes);
        if (rows > longest) longest = rows;
    }
    int64_t step = longest * s->per_device_train_batch_size * s->gradient_accumulation_steps;
    int64_t rows = step < s->max_rows ? step : s->max_rows;
    return (int32_t)(rows < longest ? longest : rows);
}

static pbt_code open_training(training_run *run, uint64_t *data_hash, uint64_t *model_hash,
                              uint64_t *adapter_hash, pbt_error *error) {
    pbt_trainer *trainer = run->trainer;
    pbt_training *training = &run->training;
    run->settings = trainer->settings;
    run->settings.max_rows = pbt_train_rows(trainer);
    run->total_steps = pbt_train_steps(&run->settings, trainer->dataset ? trainer->dataset->count : 0);
    training->trainer = trainer;
    training->settings = &run->settings;
    training->max_rows = run->settings.max_rows;
    if (trainer->adapter) {
        training->adapters[0] = trainer->adapter;
        training->n_adapters = 1;
        training->dropout = run->settings.disable_dropout ? 0 : trainer->adapter->settings.dropout;
    }
    *data_hash = trainer->next_batch ? 0 : pbt_dataset_hash(trainer->dataset);
    PBT_TRY(pbt_model_hash(trainer->model, model_hash, error));
    *adapter_hash = trainer->adapter ? pbt_adapter_hash(trainer->adapter) : 0;
    run->fingerprint =
        pbt_settings_fingerprint(&run->settings, run->total_steps, *data_hash, *model_hash, *adapter_hash);
    PBT_TRY(trainer->adapter
                ? pbt_gradients_for_adapter(trainer->model, trainer->adapter, &training->gradients, error)
                : pbt_gradients_for_model(trainer->model, &training->gradients, error));
    PBT_TRY(pbt_optimizer_create(trainer->model->ops, training->gradients, &training->optimizer, error));
    PBT_TRY(pbt_pass_buffers_create(trainer->model, rows_to_allocate(run), adapter_rank(trainer), true,
                                    &training->buffers, error));
    if (!trainer->dataset) return PBT_OK;
    run->order = pbt_alloc(trainer->dataset->count + 1, sizeof *run->order);
    run->group = pbt_alloc(trainer->dataset->count + 1, sizeof *run->group);
    if (!run->order || !run->group)
        return pbt_fail_memory(error, trainer->dataset->count * 8, "the order of the data");
    return run->settings.group_trees ? pbt_example_groups(trainer->dataset, run->group, error) : PBT_OK;
}

static void close_training(training_run *run) {
    pbt_pass_buffers_free(&run->training.buffers);
    pbt_optimizer_free(&run->training.optimizer);
    if (run->training.gradients) pbt_gradients_free(run->training.gradients);
    free(run->training.ref_chosen);
    free(run->training.ref_rejected);
    free(run->order);
    free(run->group);
    run->trainer->log = NULL;
    pbt_training_log_close(&run->log);
}

/* ---- the examples of a step ---- */

/* The data of one optimizer step: pointers into the dataset, or examples made for it. */
typedef struct step_data {
    const pbt_example **examples;
    size_t n;
    pbt_dataset made;
} step_data;

static pbt_code take_made(training_run *run, int64_t step, step_data *data, pbt_error *error) {
    pbt_trainer *trainer = run->trainer;
    int64_t accumulation = run->settings.gradient_accumulation_steps;
    for (int64_t i = 0; i < accumulation; i++)
        PBT_TRY(trainer->next_batch(trainer->next_batch_user, step * accumulation + i, &data->made, error));
    data->n = data->made.count;
    if (data->n == 0)
        return pbt_fail(error, PBT_BAD_INPUT, "step %" PRId64 " was given no examples", step + 1);
    data->examples = pbt_alloc(data->n, sizeof *data->examples);
    if (!data->examples) return pbt_fail_memory(error, data->n * 8, "a batch");
    for (size_t i = 0; i < data->n; i++) {
        PBT_TRY(check_example(trainer, &data->made.items[i], i, error));
        data->examples[i] = &data->made.items[i];
    }
    return PBT_OK;
}

static pbt_code take_from_dataset(training_run *run, int64_t step, step_data *data, pbt_error *error) {
    const pbt_dataset *dataset = run->trainer->dataset;
    const pbt_train_settings *s = &run->settings;
    pbt_epoch_plan plan = pbt_epoch_plan_of(s, dataset->count);
    int64_t epoch = step / plan.steps;
    if (epoch != run->order_epoch) {
        PBT_TRY(pbt_epoch_order(s, epoch, run->group, run->order, dataset->count, error));
        run->order_epoch = epoch;
    }
    size_t size = (size_t)s->per_device_train_batch_size * (size_t)s->gradient_accumulation_steps;
    size_t first = (size_t)(step % plan.steps) * size;
    data->n = dataset->count - first < size ? dataset->count - first : size;
    data->examples = pbt_alloc(data->n, sizeof *data->examples);
    if (!data->examples) return pbt_fail_memory(error, data->n * 8, "a batch");
    for (size_t i = 0; i < data->n; i++) data->examples[i] = &dataset->items[run->order[first + i]];
    return PBT_OK;
}

/* Plans the batch of optimizer step `step` (from 0) and runs it. */
static pbt_code run_step(training_run *run, int64_t step, bool gradients, pbt_metrics *metrics,
                         pbt_error *error) {
    step_data data = {0};
    pbt_batch batch = {0};
    pbt_code code;
    PBT_GOTO(run->trainer->next_batch ? take_made(run, step, &data, error)
                                      : take_from_dataset(run, step, &data, error));
    PBT_GOTO(pbt_batch_plan(data.examples, data.n, run->settings.objective == PBT_DPO,
                            run->settings.share_prefixes, run->settings.max_rows, &batch, error));
    PBT_GOTO(pbt_batch_run(&run->training, &batch, step, gradients, metrics, error));
done:
    pbt_batch_free(&batch);
    free(data.examples);
    pbt_dataset_free(&data.made);
    return code;
}

/* ---- the check before the first step ---- */

static pbt_code report_start(const training_run *run, const pbt_metrics *metrics, bool given,
                             pbt_error *error) {
    const pbt_monitor *monitor = run->trainer->monitor;
    pbt_pair_logps nothing = {.chosen_tokens = 1, .rejected_tokens = 1};
    double expected = pbt_pair_loss_of(&run->settings, &nothing).loss;
    bool ln2 = fabs(expected - log(2)) < 1e-12;
    bool equal = fabs(metrics->rewards_margins) <= 1e-4 &&
                 fabs(metrics->loss - expected) <= 1e-4 * (expected > 1 ? expected : 1);
    pbt_monitor_message(monitor, equal ? 1 : 0,
                        "step 0: margin %.6f (expected 0), loss %.6f (expected %s%.6f): %s",
                        metrics->rewards_margins, metrics->loss, ln2 ? "ln 2 = " : "", expected,
                        equal   ? "policy and reference are the same"
                        : given ? "the dataset's reference is not the policy as it starts"
                                : "policy and reference differ");
    if (equal || given) return PBT_OK;
    return pbt_fail(error, PBT_FAILED,
                    "before the first step the margin is %.6f and the loss %.6f, expected 0 and %.6f: the "
                    "reference is not the policy as it starts",
                    metrics->rewards_margins, metrics->loss, expected);
}

/* What the pairs' losses are at the reference is known beforehand; what the chosen texts' loss is, is not. */
static void drop_sft_terms(pbt_train_settings *settings) {
    settings->sft_weight = 0;
    for (int32_t i = 0; i < settings->loss.n; i++) {
        if (settings->loss.n_weights == 0) settings->loss.weights[i] = 1;
        if (settings->loss.types[i] == PBT_SFT_TERM) settings->loss.weights[i] = 0;
    }
    settings->loss.n_weights = settings->loss.n;
}

static pbt_code check_start(training_run *run, bool given, pbt_error *error) {
    pbt_train_settings plain = run->settings;
    pbt_metrics metrics;
    drop_sft_terms(&plain);
    run->training.settings = &plain;
    pbt_code code = run_step(run, 0, false, &metrics, error);
    run->training.settings = &run->settings;
    if (code != PBT_OK) return code;
    if (!run->trainer->next_batch) PBT_TRY(report_start(run, &metrics, given, error));
    metrics.grad_norm = NAN;
    if (!run->trainer->after_step) return PBT_OK;
    return run->trainer->after_step(run->trainer->after_step_user, 0, &metrics, error);
}

/* ---- the loop ---- */

static pbt_code save_checkpoint(training_run *run, pbt_error *error) {
    if (!run->trainer->folder) return PBT_OK;
    pbt_checkpoint_state state = {run->fingerprint, run->step, run->sums};
    PBT_TRY(pbt_training_log_sync(&run->log, error));
    return pbt_checkpoint_write(run->trainer->folder, &state, &run->training.optimizer, error);
}

static pbt_code optimize(training_run *run, pbt_metrics *metrics, pbt_error *error) {
    pbt_optimizer *optimizer = &run->training.optimizer;
    metrics->grad_norm = pbt_optimizer_gradient_norm(optimizer);
    if (!isfinite(metrics->loss) || !isfinite(metrics->grad_norm))
        return pbt_fail(error, PBT_FAILED,
                        "step %" PRId64
                        " gave loss %g and gradient norm %g; the training has diverged: lower "
                        "learning_rate, or check the data",
                        run->step + 1, metrics->loss, metrics->grad_norm);
    metrics->learning_rate = pbt_learning_rate(&run->settings, run->total_steps, run->step);
    pbt_optimizer_step(optimizer, &run->settings, metrics->learning_rate, run->step + 1,
                       pbt_clip_scale(metrics->grad_norm, run->settings.max_grad_norm));
    return PBT_OK;
}

static double epoch_after(const training_run *run, int64_t step) {
    if (run->trainer->next_batch) return (double)step / (double)run->total_steps;
    return pbt_epoch_after(&run->settings, run->trainer->dataset->count, step);
}

/* Takes the reference. */
static pbt_code append_line(training_run *run, json_t *line, pbt_error *error) {
    if (!line) return pbt_fail_memory(error, 512, "a line of metrics");
    pbt_code code = pbt_training_log_append(&run->log, line, error);
    json_decref(line);
    return code;
}

static pbt_code log_step(training_run *run, const pbt_metrics *metrics, pbt_error *error) {
    pbt_metric_sums_add(&run->sums, metrics);
    char note[64];
    snprintf(note, sizeof note, "loss %.4f", metrics->loss);
    pbt_monitor_progress(run->trainer->monitor, run->settings.objective == PBT_DPO ? "dpo" : "sft", "steps",
                         (double)run->step, (double)run->total_steps, note);
    if (run->step % run->settings.logging_steps != 0) return PBT_OK;
    pbt_metrics line = pbt_metric_sums_take(&run->sums, metrics);
    pbt_monitor_message(run->trainer->monitor, 2,
                        "step %" PRId64 " epoch %.3f loss %.6f learning_rate %.3g grad_norm %.4f", line.step,
                        line.epoch, line.loss, line.learning_rate, line.grad_norm);
    if (!run->trainer->folder) return PBT_OK;
    return append_line(run, pbt_metrics_line(&line, run->settings.objective), error);
}

static pbt_code train_step(training_run *run, pbt_error *error) {
    double start = pbt_seconds();
    pbt_metrics metrics;
    pbt_gradients_zero(run->training.gradients);
    PBT_TRY(run_step(run, run->step, true, &metrics, error));
    PBT_TRY(optimize(run, &metrics, error));
    run->step++;
    metrics.step = run->step;
    metrics.epoch = epoch_after(run, run->step);
    metrics.step_time = pbt_seconds() - start;
    metrics.num_tokens = run->sums.num_tokens += metrics.num_tokens;
    metrics.unique_tokens = run->sums.unique_tokens += metrics.unique_tokens;
    PBT_TRY(log_step(run, &metrics, error));
    /* Before the checkpoint: what after_step keeps of this step must be there when training continues behind
     * it. */
    if (run->trainer->after_step)
        PBT_TRY(run->trainer->after_step(run->trainer->after_step_user, run->step, &metrics, error));
    bool last = run->step == run->total_steps;
    if (last || (run->settings.save_steps > 0 && run->step % run->settings.save_steps == 0))
        PBT_TRY(save_checkpoint(run, error));
    return PBT_OK;
}

/* Picks up the checkpoint where there is one, and puts the metrics file in the same state. */
static pbt_code resume_or_start(training_run *run, bool *resumed, pbt_error *error) {
    pbt_trainer *trainer = run->trainer;
    *resumed = false;
    if (!trainer->folder) return PBT_OK;
    if (trainer->resume) {
        pbt_checkpoint_state state;
        PBT_TRY(pbt_checkpoint_read(trainer->folder, run->fingerprint, &state, &run->training.optimizer,
                                    resumed, error));
        if (*resumed) {
            run->step = state.step;
            run->sums = state.sums;
            pbt_monitor_message(trainer->monitor, 1, "continuing after step %" PRId64 " of %" PRId64,
                                run->step, run->total_steps);
        }
    }
    PBT_TRY(pbt_training_log_open(&run->log, trainer->folder, run->step, !trainer->no_events, error));
    trainer->log = &run->log;
    return PBT_OK;
}

static pbt_code run_all(training_run *run, pbt_error *error) {
    pbt_trainer *trainer = run->trainer;
    uint64_t data_hash, model_hash, adapter_hash;
    bool given = false, resumed;
    PBT_TRY(open_training(run, &data_hash, &model_hash, &adapter_hash, error));
    if (run->settings.objective == PBT_DPO && !trainer->next_batch)
        PBT_TRY(pbt_reference_prepare(&run->training, data_hash, model_hash, adapter_hash, &given, error));
    PBT_TRY(resume_or_start(run, &resumed, error));
    if (run->settings.objective == PBT_DPO && run->step == 0) PBT_TRY(check_start(run, given, error));
    while (run->step < run->total_steps) {
        pbt_code code = pbt_monitor_check(trainer->monitor, error);
        if (code != PBT_OK) {
            pbt_error ignored;
            save_checkpoint(run, &ignored);
            return code;
        }
        PBT_TRY(train_step(run, error));
    }
    if (!trainer->folder) return PBT_OK;
    return pbt_trainer_state_write(trainer->folder, &run->settings, run->step, run->total_steps,
                                   epoch_after(run, run->step), NULL, error);
}

pbt_code pbt_train(pbt_trainer *trainer, pbt_error *error) {
    PBT_TRY(check_trainer(trainer, error));
    if (trainer->folder) PBT_TRY(pbt_folder_make(trainer->folder, error));
    training_run run = {
        .trainer = trainer, .order_epoch = -1, .log = {.descriptor = -1, .events = {.descriptor = -1}}};
    pbt_code code = run_all(&run, error);
    close_training(&run);
    return code;
}

pbt_code pbt_train_log(const pbt_trainer *trainer, const json_t *line, pbt_error *error) {
    return trainer->log ? pbt_training_log_append(trainer->log, line, error) : PBT_OK;
}
