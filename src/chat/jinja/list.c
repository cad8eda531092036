/* Filters of sequences. Those that return generators in Jinja return lists that can be looped over once. */
#include "chat/jinja/list.h"

#include "chat/jinja/filter.h"
#include "chat/jinja/operate.h"
#include "chat/jinja/string_methods.h"
#include "chat/jinja/value.h"
#include "chat/jinja/value_text.h"

#include <stdlib.h>
#include <string.h>

/* What "a.b.0" says of an item. */
static const jinja_value *attribute_path(jinja_run *run, const jinja_value *item, const jinja_value *path) {
    if (path->kind == JINJA_INT) return jinja_element(run, item, path);
    if (path->kind != JINJA_STRING)
        return jinja_refuse(run, "an attribute that is %s is not supported", jinja_kind_name(path));
    const char *at = path->text;
    while (run->code == PBT_OK) {
        size_t n = strcspn(at, ".");
        const jinja_value *name = jinja_string(run, at, n);
        if (n && strspn(at, "0123456789") == n && n < 10) name = jinja_int(run, atoi(name->text));
        item = jinja_element(run, item, name);
        if (!at[n]) break;
        at += n + 1;
    }
    return item;
}

/* Arguments from the place `first` on. */
static jinja_arguments rest_of(const jinja_arguments *arguments, size_t first) {
    jinja_arguments rest = {.count = 0};
    for (size_t i = first; i < arguments->count; i++) {
        rest.names[rest.count] = arguments->names[i];
        rest.items[rest.count++] = arguments->items[i];
    }
    return rest;
}

static const jinja_value *map_filter(jinja_run *run, const jinja_value *list,
                                     const jinja_arguments *arguments) {
    static const char *const names[] = {"attribute", "default", NULL};
    const jinja_value *path = jinja_argument(arguments, JINJA_ARGUMENTS, "attribute");
    const jinja_value *other = jinja_argument(arguments, JINJA_ARGUMENTS, "default");
    const jinja_value *name = jinja_argument(arguments, 0, NULL);
    if (path && !jinja_check_arguments(run, "map", arguments, 0, names)) return list;
    if (!path && (!name || name->kind != JINJA_STRING))
        return jinja_refuse(run, "map needs the name of a filter, or an attribute");
    jinja_arguments rest = rest_of(arguments, 1);
    jinja_value *mapped = jinja_make(run, JINJA_GENERATOR);
    for (size_t i = 0; i < list->count && run->code == PBT_OK; i++) {
        const jinja_value *item = path ? attribute_path(run, list->items[i], path)
                                       : jinja_filter(run, name->text, list->items[i], &rest);
        if (path && other && item->kind == JINJA_UNDEFINED) item = other;
        jinja_append(run, mapped, item);
    }
    return mapped;
}

/* select, reject, selectattr, rejectattr. */
static const jinja_value *select_filter(jinja_run *run, const char *name, const jinja_value *list,
                                        const jinja_arguments *arguments) {
    bool wanted = name[0] == 's', attribute = strstr(name, "attr") != NULL;
    const jinja_value *path = attribute ? jinja_argument(arguments, 0, NULL) : NULL;
    const jinja_value *test = jinja_argument(arguments, attribute ? 1 : 0, NULL);
    if ((attribute && !path) || (test && test->kind != JINJA_STRING))
        return jinja_refuse(run, "these arguments of %s are not supported", name);
    jinja_arguments rest = rest_of(arguments, attribute ? 2 : 1);
    jinja_value *kept = jinja_make(run, JINJA_GENERATOR);
    for (size_t i = 0; i < list->count && jinja_step(run, 1); i++) {
        const jinja_value *item = path ? attribute_path(run, list->items[i], path) : list->items[i];
        if (run->code != PBT_OK) break;
        bool truth = test ? jinja_test(run, test->text, item, &rest) : jinja_truth(item);
        if (truth == wanted) jinja_append(run, kept, list->items[i]);
    }
    return kept;
}

static const jinja_value *join_filter(jinja_run *run, const jinja_value *list,
                                      const jinja_arguments *arguments) {
    static const char *const names[] = {"d", "attribute", NULL};
    if (!jinja_check_arguments(run, "join", arguments, 2, names)) return list;
    const jinja_value *mark = jinja_argument(arguments, 0, "d"),
                      *path = jinja_argument(arguments, 1, "attribute");
    pbt_text text = {0};
    for (size_t i = 0; i < list->count && run->code == PBT_OK; i++) {
        const jinja_value *item = path ? attribute_path(run, list->items[i], path) : list->items[i];
        if (i && mark) jinja_print(run, mark, &text);
        jinja_print(run, item, &text);
    }
    return jinja_take_text(run, &text);
}

/* What sort, min, max and unique go by: the attribute, without case unless that is asked for. */
static const jinja_value *key_of(jinja_run *run, const jinja_value *item, const jinja_value *path,
                                 bool case_sensitive) {
    if (path) item = attribute_path(run, item, path);
    return item->kind == JINJA_STRING && !case_sensitive ? jinja_cased(run, item, false) : item;
}

