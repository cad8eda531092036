/*
 * Evaluation on a dataset that is not trained on: the same metrics as in training, without dropout and
 * without gradients. As in transformers, a batch's loss counts as often as the batch has examples.
 */
#include "train/evaluate.h"

#include "train/batch.h"
#include "train/learning_schedule.h"
#include "train/metrics.h"
#include "train/objective.h"

#include "base/memory.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void add_share(pbt_metrics *mean, const pbt_metrics *batch, double share) {
    mean->loss += share * batch->loss;
    mean->rewards_chosen += share * batch->rewards_chosen;
    mean->rewards_rejected += share * batch->rewards_rejected;
    mean->rewards_margins += share * batch->rewards_margins;
    mean->rewards_accuracies += share * batch->rewards_accuracies;
    mean->logps_chosen += share * batch->logps_chosen;
    mean->logps_rejected += share * batch->logps_rejected;
    mean->logits_chosen += share * batch->logits_chosen;
    mean->logits_rejected += share * batch->logits_rejected;
    mean->entropy += share * batch->entropy;
    mean->mean_token_accuracy += share * batch->mean_token_accuracy;
}

static pbt_code evaluate_batch(pbt_training *training, const pbt_example *const *examples, size_t n,
                               pbt_metrics *metrics, pbt_error *error) {
    pbt_batch batch;
    bool preference = training->settings->objective == PBT_DPO;
    PBT_TRY(pbt_batch_plan(examples, n, preference, training->settings->share_prefixes, training->max_rows,
                           &batch, error));
    pbt_code code = pbt_batch_run(training, &batch, 0, false, metrics, error);
    pbt_batch_free(&batch);
    return code;
}

pbt_code pbt_evaluate(pbt_training *training, const pbt_dataset *dataset, pbt_metrics *mean,
                      pbt_error *error) {
    double start = pbt_seconds();
    size_t size = (size_t)training->settings->per_device_eval_batch_size;
    const pbt_example **examples = pbt_alloc(size + 1, sizeof *examples);
    if (!examples) return pbt_fail_memory(error, size * sizeof *examples, "a batch");
    memset(mean, 0, sizeof *mean);
    pbt_code code = PBT_OK;
    for (size_t first = 0; code == PBT_OK && first < dataset->count; first += size) {
        size_t n = dataset->count - first < size ? dataset->count - first : size;
        pbt_metrics metrics;
        for (size_t i = 0; i < n; i++) examples[i] = &dataset->items[first + i];
        code = pbt_monitor_check(training->trainer->monitor, error);
        if (code == PBT_OK) code = evaluate_batch(training, examples, n, &metrics, error);
        if (code == PBT_OK) add_share(mean, &metrics, (double)n / (double)dataset->count);
        pbt_monitor_progress(training->trainer->monitor, "evaluation", "examples", (double)(first + n),
                             (double)dataset->count, NULL);
    }
    free(examples);
    mean->step_time = pbt_seconds() - start;
    return code;
}

json_t *pbt_eval_line(const pbt_metrics *metrics, pbt_objective objective) {
    static const char *const left_out[] = {"step",      "epoch",      "learning_rate", "grad_norm",
                                           "step_time", "num_tokens", "unique_tokens"};
    json_t *all = pbt_metrics_line(metrics, objective), *line = json_object(), *value;
    const char *name;
    json_object_set(line, "step", json_object_get(all, "step"));
    json_object_set(line, "epoch", json_object_get(all, "epoch"));
    for (size_t i = 0; i < sizeof left_out / sizeof *left_out; i++) json_object_del(all, left_out[i]);
    json_object_foreach(all, name, value) {
        char key[64];
        snprintf(key, sizeof key, "eval_%s", name);
        json_object_set(line, key, value);
    }
    json_object_set_new(line, "eval_runtime", json_real(metrics->step_time));
    bool complete = all && line;
    json_decref(all);
    if (complete) return line;
    json_decref(line);
    return NULL;
}

bool pbt_eval_due(const pbt_train_settings *settings, size_t n_examples, int64_t step, int64_t total_steps) {
    if (settings->eval_strategy == PBT_EVAL_NO) return false;
    if (step == total_steps && settings->load_best_model_at_end) return true;
    if (settings->eval_strategy == PBT_EVAL_STEPS)
        return settings->eval_steps > 0 && step % settings->eval_steps == 0;
    return step == total_steps || step % pbt_epoch_plan_of(settings, n_examples).steps == 0;
}
