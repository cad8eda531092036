/*
 * transformers' trainer_state.json: where a training stands and what it logged.
 */
#include "train/state.h"

#include "base/file.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

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

static void set_best(json_t *state, const pbt_best *best) {
    bool any = best && best->step > 0;
    char *name = any ? pbt_string_format("checkpoint-%" PRId64, best->step) : NULL;
    json_object_set_new(state, "best_global_step", any ? json_integer(best->step) : json_null());
    json_object_set_new(state, "best_metric", any ? json_real(best->metric) : json_null());
    json_object_set_new(state, "best_model_checkpoint", name ? json_string(name) : json_null());
    free(name);
}

pbt_code pbt_trainer_state_write(const char *folder, const pbt_train_settings *settings, int64_t step,
                                 int64_t max_steps, double epoch, const pbt_best *best, pbt_error *error) {
    json_t *state = json_object(), *history = json_array();
    char *path = pbt_path_join(folder, "trainer_state.json");
    pbt_code code = state && history && path ? read_history(folder, history, error)
                                             : pbt_fail_memory(error, 1024, "trainer_state.json");
    set_best(state, best);
    json_object_set_new(state, "epoch", json_real(epoch));
    json_object_set_new(state, "global_step", json_integer(step));
    json_object_set_new(state, "is_hyper_param_search", json_false());
    json_object_set_new(state, "is_local_process_zero", json_true());
    json_object_set_new(state, "is_world_process_zero", json_true());
    json_object_set(state, "log_history", history);
    json_object_set_new(state, "logging_steps", json_integer(settings->logging_steps));
    json_object_set_new(state, "max_steps", json_integer(max_steps));
    json_object_set_new(state, "num_train_epochs",
                        json_integer((json_int_t)ceil(settings->num_train_epochs)));
    json_object_set_new(state, "save_steps", json_integer(settings->save_steps));
    json_object_set_new(state, "train_batch_size", json_integer(settings->per_device_train_batch_size));
    if (code == PBT_OK) code = pbt_json_write(path, state, 2, error);
    json_decref(state);
    json_decref(history);
    free(path);
    return code;
}