typedef struct keyed {
    const jinja_value *key, *item;
} keyed;

/* A stable merge sort, since a comparison may fail. */
static void sort(jinja_run *run, keyed *items, keyed *room, size_t n, bool down) {
    if (n < 2 || !jinja_step(run, (int64_t)n)) return;
    size_t half = n / 2, a = 0, b = half, at = 0;
    sort(run, items, room, half, down);
    sort(run, items + half, room, n - half, down);
    while (a < half && b < n) {
        int order = jinja_order(run, items[b].key, items[a].key);
        room[at++] = (down ? order > 0 : order < 0) ? items[b++] : items[a++];
    }
    while (a < half) room[at++] = items[a++];
    while (b < n) room[at++] = items[b++];
    memcpy(items, room, n * sizeof *items);
}

static const jinja_value *sorted(jinja_run *run, const jinja_value *list, const jinja_value *path,
                                 bool case_sensitive, bool down) {
    keyed *items = jinja_alloc(run, list->count + 1, sizeof *items);
    keyed *room = jinja_alloc(run, list->count + 1, sizeof *room);
    jinja_value *result = jinja_make(run, JINJA_LIST);
    if (!items || !room) return result;
    for (size_t i = 0; i < list->count && run->code == PBT_OK; i++)
        items[i] = (keyed){key_of(run, list->items[i], path, case_sensitive), list->items[i]};
    if (run->code == PBT_OK) sort(run, items, room, list->count, down);
    for (size_t i = 0; i < list->count && run->code == PBT_OK; i++) jinja_append(run, result, items[i].item);
    return result;
}

static bool flag(const jinja_arguments *arguments, size_t place, const char *name) {
    const jinja_value *value = jinja_argument(arguments, place, name);
    return value && jinja_truth(value);
}

static const jinja_value *sort_filter(jinja_run *run, const jinja_value *list,
                                      const jinja_arguments *arguments) {
    static const char *const names[] = {"reverse", "case_sensitive", "attribute", NULL};
    if (!jinja_check_arguments(run, "sort", arguments, 3, names)) return list;
    const jinja_value *path = jinja_argument(arguments, 2, "attribute");
    if (path && path->kind == JINJA_STRING && strchr(path->text, ','))
        return jinja_refuse(run, "sort by several attributes is not supported");
    return sorted(run, list, path, flag(arguments, 1, "case_sensitive"), flag(arguments, 0, "reverse"));
}

static const jinja_value *extreme(jinja_run *run, const char *name, const jinja_value *list,
                                  const jinja_arguments *arguments) {
    static const char *const names[] = {"case_sensitive", "attribute", NULL};
    if (!jinja_check_arguments(run, name, arguments, 2, names)) return list;
    const jinja_value *path = jinja_argument(arguments, 1, "attribute"), *best = NULL, *best_key = NULL;
    for (size_t i = 0; i < list->count && jinja_step(run, 1); i++) {
        const jinja_value *key = key_of(run, list->items[i], path, flag(arguments, 0, "case_sensitive"));
        int order = best ? jinja_order(run, key, best_key) : 0;
        if (best && (strcmp(name, "min") == 0 ? order >= 0 : order <= 0)) continue;
        best = list->items[i];
        best_key = key;
    }
    return best ? best : jinja_missing(run, "the extreme of an empty sequence");
}

static const jinja_value *unique(jinja_run *run, const jinja_value *list, const jinja_arguments *arguments) {
    static const char *const names[] = {"case_sensitive", "attribute", NULL};
    if (!jinja_check_arguments(run, "unique", arguments, 2, names)) return list;
    const jinja_value *path = jinja_argument(arguments, 1, "attribute");
    jinja_value *keys = jinja_make(run, JINJA_LIST), *kept = jinja_make(run, JINJA_GENERATOR);
    for (size_t i = 0; i < list->count && jinja_step(run, 1); i++) {
        const jinja_value *key = key_of(run, list->items[i], path, flag(arguments, 0, "case_sensitive"));
        if (key->kind == JINJA_LIST || key->kind == JINJA_MAP)
            return jinja_refuse(run, "unique over %s is not supported", jinja_kind_name(key));
        if (jinja_contains(run, key, keys)) continue;
        jinja_append(run, keys, key);
        jinja_append(run, kept, list->items[i]);
    }
    return kept;
}

static const jinja_value *sum(jinja_run *run, const jinja_value *list, const jinja_arguments *arguments) {
    static const char *const names[] = {"attribute", "start", NULL};
    if (!jinja_check_arguments(run, "sum", arguments, 2, names)) return list;
    const jinja_value *path = jinja_argument(arguments, 0, "attribute"),
                      *total = jinja_argument(arguments, 1, "start");
    if (!total) total = jinja_int(run, 0);
    for (size_t i = 0; i < list->count && run->code == PBT_OK; i++) {
        const jinja_value *item = path ? attribute_path(run, list->items[i], path) : list->items[i];
        if (!jinja_is_number(item) || !jinja_is_number(total))
            return jinja_refuse(run, "the sum of %s is not supported", jinja_kind_name(item));
        total = jinja_operate(run, "+", total, item);
    }
    return total;
}

