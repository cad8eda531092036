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

uint32_t pbt_utf8_decode(const char *bytes, size_t length, size_t *size) {
    const unsigned char *s = (const unsigned char *)bytes;
    *size = 1;
    if (length == 0) return 0xFFFD;
    if (s[0] < 0x80) return s[0];
    size_t n = s[0] >= 0xF0 ? 4 : s[0] >= 0xE0 ? 3 : 2;
    if (s[0] < 0xC2 || s[0] > 0xF4 || length < n) return 0xFFFD;
    uint32_t c = s[0] & (0xFFu >> (n + 1));
    for (size_t i = 1; i < n; i++) {
        if ((s[i] & 0xC0) != 0x80) return 0xFFFD;
        c = c << 6 | (s[i] & 0x3Fu);
    }
    static const uint32_t least[5] = {0, 0, 0x80, 0x800, 0x10000};
    if (c < least[n] || c > 0x10FFFF || (c >= 0xD800 && c < 0xE000)) return 0xFFFD;
    *size = n;
    return c;
}

size_t pbt_byte_order_mark(const char *bytes, size_t length) {
    return length >= 3 && memcmp(bytes, "\xef\xbb\xbf", 3) == 0 ? 3 : 0;
}

bool pbt_utf8_valid(const char *bytes, size_t length) {
    for (size_t i = 0, size; i < length; i += size) {
        if (pbt_utf8_decode(bytes + i, length - i, &size) == 0xFFFD && size == 1) return false;
    }
    return true;
}

size_t pbt_utf8_encode(uint32_t c, char out[4]) {
    if (c < 0x80) {
        out[0] = (char)c;
        return 1;
    }
    size_t n = c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
    for (size_t i = n - 1; i > 0; i--, c >>= 6) out[i] = (char)(0x80 | (c & 0x3F));
    out[0] = (char)((0xF00u >> n & 0xFF) | c);
    return n;
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
