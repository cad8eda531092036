/*
 * Where a training's numbers go: metrics.jsonl and TensorBoard's event file, both of which an interrupted and
 * continued run leaves without gaps or doubles.
 */
#include "train/log.h"

#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

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

pbt_code pbt_training_log_open(pbt_training_log *log, const char *folder, int64_t last_step, bool events,
                               pbt_error *error) {
    *log = (pbt_training_log){
        .descriptor = -1, .path = pbt_path_join(folder, "metrics.jsonl"), .events = {.descriptor = -1}};
    if (!log->path) return pbt_fail_memory(error, strlen(folder), "a path");
    char *data = NULL;
    size_t length = 0, kept = 0;
    if (pbt_file_exists(log->path)) {
        PBT_TRY(pbt_file_read(log->path, METRICS_LIMIT, &data, &length, error));
        kept = kept_length(data, length, last_step);
        free(data);
    }
    log->descriptor = open(log->path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
    if (log->descriptor < 0 || ftruncate(log->descriptor, (off_t)kept) != 0)
        return pbt_fail_at(error, PBT_FAILED, log->path, NULL,
                           "the metrics cannot be written (%s); choose another output_dir", strerror(errno));
    if (events) PBT_TRY(pbt_event_file_open(&log->events, folder, last_step, error));
    return pbt_folder_sync(folder, error); /* the files are new in it */
}

static pbt_code append_bytes(pbt_training_log *log, const char *bytes, size_t length, pbt_error *error) {
    while (length > 0) {
        ssize_t n = write(log->descriptor, bytes, length);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0)
            return pbt_fail_at(error, PBT_FAILED, log->path, NULL, "a line could not be written (%s)",
                               strerror(errno));
        bytes += n;
        length -= (size_t)n;
    }
    return PBT_OK;
}

pbt_code pbt_training_log_append(pbt_training_log *log, const json_t *line, pbt_error *error) {
    char *text = pbt_json_line(line);
    if (!text) return pbt_fail_memory(error, 512, "a line of metrics");
    size_t length = strlen(text);
    text[length] = '\n'; /* in place of the NUL: one write, so that a reader never sees half a line */
    pbt_code code = append_bytes(log, text, length + 1, error);
    free(text);
    if (code != PBT_OK || log->events.descriptor < 0) return code;
    return pbt_event_file_append(&log->events, line, error);
}

pbt_code pbt_training_log_sync(pbt_training_log *log, pbt_error *error) {
    if (fsync(log->descriptor) != 0)
        return pbt_fail_at(error, PBT_FAILED, log->path, NULL, "the metrics could not be kept (%s)",
                           strerror(errno));
    return pbt_event_file_sync(&log->events, error);
}

void pbt_training_log_close(pbt_training_log *log) {
    if (log->path && log->descriptor >= 0) close(log->descriptor);
    free(log->path);
    pbt_event_file_close(&log->events);
    *log = (pbt_training_log){.descriptor = -1, .events = {.descriptor = -1}};
}
