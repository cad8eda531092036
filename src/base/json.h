/*
 * JSON: Jansson with pbt's errors. Parsing is strict, UTF-8 checked, and bounded in depth; the getters say
 * which field of which file was missing or of the wrong type.
 */
#ifndef PBT_BASE_JSON_H
#define PBT_BASE_JSON_H

#include "base/declarations.h"
#include "base/status.h"

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

PBT_BEGIN_DECLS

/* Parses `length` bytes; `file` and `where` only name the place in errors (may be NULL). Caller: json_decref.
 * A string that holds the character U+0000 is refused, so that json_string_value is the whole of every
 * string.
 */
pbt_code pbt_json_parse(const char *bytes, size_t length, const char *file, const char *where, json_t **value,
                        pbt_error *error);
/* A row of a JSONL file: as above, and NaN, Infinity and -Infinity, which Python writes though JSON has no
 * such numbers, are read as null. */
pbt_code pbt_json_parse_row(const char *bytes, size_t length, const char *file, const char *where,
                            json_t **value, pbt_error *error);
/* As pbt_json_parse_row, for those who take strings with their lengths: U+0000 stays. */
pbt_code pbt_json_parse_bytes(const char *bytes, size_t length, const char *file, const char *where,
                              json_t **value, pbt_error *error);
/* Reads and parses a file of at most `limit` bytes. */
pbt_code pbt_json_read(const char *path, size_t limit, json_t **value, pbt_error *error);
/* Writes atomically, `indent` spaces (0 = one line), keys in insertion order, with a final newline. */
pbt_code pbt_json_write(const char *path, const json_t *value, int indent, pbt_error *error);
/* One line without a newline, malloc'ed. Reals are printed with 17 significant digits, so they read back
 * equal. */
char *pbt_json_line(const json_t *value);

/* Required fields of an object; strings and values stay owned by `object`. `file` and `where` name the place.
 */
pbt_code pbt_json_string(const json_t *object, const char *key, const char *file, const char *where,
                         const char **value, pbt_error *error);
pbt_code pbt_json_integer(const json_t *object, const char *key, int64_t least, int64_t most,
                          const char *file, const char *where, int64_t *value, pbt_error *error);
pbt_code pbt_json_number(const json_t *object, const char *key, const char *file, const char *where,
                         double *value, pbt_error *error);
pbt_code pbt_json_array(const json_t *object, const char *key, const char *file, const char *where,
                        const json_t **value, pbt_error *error);
pbt_code pbt_json_object(const json_t *object, const char *key, const char *file, const char *where,
                         const json_t **value, pbt_error *error);
/* Whether `key` is there and not null. */
bool pbt_json_has(const json_t *object, const char *key);

PBT_END_DECLS

#endif
