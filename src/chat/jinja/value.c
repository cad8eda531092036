/* Values of templates: making, comparing, looping over. */
#include "chat/jinja/value.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static const jinja_value undefined = {.kind = JINJA_UNDEFINED}, none = {.kind = JINJA_NONE};

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

bool jinja_step(jinja_run *run, int64_t n) {
    run->steps += n;
    if (run->code == PBT_OK && run->steps > JINJA_STEPS) jinja_refuse(run, "runs for too long");
    return run->code == PBT_OK;
}

void *jinja_alloc(jinja_run *run, size_t count, size_t size) {
    if (run->used > JINJA_MEMORY || count > (JINJA_MEMORY - run->used) / size) {
        jinja_refuse(run, "needs more than %d bytes of memory", JINJA_MEMORY);
        return NULL;
    }
    run->used += count * size + 16;
    void *memory = pbt_arena_alloc(run->arena, count, size);
    if (!memory) jinja_refuse(run, "out of memory");
    return memory;
}

jinja_value *jinja_make(jinja_run *run, jinja_kind kind) {
    static _Thread_local jinja_value nothing;
    jinja_value *value = jinja_alloc(run, 1, sizeof *value);
    if (!value) {
        nothing = (jinja_value){.kind = JINJA_UNDEFINED};
        return &nothing;
    }
    value->kind = kind;
    return value;
}

const jinja_value *jinja_missing(jinja_run *run, const char *name) {
    jinja_value *value = jinja_make(run, JINJA_UNDEFINED);
    value->text = name;
    return value;
}

const jinja_value *jinja_none(void) {
    return &none;
}

const jinja_value *jinja_int(jinja_run *run, int64_t number) {
    jinja_value *value = jinja_make(run, JINJA_INT);
    value->number = number;
    return value;
}

const jinja_value *jinja_float(jinja_run *run, double real) {
    jinja_value *value = jinja_make(run, JINJA_FLOAT);
    value->real = real;
    return value;
}

const jinja_value *jinja_bool(jinja_run *run, bool truth) {
    static const jinja_value values[2] = {{.kind = JINJA_BOOL, .number = 0},
                                          {.kind = JINJA_BOOL, .number = 1}};
    (void)run;
    return &values[truth];
}

const jinja_value *jinja_string(jinja_run *run, const char *text, size_t length) {
    jinja_value *value = jinja_make(run, JINJA_STRING);
    char *copy = jinja_alloc(run, length + 1, 1);
    if (!copy) return &undefined;
    if (length) memcpy(copy, text, length);
    value->text = copy;
    value->length = length;
    return value;
}

const jinja_value *jinja_markup(jinja_run *run, const jinja_value *string) {
    jinja_value *value = jinja_make(run, JINJA_STRING);
    value->text = string->text;
    value->length = string->length;
    value->number = 1;
    return value;
}

const jinja_value *jinja_take_text(jinja_run *run, pbt_text *text) {
    const jinja_value *value =
        jinja_check_text(run, text) ? jinja_string(run, pbt_text_string(text), text->length) : &undefined;
    pbt_text_free(text);
    return value;
}

static bool make_room(jinja_run *run, jinja_value *list, bool keyed) {
    if (list->count < list->capacity) return true;
    size_t capacity = list->capacity ? list->capacity * 2 : 4;
    const jinja_value **items = jinja_alloc(run, capacity, sizeof *items);
    const char **keys = keyed ? jinja_alloc(run, capacity, sizeof *keys) : NULL;
    if (!items || (keyed && !keys)) return false;
    if (list->count) memcpy(items, list->items, list->count * sizeof *items);
    if (list->count && keyed) memcpy(keys, list->keys, list->count * sizeof *keys);
    list->items = items;
    list->keys = keys;
    list->capacity = capacity;
    return true;
}

void jinja_append(jinja_run *run, jinja_value *list, const jinja_value *item) {
    if (make_room(run, list, false)) list->items[list->count++] = item;
}

