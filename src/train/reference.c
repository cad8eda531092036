/*
 * Reference log-probabilities of a preference dataset: from its ref_chosen_logps / ref_rejected_logps
 * columns, or computed once under the policy as it is at the start and kept in
 * FOLDER/reference-HASH.bin, HASH being that of data, model and adapter.
 */
#include "train/internal.h"

#include "base/file.h"
#include "base/memory.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static bool all_given(const pbt_dataset *dataset) {
    for (size_t i = 0; i < dataset->count; i++)
        if (isnan(dataset->items[i].ref_chosen_logp) || isnan(dataset->items[i].ref_rejected_logp))
            return false;
    return true;
}

/* File: hash of data, model and adapter; 2 * count doubles; XXH3 of all that. */
static bool take_file(const char *path, uint64_t hash, pbt_training *training, size_t count) {
    char *data = NULL;
    size_t length = 0, expected = 8 + 16 * count + 8;
    uint64_t stored, sum;
    if (pbt_file_read(path, expected, &data, &length, NULL) != PBT_OK) return false;
    bool ok = length == expected;
    if (ok) {
        memcpy(&stored, data, 8);
        memcpy(&sum, data + length - 8, 8);
        ok = stored == hash && sum == pbt_hash(data, length - 8, 0);
    }
    if (ok) {
        memcpy(training->ref_chosen, data + 8, 8 * count);
        memcpy(training->ref_rejected, data + 8 + 8 * count, 8 * count);
    }
    free(data);
    return ok;
}

static pbt_code keep_file(const char *path, uint64_t hash, const pbt_training *training, size_t count,
                          pbt_error *error) {
    size_t length = 8 + 16 * count + 8;
    char *data = pbt_alloc(length, 1);
    if (!data) return pbt_fail_memory(error, length, "the reference's log-probabilities");
    memcpy(data, &hash, 8);
    memcpy(data + 8, training->ref_chosen, 8 * count);
    memcpy(data + 8 + 8 * count, training->ref_rejected, 8 * count);
    uint64_t sum = pbt_hash(data, length - 8, 0);
    memcpy(data + length - 8, &sum, 8);
    pbt_code code = pbt_file_write(path, data, length, error);
    free(data);
    return code;
}

/* Computes all of them, some hundred examples at a time. */
static pbt_code compute(pbt_training *training, pbt_error *error) {
    enum { CHUNK = 256 };
    const pbt_dataset *dataset = training->trainer->dataset;
    const pbt_monitor *monitor = training->trainer->monitor;
    const pbt_example *examples[CHUNK];
    for (size_t first = 0; first < dataset->count; first += CHUNK) {
        size_t n = dataset->count - first < CHUNK ? dataset->count - first : CHUNK;
        pbt_batch batch;
        PBT_TRY(pbt_monitor_check(monitor, error));
        for (size_t i = 0; i < n; i++) examples[i] = &dataset->items[first + i];
        PBT_TRY(pbt_batch_plan(examples, n, true, training->settings->share_prefixes, training->max_rows,
                               &batch, error));
        pbt_code code = pbt_batch_logps(training, &batch, training->ref_chosen + first,
                                        training->ref_rejected + first, error);
        pbt_batch_free(&batch);
        if (code != PBT_OK) return code;
        pbt_monitor_progress(monitor, "reference", "pairs", (double)(first + n), (double)dataset->count,
                             NULL);
    }
    return PBT_OK;
}

static void take_columns(pbt_training *training) {
    const pbt_dataset *dataset = training->trainer->dataset;
    for (size_t i = 0; i < dataset->count; i++) {
        training->ref_chosen[i] = dataset->items[i].ref_chosen_logp;
        training->ref_rejected[i] = dataset->items[i].ref_rejected_logp;
    }
}

pbt_code pbt_reference_prepare(pbt_training *training, uint64_t data_hash, uint64_t model_hash,
                               uint64_t adapter_hash, bool *given, pbt_error *error) {
    const pbt_trainer *trainer = training->trainer;
    size_t count = trainer->dataset->count;
    training->ref_chosen = pbt_alloc(count + 1, sizeof(double));
    training->ref_rejected = pbt_alloc(count + 1, sizeof(double));
    if (!training->ref_chosen || !training->ref_rejected)
        return pbt_fail_memory(error, 16 * count, "the reference's log-probabilities");
    *given = all_given(trainer->dataset);
    if (*given) {
        take_columns(training);
        pbt_monitor_message(trainer->monitor, 1, "reference log-probabilities: from the dataset's columns");
        return PBT_OK;
    }
    pbt_monitor_message(trainer->monitor, 1,
                        "reference: model %016" PRIx64 ", adapter %016" PRIx64 " as it is at the start",
                        model_hash, adapter_hash);
    if (!trainer->folder) return compute(training, error);
    uint64_t parts[] = {data_hash, model_hash, adapter_hash, training->settings->share_prefixes,
                        (uint64_t)training->max_rows};
    uint64_t hash = pbt_hash(parts, sizeof parts, 0);
    char *path = pbt_string_format("%s/reference-%016" PRIx64 ".bin", trainer->folder, hash);
    if (!path) return pbt_fail_memory(error, strlen(trainer->folder), "a path");
    pbt_code code = PBT_OK;
    if (!pbt_file_exists(path) || !take_file(path, hash, training, count)) {
        code = compute(training, error);
        if (code == PBT_OK) code = keep_file(path, hash, training, count, error);
    }
    free(path);
    return code;
}
