/* Functions, methods, filters and tests of templates. */
#include "text/jinja.h"

#include <ctype.h>
#include <string.h>

/* Python's str.isspace. */
static bool is_space(uint32_t c) {
    return (c >= 9 && c <= 13) || (c >= 28 && c <= 32) || c == 0x85 || c == 0xA0 || c == 0x1680 ||
           (c >= 0x2000 && c <= 0x200A) || c == 0x2028 || c == 0x2029 || c == 0x202F || c == 0x205F ||
           c == 0x3000;
}

static bool strippable(const char *text, size_t length, size_t *size, const jinja_value *set) {
    uint32_t c = pbt_utf8_decode(text, length, size);
    if (!set) return is_space(c);
    for (size_t i = 0, n; i < set->length; i += n)
        if (pbt_utf8_decode(set->text + i, set->length - i, &n) == c) return true;
    return false;
}

static const jinja_value *strip(jinja_run *run, const jinja_value *value, const jinja_value *set, bool left,
                                bool right) {
    const char *text = value->text;
    size_t start = 0, end = value->length, size;
    while (left && start < end && strippable(text + start, end - start, &size, set)) start += size;
    while (right && end > start) {
        size_t last = end - 1;
        while (last > start && ((unsigned char)text[last] & 0xC0) == 0x80) last--;
        if (!strippable(text + last, end - last, &size, set)) break;
        end = last;
    }
    return jinja_string(run, text + start, end - start);
}

static const jinja_value *cased(jinja_run *run, const jinja_value *value, bool upper) {
    for (size_t i = 0; i < value->length; i++)
        if ((unsigned char)value->text[i] >= 0x80)
            return jinja_refuse(run, "%s of text that is not ASCII is not supported",
                                upper ? "upper" : "lower");
    jinja_value *result = (jinja_value *)(uintptr_t)jinja_string(run, value->text, value->length);
    char *text = (char *)(uintptr_t)result->text;
    for (size_t i = 0; i < result->length; i++)
        text[i] = (char)(upper ? toupper((unsigned char)text[i]) : tolower((unsigned char)text[i]));
    return result;
}

static const jinja_value *split(jinja_run *run, const jinja_value *value, const jinja_value *mark) {
    if (!mark || mark->kind != JINJA_STRING || mark->length == 0)
        return jinja_refuse(run, "split needs a separator");
    jinja_value *list = jinja_make(run, JINJA_LIST);
    const char *at = value->text, *end = at + value->length;
    for (const char *next; (next = memmem(at, (size_t)(end - at), mark->text, mark->length));
         at = next + mark->length)
        jinja_append(run, list, NULL, jinja_string(run, at, (size_t)(next - at)));
    jinja_append(run, list, NULL, jinja_string(run, at, (size_t)(end - at)));
    return list;
}

static const jinja_value *replaced(jinja_run *run, const jinja_value *value, const jinja_value *from,
                                   const jinja_value *to) {
    if (!from || !to || from->kind != JINJA_STRING || to->kind != JINJA_STRING || from->length == 0)
        return jinja_refuse(run, "replace needs two strings");
    pbt_text text = {0};
    const char *at = value->text, *end = at + value->length;
    for (const char *next; (next = memmem(at, (size_t)(end - at), from->text, from->length));
         at = next + from->length) {
        pbt_text_append(&text, at, (size_t)(next - at));
        pbt_text_append(&text, to->text, to->length);
        if (text.length > JINJA_OUTPUT) break;
    }
    pbt_text_append(&text, at, (size_t)(end - at));
    const jinja_value *result = text.length > JINJA_OUTPUT
                                    ? jinja_refuse(run, "a string is too long")
                                    : jinja_string(run, pbt_text_string(&text), text.length);
    pbt_text_free(&text);
    return result;
}

static bool edge(const jinja_value *value, const jinja_value *part, bool front) {
    if (part->length > value->length) return false;
    return memcmp(front ? value->text : value->text + value->length - part->length, part->text,
                  part->length) == 0;
}

