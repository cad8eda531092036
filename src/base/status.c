#include "base/status.h"

#include "base/utf8.h"

#include <stdio.h>
#include <string.h>

static void set_text(char *to, size_t size, const char *from) {
    snprintf(to, size, "%s", from ? from : "");
}

/* Sentences quote what was found, sometimes cut within a character: what is no UTF-8 is left out. */
static void make_valid(char *message) {
    size_t length = strlen(message), kept = 0, size;
    for (size_t at = 0; at < length; at += size) {
        uint32_t character = pbt_utf8_decode(message + at, length - at, &size);
        if (character == 0xFFFD && size == 1) continue;
        memmove(message + kept, message + at, size);
        kept += size;
    }
    message[kept] = '\0';
}

static void set_reason(pbt_error *error, pbt_error_reason reason, int64_t item, size_t sentence) {
    error->reason = reason;
    error->item = item;
    error->sentence = sentence;
}

void pbt_error_set(pbt_error *error, pbt_code code, const char *format, ...) {
    if (!error) return;
    /* Formatted aside first: the arguments may point into the error that is being replaced. */
    char message[sizeof error->message];
    va_list args;
    va_start(args, format);
    vsnprintf(message, sizeof message, format, args);
    va_end(args);
    make_valid(message);
    error->code = code;
    memcpy(error->message, message, sizeof message);
    error->file[0] = error->where[0] = '\0';
    set_reason(error, PBT_REASON_NONE, -1, 0);
}

void pbt_error_set_request(pbt_error *error, pbt_code code, size_t index, const char *format, ...) {
    if (!error) return;
    char sentence[sizeof error->message], prefix[40];
    va_list args;
    va_start(args, format);
    vsnprintf(sentence, sizeof sentence, format, args);
    va_end(args);
    snprintf(prefix, sizeof prefix, "request %zu: ", index);
    pbt_error_set(error, code, "%s%s", prefix, sentence);
    set_reason(error, PBT_BAD_REQUEST, (int64_t)index, strlen(prefix));
}

void pbt_error_set_reason(pbt_error *error, pbt_error_reason reason) {
    if (error) error->reason = reason;
}

void pbt_error_set_at(pbt_error *error, pbt_code code, const char *file, const char *where,
                      const char *format, ...) {
    if (!error) return;
    char sentence[sizeof error->message], message[sizeof error->message];
    char file_copy[sizeof error->file], where_copy[sizeof error->where];
    va_list args;
    va_start(args, format);
    vsnprintf(sentence, sizeof sentence, format, args);
    va_end(args);
    set_text(file_copy, sizeof file_copy, file);
    set_text(where_copy, sizeof where_copy, where);
    snprintf(message, sizeof message, "%.400s%s%s%s%.600s", file_copy, file_copy[0] ? ": " : "", where_copy,
             where_copy[0] ? ": " : "", sentence);
    make_valid(message);
    error->code = code;
    memcpy(error->message, message, sizeof message);
    memcpy(error->file, file_copy, sizeof file_copy);
    memcpy(error->where, where_copy, sizeof where_copy);
    set_reason(error, PBT_REASON_NONE, -1, 0);
}

void pbt_error_set_memory(pbt_error *error, size_t bytes, const char *what) {
    pbt_error_set(error, PBT_FAILED, "out of memory: %zu bytes for %s could not be allocated", bytes, what);
}

const char *pbt_code_name(pbt_code code) {
    switch (code) {
    case PBT_OK:
        return "ok";
    case PBT_FAILED:
        return "failed";
    case PBT_USAGE:
        return "usage";
    case PBT_BAD_INPUT:
        return "bad_input";
    case PBT_INTERRUPTED:
        return "interrupted";
    }
    return "failed";
}
