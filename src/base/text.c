#include "base/text.h"

#include "base/memory.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool reserve(pbt_text *text, size_t more) {
    if (text->failed || more > SIZE_MAX / 2 - text->length) {
        text->failed = true;
        return false;
    }
    if (pbt_grow(text->data, &text->capacity, text->length + more + 1, NULL) != PBT_OK) text->failed = true;
    return !text->failed;
}

void pbt_text_append(pbt_text *text, const char *bytes, size_t length) {
    if (!reserve(text, length)) return;
    if (length) memcpy(text->data + text->length, bytes, length);
    text->length += length;
    text->data[text->length] = '\0';
}

void pbt_text_add(pbt_text *text, const char *string) {
    pbt_text_append(text, string, strlen(string));
}

void pbt_text_addf(pbt_text *text, const char *format, ...) {
    va_list args, again;
    va_start(args, format);
    va_copy(again, args);
    int length = vsnprintf(NULL, 0, format, args);
    va_end(args);
    if (length < 0) text->failed = true;
    if (length >= 0 && reserve(text, (size_t)length)) {
        vsnprintf(text->data + text->length, (size_t)length + 1, format, again);
        text->length += (size_t)length;
    }
    va_end(again);
}

void pbt_text_clear(pbt_text *text) {
    text->length = 0;
    text->failed = false;
    if (text->data) text->data[0] = '\0';
}

void pbt_text_free(pbt_text *text) {
    free(text->data);
    *text = (pbt_text){0};
}

const char *pbt_text_string(const pbt_text *text) {
    return text->data ? text->data : "";
}

char *pbt_text_take(pbt_text *text) {
    pbt_text_append(text, "", 0);
    char *data = text->failed ? NULL : text->data;
    if (text->failed) free(text->data);
    *text = (pbt_text){0};
    return data;
}

char *pbt_string_copy(const char *string) {
    size_t length = strlen(string);
    char *copy = malloc(length + 1);
    return copy ? memcpy(copy, string, length + 1) : NULL;
}

char *pbt_string_format(const char *format, ...) {
    va_list args, again;
    va_start(args, format);
    va_copy(again, args);
    int length = vsnprintf(NULL, 0, format, args);
    va_end(args);
    char *out = length < 0 ? NULL : malloc((size_t)length + 1);
    if (out) vsnprintf(out, (size_t)length + 1, format, again);
    va_end(again);
    return out;
}

bool pbt_string_starts(const char *string, const char *prefix) {
    return strncmp(string, prefix, strlen(prefix)) == 0;
}

bool pbt_string_ends(const char *string, const char *suffix) {
    size_t n = strlen(string), m = strlen(suffix);
    return n >= m && strcmp(string + n - m, suffix) == 0;
}

size_t pbt_string_distance(const char *a, const char *b) {
    size_t n = strnlen(a, 64), m = strnlen(b, 64), row[65];
    for (size_t j = 0; j <= m; j++) row[j] = j;
    for (size_t i = 1; i <= n; i++) {
        size_t diagonal = row[0];
        row[0] = i;
        for (size_t j = 1; j <= m; j++) {
            size_t change = diagonal + (a[i - 1] != b[j - 1]);
            diagonal = row[j];
            size_t best = row[j] < row[j - 1] ? row[j] + 1 : row[j - 1] + 1;
            row[j] = change < best ? change : best;
        }
    }
    return row[m];
}
