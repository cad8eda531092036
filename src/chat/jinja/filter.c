/* Filters of single values, and Jinja's tests; those of sequences stand in jinja_list.c. */
#include "chat/jinja/filter.h"

#include "chat/jinja/json_form.h"
#include "chat/jinja/list.h"
#include "chat/jinja/operate.h"
#include "chat/jinja/string_methods.h"
#include "chat/jinja/value.h"
#include "chat/jinja/value_text.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const jinja_value *length_of(jinja_run *run, const jinja_value *value) {
    switch (value->kind) {
    case JINJA_STRING:
        return jinja_int(run, (int64_t)jinja_characters(value));
    case JINJA_LIST:
    case JINJA_TUPLE:
    case JINJA_RANGE:
    case JINJA_VIEW:
    case JINJA_MAP:
    case JINJA_LOOP:
        return jinja_int(run, (int64_t)value->count);
    case JINJA_UNDEFINED:
        return jinja_int(run, 0);
    default:
        return jinja_refuse(run, "the length of %s is not supported", jinja_kind_name(value));
    }
}

static const jinja_value *default_of(jinja_run *run, const jinja_value *value,
                                     const jinja_arguments *arguments) {
    static const char *const names[] = {"default_value", "boolean", NULL};
    if (!jinja_check_arguments(run, "default", arguments, 2, names)) return value;
    const jinja_value *other = jinja_argument(arguments, 0, "default_value"),
                      *falsy = jinja_argument(arguments, 1, "boolean");
    bool missing = value->kind == JINJA_UNDEFINED || (falsy && jinja_truth(falsy) && !jinja_truth(value));
    return !missing ? value : other ? other : jinja_string(run, "", 0);
}

/* A number read from a string as Python's int() and float() do, of plain digits. */
static bool read_number(const jinja_value *string, bool *whole, int64_t *number, double *real) {
    char text[64];
    const char *at = string->text;
    size_t n = 0;
    while (*at == ' ' || (*at >= 9 && *at <= 13)) at++;
    while (at[n] && strchr("0123456789+-.eE", at[n])) n++;
    if (n == 0 || n >= sizeof text || at + n + strspn(at + n, " \t\n\r\f\v") != string->text + string->length)
        return false;
    memcpy(text, at, n);
    text[n] = 0;
    char *end;
    errno = 0;
    *number = strtoll(text, &end, 10);
    *whole = !*end && errno == 0;
    *real = strtod(text, &end);
    return !*end;
}

static const jinja_value *to_number(jinja_run *run, const char *name, const jinja_value *value,
                                    const jinja_arguments *arguments) {
    bool to_int = name[0] == 'i', whole = false;
    int64_t number = value->number;
    double real = jinja_is_number(value) ? jinja_real(value) : 0;
    static const char *const names[] = {"default", NULL};
    if (!jinja_check_arguments(run, name, arguments, 1, names)) return value;
    const jinja_value *other = jinja_argument(arguments, 0, "default");
    if (!other) other = to_int ? jinja_int(run, 0) : jinja_float(run, 0);
    if (value->kind == JINJA_STRING && !read_number(value, &whole, &number, &real)) {
        for (size_t i = 0; i < value->length; i++)
            if (strchr("0123456789_aAnN", value->text[i]) || (unsigned char)value->text[i] >= 0x80)
                return jinja_refuse(run, "%s of \"%.40s\" is not supported", name, value->text);
        return other;
    }
    if (value->kind == JINJA_UNDEFINED)
        return jinja_refuse(run, "\"%s\" is undefined", value->text ? value->text : "a value");
    if (!jinja_is_number(value) && value->kind != JINJA_STRING) return other;
    if (!to_int) return jinja_float(run, real);
    if (whole || value->kind == JINJA_INT || value->kind == JINJA_BOOL) return jinja_int(run, number);
    if (isnan(real) || isinf(real)) return other;
    if (fabs(real) > 9e15) return jinja_refuse(run, "a number is too large");
    return jinja_int(run, (int64_t)real);
}

static const jinja_value *rounded(jinja_run *run, const jinja_value *value,
                                  const jinja_arguments *arguments) {
    static const char *const names[] = {"precision", "method", NULL};
    if (!jinja_check_arguments(run, "round", arguments, 2, names)) return value;
    const jinja_value *precision = jinja_argument(arguments, 0, "precision"),
                      *method = jinja_argument(arguments, 1, "method");
    int64_t places = precision ? precision->number : 0;
    if (!jinja_is_number(value) || (precision && precision->kind != JINJA_INT) || places < 0 || places > 15)
        return jinja_refuse(run, "round like this is not supported");
    if (method && method->kind != JINJA_STRING) return jinja_refuse(run, "round like this is not supported");
    double real = jinja_real(value), scale = pow(10, (double)places);
    if (method && strcmp(method->text, "ceil") == 0) return jinja_float(run, ceil(real * scale) / scale);
    if (method && strcmp(method->text, "floor") == 0) return jinja_float(run, floor(real * scale) / scale);
    if (method && strcmp(method->text, "common") != 0)
        return jinja_refuse(run, "round with the method \"%.40s\"", method->text);
    if (value->kind != JINJA_FLOAT) return jinja_int(run, value->number);
    char text[400];
    snprintf(text, sizeof text, "%.*f", (int)places, real);
    return jinja_float(run, strtod(text, NULL));
}

