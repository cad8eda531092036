/* Values of templates: making, comparing, printing. */
#include "text/jinja.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static const jinja_value undefined = {.kind = JINJA_UNDEFINED};

const jinja_value *jinja_refuse(jinja_run *run, const char *format, ...) {
    char message[512], where[32];
    va_list arguments;
    if (run->code != PBT_OK) return &undefined;
    va_start(arguments, format);
    vsnprintf(message, sizeof message, format, arguments);
    va_end(arguments);
    snprintf(where, sizeof where, "line %d", run->line);
    run->code = pbt_fail_at(run->error, PBT_BAD_INPUT, "chat template", where, "%s", message);
    return &undefined;
}

jinja_value *jinja_make(jinja_run *run, jinja_kind kind) {
    static jinja_value nothing;
    jinja_value *value = pbt_arena_alloc(run->arena, 1, sizeof *value);
    if (!value) {
        jinja_refuse(run, "memory is out");
        nothing = (jinja_value){.kind = JINJA_UNDEFINED};
        return &nothing;
    }
    value->kind = kind;
    return value;
}

const jinja_value *jinja_int(jinja_run *run, int64_t number) {
    jinja_value *value = jinja_make(run, JINJA_INT);
    value->number = number;
    return value;
}

const jinja_value *jinja_bool(jinja_run *run, bool truth) {
    jinja_value *value = jinja_make(run, JINJA_BOOL);
    value->number = truth;
    return value;
}

const jinja_value *jinja_string(jinja_run *run, const char *text, size_t length) {
    jinja_value *value = jinja_make(run, JINJA_STRING);
    value->text = pbt_arena_copy(run->arena, text, length);
    value->length = length;
    if (!value->text) return jinja_refuse(run, "memory is out");
    return value;
}

void jinja_append(jinja_run *run, jinja_value *list, const char *key, const jinja_value *item) {
    if (list->count == list->capacity) {
        size_t capacity = list->capacity ? list->capacity * 2 : 8;
        const jinja_value **items = pbt_arena_alloc(run->arena, capacity, sizeof *items);
        const char **keys = pbt_arena_alloc(run->arena, capacity, sizeof *keys);
        if (!items || !keys) {
            jinja_refuse(run, "memory is out");
            return;
        }
        for (size_t i = 0; i < list->count; i++) {
            items[i] = list->items[i];
            keys[i] = list->keys[i];
        }
        list->items = items;
        list->keys = keys;
        list->capacity = capacity;
    }
    for (size_t i = 0; key && i < list->count; i++)
        if (strcmp(list->keys[i], key) == 0) {
            list->items[i] = item;
            return;
        }
    list->keys[list->count] = key;
    list->items[list->count++] = item;
}

const jinja_value *jinja_lookup(const jinja_value *map, const char *key) {
    for (size_t i = 0; i < map->count; i++)
        if (map->keys[i] && strcmp(map->keys[i], key) == 0) return map->items[i];
    return NULL;
}

bool jinja_truth(const jinja_value *value) {
    switch (value->kind) {
    case JINJA_BOOL:
    case JINJA_INT:
        return value->number != 0;
    case JINJA_STRING:
        return value->length > 0;
    case JINJA_LIST:
    case JINJA_MAP:
        return value->count > 0;
    case JINJA_CALLABLE:
        return true;
    default:
        return false;
    }
}

bool jinja_equal(const jinja_value *a, const jinja_value *b) {
    bool numbers =
        (a->kind == JINJA_BOOL || a->kind == JINJA_INT) && (b->kind == JINJA_BOOL || b->kind == JINJA_INT);
    if (numbers) return a->number == b->number;
    if (a->kind != b->kind) return false;
    if (a->kind == JINJA_STRING) return a->length == b->length && memcmp(a->text, b->text, a->length) == 0;
    if (a->kind == JINJA_LIST) {
        for (size_t i = 0; i < a->count && a->count == b->count; i++)
            if (!jinja_equal(a->items[i], b->items[i])) return false;
        return a->count == b->count;
    }
    return a->kind == JINJA_NONE || a->kind == JINJA_UNDEFINED || a == b;
}

const char *jinja_kind_name(const jinja_value *value) {
    static const char *const names[] = {"undefined", "none",   "a bool",    "a number",
                                        "a string",  "a list", "a mapping", "a function"};
    return names[value->kind];
}

void jinja_print(jinja_run *run, const jinja_value *value, pbt_text *out) {
    switch (value->kind) {
    case JINJA_UNDEFINED:
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
    case JINJA_STRING:
        pbt_text_append(out, value->text, value->length);
        break;
    default:
        jinja_refuse(run, "printing %s is not supported", jinja_kind_name(value));
    }
    if (out->length > JINJA_OUTPUT) jinja_refuse(run, "renders more than %d bytes", JINJA_OUTPUT);
}
