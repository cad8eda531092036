/*
 * Text: a growing byte string and small string helpers; with UTF-8.
 */
#ifndef PBT_BASE_TEXT_H
#define PBT_BASE_TEXT_H

#include "base/declarations.h"
#include "base/utf8.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

PBT_BEGIN_DECLS

/* A growing byte string. `data` is NUL-terminated and never NULL after the first append; zero-initialise,
 * release with pbt_text_free. When memory runs out `failed` is set and further appends do nothing: check
 * once. */
typedef struct pbt_text {
    char *data;
    size_t length, capacity;
    bool failed;
} pbt_text;

void pbt_text_append(pbt_text *text, const char *bytes, size_t length);
void pbt_text_add(pbt_text *text, const char *string);
void pbt_text_addf(pbt_text *text, const char *format, ...) __attribute__((format(printf, 2, 3)));
void pbt_text_clear(pbt_text *text); /* keeps the memory */
void pbt_text_free(pbt_text *text);
/* The string ("" when empty); still owned by `text`. */
const char *pbt_text_string(const pbt_text *text);
/* Hands the malloc'ed string to the caller and empties `text`; NULL when an append had failed. */
char *pbt_text_take(pbt_text *text);

/* A malloc'ed copy; NULL when memory is out. */
char *pbt_string_copy(const char *string);
char *pbt_string_format(const char *format, ...) __attribute__((format(printf, 1, 2)));
bool pbt_string_starts(const char *string, const char *prefix);
bool pbt_string_ends(const char *string, const char *suffix);
/* Levenshtein distance of two short strings (at most 64 bytes are looked at); for "did you mean" hints. */
size_t pbt_string_distance(const char *a, const char *b);

PBT_END_DECLS

#endif
