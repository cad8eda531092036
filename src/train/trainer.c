/*
 * The training loop: data order, passes, clipping, AdamW, logging, checkpoints, and the check before the
 * first step. Everything a step needs beside the numbers in the checkpoint is a function of (seed, step).
 */
#include "base/hash.h"
#include "train/batch.h"
#include "train/best.h"
#include "train/check_training.h"
#include "train/checkpoint.h"
#include "train/evaluate.h"
#include "train/learning_schedule.h"
#include "train/log.h"
#include "train/metrics.h"
#include "train/objective.h"
#include "train/optimizer.h"
#include "train/record.h"
#include "train/reference.h"
#include "train/start.h"
#include "train/state.h"

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
    pbt_hashes hashes;
    char *record; /* what was asked (record.c) */
    pbt_best best;
    bool warned; /* that chosen completions become less likely */
} training_run;

static int32_t adapter_rank(const pbt_trainer *trainer) {
    int32_t frozen = pbt_adapter_rank(trainer->frozen), trained = pbt_adapter_rank(trainer->adapter);
    return frozen > trained ? frozen : trained;
}

int32_t pbt_train_rows(const pbt_trainer *trainer) {
    return pbt_train_rows_of(&trainer->model->config, trainer->settings.max_rows, adapter_rank(trainer));
}

