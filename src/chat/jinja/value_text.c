/* Values as text: Python's str() and, inside of lists and mappings, repr(). */
#include "chat/jinja/value_text.h"

#include "chat/jinja/value.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <utf8proc.h>

enum { PRINT_DEPTH = 32 };

/* The shortest digits that read back equal, laid out as Python's repr does. */
void jinja_print_float(double real, pbt_text *out) {
    char digits[40];
    if (isnan(real) || isinf(real)) {
        pbt_text_add(out, isnan(real) ? "nan" : real < 0 ? "-inf" : "inf");
        return;
    }
    int precision = 1;
    do snprintf(digits, sizeof digits, "%.*e", precision - 1, real);
    while (strtod(digits, NULL) != real && ++precision <= 17);
    char *mark = strchr(digits, 'e');
    int exponent = atoi(mark + 1);
    if (exponent < -4 || exponent >= 16) {
        *mark = 0;
        pbt_text_addf(out, "%se%c%02d", digits, exponent < 0 ? '-' : '+', abs(exponent));
        return;
    }
    int places = precision - 1 - exponent;
    pbt_text_addf(out, "%.*f", places > 1 ? places : 1, real);
}

/* Whether Python's repr shows a character as it is. Characters a newer Unicode may have named are refused. */
static bool printable(jinja_run *run, uint32_t c) {
    if (c < 0x7f) return c >= 0x20;
    switch (utf8proc_category((utf8proc_int32_t)c)) {
    case UTF8PROC_CATEGORY_CN:
        jinja_refuse(run, "printing U+%04X within a list or a mapping is not supported", (unsigned)c);
        return false;
    case UTF8PROC_CATEGORY_CC:
    case UTF8PROC_CATEGORY_CF:
    case UTF8PROC_CATEGORY_CS:
    case UTF8PROC_CATEGORY_CO:
    case UTF8PROC_CATEGORY_ZL:
    case UTF8PROC_CATEGORY_ZP:
    case UTF8PROC_CATEGORY_ZS:
        return false;
    default:
        return true;
    }
}

static void quote(jinja_run *run, const jinja_value *string, pbt_text *out) {
    bool single = memchr(string->text, '\'', string->length) != NULL;
    char mark = single && !memchr(string->text, '"', string->length) ? '"' : '\'';
    pbt_text_append(out, &mark, 1);
    for (size_t i = 0, size; i < string->length; i += size) {
        uint32_t c = pbt_utf8_decode(string->text + i, string->length - i, &size);
        if (c == (uint32_t)mark || c == '\\')
            pbt_text_addf(out, "\\%c", (int)c);
        else if (c == '\n' || c == '\r' || c == '\t')
            pbt_text_addf(out, "\\%c", c == '\n' ? 'n' : c == '\r' ? 'r' : 't');
        else if (printable(run, c))
            pbt_text_append(out, string->text + i, size);
        else
            pbt_text_addf(out, c < 0x100 ? "\\x%02x" : c < 0x10000 ? "\\u%04x" : "\\U%08x", (unsigned)c);
    }
    pbt_text_append(out, &mark, 1);
}

static void print(jinja_run *run, const jinja_value *value, pbt_text *out, int depth);

static void print_items(jinja_run *run, const jinja_value *value, pbt_text *out, int depth) {
    bool tuple = value->kind == JINJA_TUPLE, map = value->kind == JINJA_MAP;
    pbt_text_add(out, map ? "{" : tuple ? "(" : "[");
    for (size_t i = 0; i < value->count && jinja_check_text(run, out) && jinja_step(run, 1); i++) {
        if (i) pbt_text_add(out, ", ");
        if (map) {
            jinja_value key = {
                .kind = JINJA_STRING, .text = value->keys[i], .length = strlen(value->keys[i])};
            quote(run, &key, out);
            pbt_text_add(out, ": ");
        }
        print(run, value->items[i], out, depth + 1);
    }
    pbt_text_add(out, map ? "}" : tuple ? (value->count == 1 ? ",)" : ")") : "]");
}

static void print(jinja_run *run, const jinja_value *value, pbt_text *out, int depth) {
    if (depth > PRINT_DEPTH) {
        jinja_refuse(run, "a value is nested too deeply to be printed");
        return;
    }
    switch (value->kind) {
    case JINJA_UNDEFINED:
        pbt_text_add(out, depth ? "Undefined" : "");
        break;
    case JINJA_NONE:
        pbt_text_add(out, "None");
        break;
    case JINJA_BOOL:
        pbt_text_add(out, value->number ? "True" : "False");
        break;
    case JINJA_INT:
        pbt_text_addf(out, "%lld", (long long)value->number);
        break;
    case JINJA_FLOAT:
        jinja_print_float(value->real, out);
        break;
    case JINJA_STRING:
        if (depth)
            quote(run, value, out);
        else
            pbt_text_append(out, value->text, value->length);
        break;
    case JINJA_LIST:
    case JINJA_TUPLE:
    case JINJA_MAP:
        print_items(run, value, out, depth);
        break;
    default:
        jinja_refuse(run, "printing %s is not supported", jinja_kind_name(value));
    }
}

void jinja_print(jinja_run *run, const jinja_value *value, pbt_text *out) {
    print(run, value, out, 0);
    jinja_check_text(run, out);
}

const jinja_value *jinja_to_string(jinja_run *run, const jinja_value *value) {
    if (value->kind == JINJA_STRING) return value;
    pbt_text text = {0};
    jinja_print(run, value, &text);
    return jinja_take_text(run, &text);
}
