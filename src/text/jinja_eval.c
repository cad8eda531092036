/* Running the statements and expressions of a template. */
#include "text/jinja.h"

#include <string.h>

static bool step(jinja_run *run, const jinja_node *node) {
    run->line = node->line;
    if (run->code == PBT_OK && ++run->steps > JINJA_STEPS) jinja_refuse(run, "runs for too long");
    return run->code == PBT_OK;
}

static const jinja_value *variable(jinja_run *run, const char *name) {
    for (jinja_scope *scope = run->scope; scope; scope = scope->outer) {
        const jinja_value *value = jinja_lookup(&scope->variables, name);
        if (value) return value;
    }
    jinja_value *missing = jinja_make(run, JINJA_UNDEFINED);
    missing->text = name;
    return missing;
}

static const jinja_value *attribute(jinja_run *run, const jinja_value *object, const char *name) {
    if (object->kind == JINJA_UNDEFINED)
        return jinja_refuse(run, "\"%s\" is undefined, so it has no \"%s\"",
                            object->text ? object->text : "a value", name);
    if (object->kind == JINJA_MAP) {
        const jinja_value *value = jinja_lookup(object, name);
        if (value) return value;
    }
    if (jinja_is_method(object->kind, name)) {
        jinja_value *method = jinja_make(run, JINJA_CALLABLE);
        method->text = name;
        method->self = object;
        return method;
    }
    jinja_value *missing = jinja_make(run, JINJA_UNDEFINED);
    missing->text = name;
    return missing;
}

static const jinja_value *element(jinja_run *run, const jinja_value *object, const jinja_value *index) {
    if (index->kind == JINJA_STRING && object->kind != JINJA_STRING && object->kind != JINJA_LIST)
        return attribute(run, object, index->text);
    if (index->kind != JINJA_INT || object->kind != JINJA_LIST)
        return jinja_refuse(run, "indexing %s with %s is not supported", jinja_kind_name(object),
                            jinja_kind_name(index));
    int64_t i = index->number < 0 ? index->number + (int64_t)object->count : index->number;
    return i >= 0 && i < (int64_t)object->count ? object->items[i] : jinja_make(run, JINJA_UNDEFINED);
}

static int64_t bound(jinja_run *run, const jinja_node *node, int64_t initial, int64_t least, int64_t count) {
    if (!node) return initial;
    const jinja_value *value = jinja_evaluate(run, node);
    if (value->kind == JINJA_NONE) return initial;
    if (value->kind != JINJA_INT) {
        jinja_refuse(run, "a slice with %s is not supported", jinja_kind_name(value));
        return initial;
    }
    int64_t i = value->number < 0 ? value->number + count : value->number;
    return i < least ? least : i > count + least ? count + least : i;
}

static const jinja_value *slice(jinja_run *run, const jinja_node *node) {
    const jinja_value *list = jinja_evaluate(run, node->a),
                      *by = node->d ? jinja_evaluate(run, node->d) : NULL;
    if (list->kind != JINJA_LIST)
        return jinja_refuse(run, "a slice of %s is not supported", jinja_kind_name(list));
    int64_t stride = by ? by->number : 1, n = (int64_t)list->count;
    if (by && (by->kind != JINJA_INT || (stride != 1 && stride != -1)))
        return jinja_refuse(run, "slices with a step other than 1 and -1 are not supported");
    jinja_value *result = jinja_make(run, JINJA_LIST);
    if (stride > 0) {
        int64_t from = bound(run, node->b, 0, 0, n), to = bound(run, node->c, n, 0, n);
        for (int64_t i = from; i < to; i++) jinja_append(run, result, NULL, list->items[i]);
    } else {
        int64_t from = bound(run, node->b, n - 1, -1, n), to = bound(run, node->c, -1, -1, n);
        for (int64_t i = from; i > to; i--) jinja_append(run, result, NULL, list->items[i]);
    }
    return result;
}