static const jinja_value *pairs(jinja_run *run, const jinja_value *map, bool keys, bool values) {
    jinja_value *list = jinja_make(run, JINJA_LIST);
    for (size_t i = 0; i < map->count; i++) {
        const jinja_value *key = jinja_string(run, map->keys[i], strlen(map->keys[i]));
        jinja_value *pair = jinja_make(run, JINJA_LIST);
        jinja_append(run, pair, NULL, key);
        jinja_append(run, pair, NULL, map->items[i]);
        jinja_append(run, list, NULL, keys && values ? pair : keys ? key : map->items[i]);
    }
    return list;
}

static const char *const string_methods[] = {"strip",    "lstrip", "rstrip", "split",   "startswith",
                                             "endswith", "upper",  "lower",  "replace", NULL};
static const char *const map_methods[] = {"get", "items", "keys", "values", NULL};

bool jinja_is_method(jinja_kind kind, const char *name) {
    const char *const *names = kind == JINJA_STRING ? string_methods : kind == JINJA_MAP ? map_methods : NULL;
    for (; names && *names; names++)
        if (strcmp(*names, name) == 0) return true;
    return false;
}

static const jinja_value *string_method(jinja_run *run, const char *name, const jinja_value *self,
                                        const jinja_arguments *arguments) {
    const jinja_value *first = arguments->count > 0 ? arguments->items[0] : NULL;
    const jinja_value *second = arguments->count > 1 ? arguments->items[1] : NULL;
    size_t most = strcmp(name, "replace") == 0 ? 2 : 1;
    if (arguments->count > most || (first && first->kind != JINJA_STRING))
        return jinja_refuse(run, "these arguments of %s are not supported", name);
    if (strcmp(name, "strip") == 0) return strip(run, self, first, true, true);
    if (strcmp(name, "lstrip") == 0) return strip(run, self, first, true, false);
    if (strcmp(name, "rstrip") == 0) return strip(run, self, first, false, true);
    if (strcmp(name, "split") == 0) return split(run, self, first);
    if (strcmp(name, "replace") == 0) return replaced(run, self, first, second);
    if (strcmp(name, "upper") == 0) return cased(run, self, true);
    if (strcmp(name, "lower") == 0) return cased(run, self, false);
    if (!first) return jinja_refuse(run, "%s needs a string", name);
    return jinja_bool(run, edge(self, first, strcmp(name, "startswith") == 0));
}

static const jinja_value *map_method(jinja_run *run, const char *name, const jinja_value *self,
                                     const jinja_arguments *arguments) {
    if (strcmp(name, "get") != 0)
        return pairs(run, self, strcmp(name, "values") != 0, strcmp(name, "keys") != 0);
    if (arguments->count < 1 || arguments->items[0]->kind != JINJA_STRING)
        return jinja_refuse(run, "get needs the name of a key");
    const jinja_value *value = jinja_lookup(self, arguments->items[0]->text);
    if (value) return value;
    return arguments->count > 1 ? arguments->items[1] : jinja_make(run, JINJA_NONE);
}

static const jinja_value *new_namespace(jinja_run *run, const jinja_arguments *arguments) {
    jinja_value *map = jinja_make(run, JINJA_MAP);
    map->number = 1;
    for (size_t i = 0; i < arguments->count; i++) {
        if (!arguments->names[i]) return jinja_refuse(run, "namespace takes names only");
        jinja_append(run, map, arguments->names[i], arguments->items[i]);
    }
    return map;
}

static const jinja_value *range(jinja_run *run, const jinja_arguments *arguments) {
    bool two = arguments->count == 2;
    if ((arguments->count != 1 && !two) || arguments->items[0]->kind != JINJA_INT ||
        arguments->items[arguments->count - 1]->kind != JINJA_INT)
        return jinja_refuse(run, "range takes one or two numbers");
    int64_t from = two ? arguments->items[0]->number : 0, to = arguments->items[two]->number;
    if (to > from && to - from > 100000) return jinja_refuse(run, "a range is too long");
    jinja_value *list = jinja_make(run, JINJA_LIST);
    for (int64_t i = from; i < to; i++) jinja_append(run, list, NULL, jinja_int(run, i));
    return list;
}

