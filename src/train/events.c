#include "train/events.h"

#include "base/file.h"
#include "base/text.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <unistd.h>

static const char prefix[] = "events.out.tfevents.";

uint32_t pbt_crc32c(const void *data, size_t length) {
    const unsigned char *bytes = data;
    uint32_t crc = 0xffffffffu;
    for (size_t i = 0; i < length; i++) {
        crc ^= bytes[i];
        for (int bit = 0; bit < 8; bit++) crc = (crc >> 1) ^ (0x82f63b78u & (0u - (crc & 1u)));
    }
    return crc ^ 0xffffffffu;
}

static uint32_t masked_crc(const void *data, size_t length) {
    uint32_t crc = pbt_crc32c(data, length);
    return ((crc >> 15) | (crc << 17)) + 0xa282ead8u;
}

/* ---- protobuf, as far as an Event needs it ---- */

static void put_little(pbt_text *text, uint64_t value, int bytes) {
    char out[8];
    for (int i = 0; i < bytes; i++) out[i] = (char)(value >> (8 * i) & 0xff);
    pbt_text_append(text, out, (size_t)bytes);
}

static void put_varint(pbt_text *text, uint64_t value) {
    do {
        char byte = (char)((value & 0x7f) | (value > 0x7f ? 0x80 : 0));
        pbt_text_append(text, &byte, 1);
        value >>= 7;
    } while (value > 0);
}

enum { WIRE_VARINT = 0, WIRE_8 = 1, WIRE_BYTES = 2, WIRE_4 = 5 };

static void put_key(pbt_text *text, uint32_t field, int wire) {
    put_varint(text, (uint64_t)field << 3 | (uint64_t)wire);
}

static void put_bytes(pbt_text *text, uint32_t field, const char *bytes, size_t length) {
    put_key(text, field, WIRE_BYTES);
    put_varint(text, length);
    pbt_text_append(text, bytes, length);
}

static void put_wall_time(pbt_text *event) {
    struct timeval now;
    gettimeofday(&now, NULL);
    double seconds = (double)now.tv_sec + 1e-6 * (double)now.tv_usec;
    uint64_t bits;
    memcpy(&bits, &seconds, sizeof bits);
    put_key(event, 1, WIRE_8);
    put_little(event, bits, 8);
}

static void put_value(pbt_text *summary, const char *name, double number) {
    pbt_text value = {0};
    bool eval = strncmp(name, "eval_", 5) == 0;
    char *tag = pbt_string_format("%s/%s", eval ? "eval" : "train", eval ? name + 5 : name);
    float narrow = (float)number;
    uint32_t bits;
    memcpy(&bits, &narrow, sizeof bits);
    if (tag) put_bytes(&value, 1, tag, strlen(tag));
    put_key(&value, 2, WIRE_4);
    put_little(&value, bits, 4);
    if (!tag || value.failed)
        summary->failed = true;
    else
        put_bytes(summary, 1, value.data, value.length);
    pbt_text_free(&value);
    free(tag);
}

static pbt_code write_record(pbt_event_file *file, const pbt_text *event, pbt_error *error) {
    pbt_text record = {0};
    put_little(&record, event->length, 8);
    put_little(&record, masked_crc(record.data, record.length), 4);
    pbt_text_append(&record, event->data, event->length);
    put_little(&record, masked_crc(event->data, event->length), 4);
    pbt_code code =
        event->failed || record.failed ? pbt_fail_memory(error, event->length, "an event") : PBT_OK;
    for (size_t done = 0; code == PBT_OK && done < record.length;) {
        ssize_t n = write(file->descriptor, record.data + done, record.length - done);
        if (n > 0)
            done += (size_t)n;
        else if (errno != EINTR)
            code = pbt_fail_at(error, PBT_FAILED, file->path, NULL, "an event could not be written (%s)",
                               strerror(errno));
    }
    pbt_text_free(&record);
    return code;
}

/* ---- what is there already ---- */

static uint64_t get_little(const unsigned char *bytes, int n) {
    uint64_t value = 0;
    for (int i = 0; i < n; i++) value |= (uint64_t)bytes[i] << (8 * i);
    return value;
}

static bool get_varint(const unsigned char *bytes, size_t length, size_t *at, uint64_t *value) {
    *value = 0;
    for (int shift = 0; shift < 64 && *at < length; shift += 7) {
        unsigned char byte = bytes[(*at)++];
        *value |= (uint64_t)(byte & 0x7f) << shift;
        if (!(byte & 0x80)) return true;
    }
    return false;
}