static const jinja_value *pairs(jinja_run *run, const jinja_value *map, jinja_kind kind) {
    jinja_value *list = jinja_make(run, kind);
    for (size_t i = 0; i < map->count && run->code == PBT_OK; i++) {
        jinja_value *pair = jinja_make(run, JINJA_TUPLE);
        jinja_append(run, pair, jinja_string(run, map->keys[i], strlen(map->keys[i])));
        jinja_append(run, pair, map->items[i]);
        jinja_append(run, list, pair);
    }
    return list;
}

static const jinja_value *dictsort(jinja_run *run, const jinja_value *map, const jinja_arguments *arguments) {
    static const char *const names[] = {"case_sensitive", "by", "reverse", NULL};
    if (map->kind != JINJA_MAP) return jinja_refuse(run, "dictsort needs a mapping");
    if (!jinja_check_arguments(run, "dictsort", arguments, 3, names)) return map;
    const jinja_value *by = jinja_argument(arguments, 1, "by");
    bool values = by && by->kind == JINJA_STRING && strcmp(by->text, "value") == 0;
    return sorted(run, pairs(run, map, JINJA_LIST), jinja_int(run, values),
                  flag(arguments, 0, "case_sensitive"), flag(arguments, 2, "reverse"));
}

static const jinja_value *reversed(jinja_run *run, const jinja_value *value) {
    const jinja_value *items = jinja_iterate(run, value);
    jinja_value *list = jinja_make(run, JINJA_GENERATOR);
    for (size_t i = items->count; i-- > 0;) jinja_append(run, list, items->items[i]);
    if (value->kind != JINJA_STRING) return list;
    pbt_text text = {0};
    for (size_t i = 0; i < list->count; i++)
        pbt_text_append(&text, list->items[i]->text, list->items[i]->length);
    return jinja_take_text(run, &text);
}

static const jinja_value *listed(jinja_run *run, const jinja_value *items) {
    jinja_value *list = jinja_make(run, JINJA_LIST);
    list->items = items->items;
    list->count = list->capacity = items->count; /* lists are never changed once they are made */
    return list;
}

/* Filters without arguments. */
static const jinja_value *plain_filter(jinja_run *run, const char *name, const jinja_value *value,
                                       bool *known) {
    bool first = strcmp(name, "first") == 0, last = strcmp(name, "last") == 0;
    *known = true;
    if (strcmp(name, "items") == 0) {
        if (value->kind == JINJA_MAP) return pairs(run, value, JINJA_GENERATOR);
        if (value->kind == JINJA_UNDEFINED) return jinja_make(run, JINJA_GENERATOR);
        return jinja_refuse(run, "the items of %s are not supported", jinja_kind_name(value));
    }
    if (strcmp(name, "reverse") == 0 && value->kind != JINJA_GENERATOR) return reversed(run, value);
    if (last && value->kind == JINJA_GENERATOR)
        return jinja_refuse(run, "\"last\" of a generator is not supported");
    if (first || last) {
        const jinja_value *items = jinja_iterate(run, value);
        if (!items->count) return jinja_missing(run, "an item of an empty sequence");
        return items->items[first ? 0 : items->count - 1];
    }
    if (strcmp(name, "list") == 0) return listed(run, jinja_iterate(run, value));
    *known = false;
    return value;
}

const jinja_value *jinja_list_filter(jinja_run *run, const char *name, const jinja_value *value,
                                     const jinja_arguments *arguments, bool *known) {
    static const char *const names[] = {"map",  "select", "reject", "selectattr", "rejectattr", "join",
                                        "sort", "min",    "max",    "unique",     "sum",        NULL};
    if (!arguments->count) {
        const jinja_value *result = plain_filter(run, name, value, known);
        if (*known) return result;
    }
    *known = true;
    if (strcmp(name, "dictsort") == 0) return dictsort(run, value, arguments);
    size_t which = 0;
    while (names[which] && strcmp(name, names[which]) != 0) which++;
    if (!names[which]) {
        *known = false;
        return value;
    }
    const jinja_value *list = jinja_iterate(run, value);
    if (run->code != PBT_OK) return list;
    if (which == 0) return map_filter(run, list, arguments);
    if (which < 5) return select_filter(run, name, list, arguments);
    if (which == 5) return join_filter(run, list, arguments);
    if (which == 6) return sort_filter(run, list, arguments);
    if (which < 9) return extreme(run, name, list, arguments);
    return which == 9 ? unique(run, list, arguments) : sum(run, list, arguments);
}