static bool contains(jinja_run *run, const jinja_value *item, const jinja_value *where) {
    if (where->kind == JINJA_STRING && item->kind == JINJA_STRING)
        return item->length == 0 || memmem(where->text, where->length, item->text, item->length) != NULL;
    if (where->kind == JINJA_MAP) return item->kind == JINJA_STRING && jinja_lookup(where, item->text);
    if (where->kind == JINJA_LIST) {
        for (size_t i = 0; i < where->count; i++)
            if (jinja_equal(item, where->items[i])) return true;
        return false;
    }
    if (where->kind != JINJA_UNDEFINED)
        jinja_refuse(run, "\"in\" for %s in %s is not supported", jinja_kind_name(item),
                     jinja_kind_name(where));
    return false;
}

static const jinja_value *joined(jinja_run *run, const jinja_value *a, const jinja_value *b) {
    pbt_text text = {0};
    jinja_print(run, a, &text);
    jinja_print(run, b, &text);
    const jinja_value *result = jinja_string(run, pbt_text_string(&text), text.length);
    pbt_text_free(&text);
    return result;
}

static const jinja_value *arithmetic(jinja_run *run, char mark, const jinja_value *a, const jinja_value *b) {
    if (mark == '+' && a->kind == JINJA_STRING && b->kind == JINJA_STRING) return joined(run, a, b);
    if (mark == '+' && a->kind == JINJA_LIST && b->kind == JINJA_LIST) {
        jinja_value *list = jinja_make(run, JINJA_LIST);
        for (size_t i = 0; i < a->count; i++) jinja_append(run, list, NULL, a->items[i]);
        for (size_t i = 0; i < b->count; i++) jinja_append(run, list, NULL, b->items[i]);
        return list;
    }
    bool numbers =
        (a->kind == JINJA_INT || a->kind == JINJA_BOOL) && (b->kind == JINJA_INT || b->kind == JINJA_BOOL);
    int64_t x = a->number, y = b->number, result = 0;
    bool overflow = false;
    if (!numbers || mark == '/' || (mark == '%' && y <= 0))
        return jinja_refuse(run, "%s %c %s is not supported", jinja_kind_name(a), mark, jinja_kind_name(b));
    if (mark == '+') overflow = __builtin_add_overflow(x, y, &result);
    if (mark == '-') overflow = __builtin_sub_overflow(x, y, &result);
    if (mark == '*') overflow = __builtin_mul_overflow(x, y, &result);
    if (mark == '%') result = (x % y + y) % y;
    return overflow ? jinja_refuse(run, "a number is too large") : jinja_int(run, result);
}

static int order(jinja_run *run, const jinja_value *a, const jinja_value *b) {
    if (a->kind == JINJA_STRING && b->kind == JINJA_STRING) {
        size_t n = a->length < b->length ? a->length : b->length;
        int c = memcmp(a->text, b->text, n);
        return c ? c : (a->length > b->length) - (a->length < b->length);
    }
    bool numbers =
        (a->kind == JINJA_INT || a->kind == JINJA_BOOL) && (b->kind == JINJA_INT || b->kind == JINJA_BOOL);
    if (!numbers)
        jinja_refuse(run, "comparing %s with %s is not supported", jinja_kind_name(a), jinja_kind_name(b));
    return (a->number > b->number) - (a->number < b->number);
}

static const jinja_value *operation(jinja_run *run, const jinja_node *node) {
    const char *mark = node->name;
    const jinja_value *a = jinja_evaluate(run, node->a);
    if (strcmp(mark, "and") == 0) return jinja_truth(a) ? jinja_evaluate(run, node->b) : a;
    if (strcmp(mark, "or") == 0) return jinja_truth(a) ? a : jinja_evaluate(run, node->b);
    const jinja_value *b = jinja_evaluate(run, node->b);
    if (run->code != PBT_OK) return a;
    run->line = node->line;
    if (strcmp(mark, "==") == 0) return jinja_bool(run, jinja_equal(a, b));
    if (strcmp(mark, "!=") == 0) return jinja_bool(run, !jinja_equal(a, b));
    if (strcmp(mark, "in") == 0) return jinja_bool(run, contains(run, a, b));
    if (strcmp(mark, "not in") == 0) return jinja_bool(run, !contains(run, a, b));
    if (strcmp(mark, "~") == 0) return joined(run, a, b);
    if (strcmp(mark, "<") == 0) return jinja_bool(run, order(run, a, b) < 0);
    if (strcmp(mark, "<=") == 0) return jinja_bool(run, order(run, a, b) <= 0);
    if (strcmp(mark, ">") == 0) return jinja_bool(run, order(run, a, b) > 0);
    if (strcmp(mark, ">=") == 0) return jinja_bool(run, order(run, a, b) >= 0);
    if (strcmp(mark, "//") == 0) return jinja_refuse(run, "the operator // is not supported");
    return arithmetic(run, mark[0], a, b);
}

