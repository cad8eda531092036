#include "base/json.h"

#include "base/file.h"
#include "base/text.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { PARSE_FLAGS = JSON_REJECT_DUPLICATES | JSON_DECODE_ANY | JSON_ALLOW_NUL };

/* Integers that no int64 holds become reals, as tools write them for "no limit" (model_max_length of
 * tokenizer_config.json): ".0" behind every run of 19 or more digits that is a whole number. malloc'ed. */
static char *with_reals(const char *bytes, size_t length, size_t *new_length) {
    pbt_text out = {0};
    bool string = false;
    for (size_t i = 0; i < length; i++) {
        char c = bytes[i];
        if (string && c == '\\' && i + 1 < length) pbt_text_append(&out, &bytes[i++], 1);
        if (c == '"') string = !string;
        size_t digits = 0;
        bool starts = i == 0 || !strchr("0123456789.eE+", bytes[i - 1]);
        while (!string && starts && i + digits < length && bytes[i + digits] >= '0' &&
               bytes[i + digits] <= '9')
            digits++;
        if (digits < 19) {
            pbt_text_append(&out, &bytes[i], 1);
            continue;
        }
        pbt_text_append(&out, &bytes[i], digits);
        i += digits - 1;
        if (i + 1 >= length || !strchr(".eE", bytes[i + 1])) pbt_text_add(&out, ".0");
    }
    *new_length = out.length;
    return pbt_text_take(&out);
}

/* The number that JSON does not have at `at`, outside of strings: its length, or 0. */
static size_t no_number(const char *at, size_t left) {
    static const char *const names[] = {"NaN", "-Infinity", "Infinity"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        size_t length = strlen(names[i]);
        if (left >= length && memcmp(at, names[i], length) == 0) return length;
    }
    return 0;
}

/* NaN and the infinities as null; malloc'ed, NULL where there are none. */
static char *with_nulls(const char *bytes, size_t length, size_t *new_length) {
    pbt_text out = {0};
    bool string = false, any = false;
    for (size_t i = 0; i < length; i++) {
        size_t found = string ? 0 : no_number(bytes + i, length - i);
        if (found) {
            pbt_text_add(&out, "null");
            i += found - 1;
            any = true;
            continue;
        }
        if (string && bytes[i] == '\\' && i + 1 < length)
            pbt_text_append(&out, &bytes[i++], 1);
        else if (bytes[i] == '"')
            string = !string;
        pbt_text_append(&out, &bytes[i], 1);
    }
    *new_length = out.length;
    char *text = pbt_text_take(&out);
    if (any) return text;
    free(text);
    return NULL;
}

/* Parses what the first attempt could not: *text is replaced by `better` (malloc'ed; NULL: nothing changes).
 */
static json_t *parse_again(char **text, size_t *length, char *better, size_t better_length,
                           json_error_t *problem) {
    if (!better) return NULL;
    free(*text);
    *text = better;
    *length = better_length;
    return json_loadb(better, better_length, PARSE_FLAGS, problem);
}

/* The name of the field that holds U+0000, itself or in what it contains; "" for a string without a name,
 * NULL: there is none. */
static const char *field_with_nul(const json_t *value, const char *name) {
    const char *key, *found = NULL;
    const json_t *item;
    if (json_is_string(value))
        return strlen(json_string_value(value)) == json_string_length(value) ? NULL : name;
    for (size_t i = 0; !found && i < json_array_size(value); i++)
        found = field_with_nul(json_array_get(value, i), name);
    json_object_foreach((json_t *)(uintptr_t)value, key, item) {
        if (!found) found = field_with_nul(item, key);
    }
    return found;
}

static pbt_code refuse_nul(const json_t *value, const char *name, const char *file, const char *where,
                           pbt_error *error) {
    name = field_with_nul(value, name);
    if (!name) return PBT_OK;
    return pbt_fail_at(error, PBT_BAD_INPUT, file, where,
                       "\"%s\" holds the character U+0000, which no text may have; remove it", name);
}

static pbt_code parse(const char *bytes, size_t length, bool row, bool nul, const char *file,
                      const char *where, json_t **value, pbt_error *error) {
    json_error_t problem;
    char *text = NULL;
    size_t longer = 0, text_length = 0;
    json_t *parsed = json_loadb(bytes, length, PARSE_FLAGS, &problem);
    if (!parsed && row) {
        char *better = with_nulls(bytes, length, &longer);
        parsed = parse_again(&text, &text_length, better, longer, &problem);
    }
    if (!parsed && json_error_code(&problem) == json_error_numeric_overflow) {
        char *better = with_reals(text ? text : bytes, text ? text_length : length, &longer);
        parsed = parse_again(&text, &text_length, better, longer, &problem);
    }
    free(text);
    if (!parsed)
        return pbt_fail_at(error, PBT_BAD_INPUT, file, where, "not valid JSON at line %d, column %d: %s",
                           problem.line, problem.column, problem.text);
    /* Inside a string only an escape can give one. */
    pbt_code code =
        !nul && memmem(bytes, length, "\\u0000", 6) ? refuse_nul(parsed, "", file, where, error) : PBT_OK;
    if (code == PBT_OK)
        *value = parsed;
    else
        json_decref(parsed);
    return code;
}