const jinja_value *jinja_call(jinja_run *run, const jinja_value *callable, const jinja_arguments *arguments) {
    if (callable->kind != JINJA_CALLABLE)
        return jinja_refuse(run, "\"%s\" is not a function known here",
                            callable->kind == JINJA_UNDEFINED && callable->text ? callable->text
                                                                                : jinja_kind_name(callable));
    const char *name = callable->text;
    if (callable->self)
        return callable->self->kind == JINJA_STRING ? string_method(run, name, callable->self, arguments)
                                                    : map_method(run, name, callable->self, arguments);
    if (strcmp(name, "namespace") == 0) return new_namespace(run, arguments);
    if (strcmp(name, "range") == 0) return range(run, arguments);
    if (strcmp(name, "raise_exception") == 0) {
        const jinja_value *said = arguments->count > 0 ? arguments->items[0] : NULL;
        return jinja_refuse(run, "the template refuses these messages: %s",
                            said && said->kind == JINJA_STRING ? said->text : "no reason given");
    }
    if (!run->date_string)
        return jinja_refuse(
            run, "the template prints today's date; give date_string, so that results stay the same");
    return jinja_string(run, run->date_string, strlen(run->date_string));
}

static void json_text(jinja_run *run, const jinja_value *value, pbt_text *out, int depth) {
    if (depth > 16) {
        jinja_refuse(run, "a value is nested too deeply");
        return;
    }
    if (value->kind == JINJA_STRING) {
        pbt_text_add(out, "\"");
        for (size_t i = 0; i < value->length; i++) {
            unsigned char c = (unsigned char)value->text[i];
            static const char escapes[] = "\"\\\n\r\t\b\f", letters[] = "\"\\nrtbf";
            const char *found = c ? strchr(escapes, c) : NULL;
            if (found)
                pbt_text_addf(out, "\\%c", letters[found - escapes]);
            else if (c < 32)
                pbt_text_addf(out, "\\u%04x", c);
            else
                pbt_text_append(out, &value->text[i], 1);
        }
        pbt_text_add(out, "\"");
    } else if (value->kind == JINJA_LIST || value->kind == JINJA_MAP) {
        bool map = value->kind == JINJA_MAP;
        pbt_text_add(out, map ? "{" : "[");
        for (size_t i = 0; i < value->count; i++) {
            if (i) pbt_text_add(out, ", ");
            if (map) {
                jinja_value key = {
                    .kind = JINJA_STRING, .text = value->keys[i], .length = strlen(value->keys[i])};
                json_text(run, &key, out, depth + 1);
                pbt_text_add(out, ": ");
            }
            json_text(run, value->items[i], out, depth + 1);
        }
        pbt_text_add(out, map ? "}" : "]");
    } else if (value->kind == JINJA_BOOL) {
        pbt_text_add(out, value->number ? "true" : "false");
    } else if (value->kind == JINJA_NONE) {
        pbt_text_add(out, "null");
    } else if (value->kind == JINJA_INT) {
        pbt_text_addf(out, "%lld", (long long)value->number);
    } else {
        jinja_refuse(run, "tojson of %s is not supported", jinja_kind_name(value));
    }
}

static const jinja_value *to_json(jinja_run *run, const jinja_value *value,
                                  const jinja_arguments *arguments) {
    if (arguments->count > 0) return jinja_refuse(run, "tojson with options is not supported");
    pbt_text text = {0};
    json_text(run, value, &text, 0);
    const jinja_value *result = jinja_string(run, pbt_text_string(&text), text.length);
    pbt_text_free(&text);
    return result;
}

static const jinja_value *join(jinja_run *run, const jinja_value *list, const jinja_arguments *arguments) {
    if (list->kind != JINJA_LIST)
        return jinja_refuse(run, "join of %s is not supported", jinja_kind_name(list));
    pbt_text text = {0};
    for (size_t i = 0; i < list->count && run->code == PBT_OK; i++) {
        if (i && arguments->count > 0) jinja_print(run, arguments->items[0], &text);
        jinja_print(run, list->items[i], &text);
    }
    const jinja_value *result = jinja_string(run, pbt_text_string(&text), text.length);
    pbt_text_free(&text);
    return result;
}

static const jinja_value *length_of(jinja_run *run, const jinja_value *value) {
    size_t n = value->count;
    if (value->kind == JINJA_STRING)
        for (size_t i = n = 0; i < value->length; i++) n += ((unsigned char)value->text[i] & 0xC0) != 0x80;
    else if (value->kind != JINJA_LIST && value->kind != JINJA_MAP && value->kind != JINJA_UNDEFINED)
        return jinja_refuse(run, "the length of %s is not supported", jinja_kind_name(value));
    return jinja_int(run, (int64_t)n);
}

