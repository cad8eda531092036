/*
 * load_best_model_at_end: the checkpoint of the best evaluation, as a folder that other programs load.
 */
#include "train/best.h"

#include "base/file.h"
#include "train/evaluate.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

static char *best_folder(const pbt_trainer *trainer, int64_t step) {
    return pbt_string_format("%s/checkpoint-%" PRId64, trainer->folder, step);
}

static pbt_code save(const pbt_trainer *trainer, int64_t step, pbt_error *error) {
    char *folder = best_folder(trainer, step);
    if (!folder) return pbt_fail_memory(error, 64, "a path");
    pbt_code code = trainer->adapter ? pbt_adapter_save(trainer->adapter, folder, trainer->base_model, error)
                                     : pbt_model_save(trainer->model, folder, PBT_F32, error);
    free(folder);
    return code;
}

static pbt_code metric_of(const pbt_trainer *trainer, const json_t *line, double *metric, pbt_error *error) {
    const char *name = trainer->metric_for_best_model ? trainer->metric_for_best_model : "eval_loss";
    char *full = pbt_string_format("%s%s", strncmp(name, "eval_", 5) == 0 ? "" : "eval_", name);
    const json_t *value = full ? json_object_get(line, full) : NULL;
    *metric = json_number_value(value);
    free(full);
    if (json_is_number(value)) return PBT_OK;
    pbt_text known = {0};
    const char *key;
    json_t *item;
    json_object_foreach((json_t *)(uintptr_t)line, key, item) {
        if (json_is_number(item) && pbt_string_starts(key, "eval_"))
            pbt_text_addf(&known, "%s%s", known.length ? ", " : "", key);
    }
    pbt_fail(error, PBT_USAGE,
             "metric_for_best_model is \"%.60s\", but evaluations have no such number; they have %s", name,
             pbt_text_string(&known));
    pbt_text_free(&known);
    return PBT_USAGE;
}

pbt_code pbt_best_check(const pbt_trainer *trainer, pbt_error *error) {
    const pbt_metrics nothing = {0};
    double metric;
    json_t *line = pbt_eval_line(&nothing, trainer->settings.objective);
    if (!line) return pbt_fail_memory(error, 1024, "a line of metrics");
    pbt_code code = metric_of(trainer, line, &metric, error);
    json_decref(line);
    return code;
}

pbt_code pbt_best_consider(const pbt_trainer *trainer, const json_t *line, pbt_best *best, pbt_error *error) {
    double metric;
    int64_t step = json_integer_value(json_object_get(line, "step")), before = best->step;
    PBT_TRY(metric_of(trainer, line, &metric, error));
    bool better = before == 0 || (trainer->greater_is_better ? metric > best->metric : metric < best->metric);
    if (!better) return PBT_OK;
    PBT_TRY(save(trainer, step, error));
    *best = (pbt_best){step, metric};
    char *old = before > 0 && before != step ? best_folder(trainer, before) : NULL;
    if (old) pbt_folder_remove(old);
    free(old);
    return PBT_OK;
}

/* Copies the numbers of `from` over those that are trained; both list the same arrays. */
static pbt_code copy_numbers(const pbt_training *training, const pbt_gradients *from, const char *folder,
                             pbt_error *error) {
    size_t n, m;
    const pbt_ops *ops = training->trainer->model->ops;
    const pbt_parameter *source = pbt_gradients_parameters(from, &n);
    const pbt_parameter *target = pbt_gradients_parameters(training->gradients, &m);
    bool same = n == m;
    for (size_t i = 0; same && i < n; i++) same = source[i].count == target[i].count;
    if (!same)
        return pbt_fail_at(error, PBT_BAD_INPUT, folder, NULL,
                           "the best checkpoint has other arrays than what is trained");
    for (size_t i = 0; i < n; i++)
        ops->copy_in(target[i].value, source[i].value, source[i].count * sizeof(float));
    return PBT_OK;
}

pbt_code pbt_best_load(const pbt_training *training, const pbt_best *best, pbt_error *error) {
    const pbt_trainer *trainer = training->trainer;
    pbt_gradients *gradients = NULL;
    pbt_adapter *adapter = NULL;
    pbt_model *model = NULL;
    pbt_model_options options = {.dtype = PBT_F32, .writable = true};
    char *folder = best_folder(trainer, best->step);
    if (!folder) return pbt_fail_memory(error, 64, "a path");
    pbt_code code;
    if (trainer->adapter) {
        PBT_GOTO(pbt_adapter_open(folder, trainer->model, &adapter, error));
        PBT_GOTO(pbt_gradients_for_adapter(trainer->model, adapter, &gradients, error));
    } else {
        PBT_GOTO(pbt_model_open(folder, &options, trainer->model->device, &model, error));
        PBT_GOTO(pbt_gradients_for_model(model, &gradients, error));
    }
    PBT_GOTO(copy_numbers(training, gradients, folder, error));
    pbt_monitor_message(trainer->monitor, 1,
                        "the best evaluation was after step %" PRId64 " (%g); it is kept", best->step,
                        best->metric);
done:
    if (gradients) pbt_gradients_free(gradients);
    if (adapter) pbt_adapter_free(adapter);
    if (model) pbt_model_free(model);
    free(folder);
    return code;
}
