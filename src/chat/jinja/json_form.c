/* The filter tojson as transformers defines it: Python's json.dumps, by default without escaping. */
#include "chat/jinja/json_form.h"

#include "chat/jinja/value.h"
#include "chat/jinja/value_text.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { JSON_DEPTH = 64 };

typedef struct writer {
    jinja_run *run;
    pbt_text out;
    const char *between_items, *after_key; /* separators */
    const char *indent;                    /* one level; NULL: all on one line */
    bool ascii, sorted;
} writer;

static void write_escaped(writer *w, uint32_t c) {
    if (c >= 0x10000) {
        c -= 0x10000;
        pbt_text_addf(&w->out, "\\u%04x", 0xd800 + (unsigned)(c >> 10));
        c = 0xdc00 + (c & 0x3ff);
    }
    pbt_text_addf(&w->out, "\\u%04x", (unsigned)c);
}

static void write_string(writer *w, const char *text, size_t length) {
    static const char escapes[] = "\"\\\n\r\t\b\f", letters[] = "\"\\nrtbf";
    pbt_text_add(&w->out, "\"");
    for (size_t i = 0, size; i < length; i += size) {
        uint32_t c = pbt_utf8_decode(text + i, length - i, &size);
        const char *found = c && c < 0x80 ? strchr(escapes, (int)c) : NULL;
        if (found)
            pbt_text_addf(&w->out, "\\%c", letters[found - escapes]);
        else if (c < 32 || (w->ascii && c >= 0x7f))
            write_escaped(w, c);
        else
            pbt_text_append(&w->out, text + i, size);
    }
    pbt_text_add(&w->out, "\"");
}

static void new_line(writer *w, int depth) {
    if (!w->indent) return;
    pbt_text_add(&w->out, "\n");
    for (int i = 0; i < depth; i++) pbt_text_add(&w->out, w->indent);
}

static void write_value(writer *w, const jinja_value *value, int depth);

static int by_key(const void *a, const void *b) {
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* The keys in the order they are written; NULL after an error. */
static const char **key_order(writer *w, const jinja_value *map) {
    const char **keys = jinja_alloc(w->run, map->count, sizeof *keys);
    if (!keys) return NULL;
    memcpy(keys, map->keys, map->count * sizeof *keys);
    if (w->sorted) qsort(keys, map->count, sizeof *keys, by_key);
    return keys;
}

static void write_items(writer *w, const jinja_value *value, int depth) {
    bool map = value->kind == JINJA_MAP;
    const char **keys = map && value->count ? key_order(w, value) : NULL;
    if (value->count == 0 || (map && !keys)) {
        pbt_text_add(&w->out, map ? "{}" : "[]");
        return;
    }
    pbt_text_add(&w->out, map ? "{" : "[");
    for (size_t i = 0; i < value->count && jinja_check_text(w->run, &w->out); i++) {
        if (i) pbt_text_add(&w->out, w->between_items);
        new_line(w, depth + 1);
        if (map) {
            write_string(w, keys[i], strlen(keys[i]));
            pbt_text_add(&w->out, w->after_key);
        }
        write_value(w, map ? jinja_lookup(value, keys[i]) : value->items[i], depth + 1);
    }
    new_line(w, depth);
    pbt_text_add(&w->out, map ? "}" : "]");
}

static void write_value(writer *w, const jinja_value *value, int depth) {
    if (depth > JSON_DEPTH) {
        jinja_refuse(w->run, "a value is nested too deeply");
        return;
    }
    if (!jinja_step(w->run, 1)) return;
    switch (value->kind) {
    case JINJA_STRING:
        write_string(w, value->text, value->length);
        break;
    case JINJA_LIST:
    case JINJA_TUPLE:
    case JINJA_MAP:
        write_items(w, value, depth);
        break;
    case JINJA_BOOL:
        pbt_text_add(&w->out, value->number ? "true" : "false");
        break;
    case JINJA_NONE:
        pbt_text_add(&w->out, "null");
        break;
    case JINJA_INT:
        pbt_text_addf(&w->out, "%lld", (long long)value->number);
        break;
    case JINJA_FLOAT:
        if (isnan(value->real) || isinf(value->real))
            pbt_text_add(&w->out, isnan(value->real) ? "NaN" : value->real < 0 ? "-Infinity" : "Infinity");
        else
            jinja_print_float(value->real, &w->out);
        break;
    default:
        jinja_refuse(w->run, "tojson of %s is not supported", jinja_kind_name(value));
    }
}

static bool read_indent(writer *w, const jinja_value *indent) {
    if (!indent || indent->kind == JINJA_NONE) return true;
    w->between_items = ",";
    if (indent->kind == JINJA_STRING) {
        w->indent = indent->text;
        return true;
    }
    if ((indent->kind != JINJA_INT && indent->kind != JINJA_BOOL) || indent->number > 64)
        return jinja_refuse(w->run, "tojson with this indent is not supported"), false;
    size_t width = indent->number > 0 ? (size_t)indent->number : 0;
    char *spaces = jinja_alloc(w->run, width + 1, 1);
    if (!spaces) return false;
    memset(spaces, ' ', width);
    w->indent = spaces;
    return true;
}

static bool read_separators(writer *w, const jinja_value *marks) {
    if (!marks || marks->kind == JINJA_NONE) return true;
    if ((marks->kind != JINJA_TUPLE && marks->kind != JINJA_LIST) || marks->count != 2 ||
        marks->items[0]->kind != JINJA_STRING || marks->items[1]->kind != JINJA_STRING)
        return jinja_refuse(w->run, "tojson: separators must be two strings"), false;
    w->between_items = marks->items[0]->text;
    w->after_key = marks->items[1]->text;
    return true;
}

const jinja_value *jinja_to_json(jinja_run *run, const jinja_value *value, const jinja_arguments *arguments) {
    static const char *const names[] = {"ensure_ascii", "indent", "separators", "sort_keys", NULL};
    writer w = {.run = run, .between_items = ", ", .after_key = ": "};
    if (!jinja_check_arguments(run, "tojson", arguments, 4, names)) return value;
    const jinja_value *ascii = jinja_argument(arguments, 0, "ensure_ascii"),
                      *sorted = jinja_argument(arguments, 3, "sort_keys");
    w.ascii = ascii && jinja_truth(ascii);
    w.sorted = sorted && jinja_truth(sorted);
    if (!read_indent(&w, jinja_argument(arguments, 1, "indent")) ||
        !read_separators(&w, jinja_argument(arguments, 2, "separators")))
        return value;
    write_value(&w, value, 0);
    return jinja_take_text(run, &w.out);
}