static const jinja_value *absolute(jinja_run *run, const jinja_value *value) {
    if (!jinja_is_number(value))
        return jinja_refuse(run, "abs of %s is not supported", jinja_kind_name(value));
    if (value->kind == JINJA_FLOAT) return jinja_float(run, fabs(value->real));
    return value->number == INT64_MIN ? jinja_refuse(run, "a number is too large")
                                      : jinja_int(run, llabs(value->number));
}

static const jinja_value *indented(jinja_run *run, const jinja_value *string,
                                   const jinja_arguments *arguments) {
    static const char *const names[] = {"width", "first", "blank", NULL};
    if (!jinja_check_arguments(run, "indent", arguments, 3, names)) return string;
    const jinja_value *width = jinja_argument(arguments, 0, "width"),
                      *first = jinja_argument(arguments, 1, "first"),
                      *blank = jinja_argument(arguments, 2, "blank");
    if (width && width->kind != JINJA_STRING && (width->kind != JINJA_INT || width->number > 1000))
        return jinja_refuse(run, "indent with this width is not supported");
    bool given = width && width->kind == JINJA_STRING;
    char spaces[1001];
    size_t n = given ? width->length : !width ? 4 : width->number > 0 ? (size_t)width->number : 0;
    memset(spaces, ' ', sizeof spaces);
    const char *indent = given ? width->text : spaces;
    pbt_text whole = {0}, text = {0};
    pbt_text_append(&whole, string->text, string->length);
    pbt_text_add(&whole, "\n"); /* so that a newline at the end is kept */
    const jinja_value *lines = jinja_lines(run, jinja_take_text(run, &whole));
    if (first && jinja_truth(first)) pbt_text_append(&text, indent, n);
    for (size_t i = 0; i < lines->count && jinja_check_text(run, &text); i++) {
        if (i) pbt_text_add(&text, "\n");
        if (i && (lines->items[i]->length || (blank && jinja_truth(blank))))
            pbt_text_append(&text, indent, n);
        pbt_text_append(&text, lines->items[i]->text, lines->items[i]->length);
    }
    return jinja_take_text(run, &text);
}

/* Filters that take anything as its text. */
static const jinja_value *text_filter(jinja_run *run, const char *name, const jinja_value *value,
                                      const jinja_arguments *arguments) {
    static const char *const trim[] = {"chars", NULL}, *const replace[] = {"old", "new", "count", NULL};
    bool trims = strcmp(name, "trim") == 0, replaces = strcmp(name, "replace") == 0;
    if (strcmp(name, "indent") == 0 && value->kind != JINJA_STRING)
        return jinja_refuse(run, "indent of %s is not supported", jinja_kind_name(value));
    const jinja_value *string = jinja_to_string(run, value);
    if (run->code != PBT_OK) return string;
    if (strcmp(name, "safe") == 0 && !arguments->count) return jinja_markup(run, string);
    if (string->number && strcmp(name, "string") != 0 && strcmp(name, "trim") != 0)
        return jinja_refuse(run, "the filter \"%s\" on a \"safe\" string is not supported", name);
    if (strcmp(name, "indent") == 0) return indented(run, string, arguments);
    if (!jinja_check_arguments(run, name, arguments,
                               trims      ? 1
                               : replaces ? 3
                                          : 0,
                               trims      ? trim
                               : replaces ? replace
                                          : NULL))
        return string;
    if (trims) {
        const jinja_value *rest = jinja_strip(run, string, jinja_argument(arguments, 0, "chars"), true, true);
        return string->number ? jinja_markup(run, rest) : rest;
    }
    if (replaces) {
        const jinja_value *from = jinja_argument(arguments, 0, "old"),
                          *to = jinja_argument(arguments, 1, "new");
        if (!from || !to) return jinja_refuse(run, "replace needs two strings");
        return jinja_replaced(run, string, jinja_to_string(run, from), jinja_to_string(run, to),
                              jinja_argument(arguments, 2, "count"));
    }
    if (strcmp(name, "upper") == 0) return jinja_cased(run, string, true);
    if (strcmp(name, "lower") == 0) return jinja_cased(run, string, false);
    if (strcmp(name, "capitalize") == 0) return jinja_capitalized(run, string);
    return strcmp(name, "title") == 0 ? jinja_titled(run, string) : string;
}