static void collect(jinja_run *run, const jinja_node *node, jinja_arguments *arguments) {
    arguments->count = 0;
    for (; node && run->code == PBT_OK; node = node->next) {
        if (arguments->count == 8) {
            jinja_refuse(run, "more than 8 arguments are not supported");
            return;
        }
        arguments->names[arguments->count] = node->name;
        arguments->items[arguments->count++] = jinja_evaluate(run, node->a);
    }
}

static const jinja_value *compound(jinja_run *run, const jinja_node *node) {
    jinja_arguments arguments;
    const jinja_value *value = jinja_evaluate(run, node->a);
    if (run->code != PBT_OK) return value;
    collect(run, node->b, &arguments);
    if (run->code != PBT_OK) return value;
    run->line = node->line;
    if (node->kind == NODE_CALL) return jinja_call(run, value, &arguments);
    if (node->kind == NODE_FILTER) return jinja_filter(run, node->name, value, &arguments);
    return jinja_bool(run, jinja_test(run, node->name, value, &arguments) != node->negated);
}

static const jinja_value *literal(jinja_run *run, const jinja_node *node) {
    jinja_value *value = jinja_make(run, node->kind == NODE_LIST ? JINJA_LIST : JINJA_MAP);
    for (const jinja_node *item = node->a; item && run->code == PBT_OK; item = item->next) {
        const jinja_value *key = node->kind == NODE_MAP ? jinja_evaluate(run, item->a) : NULL;
        if (key && key->kind != JINJA_STRING)
            return jinja_refuse(run, "keys other than strings are not supported");
        jinja_append(run, value, key ? key->text : NULL, jinja_evaluate(run, key ? item->b : item->a));
    }
    return value;
}

const jinja_value *jinja_evaluate(jinja_run *run, const jinja_node *node) {
    if (!step(run, node)) return jinja_refuse(run, "stopped");
    switch (node->kind) {
    case NODE_CONSTANT:
        return node->value;
    case NODE_NAME:
        return variable(run, node->name);
    case NODE_LIST:
    case NODE_MAP:
        return literal(run, node);
    case NODE_ATTRIBUTE:
        return attribute(run, jinja_evaluate(run, node->a), node->name);
    case NODE_INDEX: {
        const jinja_value *object = jinja_evaluate(run, node->a);
        return element(run, object, jinja_evaluate(run, node->b));
    }
    case NODE_SLICE:
        return slice(run, node);
    case NODE_CALL:
    case NODE_FILTER:
    case NODE_TEST:
        return compound(run, node);
    case NODE_BINARY:
        return operation(run, node);
    case NODE_NOT:
        return jinja_bool(run, !jinja_truth(jinja_evaluate(run, node->a)));
    case NODE_MINUS:
        return arithmetic(run, '-', jinja_int(run, 0), jinja_evaluate(run, node->a));
    case NODE_CONDITIONAL:
        if (jinja_truth(jinja_evaluate(run, node->b))) return jinja_evaluate(run, node->a);
        return node->c ? jinja_evaluate(run, node->c) : jinja_make(run, JINJA_UNDEFINED);
    default:
        return jinja_refuse(run, "not an expression");
    }
}

static const jinja_value *loop_state(jinja_run *run, const jinja_value *items, size_t i) {
    jinja_value *loop = jinja_make(run, JINJA_MAP);
    int64_t n = (int64_t)items->count, at = (int64_t)i;
    jinja_append(run, loop, "index", jinja_int(run, at + 1));
    jinja_append(run, loop, "index0", jinja_int(run, at));
    jinja_append(run, loop, "revindex", jinja_int(run, n - at));
    jinja_append(run, loop, "revindex0", jinja_int(run, n - at - 1));
    jinja_append(run, loop, "first", jinja_bool(run, i == 0));
    jinja_append(run, loop, "last", jinja_bool(run, at == n - 1));
    jinja_append(run, loop, "length", jinja_int(run, n));
    if (i > 0) jinja_append(run, loop, "previtem", items->items[i - 1]);
    if (at + 1 < n) jinja_append(run, loop, "nextitem", items->items[i + 1]);
    return loop;
}