int32_t pbt_train_rows_of(const pbt_config *config, int32_t max_rows, int32_t rank) {
    if (max_rows > 0) return max_rows;
    /* A function of the model's shape alone, never of the machine: where a batch is cut decides the order of
     * summation, and with it the last bits. */
    enum { PROBE = 256, LEAST = 256, MOST = 2048 };
    const size_t budget = (size_t)256 << 20;
    size_t row = pbt_activations_bytes(config, PROBE, rank, true) / PROBE;
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

static pbt_code take_hashes(training_run *run, pbt_error *error) {
    const pbt_trainer *trainer = run->trainer;
    run->hashes.data = trainer->next_batch ? 0 : pbt_dataset_hash(trainer->dataset);
    run->hashes.eval_data = trainer->eval_dataset ? pbt_dataset_hash(trainer->eval_dataset) : 0;
    PBT_TRY(pbt_model_hash(trainer->model, &run->hashes.model, error));
    run->hashes.adapter = trainer->adapter ? pbt_adapter_hash(trainer->adapter) : 0;
    if (trainer->frozen) {
        const uint64_t both[] = {pbt_adapter_hash(trainer->frozen), run->hashes.adapter};
        run->hashes.adapter = pbt_hash(both, sizeof both, 0);
    }
    run->record = pbt_training_record(trainer, &run->settings, run->total_steps, &run->hashes);
    return run->record ? PBT_OK : pbt_fail_memory(error, 1024, "the settings");
}

static pbt_code open_training(training_run *run, pbt_error *error) {
    pbt_trainer *trainer = run->trainer;
    pbt_training *training = &run->training;
    run->settings = trainer->settings;
    run->settings.max_rows = pbt_train_rows(trainer);
    run->total_steps = pbt_train_steps(&run->settings, trainer->dataset ? trainer->dataset->count : 0);
    training->trainer = trainer;
    training->settings = &run->settings;
    training->max_rows = run->settings.max_rows;
    if (trainer->adapter) {
        if (trainer->frozen) training->adapters[training->n_adapters++] = trainer->frozen;
        training->adapters[training->n_adapters++] = trainer->adapter;
        training->dropout = run->settings.disable_dropout ? 0 : trainer->adapter->settings.dropout;
    }
    PBT_TRY(take_hashes(run, error));
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
    pbt_reference_free(&run->training.reference[0]);
    pbt_reference_free(&run->training.reference[1]);
    free(run->record);
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
        PBT_TRY(pbt_example_check(trainer, &data->made.items[i], i, error));
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

/* ---- before the first step ---- */

static pbt_code prepare_references(training_run *run, bool *given, pbt_error *error) {
    pbt_trainer *trainer = run->trainer;
    pbt_reference *references = run->training.reference;
    bool ignored;
    *given = false;
    if (run->settings.objective != PBT_DPO) return PBT_OK;
    if (!trainer->next_batch) {
        references[0].dataset = trainer->dataset;
        PBT_TRY(pbt_reference_prepare(&run->training, &references[0], run->hashes.data, &run->hashes, given,
                                      error));
        if (trainer->reference_ready)
            PBT_TRY(trainer->reference_ready(trainer->reference_ready_user, references[0].chosen,
                                             references[0].rejected, error));
    }
    if (!trainer->eval_dataset || run->settings.eval_strategy == PBT_EVAL_NO) return PBT_OK;
    references[1].dataset = trainer->eval_dataset;
    return pbt_reference_prepare(&run->training, &references[1], run->hashes.eval_data, &run->hashes,
                                 &ignored, error);
}

static pbt_code check_start(training_run *run, bool given, pbt_error *error) {
    pbt_train_settings plain = pbt_settings_without_sft(&run->settings);
    pbt_metrics metrics;
    run->training.settings = &plain;
    pbt_code code = run_step(run, 0, false, &metrics, error);
    run->training.settings = &run->settings;
    if (code != PBT_OK) return code;
    run->warned = fabs(metrics.rewards_chosen) > 1e-3; /* a given reference that is not the policy's */
    if (!run->trainer->next_batch)
        PBT_TRY(pbt_start_report(&run->training, &metrics, &run->hashes, given, error));
    metrics.grad_norm = NAN;
    if (!run->trainer->after_step) return PBT_OK;
    return run->trainer->after_step(run->trainer->after_step_user, 0, &metrics, error);
}

/* ---- the loop ---- */

static pbt_code save_checkpoint(training_run *run, pbt_error *error) {
    if (!run->trainer->folder) return PBT_OK;
    pbt_checkpoint_state state = {run->record, run->step, run->sums, run->best};
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

/* A known trouble of DPO: the margin grows while the chosen completions become less likely too. Said once. */
static void warn_of_falling(training_run *run, const pbt_metrics *line) {
    double beta = run->settings.beta, fall = -line->rewards_chosen / beta;
    if (run->settings.objective != PBT_DPO || run->warned || !(fall > 1)) return;
    run->warned = true;
    pbt_monitor_message(run->trainer->monitor, 0,
                        "step %" PRId64 ": the chosen completions are %.1f nats less likely than under the "
                        "reference (log-probability %.1f; the rejected: %.1f less likely, %.1f); loss_type "
                        "sigmoid,sft or a higher beta counteracts this",
                        line->step, fall, line->logps_chosen, -line->rewards_rejected / beta,
                        line->logps_rejected);
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
    warn_of_falling(run, &line);
    if (!run->trainer->folder) return PBT_OK;
    return append_line(run, pbt_metrics_line(&line, run->settings.objective), error);
}

static pbt_code evaluate(training_run *run, const pbt_metrics *at, pbt_error *error) {
    pbt_metrics metrics;
    PBT_TRY(pbt_evaluate(&run->training, run->trainer->eval_dataset, &metrics, error));
    metrics.step = at->step;
    metrics.epoch = at->epoch;
    pbt_monitor_message(run->trainer->monitor, 1, "step %" PRId64 ": eval_loss %.6f", metrics.step,
                        metrics.loss);
    json_t *line = pbt_eval_line(&metrics, run->settings.objective);
    if (!line) return pbt_fail_memory(error, 512, "a line of metrics");
    pbt_code code = PBT_OK;
    if (run->trainer->folder) code = pbt_training_log_append(&run->log, line, error);
    if (code == PBT_OK && run->settings.load_best_model_at_end)
        code = pbt_best_consider(run->trainer, line, &run->best, error);
    json_decref(line);
    return code;
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
    if (run->trainer->eval_dataset &&
        pbt_eval_due(&run->settings, run->trainer->dataset ? run->trainer->dataset->count : 0, run->step,
                     run->total_steps))
        PBT_TRY(evaluate(run, &metrics, error));
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
        PBT_TRY(pbt_checkpoint_read(trainer->folder, run->record, &state, &run->training.optimizer, resumed,
                                    error));
        if (*resumed) {
            run->step = state.step;
            run->sums = state.sums;
            run->best = state.best;
            pbt_monitor_message(trainer->monitor, 1, "continuing after step %" PRId64 " of %" PRId64,
                                run->step, run->total_steps);
        }
    }
    /* Step 0 is done again, and logged again, where no step is done. */
    int64_t last = run->step > 0 ? run->step : -1;
    PBT_TRY(pbt_training_log_open(&run->log, trainer->folder, last, !trainer->no_events, error));
    trainer->log = &run->log;
    return PBT_OK;
}

/* Saves where an interrupted training stands, and says so. */
static pbt_code stop(training_run *run, pbt_error *error) {
    const pbt_trainer *trainer = run->trainer;
    pbt_error unsaved;
    if (!trainer->folder) return PBT_INTERRUPTED;
    if (save_checkpoint(run, &unsaved) == PBT_OK)
        return pbt_fail(error, PBT_INTERRUPTED,
                        "interrupted; the checkpoint of step %" PRId64 " is saved in %s%s", run->step,
                        trainer->folder, trainer->resume ? ", and the same command continues" : "");
    pbt_monitor_message(trainer->monitor, 0,
                        "the checkpoint of step %" PRId64
                        " could not be written, so the same command continues from the one before: %s",
                        run->step, unsaved.message);
    return PBT_INTERRUPTED;
}

static pbt_code run_all(training_run *run, pbt_error *error) {
    pbt_trainer *trainer = run->trainer;
    bool given, resumed;
    PBT_TRY(open_training(run, error));
    PBT_TRY(prepare_references(run, &given, error));
    PBT_TRY(resume_or_start(run, &resumed, error));
    if (run->settings.objective == PBT_DPO && run->step == 0) PBT_TRY(check_start(run, given, error));
    while (run->step < run->total_steps) {
        if (pbt_monitor_check(trainer->monitor, error) != PBT_OK) return stop(run, error);
        PBT_TRY(train_step(run, error));
    }
    if (run->best.step > 0) PBT_TRY(pbt_best_load(&run->training, &run->best, error));
    if (!trainer->folder) return PBT_OK;
    return pbt_trainer_state_write(trainer->folder, &run->settings, run->step, run->total_steps,
                                   epoch_after(run, run->step), &run->best, error);
}

pbt_code pbt_train(pbt_trainer *trainer, pbt_error *error) {
    PBT_TRY(pbt_trainer_check(trainer, error));
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