const jinja_value *jinja_filter(jinja_run *run, const char *name, const jinja_value *value,
                                const jinja_arguments *arguments) {
    static const char *const texts[] = {"trim",    "upper",  "lower",  "capitalize", "title",
                                        "replace", "string", "indent", "safe"};
    bool known;
    if (strcmp(name, "length") == 0 || strcmp(name, "count") == 0) return length_of(run, value);
    if (strcmp(name, "tojson") == 0) return jinja_to_json(run, value, arguments);
    if (strcmp(name, "default") == 0 || strcmp(name, "d") == 0) return default_of(run, value, arguments);
    if (strcmp(name, "int") == 0 || strcmp(name, "float") == 0) return to_number(run, name, value, arguments);
    if (strcmp(name, "round") == 0) return rounded(run, value, arguments);
    if (strcmp(name, "abs") == 0 && !arguments->count) return absolute(run, value);
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        if (strcmp(name, texts[i]) == 0) return text_filter(run, name, value, arguments);
    const jinja_value *result = jinja_list_filter(run, name, value, arguments, &known);
    return known
               ? result
               : jinja_refuse(run, "the filter \"%s\" on %s is not supported", name, jinja_kind_name(value));
}

static bool number_test(jinja_run *run, const char *name, const jinja_value *value, const jinja_value *other,
                        bool *known) {
    bool whole = value->kind == JINJA_INT || value->kind == JINJA_BOOL;
    *known = true;
    if (strcmp(name, "number") == 0) return jinja_is_number(value);
    if (strcmp(name, "integer") == 0) return value->kind == JINJA_INT;
    if (strcmp(name, "float") == 0) return value->kind == JINJA_FLOAT;
    if (strcmp(name, "odd") == 0 && whole) return value->number % 2 != 0;
    if (strcmp(name, "even") == 0 && whole) return value->number % 2 == 0;
    bool divides = other && (other->kind == JINJA_INT || other->kind == JINJA_BOOL) && other->number > 0;
    if (strcmp(name, "divisibleby") == 0 && whole && divides) return value->number % other->number == 0;
    *known = false;
    (void)run;
    return false;
}

static bool comparing_test(jinja_run *run, const char *name, const jinja_value *value,
                           const jinja_value *other, bool *known) {
    static const char *const names[][2] = {
        {"eq", "=="}, {"equalto", "=="}, {"ne", "!="},         {"lt", "<"},  {"lessthan", "<"},
        {"le", "<="}, {"gt", ">"},       {"greaterthan", ">"}, {"ge", ">="}, {"in", "in"}};
    *known = other != NULL;
    for (size_t i = 0; other && i < sizeof names / sizeof *names; i++)
        if (strcmp(name, names[i][0]) == 0) return jinja_compare(run, names[i][1], value, other);
    bool single = value->kind <= JINJA_BOOL;
    if (other && strcmp(name, "sameas") == 0 && (single || other->kind <= JINJA_BOOL))
        return value->kind == other->kind && value->number == other->number;
    *known = false;
    return false;
}

static bool kind_test(const char *name, const jinja_value *value, bool *known) {
    jinja_kind kind = value->kind;
    bool indexed = kind == JINJA_STRING || kind == JINJA_LIST || kind == JINJA_TUPLE || kind == JINJA_RANGE ||
                   kind == JINJA_MAP || kind == JINJA_UNDEFINED;
    *known = true;
    if (strcmp(name, "defined") == 0) return kind != JINJA_UNDEFINED;
    if (strcmp(name, "undefined") == 0) return kind == JINJA_UNDEFINED;
    if (strcmp(name, "none") == 0) return kind == JINJA_NONE;
    if (strcmp(name, "string") == 0) return kind == JINJA_STRING;
    if (strcmp(name, "mapping") == 0) return kind == JINJA_MAP;
    if (strcmp(name, "boolean") == 0) return kind == JINJA_BOOL;
    if (strcmp(name, "true") == 0) return kind == JINJA_BOOL && value->number;
    if (strcmp(name, "false") == 0) return kind == JINJA_BOOL && !value->number;
    if (strcmp(name, "callable") == 0) return kind == JINJA_FUNCTION;
    if (strcmp(name, "sequence") == 0) return indexed;
    if (strcmp(name, "iterable") == 0)
        return indexed || kind == JINJA_VIEW || kind == JINJA_GENERATOR || kind == JINJA_LOOP;
    *known = false;
    return false;
}

bool jinja_test(jinja_run *run, const char *name, const jinja_value *value,
                const jinja_arguments *arguments) {
    const jinja_value *other = jinja_argument(arguments, 0, NULL);
    bool known = false, truth = false;
    if (!arguments->count) truth = kind_test(name, value, &known);
    if (!known && arguments->count <= 1) truth = number_test(run, name, value, other, &known);
    if (!known && arguments->count == 1) truth = comparing_test(run, name, value, other, &known);
    if (!known) jinja_refuse(run, "the test \"%s\" on %s is not supported", name, jinja_kind_name(value));
    return truth;
}
