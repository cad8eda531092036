/*
 * Reference log-probabilities of a preference dataset: from its ref_chosen_logps / ref_rejected_logps
 * columns, or computed once under the policy as it is at the start and kept in reference-HASH.bin, HASH being
 * that of data, model and adapter.
 */
#include "train/reference.h"

#include "base/hash.h"
#include "train/batch.h"
#include "train/objective.h"

#include "base/file.h"
#include "base/leftover.h"
#include "base/memory.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static size_t count_given(const pbt_dataset *dataset) {
    size_t n = 0;
    for (size_t i = 0; i < dataset->count; i++)
        n += !isnan(dataset->items[i].ref_chosen_logp) && !isnan(dataset->items[i].ref_rejected_logp);
    return n;
}

/* File: hash of data, model and adapter; 2 * count doubles; XXH3 of all that. */
static bool take_file(const char *path, uint64_t hash, const pbt_reference *reference) {
    char *data = NULL;
    size_t count = reference->dataset->count, length = 0, expected = 8 + 16 * count + 8;
    uint64_t stored, sum;
    if (pbt_file_read(path, expected, &data, &length, NULL) != PBT_OK) return false;
    bool ok = length == expected;
    if (ok) {
        memcpy(&stored, data, 8);
        memcpy(&sum, data + length - 8, 8);
        ok = stored == hash && sum == pbt_hash(data, length - 8, 0);
    }
    if (ok) {
        memcpy(reference->chosen, data + 8, 8 * count);
        memcpy(reference->rejected, data + 8 + 8 * count, 8 * count);
    }
    free(data);
    return ok;
}

static pbt_code keep_file(const char *path, uint64_t hash, const pbt_reference *reference, pbt_error *error) {
    size_t count = reference->dataset->count, length = 8 + 16 * count + 8;
    char *data = pbt_alloc(length, 1);
    if (!data) return pbt_fail_memory(error, length, "the reference's log-probabilities");
    memcpy(data, &hash, 8);
    memcpy(data + 8, reference->chosen, 8 * count);
    memcpy(data + 8 + 8 * count, reference->rejected, 8 * count);
    uint64_t sum = pbt_hash(data, length - 8, 0);
    memcpy(data + length - 8, &sum, 8);
    pbt_code code = pbt_file_write(path, data, length, error);
    free(data);
    return code;
}

/* Computes all of them, some hundred examples at a time. */
static pbt_code compute(pbt_training *training, const pbt_reference *reference, pbt_error *error) {
    enum { CHUNK = 256 };
    const pbt_dataset *dataset = reference->dataset;
    const pbt_monitor *monitor = training->trainer->monitor;
    const pbt_example *examples[CHUNK];
    for (size_t first = 0; first < dataset->count; first += CHUNK) {
        size_t n = dataset->count - first < CHUNK ? dataset->count - first : CHUNK;
        pbt_batch batch;
        PBT_TRY(pbt_monitor_check(monitor, error));
        for (size_t i = 0; i < n; i++) examples[i] = &dataset->items[first + i];
        PBT_TRY(pbt_batch_plan(examples, n, true, training->settings->share_prefixes, training->max_rows,
                               &batch, error));
        pbt_code code =
            pbt_batch_logps(training, &batch, reference->chosen + first, reference->rejected + first, error);
        pbt_batch_free(&batch);
        if (code != PBT_OK) return code;
        pbt_monitor_progress(monitor, "reference", "pairs", (double)(first + n), (double)dataset->count,
                             NULL);
    }
    return PBT_OK;
}

static void take_columns(const pbt_reference *reference) {
    const pbt_dataset *dataset = reference->dataset;
    for (size_t i = 0; i < dataset->count; i++) {
        reference->chosen[i] = dataset->items[i].ref_chosen_logp;
        reference->rejected[i] = dataset->items[i].ref_rejected_logp;
    }
}

/* From the file of that name, or computed and put there. */
static pbt_code look_up(pbt_training *training, const pbt_reference *reference, const char *folder,
                        uint64_t hash, pbt_error *error) {
    PBT_TRY(pbt_folder_make(folder, error));
    pbt_leftovers_remove(folder);
    char *path = pbt_string_format("%s/reference-%016" PRIx64 ".bin", folder, hash);
    if (!path) return pbt_fail_memory(error, strlen(folder), "a path");
    pbt_code code = PBT_OK;
    if (pbt_file_exists(path) && take_file(path, hash, reference)) {
        pbt_monitor_message(training->trainer->monitor, 2, "reference log-probabilities: from %s", path);
    } else {
        if (pbt_file_exists(path))
            pbt_monitor_message(
                training->trainer->monitor, 0,
                "%s cannot be read or is damaged: the reference log-probabilities are computed "
                "again and the file is replaced",
                path);
        code = compute(training, reference, error);
        if (code == PBT_OK) code = keep_file(path, hash, reference, error);
    }
    free(path);
    return code;
}

pbt_code pbt_reference_prepare(pbt_training *training, pbt_reference *reference, uint64_t data_hash,
                               const pbt_hashes *hashes, bool *given, pbt_error *error) {
    const pbt_trainer *trainer = training->trainer;
    size_t count = reference->dataset->count, with = count_given(reference->dataset);
    reference->chosen = pbt_alloc(count + 1, sizeof(double));
    reference->rejected = pbt_alloc(count + 1, sizeof(double));
    if (!reference->chosen || !reference->rejected)
        return pbt_fail_memory(error, 16 * count, "the reference's log-probabilities");
    *given = with == count;
    if (*given) {
        take_columns(reference);
        return PBT_OK;
    }
    if (with > 0)
        pbt_monitor_message(
            trainer->monitor, 0,
            "only %zu of %zu examples have ref_chosen_logps and ref_rejected_logps; those are "
            "left aside, and all are computed",
            with, count);
    const char *folder = trainer->reference_folder ? trainer->reference_folder : trainer->folder;
    if (!folder) return compute(training, reference, error);
    uint64_t parts[] = {data_hash, hashes->model, hashes->adapter, training->settings->share_prefixes,
                        (uint64_t)training->max_rows};
    return look_up(training, reference, folder, pbt_hash(parts, sizeof parts, 0), error);
}

void pbt_reference_free(pbt_reference *reference) {
    free(reference->chosen);
    free(reference->rejected);
    memset(reference, 0, sizeof *reference);
}
