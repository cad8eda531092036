/*
 * TensorBoard's event file, written without TensorBoard: FOLDER/events.out.tfevents.SECONDS.HOST. A record is
 * u64 length, u32 masked CRC32C of the length, the bytes, u32 masked CRC32C of the bytes, little-endian
 * (tensorboard's record_writer.py); the bytes are the protobuf Event {1: wall_time double, 2: step int64, 3:
 * file_version, 5: Summary {1: Value {1: tag, 2: simple_value float}}}.
 */
#ifndef PBT_TRAIN_EVENTS_H
#define PBT_TRAIN_EVENTS_H

#include "base/json.h"

typedef struct pbt_event_file {
    int descriptor; /* -1: closed */
    char *path;
} pbt_event_file;

/* Opens the folder's event file for appending, after dropping every record of a step beyond `last_step` and
 * whatever is broken; makes one where there is none. */
pbt_code pbt_event_file_open(pbt_event_file *file, const char *folder, int64_t last_step, pbt_error *error);
/* One record with the numbers of a line of metrics.jsonl. Tags are those of transformers' callback:
 * "train/NAME", and "eval/NAME" for eval_NAME. */
pbt_code pbt_event_file_append(pbt_event_file *file, const json_t *line, pbt_error *error);
/* What was appended is on disk when it returns; nothing where the file is closed. */
pbt_code pbt_event_file_sync(const pbt_event_file *file, pbt_error *error);
void pbt_event_file_close(pbt_event_file *file);

/* CRC-32C (Castagnoli), reflected, as in RFC 3720. */
uint32_t pbt_crc32c(const void *data, size_t length);

#endif
