/*
 * Values of templates: making, comparing, looping over.
 */
#ifndef PBT_CHAT_JINJA_VALUE_H
#define PBT_CHAT_JINJA_VALUE_H

#include "chat/jinja/jinja.h"

/* Counts `n` steps against the limit. */
bool jinja_step(jinja_run *run, int64_t n);
/* Records the error and returns undefined; the first error stays. */
const jinja_value *jinja_refuse(jinja_run *run, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
void *jinja_alloc(jinja_run *run, size_t count, size_t size); /* NULL after recording an error */
jinja_value *jinja_make(jinja_run *run, jinja_kind kind);
const jinja_value *jinja_missing(jinja_run *run, const char *name);
const jinja_value *jinja_none(void);
const jinja_value *jinja_int(jinja_run *run, int64_t number);
const jinja_value *jinja_float(jinja_run *run, double real);
const jinja_value *jinja_bool(jinja_run *run, bool truth);
const jinja_value *jinja_string(jinja_run *run, const char *text, size_t length); /* copies */
const jinja_value *jinja_markup(jinja_run *run, const jinja_value *string);
/* A string of what was written to `text`, which is freed. */
const jinja_value *jinja_take_text(jinja_run *run, pbt_text *text);
void jinja_append(jinja_run *run, jinja_value *list, const jinja_value *item);
void jinja_put(jinja_run *run, jinja_value *map, const char *key, const jinja_value *item);
const jinja_value *jinja_lookup(const jinja_value *map, const char *key); /* NULL when there is none */
bool jinja_is_number(const jinja_value *value);                           /* bool, int or float */
double jinja_real(const jinja_value *value);
bool jinja_is_sequence(const jinja_value *value); /* list, tuple, range, view */
bool jinja_truth(const jinja_value *value);
bool jinja_equal(jinja_run *run, const jinja_value *a, const jinja_value *b);
/* Python's order of numbers and of strings; others are refused. */
int jinja_order(jinja_run *run, const jinja_value *a, const jinja_value *b);
const char *jinja_kind_name(const jinja_value *value);
/* What a loop over the value sees, as a list; undefined gives none, strings their characters. */
const jinja_value *jinja_iterate(jinja_run *run, const jinja_value *value);
/* Code points of a string; the byte where one begins. */
size_t jinja_characters(const jinja_value *string);
size_t jinja_character_at(const jinja_value *string, size_t character);
/* Refuses when `out` is too long or memory is out. */
bool jinja_check_text(jinja_run *run, const pbt_text *out);
/* The argument at a place, or of a name; NULL when it is not given. */
const jinja_value *jinja_argument(const jinja_arguments *arguments, size_t place, const char *name);
/* Refuses arguments beyond `most` places, and keywords that are not in `names` (NULL-ended; may be NULL). */
bool jinja_check_arguments(jinja_run *run, const char *what, const jinja_arguments *arguments, size_t most,
                           const char *const *names);

#endif
