/*
 * The rolling checkpoint of a training: one file, FOLDER/checkpoint.pbt, that is either whole or not there.
 * Layout (little-endian): header, what the training was asked (JSON, record.c), then for every trained array
 * its numbers, first and second moments, then the XXH3 of everything before. Order of data and random numbers
 * are functions of (seed, step) and are not stored.
 */
#include "train/checkpoint.h"

#include "base/file.h"
#include "base/hash.h"
#include "base/memory.h"
#include "train/record.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

static const char checkpoint_name[] = "checkpoint.pbt";
static const char magic[8] = "PBTCKPT4";

typedef struct checkpoint_header {
    char magic[8];
    uint64_t record_length;
    int64_t step;
    uint64_t n_parameters, n_numbers;
    pbt_metric_sums sums;
    pbt_best best;
} checkpoint_header;

static uint64_t count_numbers(const pbt_optimizer *optimizer) {
    uint64_t n = 0;
    for (size_t i = 0; i < optimizer->n_parameters; i++) n += optimizer->parameters[i].count;
    return n;
}

/* Writes bytes and carries the running hash over them. */
static pbt_code put(pbt_file_writer *writer, const void *data, size_t length, uint64_t *hash,
                    pbt_error *error) {
    *hash = pbt_hash(data, length, *hash);
    return pbt_file_writer_write(writer, data, length, error);
}

static size_t largest_array(const pbt_optimizer *optimizer) {
    size_t most = 1;
    for (size_t i = 0; i < optimizer->n_parameters; i++)
        if (optimizer->parameters[i].count > most) most = optimizer->parameters[i].count;
    return most;
}

static pbt_code put_arrays(pbt_file_writer *writer, const pbt_optimizer *optimizer, uint64_t *hash,
                           pbt_error *error) {
    size_t bytes = largest_array(optimizer) * sizeof(float);
    float *host = pbt_alloc(bytes, 1);
    if (!host) return pbt_fail_memory(error, bytes, "a checkpoint");
    pbt_code code = PBT_OK;
    for (size_t i = 0; i < optimizer->n_parameters && code == PBT_OK; i++) {
        const float *arrays[] = {optimizer->parameters[i].value, optimizer->m[i], optimizer->v[i]};
        for (int a = 0; a < 3 && code == PBT_OK; a++) {
            size_t size = optimizer->parameters[i].count * sizeof(float);
            optimizer->ops->copy_out(host, arrays[a], size);
            code = put(writer, host, size, hash, error);
        }
    }
    free(host);
    return code;
}

pbt_code pbt_checkpoint_write(const char *folder, const pbt_checkpoint_state *state,
                              const pbt_optimizer *optimizer, pbt_error *error) {
    char *path = pbt_path_join(folder, checkpoint_name);
    if (!path) return pbt_fail_memory(error, strlen(folder), "a path");
    checkpoint_header header;
    memset(&header, 0, sizeof header);
    memcpy(header.magic, magic, sizeof magic);
    header.record_length = strlen(state->record);
    header.step = state->step;
    header.n_parameters = optimizer->n_parameters;
    header.n_numbers = count_numbers(optimizer);
    header.sums = state->sums;
    header.best = state->best;
    pbt_file_writer *writer = NULL;
    uint64_t hash = 0;
    pbt_code code = pbt_file_writer_open(path, &writer, error);
    free(path);
    if (code != PBT_OK) return code;
    code = put(writer, &header, sizeof header, &hash, error);
    if (code == PBT_OK) code = put(writer, state->record, header.record_length, &hash, error);
    if (code == PBT_OK) code = put_arrays(writer, optimizer, &hash, error);
    if (code == PBT_OK) code = pbt_file_writer_write(writer, &hash, sizeof hash, error);
    if (code == PBT_OK) return pbt_file_writer_commit(writer, error);
    pbt_file_writer_abandon(writer);
    return code;
}

/* The hash as put() built it: over the same pieces in the same order. */
static uint64_t hash_of(const unsigned char *data, size_t record, const pbt_optimizer *optimizer) {
    uint64_t hash = pbt_hash(data, sizeof(checkpoint_header), 0);
    data += sizeof(checkpoint_header);
    hash = pbt_hash(data, record, hash);
    data += record;
    for (size_t i = 0; i < optimizer->n_parameters; i++) {
        size_t size = optimizer->parameters[i].count * sizeof(float);
        for (int a = 0; a < 3; a++, data += size) hash = pbt_hash(data, size, hash);
    }
    return hash;
}

