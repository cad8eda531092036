/* Calls: macros, the functions transformers gives templates, methods of mappings, lists and loops. */
#include "chat/jinja/call.h"

#include "chat/jinja/eval.h"
#include "chat/jinja/statements.h"
#include "chat/jinja/string_methods.h"
#include "chat/jinja/value.h"
#include "chat/jinja/value_text.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

static const jinja_value *call_macro(jinja_run *run, const jinja_value *macro,
                                     const jinja_arguments *arguments) {
    const char *names[JINJA_ARGUMENTS + 1] = {NULL};
    size_t n = 0;
    for (const jinja_node *p = macro->macro->a; p; p = p->next)
        if (n++ < JINJA_ARGUMENTS) names[n - 1] = p->name;
    if (n > JINJA_ARGUMENTS)
        return jinja_refuse(run, "macros with more than %d parameters are not supported", JINJA_ARGUMENTS);
    if (!jinja_check_arguments(run, macro->text, arguments, n, names)) return macro;
    jinja_scope *caller = run->scope, *scope = jinja_enter(run, macro->scope);
    pbt_text text = {0}, *out = run->out;
    size_t place = 0;
    for (const jinja_node *p = macro->macro->a; p && run->code == PBT_OK; p = p->next) {
        const jinja_value *value = jinja_argument(arguments, place++, p->name);
        if (!value) value = p->a ? jinja_evaluate(run, p->a) : jinja_missing(run, p->name);
        run->scope = scope;
        jinja_set(run, p->name, value);
    }
    run->out = &text;
    if (run->code == PBT_OK) jinja_render(run, macro->macro->b);
    run->out = out;
    run->scope = caller;
    return jinja_take_text(run, &text);
}

static const jinja_value *call_namespace(jinja_run *run, const jinja_arguments *arguments, bool map) {
    jinja_value *made = jinja_make(run, map ? JINJA_MAP : JINJA_NAMESPACE);
    for (size_t i = 0; i < arguments->count; i++) {
        const jinja_value *item = arguments->items[i];
        if (!arguments->names[i] && (i || item->kind != JINJA_MAP))
            return jinja_refuse(run, "%s with %s is not supported", map ? "dict" : "namespace",
                                jinja_kind_name(item));
        if (arguments->names[i])
            jinja_put(run, made, arguments->names[i], item);
        else
            for (size_t k = 0; k < item->count; k++) jinja_put(run, made, item->keys[k], item->items[k]);
    }
    for (size_t i = 0; !map && i < made->count; i++)
        if (made->items[i]->kind == JINJA_FUNCTION || strncmp(made->keys[i], "__", 2) == 0)
            return jinja_refuse(run, "a namespace with a field \"%s\" like this is not supported",
                                made->keys[i]);
    return made;
}

static const jinja_value *call_range(jinja_run *run, const jinja_arguments *arguments) {
    int64_t ends[3] = {0, 0, 1};
    size_t n = arguments->count;
    if (n < 1 || n > 3 || !jinja_check_arguments(run, "range", arguments, 3, NULL))
        return jinja_refuse(run, "range takes one to three numbers");
    for (size_t i = 0; i < n; i++) {
        if (arguments->items[i]->kind != JINJA_INT && arguments->items[i]->kind != JINJA_BOOL)
            return jinja_refuse(run, "range with %s is not supported", jinja_kind_name(arguments->items[i]));
        ends[n == 1 ? 1 : i] = arguments->items[i]->number;
    }
    int64_t from = ends[0], to = ends[1], by = ends[2], limit = (int64_t)1 << 40;
    if (by == 0) return jinja_refuse(run, "range with the step 0");
    if (from < -limit || from > limit || to < -limit || to > limit || by < -limit || by > limit)
        return jinja_refuse(run, "range with numbers as large as these is not supported");
    int64_t count = by > 0 ? (to - from + by - 1) / by : (from - to - by - 1) / -by;
    if (count > JINJA_RANGE_LIMIT)
        return jinja_refuse(run, "a range of more than %d numbers", JINJA_RANGE_LIMIT);
    jinja_value *list = jinja_make(run, JINJA_RANGE);
    for (int64_t i = 0; i < count && run->code == PBT_OK; i++)
        jinja_append(run, list, jinja_int(run, from + i * by));
    return list;
}

/* "26 Jul 2024" or "2024-07-26". */
static bool read_date(const char *text, struct tm *date) {
    static const char *const formats[] = {"%d %b %Y", "%Y-%m-%d", "%d %B %Y", "%B %d, %Y"};
    for (size_t i = 0; i < sizeof formats / sizeof *formats; i++) {
        *date = (struct tm){.tm_mday = 1};
        const char *end = strptime(text, formats[i], date);
        if (end && !*end) {
            date->tm_hour = 12;
            time_t when = timegm(date); /* fills in the day of the week and of the year */
            return gmtime_r(&when, date) != NULL;
        }
    }
    return false;
}

/* The pinned date in the template's format. It has no time of day, and only what is the same in C and Python
 * everywhere is written. */