/* The step of an Event (0 where it has none), or -1 where the bytes are no Event. */
static int64_t event_step(const unsigned char *bytes, size_t length) {
    int64_t step = 0;
    size_t at = 0;
    uint64_t key, value;
    while (at < length) {
        if (!get_varint(bytes, length, &at, &key)) return -1;
        size_t left = length - at;
        switch (key & 7) {
        case WIRE_VARINT:
            if (!get_varint(bytes, length, &at, &value)) return -1;
            if (key >> 3 == 2) step = value <= INT64_MAX ? (int64_t)value : -1;
            break;
        case WIRE_8:
        case WIRE_4:
            value = (key & 7) == WIRE_8 ? 8 : 4;
            if (value > left) return -1;
            at += value;
            break;
        case WIRE_BYTES:
            if (!get_varint(bytes, length, &at, &value) || value > length - at) return -1;
            at += value;
            break;
        default:
            return -1;
        }
    }
    return step;
}

/* Length of the leading records that are whole and of steps up to last_step. */
static size_t kept_length(const unsigned char *data, size_t length, int64_t last_step) {
    size_t kept = 0;
    while (length - kept >= 16) {
        const unsigned char *record = data + kept;
        uint64_t size = get_little(record, 8);
        if (size > length - kept - 16 || get_little(record + 8, 4) != masked_crc(record, 8) ||
            get_little(record + 12 + size, 4) != masked_crc(record + 12, size))
            break;
        int64_t step = event_step(record + 12, size);
        if (step < 0 || step > last_step) break;
        kept += 16 + size;
    }
    return kept;
}

/* The folder's event file; of several the last one by name. NULL: none. */
static char *find_file(const char *folder) {
    DIR *listing = opendir(folder);
    char *found = NULL;
    if (!listing) return NULL;
    for (const struct dirent *entry; (entry = readdir(listing));) {
        if (!pbt_string_starts(entry->d_name, prefix)) continue;
        char *path = pbt_path_join(folder, entry->d_name);
        bool later = path && (!found || strcmp(path, found) > 0);
        free(later ? found : path);
        if (later) found = path;
    }
    closedir(listing);
    return found;
}

static char *new_path(const char *folder) {
    char host[65] = "localhost";
    struct timeval now;
    gethostname(host, sizeof host - 1);
    for (char *p = host; *p; p++)
        if (*p == '/') *p = '-';
    gettimeofday(&now, NULL);
    return pbt_string_format("%s/%s%lld.%s", folder, prefix, (long long)now.tv_sec, host);
}

static pbt_code write_version(pbt_event_file *file, pbt_error *error) {
    static const char version[] = "brain.Event:2";
    pbt_text event = {0};
    put_wall_time(&event);
    put_bytes(&event, 3, version, sizeof version - 1);
    pbt_code code = write_record(file, &event, error);
    pbt_text_free(&event);
    return code;
}

enum { EVENTS_LIMIT = 1 << 30 };

pbt_code pbt_event_file_open(pbt_event_file *file, const char *folder, int64_t last_step, pbt_error *error) {
    *file = (pbt_event_file){.descriptor = -1, .path = find_file(folder)};
    size_t kept = 0;
    if (file->path) {
        char *data;
        size_t length;
        PBT_TRY(pbt_file_read(file->path, EVENTS_LIMIT, &data, &length, error));
        kept = kept_length((const unsigned char *)data, length, last_step);
        free(data);
    } else {
        file->path = new_path(folder);
    }
    if (!file->path) return pbt_fail_memory(error, strlen(folder), "a path");
    file->descriptor = open(file->path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
    if (file->descriptor < 0 || ftruncate(file->descriptor, (off_t)kept) != 0)
        return pbt_fail_at(error, PBT_FAILED, file->path, NULL,
                           "the events cannot be written (%s); choose another output_dir", strerror(errno));
    return kept == 0 ? write_version(file, error) : PBT_OK;
}

pbt_code pbt_event_file_append(pbt_event_file *file, const json_t *line, pbt_error *error) {
    pbt_text event = {0}, summary = {0};
    const char *name;
    json_t *value;
    json_int_t step = json_integer_value(json_object_get(line, "step"));
    put_wall_time(&event);
    put_key(&event, 2, WIRE_VARINT);
    put_varint(&event, step > 0 ? (uint64_t)step : 0);
    json_object_foreach((json_t *)(uintptr_t)line, name, value) {
        if (strcmp(name, "step") != 0 && json_is_number(value))
            put_value(&summary, name, json_number_value(value));
    }
    if (summary.failed)
        event.failed = true;
    else
        put_bytes(&event, 5, pbt_text_string(&summary), summary.length);
    pbt_code code = write_record(file, &event, error);
    pbt_text_free(&event);
    pbt_text_free(&summary);
    return code;
}

pbt_code pbt_event_file_sync(const pbt_event_file *file, pbt_error *error) {
    if (file->descriptor < 0 || fsync(file->descriptor) == 0) return PBT_OK;
    return pbt_fail_at(error, PBT_FAILED, file->path, NULL, "the events could not be kept (%s)",
                       strerror(errno));
}

void pbt_event_file_close(pbt_event_file *file) {
    if (file->path && file->descriptor >= 0) close(file->descriptor);
    free(file->path);
    *file = (pbt_event_file){.descriptor = -1};
}