const jinja_value *jinja_filter(jinja_run *run, const char *name, const jinja_value *value,
                                const jinja_arguments *arguments) {
    bool string = value->kind == JINJA_STRING, none = arguments->count == 0;
    if (strcmp(name, "length") == 0 || strcmp(name, "count") == 0) return length_of(run, value);
    if (strcmp(name, "tojson") == 0) return to_json(run, value, arguments);
    if (strcmp(name, "join") == 0) return join(run, value, arguments);
    if (strcmp(name, "default") == 0 || strcmp(name, "d") == 0) {
        bool falsy = arguments->count > 1 && jinja_truth(arguments->items[1]) && !jinja_truth(value);
        if (value->kind != JINJA_UNDEFINED && !falsy) return value;
        return arguments->count > 0 ? arguments->items[0] : jinja_string(run, "", 0);
    }
    if (string && none && strcmp(name, "trim") == 0) return strip(run, value, NULL, true, true);
    if (string && none && strcmp(name, "upper") == 0) return cased(run, value, true);
    if (string && none && strcmp(name, "lower") == 0) return cased(run, value, false);
    if (string && none && (strcmp(name, "string") == 0 || strcmp(name, "safe") == 0)) return value;
    if (string && strcmp(name, "replace") == 0 && arguments->count == 2)
        return replaced(run, value, arguments->items[0], arguments->items[1]);
    if (value->kind == JINJA_LIST && none && strcmp(name, "first") == 0)
        return value->count ? value->items[0] : jinja_make(run, JINJA_UNDEFINED);
    if (value->kind == JINJA_LIST && none && strcmp(name, "last") == 0)
        return value->count ? value->items[value->count - 1] : jinja_make(run, JINJA_UNDEFINED);
    if (value->kind == JINJA_LIST && none && strcmp(name, "list") == 0) return value;
    if (value->kind == JINJA_MAP && none && strcmp(name, "items") == 0) return pairs(run, value, true, true);
    jinja_refuse(run, "the filter \"%s\" on %s is not supported", name, jinja_kind_name(value));
    return value;
}

bool jinja_test(jinja_run *run, const char *name, const jinja_value *value,
                const jinja_arguments *arguments) {
    const jinja_value *other = arguments->count > 0 ? arguments->items[0] : NULL;
    if (strcmp(name, "defined") == 0) return value->kind != JINJA_UNDEFINED;
    if (strcmp(name, "undefined") == 0) return value->kind == JINJA_UNDEFINED;
    if (strcmp(name, "none") == 0) return value->kind == JINJA_NONE;
    if (strcmp(name, "string") == 0) return value->kind == JINJA_STRING;
    if (strcmp(name, "mapping") == 0) return value->kind == JINJA_MAP;
    if (strcmp(name, "sequence") == 0 || strcmp(name, "iterable") == 0)
        return value->kind == JINJA_STRING || value->kind == JINJA_LIST || value->kind == JINJA_MAP ||
               value->kind == JINJA_UNDEFINED;
    if (strcmp(name, "number") == 0 || strcmp(name, "integer") == 0)
        return value->kind == JINJA_INT || (value->kind == JINJA_BOOL && name[0] == 'n');
    if (strcmp(name, "boolean") == 0) return value->kind == JINJA_BOOL;
    if (strcmp(name, "true") == 0) return value->kind == JINJA_BOOL && value->number;
    if (strcmp(name, "false") == 0) return value->kind == JINJA_BOOL && !value->number;
    bool number = value->kind == JINJA_INT;
    if (number && strcmp(name, "odd") == 0) return value->number % 2 != 0;
    if (number && strcmp(name, "even") == 0) return value->number % 2 == 0;
    if (other && (strcmp(name, "equalto") == 0 || strcmp(name, "eq") == 0)) return jinja_equal(value, other);
    if (other && (strcmp(name, "ne") == 0)) return !jinja_equal(value, other);
    if (number && other && strcmp(name, "divisibleby") == 0 && other->kind == JINJA_INT && other->number > 0)
        return value->number % other->number == 0;
    jinja_refuse(run, "the test \"%s\" on %s is not supported", name, jinja_kind_name(value));
    return false;
}