static const jinja_value *call_strftime(jinja_run *run, const jinja_arguments *arguments) {
    const jinja_value *format = arguments->count == 1 ? arguments->items[0] : NULL;
    if (!run->date_string)
        return jinja_refuse(
            run, "the template prints today's date; give date_string, so that results stay the same");
    if (!format || format->kind != JINJA_STRING) return jinja_refuse(run, "strftime_now takes a format");
    if (strcmp(format->text, "%d %b %Y") == 0)
        return jinja_string(run, run->date_string, strlen(run->date_string));
    struct tm date;
    char text[256];
    for (const char *at = format->text; (at = strchr(at, '%')); at += 2)
        if (!at[1] || !strchr("dbBYmyaAjeF%-", at[1]) || (at[1] == '-' && (!at[2] || !strchr("dm", at[2]))))
            return jinja_refuse(run, "the date's format \"%.80s\" is not supported", format->text);
    if (!read_date(run->date_string, &date))
        return jinja_refuse(run,
                            "the template prints the date as \"%.80s\", for which date_string must be like "
                            "\"26 Jul 2024\" or \"2024-07-26\", not \"%.80s\"",
                            format->text, run->date_string);
    size_t n = format->length ? strftime(text, sizeof text, format->text, &date) : 0;
    if (format->length && !n) return jinja_refuse(run, "the date's format is too long");
    return jinja_string(run, text, n);
}

static const jinja_value *call_global(jinja_run *run, const char *name, const jinja_arguments *arguments) {
    if (strcmp(name, "namespace") == 0 || strcmp(name, "dict") == 0)
        return call_namespace(run, arguments, name[0] == 'd');
    if (strcmp(name, "range") == 0) return call_range(run, arguments);
    if (strcmp(name, "strftime_now") == 0) return call_strftime(run, arguments);
    if (arguments->count != 1) return jinja_refuse(run, "raise_exception takes one message");
    const jinja_value *said = jinja_to_string(run, arguments->items[0]);
    return jinja_refuse(run, "the template refuses these messages: %s",
                        said->kind == JINJA_STRING ? said->text : "no reason given");
}

static const jinja_value *view(jinja_run *run, const jinja_value *map, const char *name) {
    jinja_value *list = jinja_make(run, JINJA_VIEW);
    for (size_t i = 0; i < map->count && run->code == PBT_OK; i++) {
        const jinja_value *key = jinja_string(run, map->keys[i], strlen(map->keys[i]));
        jinja_value *pair = jinja_make(run, JINJA_TUPLE);
        jinja_append(run, pair, key);
        jinja_append(run, pair, map->items[i]);
        jinja_append(run, list, name[0] == 'i' ? pair : name[0] == 'k' ? key : map->items[i]);
    }
    return list;
}

static const jinja_value *map_method(jinja_run *run, const char *name, const jinja_value *self,
                                     const jinja_arguments *arguments) {
    if (strcmp(name, "get") == 0) {
        const jinja_value *key = jinja_argument(arguments, 0, NULL),
                          *other = jinja_argument(arguments, 1, NULL);
        if (!key || !jinja_check_arguments(run, "get", arguments, 2, NULL))
            return jinja_refuse(run, "get needs a key");
        const jinja_value *value = key->kind == JINJA_STRING ? jinja_lookup(self, key->text) : NULL;
        return value ? value : other ? other : jinja_none();
    }
    if (arguments->count || strcmp(name, "fromkeys") == 0)
        return jinja_refuse(run, "the method \"%s\" with arguments is not supported", name);
    return strcmp(name, "copy") == 0 ? self : view(run, self, name);
}

static const jinja_value *list_method(jinja_run *run, const char *name, const jinja_value *self,
                                      const jinja_arguments *arguments) {
    if (strcmp(name, "copy") == 0 && !arguments->count) return self;
    const jinja_value *item = arguments->count == 1 ? jinja_argument(arguments, 0, NULL) : NULL;
    if (!item) return jinja_refuse(run, "these arguments of \"%s\" are not supported", name);
    int64_t found = 0;
    for (size_t i = 0; i < self->count && run->code == PBT_OK; i++) {
        if (!jinja_equal(run, self->items[i], item)) continue;
        if (name[0] == 'i') return jinja_int(run, (int64_t)i);
        found++;
    }
    return name[0] == 'i' ? jinja_refuse(run, "index: the list has no such item") : jinja_int(run, found);
}

static const jinja_value *cycle(jinja_run *run, const jinja_value *loop, const jinja_arguments *arguments) {
    if (!arguments->count) return jinja_refuse(run, "cycle needs something to choose from");
    return arguments->items[(size_t)loop->number % arguments->count];
}

const jinja_value *jinja_call(jinja_run *run, const jinja_value *function, const jinja_arguments *arguments) {
    if (function->kind != JINJA_FUNCTION)
        return jinja_refuse(run, "\"%s\" is not a function known here",
                            function->kind == JINJA_UNDEFINED && function->text ? function->text
                                                                                : jinja_kind_name(function));
    if (function->macro) return call_macro(run, function, arguments);
    const jinja_value *self = function->self;
    if (!self) return call_global(run, function->text, arguments);
    switch (self->kind) {
    case JINJA_STRING:
        return jinja_string_method(run, function->text, self, arguments);
    case JINJA_MAP:
        return map_method(run, function->text, self, arguments);
    case JINJA_LIST:
    case JINJA_TUPLE:
        return list_method(run, function->text, self, arguments);
    case JINJA_LOOP:
        if (strcmp(function->text, "cycle") == 0) return cycle(run, self, arguments);
        break;
    default:
        break;
    }
    return jinja_refuse(run, "the method \"%s\" of %s is not supported", function->text,
                        jinja_kind_name(self));
}
