/*
 * Attributes: fields of mappings, namespaces and loops, and methods. As in Jinja, a method comes before a key
 * of the same name; methods Python has and pbt has not are refused when they are called.
 */
#include "chat/jinja/attribute.h"

#include "chat/jinja/value.h"

#include <string.h>

static const char string_methods[] =
    " capitalize casefold center count encode endswith expandtabs find format format_map index isalnum "
    "isalpha "
    "isascii isdecimal isdigit isidentifier islower isnumeric isprintable isspace istitle isupper join ljust "
    "lower lstrip maketrans partition removeprefix removesuffix replace rfind rindex rjust rpartition rsplit "
    "rstrip split splitlines startswith strip swapcase title translate upper zfill ";
static const char map_methods[] = " copy fromkeys get items keys values ";
static const char map_changes[] = " clear pop popitem setdefault update ";
static const char list_methods[] = " copy count index ";
static const char list_changes[] = " append clear extend insert pop remove reverse sort ";
static const char tuple_methods[] = " count index ";
static const char number_attributes[] =
    " as_integer_ratio bit_count bit_length conjugate denominator from_bytes fromhex hex imag is_integer "
    "numerator real to_bytes ";
static const char loop_methods[] = " cycle changed ";
static const char other_attributes[] = " count index start stop step mapping isdisjoint send throw close ";

static bool among(const char *names, const char *name) {
    size_t n = strlen(name);
    /* Attributes given as text may be anything, even nothing. */
    if (n == 0 || strchr(name, ' ')) return false;
    for (const char *at = names; (at = strstr(at, name)); at++)
        if (at > names && at[-1] == ' ' && at[n] == ' ') return true;
    return false;
}

static const jinja_value *method(jinja_run *run, const jinja_value *self, const char *name) {
    jinja_value *function = jinja_make(run, JINJA_FUNCTION);
    function->text = name;
    function->self = self;
    return function;
}

static const jinja_value *loop_field(jinja_run *run, const jinja_value *loop, const char *name) {
    int64_t at = loop->number, n = (int64_t)loop->count;
    if (strcmp(name, "index") == 0) return jinja_int(run, at + 1);
    if (strcmp(name, "index0") == 0) return jinja_int(run, at);
    if (strcmp(name, "revindex") == 0) return jinja_int(run, n - at);
    if (strcmp(name, "revindex0") == 0) return jinja_int(run, n - at - 1);
    if (strcmp(name, "first") == 0) return jinja_bool(run, at == 0);
    if (strcmp(name, "last") == 0) return jinja_bool(run, at == n - 1);
    if (strcmp(name, "length") == 0) return jinja_int(run, n);
    if (strcmp(name, "depth") == 0) return jinja_int(run, 1);
    if (strcmp(name, "depth0") == 0) return jinja_int(run, 0);
    if (strcmp(name, "previtem") == 0 && at > 0) return loop->items[at - 1];
    if (strcmp(name, "nextitem") == 0 && at + 1 < n) return loop->items[at + 1];
    if (among(loop_methods, name)) return method(run, loop, name);
    return jinja_missing(run, name);
}

static const jinja_value *map_field(jinja_run *run, const jinja_value *map, const char *name) {
    if (among(map_methods, name)) return method(run, map, name);
    if (among(map_changes, name))
        return jinja_refuse(run, "changing a mapping with \"%s\" is not allowed in a template", name);
    const jinja_value *value = jinja_lookup(map, name);
    return value ? value : jinja_missing(run, name);
}

const jinja_value *jinja_attribute(jinja_run *run, const jinja_value *object, const char *name) {
    if (object->kind == JINJA_UNDEFINED)
        return jinja_refuse(run, "\"%s\" is undefined, so it has no \"%s\"",
                            object->text ? object->text : "a value", name);
    if (strncmp(name, "__", 2) == 0 && object->kind != JINJA_MAP)
        return jinja_refuse(run, "the attribute \"%s\" is not allowed in a template", name);
    const char *methods = "";
    switch (object->kind) {
    case JINJA_MAP:
        return map_field(run, object, name);
    case JINJA_LOOP:
        return loop_field(run, object, name);
    case JINJA_NAMESPACE: {
        const jinja_value *value = jinja_lookup(object, name);
        return value ? value : jinja_missing(run, name);
    }
    case JINJA_STRING:
        methods = string_methods;
        break;
    case JINJA_LIST:
        if (among(list_changes, name))
            return jinja_refuse(run, "changing a list with \"%s\" is not allowed in a template", name);
        methods = list_methods;
        break;
    case JINJA_TUPLE:
        methods = tuple_methods;
        break;
    case JINJA_BOOL:
    case JINJA_INT:
    case JINJA_FLOAT:
        methods = number_attributes;
        break;
    case JINJA_RANGE:
    case JINJA_VIEW:
    case JINJA_GENERATOR:
        methods = other_attributes;
        break;
    case JINJA_FUNCTION:
        return jinja_refuse(run, "the attribute \"%s\" of %s is not supported", name,
                            jinja_kind_name(object));
    default:
        break;
    }
    return among(methods, name) ? method(run, object, name) : jinja_missing(run, name);
}
