#include "experiment/train_inputs.h"

#include "base/file.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

pbt_code pbt_lora_create(const pbt_run *run, int64_t seed, const pbt_model *model, pbt_adapter **adapter,
                         pbt_error *error) {
    const pbt_lora_settings *lora = &run->experiment.lora;
    pbt_adapter_settings settings = {
        .r = lora->r, .alpha = lora->alpha, .dropout = lora->dropout, .rslora = lora->rslora};
    PBT_TRY(pbt_adapter_targets(lora->target_modules, &settings, error));
    return pbt_adapter_create(model, &settings, pbt_key_of_stage(seed, "lora"), adapter, error);
}

static pbt_code read_lines(const char *path, json_t *list, pbt_error *error) {
    pbt_lines *lines;
    char *line;
    size_t length, number;
    PBT_TRY(pbt_lines_open(path, &lines, error));
    pbt_code code = pbt_lines_next(lines, &line, &length, &number, error);
    while (code == PBT_OK && line) {
        char where[32];
        json_t *value;
        snprintf(where, sizeof where, "line %zu", number);
        code = pbt_json_parse_row(line, length, path, where, &value, error);
        if (code == PBT_OK) json_array_append_new(list, value);
        if (code == PBT_OK) code = pbt_lines_next(lines, &line, &length, &number, error);
    }
    pbt_lines_close(lines);
    return code;
}

pbt_code pbt_metrics_keep(pbt_store *store, int64_t seed, const char *arm, const char *name,
                          const char *folder, double *loss, pbt_error *error) {
    char *path = pbt_path_join(folder, "metrics.jsonl");
    json_t *list = json_array();
    pbt_code code = path && list ? read_lines(path, list, error) : pbt_fail_memory(error, 64, "metrics");
    if (code == PBT_OK)
        code = pbt_store_put(store, &(pbt_artefact_key){"train", seed, arm, "metrics", name}, list, error);
    *loss = 0;
    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *value = json_object_get(json_array_get(list, i), "loss");
        if (value) *loss = json_number_value(value); /* lines of evaluations have none */
    }
    json_decref(list);
    free(path);
    return code;
}
