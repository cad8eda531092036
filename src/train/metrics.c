/*
 * What is logged: sums over the logging interval, the lines of metrics.jsonl (which an interrupted and
 * continued run leaves without gaps or doubles), and transformers' trainer_state.json.
 */
#include "train/internal.h"

#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

void pbt_metric_sums_add(pbt_metric_sums *sums, const pbt_metrics *metrics) {
    sums->steps++;
    sums->loss += metrics->loss;
    sums->rewards_chosen += metrics->rewards_chosen;
    sums->rewards_rejected += metrics->rewards_rejected;
    sums->rewards_margins += metrics->rewards_margins;
    sums->rewards_accuracies += metrics->rewards_accuracies;
    sums->logps_chosen += metrics->logps_chosen;
    sums->logps_rejected += metrics->logps_rejected;
    sums->mean_token_accuracy += metrics->mean_token_accuracy;
    sums->step_time += metrics->step_time;
}

pbt_metrics pbt_metric_sums_take(pbt_metric_sums *sums, const pbt_metrics *last) {
    pbt_metrics line = *last;
    double n = sums->steps > 0 ? (double)sums->steps : 1;
    line.loss = sums->loss / n;
    line.rewards_chosen = sums->rewards_chosen / n;
    line.rewards_rejected = sums->rewards_rejected / n;
    line.rewards_margins = sums->rewards_margins / n;
    line.rewards_accuracies = sums->rewards_accuracies / n;
    line.logps_chosen = sums->logps_chosen / n;
    line.logps_rejected = sums->logps_rejected / n;
    line.mean_token_accuracy = sums->mean_token_accuracy / n;
    line.step_time = sums->step_time / n;
    *sums = (pbt_metric_sums){.num_tokens = sums->num_tokens, .unique_tokens = sums->unique_tokens};
    return line;
}

static void set_real(json_t *object, const char *key, double value) {
    json_object_set_new(object, key, isfinite(value) ? json_real(value) : json_null());
}

char *pbt_metrics_line(const pbt_metrics *metrics, pbt_objective objective) {
    json_t *line = json_object();
    if (!line) return NULL;
    json_object_set_new(line, "step", json_integer(metrics->step));
    set_real(line, "epoch", metrics->epoch);
    set_real(line, "loss", metrics->loss);
    set_real(line, "learning_rate", metrics->learning_rate);
    set_real(line, "grad_norm", metrics->grad_norm);
    if (objective == PBT_DPO) {
        set_real(line, "rewards/chosen", metrics->rewards_chosen);
        set_real(line, "rewards/rejected", metrics->rewards_rejected);
        set_real(line, "rewards/margins", metrics->rewards_margins);
        set_real(line, "rewards/accuracies", metrics->rewards_accuracies);
        set_real(line, "logps/chosen", metrics->logps_chosen);
        set_real(line, "logps/rejected", metrics->logps_rejected);
    }
    if (!isnan(metrics->mean_token_accuracy))
        set_real(line, "mean_token_accuracy", metrics->mean_token_accuracy);
    set_real(line, "step_time", metrics->step_time);
    json_object_set_new(line, "num_tokens", json_integer(metrics->num_tokens));
    json_object_set_new(line, "unique_tokens", json_integer(metrics->unique_tokens));
    char *text = pbt_json_line(line);
    json_decref(line);
    return text;
}

/* The step of a line of metrics.jsonl, or -1 where the line is not one. */
static int64_t line_step(const char *line, size_t length) {
    json_t *value;
    if (pbt_json_parse(line, length, NULL, NULL, &value, NULL) != PBT_OK) return -1;
    json_t *step = json_object_get(value, "step");
    int64_t result = json_is_integer(step) ? (int64_t)json_integer_value(step) : -1;
    json_decref(value);
    return result;
}

/* Length of the leading lines that are whole and of steps up to last_step. */
static size_t kept_length(const char *data, size_t length, int64_t last_step) {
    size_t kept = 0;
    while (kept < length) {
        const char *end = memchr(data + kept, '\n', length - kept);
        if (!end) break;
        size_t line_length = (size_t)(end - data) - kept;
        int64_t step = line_step(data + kept, line_length);
        if (step < 0 || step > last_step) break;
        kept += line_length + 1;
    }
    return kept;
}

enum { METRICS_LIMIT = 1 << 30 };