pbt_code pbt_json_parse(const char *bytes, size_t length, const char *file, const char *where, json_t **value,
                        pbt_error *error) {
    return parse(bytes, length, false, false, file, where, value, error);
}

pbt_code pbt_json_parse_row(const char *bytes, size_t length, const char *file, const char *where,
                            json_t **value, pbt_error *error) {
    return parse(bytes, length, true, false, file, where, value, error);
}

pbt_code pbt_json_parse_bytes(const char *bytes, size_t length, const char *file, const char *where,
                              json_t **value, pbt_error *error) {
    return parse(bytes, length, true, true, file, where, value, error);
}

pbt_code pbt_json_read(const char *path, size_t limit, json_t **value, pbt_error *error) {
    char *data;
    size_t length;
    PBT_TRY(pbt_file_read(path, limit, &data, &length, error));
    size_t mark = pbt_byte_order_mark(data, length);
    pbt_code code = pbt_json_parse(data + mark, length - mark, path, NULL, value, error);
    free(data);
    return code;
}

pbt_code pbt_json_write(const char *path, const json_t *value, int indent, pbt_error *error) {
    size_t flags = JSON_ENCODE_ANY | JSON_REAL_PRECISION(17) | (indent ? JSON_INDENT((size_t)indent) : 0);
    char *text = json_dumps(value, flags);
    if (!text)
        return pbt_fail_at(error, PBT_FAILED, path, NULL, "the JSON value could not be written as text");
    pbt_text out = {0};
    pbt_text_add(&out, text);
    pbt_text_add(&out, "\n");
    free(text);
    pbt_code code = out.failed ? pbt_fail_memory(error, out.length, path)
                               : pbt_file_write(path, out.data, out.length, error);
    pbt_text_free(&out);
    return code;
}

char *pbt_json_line(const json_t *value) {
    return json_dumps(value, JSON_ENCODE_ANY | JSON_COMPACT | JSON_REAL_PRECISION(17));
}

static const char *type_name(const json_t *value) {
    if (!value) return "nothing";
    static const char *const names[] = {"an object", "an array", "a string", "an integer",
                                        "a number",  "true",     "false",    "null"};
    return names[json_typeof(value)];
}

static pbt_code wrong(const char *file, const char *where, const char *key, const char *expected,
                      const json_t *found, pbt_error *error) {
    return pbt_fail_at(error, PBT_BAD_INPUT, file, where, "field \"%s\": expected %s, found %s", key,
                       expected, type_name(found));
}

bool pbt_json_has(const json_t *object, const char *key) {
    const json_t *value = json_object_get(object, key);
    return value && !json_is_null(value);
}

pbt_code pbt_json_string(const json_t *object, const char *key, const char *file, const char *where,
                         const char **value, pbt_error *error) {
    const json_t *found = json_object_get(object, key);
    if (!json_is_string(found)) return wrong(file, where, key, "a string", found, error);
    PBT_TRY(refuse_nul(found, key, file, where, error));
    *value = json_string_value(found);
    return PBT_OK;
}

pbt_code pbt_json_integer(const json_t *object, const char *key, int64_t least, int64_t most,
                          const char *file, const char *where, int64_t *value, pbt_error *error) {
    const json_t *found = json_object_get(object, key);
    if (!json_is_integer(found)) return wrong(file, where, key, "an integer", found, error);
    int64_t number = json_integer_value(found);
    if (number < least || number > most)
        return pbt_fail_at(error, PBT_BAD_INPUT, file, where,
                           "field \"%s\": expected an integer from %lld to %lld, found %lld", key,
                           (long long)least, (long long)most, (long long)number);
    *value = number;
    return PBT_OK;
}

pbt_code pbt_json_number(const json_t *object, const char *key, const char *file, const char *where,
                         double *value, pbt_error *error) {
    const json_t *found = json_object_get(object, key);
    if (!json_is_number(found)) return wrong(file, where, key, "a number", found, error);
    *value = json_number_value(found);
    return PBT_OK;
}

pbt_code pbt_json_array(const json_t *object, const char *key, const char *file, const char *where,
                        const json_t **value, pbt_error *error) {
    *value = json_object_get(object, key);
    return json_is_array(*value) ? PBT_OK : wrong(file, where, key, "an array", *value, error);
}

pbt_code pbt_json_object(const json_t *object, const char *key, const char *file, const char *where,
                         const json_t **value, pbt_error *error) {
    *value = json_object_get(object, key);
    return json_is_object(*value) ? PBT_OK : wrong(file, where, key, "an object", *value, error);
}
