/*
 * Unicode normalization (NFC, NFD, NFKC, NFKD) and lower case, on pieces. utf8proc gives the decompositions
 * and compositions; the ordering of combining marks is done here, in n log n, since hostile text holds long
 * runs of them.
 */
#include "tokenizer/normalizer.h"

#include "tokenizer/pieces.h"
#include "tokenizer/unicode9.h"

#include <stdlib.h>
#include <string.h>
#include <utf8proc.h>

/* Code points of one segment with their combining classes. */
typedef struct segment {
    utf8proc_int32_t *points;
    size_t count, capacity;
    struct ordered {
        utf8proc_int32_t point;
        uint32_t key; /* combining class, then place: a stable order */
    } * marks;
    size_t marks_capacity;
} segment;

/* Characters that never combine with what stands before them: the text may be cut there. Not all of them,
 * only ranges that are easy to be sure of. */
static bool starts_segment(uint32_t c) {
    return c < 0x300 || (c >= 0x370 && c <= 0x482) || (c >= 0x3041 && c <= 0x3098) ||
           (c >= 0x30a0 && c <= 0x30ff) || (c >= 0x4e00 && c <= 0x9fff) || (c >= 0xac00 && c <= 0xd7a3);
}

static pbt_code decompose(segment *s, const char *bytes, size_t length, bool compatible, pbt_error *error) {
    s->count = 0;
    utf8proc_option_t options = UTF8PROC_DECOMPOSE | (compatible ? UTF8PROC_COMPAT : 0);
    for (size_t i = 0, size; i < length; i += size) {
        utf8proc_int32_t point = (utf8proc_int32_t)pbt_utf8_decode(bytes + i, length - i, &size);
        PBT_TRY(pbt_grow(s->points, &s->capacity, s->count + 32, error));
        int boundary = 0;
        if (pbt_is_newer_than_unicode9((uint32_t)point)) {
            s->points[s->count++] = point;
            continue;
        }
        utf8proc_ssize_t n = utf8proc_decompose_char(
            point, s->points + s->count, (utf8proc_ssize_t)(s->capacity - s->count), options, &boundary);
        if (n < 0 || (size_t)n > s->capacity - s->count)
            return pbt_fail(error, PBT_FAILED, "U+%04X could not be decomposed", (unsigned)point);
        s->count += (size_t)n;
    }
    return PBT_OK;
}

static int by_key(const void *a, const void *b) {
    const struct ordered *x = a, *y = b;
    return x->key < y->key ? -1 : x->key > y->key;
}

static utf8proc_propval_t class_of(utf8proc_int32_t point) {
    if (point < 0x300 || pbt_is_newer_than_unicode9((uint32_t)point)) return 0;
    return utf8proc_get_property(point)->combining_class;
}

/* Puts every run of combining marks in canonical order. */
static pbt_code order_marks(segment *s, pbt_error *error) {
    for (size_t i = 0; i < s->count;) {
        size_t end = i;
        while (end < s->count && class_of(s->points[end])) end++;
        if (end - i > 1) {
            size_t n = end - i;
            if (n >= 1u << 24)
                return pbt_fail(error, PBT_BAD_INPUT, "a text has %zu combining marks in a row", n);
            PBT_TRY(pbt_grow(s->marks, &s->marks_capacity, n, error));
            for (size_t k = 0; k < n; k++)
                s->marks[k] = (struct ordered){s->points[i + k],
                                               (uint32_t)class_of(s->points[i + k]) << 24 | (uint32_t)k};
            qsort(s->marks, n, sizeof *s->marks, by_key);
            for (size_t k = 0; k < n; k++) s->points[i + k] = s->marks[k].point;
        }
        i = end + 1;
    }
    return PBT_OK;
}

static pbt_code write_segment(const segment *s, size_t count, const pbt_pieces *in, size_t start,
                              size_t length, pbt_pieces *out, pbt_error *error) {
    pbt_text text = {0};
    for (size_t i = 0; i < count; i++) {
        char utf8[4];
        pbt_text_append(&text, utf8, pbt_utf8_encode((uint32_t)s->points[i], utf8));
    }
    pbt_code code = PBT_OK;
    if (text.failed)
        code = pbt_fail_memory(error, count * 4, "normalized text");
    else if (text.length && text.length == length && memcmp(text.data, in->bytes + start, length) == 0)
        code = pbt_pieces_copy(out, in, start, length, error);
    else if (text.length)
        code =
            pbt_pieces_write(out, text.data, text.length, in->from[start], in->to[start + length - 1], error);
    pbt_text_free(&text);
    return code;
}