static void bind(jinja_run *run, const jinja_node *node, jinja_scope *scope, const jinja_value *item) {
    if (!node->name2) {
        jinja_append(run, &scope->variables, node->name, item);
    } else if (item->kind == JINJA_LIST && item->count == 2) {
        jinja_append(run, &scope->variables, node->name, item->items[0]);
        jinja_append(run, &scope->variables, node->name2, item->items[1]);
    } else {
        jinja_refuse(run, "expected pairs to loop over, found %s", jinja_kind_name(item));
    }
}

static void loop(jinja_run *run, const jinja_node *node) {
    const jinja_value *all = jinja_evaluate(run, node->a);
    if (run->code != PBT_OK) return;
    if (all->kind == JINJA_UNDEFINED) all = jinja_make(run, JINJA_LIST);
    if (all->kind == JINJA_MAP) {
        jinja_value *keys = jinja_make(run, JINJA_LIST);
        for (size_t i = 0; i < all->count; i++)
            jinja_append(run, keys, NULL, jinja_string(run, all->keys[i], strlen(all->keys[i])));
        all = keys;
    }
    if (all->kind != JINJA_LIST) {
        jinja_refuse(run, "looping over %s is not supported", jinja_kind_name(all));
        return;
    }
    jinja_value *items = jinja_make(run, JINJA_LIST);
    for (size_t i = 0; i < all->count && run->code == PBT_OK; i++) {
        jinja_scope scope = {.outer = run->scope, .variables = {.kind = JINJA_MAP}};
        run->scope = &scope;
        if (node->d) bind(run, node, &scope, all->items[i]);
        if (!node->d || jinja_truth(jinja_evaluate(run, node->d)))
            jinja_append(run, items, NULL, all->items[i]);
        run->scope = scope.outer;
    }
    if (items->count == 0 && node->c) jinja_render(run, node->c);
    for (size_t i = 0; i < items->count && run->code == PBT_OK; i++) {
        jinja_scope scope = {.outer = run->scope, .variables = {.kind = JINJA_MAP}};
        run->scope = &scope;
        bind(run, node, &scope, items->items[i]);
        jinja_append(run, &scope.variables, "loop", loop_state(run, items, i));
        jinja_render(run, node->b);
        run->scope = scope.outer;
    }
}

static void assign(jinja_run *run, const jinja_node *node) {
    const jinja_value *value = jinja_evaluate(run, node->a);
    if (run->code != PBT_OK) return;
    if (!node->name2) {
        jinja_append(run, &run->scope->variables, node->name, value);
        return;
    }
    const jinja_value *object = variable(run, node->name);
    if (object->kind != JINJA_MAP || !object->number)
        jinja_refuse(run, "only the fields of a namespace can be set, and \"%s\" is none", node->name);
    else
        jinja_append(run, (jinja_value *)(uintptr_t)object, node->name2, value);
}

void jinja_render(jinja_run *run, const jinja_node *node) {
    if (++run->depth > JINJA_DEPTH) jinja_refuse(run, "blocks are nested too deeply");
    for (; node && run->code == PBT_OK; node = node->next) {
        if (!step(run, node)) break;
        switch (node->kind) {
        case NODE_TEXT:
            jinja_print(run, node->value, run->out);
            break;
        case NODE_OUTPUT: {
            const jinja_value *value = jinja_evaluate(run, node->a);
            if (run->code == PBT_OK) jinja_print(run, value, run->out);
            break;
        }
        case NODE_IF: {
            bool yes = !node->a || jinja_truth(jinja_evaluate(run, node->a));
            if (run->code == PBT_OK) jinja_render(run, yes ? node->b : node->c);
            break;
        }
        case NODE_FOR:
            loop(run, node);
            break;
        case NODE_SET:
            assign(run, node);
            break;
        default:
            jinja_refuse(run, "not a statement");
        }
    }
    run->depth--;
}