void jinja_put(jinja_run *run, jinja_value *map, const char *key, const jinja_value *item) {
    if (!jinja_step(run, (int64_t)(map->count / 16))) return;
    for (size_t i = 0; i < map->count; i++)
        if (strcmp(map->keys[i], key) == 0) {
            map->items[i] = item;
            return;
        }
    if (!make_room(run, map, true)) return;
    map->keys[map->count] = key;
    map->items[map->count++] = item;
}

const jinja_value *jinja_lookup(const jinja_value *map, const char *key) {
    for (size_t i = 0; i < map->count; i++)
        if (strcmp(map->keys[i], key) == 0) return map->items[i];
    return NULL;
}

bool jinja_is_number(const jinja_value *value) {
    return value->kind == JINJA_BOOL || value->kind == JINJA_INT || value->kind == JINJA_FLOAT;
}

double jinja_real(const jinja_value *value) {
    return value->kind == JINJA_FLOAT ? value->real : (double)value->number;
}

bool jinja_is_sequence(const jinja_value *value) {
    return value->kind == JINJA_LIST || value->kind == JINJA_TUPLE || value->kind == JINJA_RANGE ||
           value->kind == JINJA_VIEW;
}

bool jinja_truth(const jinja_value *value) {
    switch (value->kind) {
    case JINJA_UNDEFINED:
    case JINJA_NONE:
        return false;
    case JINJA_BOOL:
    case JINJA_INT:
        return value->number != 0;
    case JINJA_FLOAT:
        return value->real != 0;
    case JINJA_STRING:
        return value->length > 0;
    case JINJA_LIST:
    case JINJA_TUPLE:
    case JINJA_RANGE:
    case JINJA_VIEW:
    case JINJA_MAP:
        return value->count > 0;
    default:
        return true;
    }
}

static bool equal_numbers(const jinja_value *a, const jinja_value *b) {
    if (a->kind != JINJA_FLOAT && b->kind != JINJA_FLOAT) return a->number == b->number;
    return jinja_real(a) == jinja_real(b);
}

static bool equal_maps(jinja_run *run, const jinja_value *a, const jinja_value *b) {
    if (a->count != b->count) return false;
    for (size_t i = 0; i < a->count; i++) {
        const jinja_value *other = jinja_lookup(b, a->keys[i]);
        if (!other || !jinja_equal(run, a->items[i], other)) return false;
    }
    return true;
}

bool jinja_equal(jinja_run *run, const jinja_value *a, const jinja_value *b) {
    if (!jinja_step(run, 1)) return false;
    if (a == b) return true;
    if (jinja_is_number(a) && jinja_is_number(b)) return equal_numbers(a, b);
    if (a->kind != b->kind) return false;
    switch (a->kind) {
    case JINJA_UNDEFINED:
    case JINJA_NONE:
        return true;
    case JINJA_STRING:
        return a->length == b->length && memcmp(a->text, b->text, a->length) == 0;
    case JINJA_LIST:
    case JINJA_TUPLE:
    case JINJA_RANGE:
        for (size_t i = 0; i < a->count && a->count == b->count; i++)
            if (!jinja_equal(run, a->items[i], b->items[i])) return false;
        return a->count == b->count;
    case JINJA_MAP:
        return equal_maps(run, a, b);
    case JINJA_VIEW:
        jinja_refuse(run, "comparing views of mappings is not supported");
        return false;
    default:
        return false;
    }
}

int jinja_order(jinja_run *run, const jinja_value *a, const jinja_value *b) {
    if (a->kind == JINJA_STRING && b->kind == JINJA_STRING) {
        size_t n = a->length < b->length ? a->length : b->length;
        int c = memcmp(a->text, b->text, n);
        return c ? c : (a->length > b->length) - (a->length < b->length);
    }
    if (!jinja_is_number(a) || !jinja_is_number(b)) {
        jinja_refuse(run, "comparing %s with %s is not supported", jinja_kind_name(a), jinja_kind_name(b));
        return 0;
    }
    if (a->kind != JINJA_FLOAT && b->kind != JINJA_FLOAT)
        return (a->number > b->number) - (a->number < b->number);
    return (jinja_real(a) > jinja_real(b)) - (jinja_real(a) < jinja_real(b));
}