/* Composes what stands between characters that tokenizers does not know. */
static pbt_code compose(segment *s, size_t *count, pbt_error *error) {
    size_t done = 0;
    for (size_t i = 0, end; i < s->count; i = end) {
        bool newer = pbt_is_newer_than_unicode9((uint32_t)s->points[i]);
        for (end = i + 1; !newer && end < s->count; end++)
            if (pbt_is_newer_than_unicode9((uint32_t)s->points[end])) break;
        size_t n = end - i;
        memmove(s->points + done, s->points + i, n * sizeof *s->points);
        utf8proc_ssize_t left = newer ? 1
                                      : utf8proc_normalize_utf32(s->points + done, (utf8proc_ssize_t)n,
                                                                 UTF8PROC_COMPOSE | UTF8PROC_STABLE);
        if (left < 0) return pbt_fail(error, PBT_FAILED, "a text could not be normalized");
        done += (size_t)left;
    }
    *count = done;
    return PBT_OK;
}

static pbt_code normalize_segment(const pbt_step *step, segment *s, const pbt_pieces *in, size_t start,
                                  size_t length, pbt_pieces *out, pbt_error *error) {
    PBT_TRY(decompose(s, in->bytes + start, length, step->compatible, error));
    PBT_TRY(order_marks(s, error));
    size_t count = s->count;
    if (step->compose) PBT_TRY(compose(s, &count, error));
    return write_segment(s, count, in, start, length, out, error);
}

/* The end of the run of bytes below 0x80 that begins at `at`: such text is its own normal form. */
static size_t ascii_end(const pbt_pieces *in, size_t at, size_t end) {
    while (at < end && !(in->bytes[at] & 0x80)) at++;
    return at;
}

static pbt_code normalize_piece(const pbt_step *step, segment *s, const pbt_pieces *in, size_t at, size_t end,
                                pbt_pieces *out, pbt_error *error) {
    while (at < end) {
        size_t plain = ascii_end(in, at, end);
        if (plain < end && plain > at) plain--; /* what follows may combine with the last plain character */
        PBT_TRY(pbt_pieces_copy(out, in, at, plain - at, error));
        at = plain;
        size_t stop = at, size;
        while (stop < end) {
            uint32_t c = pbt_utf8_decode(in->bytes + stop, end - stop, &size);
            if (stop > at && starts_segment(c)) break;
            stop += size;
        }
        if (stop > at) PBT_TRY(normalize_segment(step, s, in, at, stop - at, out, error));
        at = stop;
    }
    return PBT_OK;
}

pbt_code pbt_step_unicode(const pbt_step *step, const pbt_pieces *in, pbt_pieces *out, pbt_error *error) {
    segment s = {0};
    pbt_code code = PBT_OK;
    for (size_t i = 0; i < in->count && code == PBT_OK; i++) {
        const pbt_piece *piece = &in->items[i];
        size_t start = out->length;
        code = piece->id >= 0
                   ? pbt_pieces_copy(out, in, piece->start, piece->length, error)
                   : normalize_piece(step, &s, in, piece->start, piece->start + piece->length, out, error);
        if (code == PBT_OK) code = pbt_pieces_close(out, start, piece->id, error);
    }
    free(s.points);
    free(s.marks);
    return code;
}

static pbt_code lower_character(const pbt_pieces *in, size_t at, size_t size, pbt_pieces *out,
                                pbt_error *error) {
    uint32_t c = pbt_utf8_decode(in->bytes + at, size, &size);
    char utf8[8];
    size_t length = pbt_utf8_encode((uint32_t)utf8proc_tolower((utf8proc_int32_t)c), utf8);
    if (c == 0x130) { /* the one character whose lower case is two: i and a dot above */
        utf8[0] = 'i';
        length = 1 + pbt_utf8_encode(0x307, utf8 + 1);
    }
    return pbt_pieces_write(out, utf8, length, in->from[at], in->to[at + size - 1], error);
}

pbt_code pbt_step_lowercase(const pbt_pieces *in, pbt_pieces *out, pbt_error *error) {
    for (size_t i = 0; i < in->count; i++) {
        const pbt_piece *piece = &in->items[i];
        size_t start = out->length;
        if (piece->id >= 0) PBT_TRY(pbt_pieces_copy(out, in, piece->start, piece->length, error));
        for (size_t at = piece->start, size; piece->id < 0 && at < piece->start + (size_t)piece->length;
             at += size) {
            pbt_utf8_decode(in->bytes + at, piece->start + piece->length - at, &size);
            PBT_TRY(lower_character(in, at, size, out, error));
        }
        PBT_TRY(pbt_pieces_close(out, start, piece->id, error));
    }
    return PBT_OK;
}