pbt_code pbt_metrics_file_open(pbt_metrics_file *file, const char *folder, int64_t last_step,
                               pbt_error *error) {
    *file = (pbt_metrics_file){.descriptor = -1, .path = pbt_path_join(folder, "metrics.jsonl")};
    if (!file->path) return pbt_fail_memory(error, strlen(folder), "a path");
    char *data = NULL;
    size_t length = 0, kept = 0;
    if (pbt_file_exists(file->path)) {
        PBT_TRY(pbt_file_read(file->path, METRICS_LIMIT, &data, &length, error));
        kept = kept_length(data, length, last_step);
        free(data);
    }
    file->descriptor = open(file->path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
    if (file->descriptor < 0 || ftruncate(file->descriptor, (off_t)kept) != 0)
        return pbt_fail_at(error, PBT_FAILED, file->path, NULL,
                           "the metrics cannot be written (%s); choose another output_dir", strerror(errno));
    return PBT_OK;
}

static pbt_code append_bytes(pbt_metrics_file *file, const char *bytes, size_t length, pbt_error *error) {
    while (length > 0) {
        ssize_t n = write(file->descriptor, bytes, length);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0)
            return pbt_fail_at(error, PBT_FAILED, file->path, NULL, "a line could not be written (%s)",
                               strerror(errno));
        bytes += n;
        length -= (size_t)n;
    }
    return PBT_OK;
}

pbt_code pbt_metrics_file_append(pbt_metrics_file *file, const pbt_metrics *metrics, pbt_objective objective,
                                 pbt_error *error) {
    char *line = pbt_metrics_line(metrics, objective);
    if (!line) return pbt_fail_memory(error, 512, "a line of metrics");
    size_t length = strlen(line);
    line[length] = '\n'; /* in place of the NUL: one write, so that a reader never sees half a line */
    pbt_code code = append_bytes(file, line, length + 1, error);
    free(line);
    return code;
}

pbt_code pbt_metrics_file_sync(pbt_metrics_file *file, pbt_error *error) {
    if (fsync(file->descriptor) != 0)
        return pbt_fail_at(error, PBT_FAILED, file->path, NULL, "the metrics could not be kept (%s)",
                           strerror(errno));
    return PBT_OK;
}

void pbt_metrics_file_close(pbt_metrics_file *file) {
    if (file->path && file->descriptor >= 0) close(file->descriptor);
    free(file->path);
    *file = (pbt_metrics_file){.descriptor = -1};
}

static pbt_code read_history(const char *folder, json_t *history, pbt_error *error) {
    char *path = pbt_path_join(folder, "metrics.jsonl");
    if (!path) return pbt_fail_memory(error, strlen(folder), "a path");
    pbt_lines *lines = NULL;
    pbt_code code = pbt_lines_open(path, &lines, error);
    while (code == PBT_OK) {
        char *line;
        size_t length, number;
        json_t *value;
        code = pbt_lines_next(lines, &line, &length, &number, error);
        if (code != PBT_OK || !line) break;
        code = pbt_json_parse(line, length, path, NULL, &value, error);
        if (code == PBT_OK) json_array_append_new(history, value);
    }
    if (lines) pbt_lines_close(lines);
    free(path);
    return code;
}

pbt_code pbt_trainer_state_write(const char *folder, const pbt_train_settings *settings, int64_t step,
                                 int64_t max_steps, double epoch, pbt_error *error) {
    json_t *state = json_object(), *history = json_array();
    char *path = pbt_path_join(folder, "trainer_state.json");
    pbt_code code = state && history && path ? read_history(folder, history, error)
                                             : pbt_fail_memory(error, 1024, "trainer_state.json");
    json_object_set_new(state, "epoch", json_real(epoch));
    json_object_set_new(state, "global_step", json_integer(step));
    json_object_set_new(state, "max_steps", json_integer(max_steps));
    json_object_set_new(state, "num_train_epochs", json_real(settings->num_train_epochs));
    json_object_set_new(state, "train_batch_size", json_integer(settings->per_device_train_batch_size));
    json_object_set_new(state, "logging_steps", json_integer(settings->logging_steps));
    json_object_set_new(state, "save_steps", json_integer(settings->save_steps));
    json_object_set(state, "log_history", history);
    if (code == PBT_OK) code = pbt_json_write(path, state, 2, error);
    json_decref(state);
    json_decref(history);
    free(path);
    return code;
}