const char *jinja_kind_name(const jinja_value *value) {
    static const char *const names[JINJA_KINDS] = {
        "undefined", "none",   "a bool",      "a number",  "a fraction",  "a string", "a list",    "a tuple",
        "a range",   "a view", "a generator", "a mapping", "a namespace", "a loop",   "a function"};
    return names[value->kind];
}

static const jinja_value *characters_of(jinja_run *run, const jinja_value *string) {
    jinja_value *list = jinja_make(run, JINJA_LIST);
    for (size_t i = 0, size; i < string->length && jinja_step(run, 1); i += size) {
        pbt_utf8_decode(string->text + i, string->length - i, &size);
        jinja_append(run, list, jinja_string(run, string->text + i, size));
    }
    return list;
}

const jinja_value *jinja_iterate(jinja_run *run, const jinja_value *value) {
    if (jinja_is_sequence(value)) return value;
    if (value->kind == JINJA_UNDEFINED) return jinja_make(run, JINJA_LIST);
    if (value->kind == JINJA_STRING) return characters_of(run, value);
    if (value->kind == JINJA_MAP) {
        jinja_value *keys = jinja_make(run, JINJA_LIST);
        for (size_t i = 0; i < value->count; i++)
            jinja_append(run, keys, jinja_string(run, value->keys[i], strlen(value->keys[i])));
        return keys;
    }
    if (value->kind == JINJA_GENERATOR) {
        if (value->number)
            return jinja_refuse(run, "looping twice over what a filter returned is not supported; put "
                                     "\"| list\" behind it");
        ((jinja_value *)(uintptr_t)value)->number = 1;
        return value;
    }
    return jinja_refuse(run, "looping over %s is not supported", jinja_kind_name(value));
}

size_t jinja_characters(const jinja_value *string) {
    size_t n = 0;
    for (size_t i = 0; i < string->length; i++) n += ((unsigned char)string->text[i] & 0xC0) != 0x80;
    return n;
}

size_t jinja_character_at(const jinja_value *string, size_t character) {
    size_t at = 0;
    while (character && at < string->length) {
        at++;
        while (at < string->length && ((unsigned char)string->text[at] & 0xC0) == 0x80) at++;
        character--;
    }
    return at;
}

const jinja_value *jinja_argument(const jinja_arguments *arguments, size_t place, const char *name) {
    size_t at = 0;
    for (size_t i = 0; i < arguments->count; i++) {
        if (arguments->names[i] ? name && strcmp(arguments->names[i], name) == 0 : at++ == place)
            return arguments->items[i];
    }
    return NULL;
}

bool jinja_check_arguments(jinja_run *run, const char *what, const jinja_arguments *arguments, size_t most,
                           const char *const *names) {
    size_t places = 0;
    for (size_t i = 0; i < arguments->count; i++) {
        bool known = !arguments->names[i] && ++places <= most;
        for (size_t k = 0; arguments->names[i] && names && names[k]; k++)
            known = known || (strcmp(names[k], arguments->names[i]) == 0 && k >= places);
        if (known) continue;
        if (arguments->names[i])
            jinja_refuse(run, "the argument \"%s\" of %s is not supported", arguments->names[i], what);
        else
            jinja_refuse(run, "%s with %zu arguments is not supported", what, arguments->count);
        return false;
    }
    return true;
}

bool jinja_check_text(jinja_run *run, const pbt_text *out) {
    if (out->failed)
        jinja_refuse(run, "out of memory");
    else if (out->length > JINJA_OUTPUT)
        jinja_refuse(run, "renders more than %d bytes", JINJA_OUTPUT);
    return run->code == PBT_OK;
}