/* The record in the file is what this training is asked, byte for byte. */
static pbt_code check_record(const pbt_mapping *file, const char *path, const char *record,
                             const checkpoint_header *header, pbt_error *error) {
    size_t length = (size_t)header->record_length;
    const unsigned char *stored = file->data + sizeof *header;
    if (length == strlen(record) && memcmp(stored, record, length) == 0) return PBT_OK;
    char *before = pbt_alloc(length + 1, 1);
    pbt_text differences = {0};
    if (!before) return pbt_fail_memory(error, length, "a checkpoint");
    memcpy(before, stored, length);
    pbt_training_differences(before, record, &differences);
    pbt_fail_at(error, PBT_BAD_INPUT, path, NULL,
                "the checkpoint (step %" PRId64
                ") belongs to a training with other settings, data, model or adapter%s%.700s; give the same "
                "ones, or another output_dir, or remove the checkpoint to begin again",
                header->step, differences.length ? ": " : "", pbt_text_string(&differences));
    pbt_text_free(&differences);
    free(before);
    return PBT_BAD_INPUT;
}

static pbt_code check(const pbt_mapping *file, const char *path, const char *record,
                      const pbt_optimizer *optimizer, checkpoint_header *header, pbt_error *error) {
    if (file->length < sizeof *header + sizeof(uint64_t) || memcmp(file->data, magic, sizeof magic) != 0)
        return pbt_fail_at(error, PBT_BAD_INPUT, path, NULL,
                           "this is not a checkpoint of this version of pbt; remove it to begin again");
    memcpy(header, file->data, sizeof *header);
    if (header->record_length > file->length - sizeof *header - sizeof(uint64_t))
        return pbt_fail_at(error, PBT_BAD_INPUT, path, NULL,
                           "the checkpoint is shorter than it says; remove it to begin again");
    PBT_TRY(check_record(file, path, record, header, error));
    uint64_t numbers = count_numbers(optimizer), hash;
    if (header->n_parameters != optimizer->n_parameters || header->n_numbers != numbers ||
        file->length != sizeof *header + header->record_length + numbers * 3 * sizeof(float) + sizeof hash)
        return pbt_fail_at(error, PBT_BAD_INPUT, path, NULL,
                           "the checkpoint holds %" PRIu64 " numbers in %zu bytes, expected %" PRIu64
                           " numbers; remove it to begin again",
                           header->n_numbers, file->length, numbers);
    memcpy(&hash, file->data + file->length - sizeof hash, sizeof hash);
    if (hash != hash_of(file->data, (size_t)header->record_length, optimizer))
        return pbt_fail_at(error, PBT_BAD_INPUT, path, NULL,
                           "the checkpoint's checksum does not match its bytes; remove it to begin again");
    return PBT_OK;
}

static void take_arrays(const unsigned char *data, pbt_optimizer *optimizer) {
    for (size_t i = 0; i < optimizer->n_parameters; i++) {
        size_t size = optimizer->parameters[i].count * sizeof(float);
        float *arrays[] = {optimizer->parameters[i].value, optimizer->m[i], optimizer->v[i]};
        for (int a = 0; a < 3; a++, data += size) optimizer->ops->copy_in(arrays[a], data, size);
    }
}

pbt_code pbt_checkpoint_read(const char *folder, const char *record, pbt_checkpoint_state *state,
                             pbt_optimizer *optimizer, bool *found, pbt_error *error) {
    *found = false;
    char *path = pbt_path_join(folder, checkpoint_name);
    if (!path) return pbt_fail_memory(error, strlen(folder), "a path");
    pbt_mapping file;
    checkpoint_header header;
    pbt_code code = PBT_OK;
    if (!pbt_file_exists(path)) goto done;
    PBT_GOTO(pbt_file_map(path, &file, error));
    code = check(&file, path, record, optimizer, &header, error);
    if (code == PBT_OK) {
        take_arrays(file.data + sizeof header + header.record_length, optimizer);
        *state = (pbt_checkpoint_state){record, header.step, header.sums, header.best};
        *found = true;
    }
    pbt_file_unmap(&file);
done:
    free(path);
    return code;
}
