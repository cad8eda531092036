/* Evaluating the expressions of a template. */
#include "chat/jinja/eval.h"

#include "chat/jinja/attribute.h"
#include "chat/jinja/call.h"
#include "chat/jinja/filter.h"
#include "chat/jinja/operate.h"
#include "chat/jinja/value.h"

#include <string.h>

static const jinja_value *variable(jinja_run *run, const char *name) {
    static const char *const special[] = {"caller", "varargs", "kwargs", "self",
                                          "super",  "cycler",  "joiner", "lipsum"};
    for (jinja_scope *scope = run->scope; scope; scope = scope->outer) {
        const jinja_value *value = jinja_lookup(&scope->variables, name);
        if (value) return value;
    }
    for (size_t i = 0; i < sizeof special / sizeof *special; i++)
        if (strcmp(name, special[i]) == 0) return jinja_refuse(run, "\"%s\" is not supported", name);
    return jinja_missing(run, name);
}

static const jinja_value *literal(jinja_run *run, const jinja_node *node) {
    jinja_value *value = jinja_make(run, node->kind == NODE_TUPLE ? JINJA_TUPLE : JINJA_LIST);
    for (const jinja_node *item = node->a; item && run->code == PBT_OK; item = item->next)
        jinja_append(run, value, jinja_evaluate(run, item->a));
    return value;
}

static const jinja_value *mapping(jinja_run *run, const jinja_node *node) {
    jinja_value *value = jinja_make(run, JINJA_MAP);
    for (const jinja_node *entry = node->a; entry && run->code == PBT_OK; entry = entry->next) {
        const jinja_value *key = jinja_evaluate(run, entry->a);
        if (run->code == PBT_OK && key->kind != JINJA_STRING)
            return jinja_refuse(run, "a mapping with %s as a key is not supported", jinja_kind_name(key));
        const jinja_value *item = jinja_evaluate(run, entry->b);
        if (run->code == PBT_OK) jinja_put(run, value, key->text, item);
    }
    return value;
}

static const jinja_value *comparison(jinja_run *run, const jinja_node *node) {
    const jinja_value *left = jinja_evaluate(run, node->a);
    bool truth = true;
    for (const jinja_node *link = node->b; link && truth && run->code == PBT_OK; link = link->next) {
        const jinja_value *right = jinja_evaluate(run, link->a);
        run->line = link->line;
        truth = run->code == PBT_OK && jinja_compare(run, link->name, left, right);
        left = right;
    }
    return jinja_bool(run, truth);
}

static const jinja_value *operation(jinja_run *run, const jinja_node *node) {
    const jinja_value *a = jinja_evaluate(run, node->a);
    if (run->code != PBT_OK) return a;
    if (strcmp(node->name, "and") == 0) return jinja_truth(a) ? jinja_evaluate(run, node->b) : a;
    if (strcmp(node->name, "or") == 0) return jinja_truth(a) ? a : jinja_evaluate(run, node->b);
    const jinja_value *b = jinja_evaluate(run, node->b);
    if (run->code != PBT_OK) return b;
    run->line = node->line;
    return jinja_operate(run, node->name, a, b);
}

static void collect(jinja_run *run, const jinja_node *node, jinja_arguments *arguments) {
    arguments->count = 0;
    for (; node && run->code == PBT_OK; node = node->next) {
        if (arguments->count == JINJA_ARGUMENTS) {
            jinja_refuse(run, "more than %d arguments are not supported", JINJA_ARGUMENTS);
            return;
        }
        arguments->names[arguments->count] = node->name;
        arguments->items[arguments->count++] = jinja_evaluate(run, node->a);
    }
}

/* Calls, filters and tests: a value with arguments. */
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

static const jinja_value *slice(jinja_run *run, const jinja_node *node) {
    const jinja_value *object = jinja_evaluate(run, node->a);
    const jinja_value *from = node->b ? jinja_evaluate(run, node->b) : jinja_none();
    const jinja_value *to = node->c ? jinja_evaluate(run, node->c) : jinja_none();
    const jinja_value *by = node->d ? jinja_evaluate(run, node->d) : jinja_none();
    run->line = node->line;
    return run->code == PBT_OK ? jinja_slice(run, object, from, to, by) : object;
}

static const jinja_value *signed_number(jinja_run *run, const jinja_node *node) {
    const jinja_value *value = jinja_evaluate(run, node->a);
    if (run->code != PBT_OK) return value;
    run->line = node->line;
    bool minus = node->kind == NODE_MINUS;
    if (!jinja_is_number(value))
        return jinja_refuse(run, "the sign %c before %s is not supported", minus ? '-' : '+',
                            jinja_kind_name(value));
    if (value->kind == JINJA_FLOAT) return jinja_float(run, minus ? -value->real : value->real);
    if (value->number == INT64_MIN) return jinja_refuse(run, "a number is too large");
    return jinja_int(run, minus ? -value->number : value->number);
}

static const jinja_value *conditional(jinja_run *run, const jinja_node *node) {
    bool yes = jinja_truth(jinja_evaluate(run, node->b));
    if (run->code != PBT_OK) return jinja_none();
    if (yes) return jinja_evaluate(run, node->a);
    return node->c ? jinja_evaluate(run, node->c) : jinja_missing(run, "the other case of an inline if");
}

static const jinja_value *evaluate(jinja_run *run, const jinja_node *node) {
    const jinja_value *object;
    switch (node->kind) {
    case NODE_CONSTANT:
        return node->value;
    case NODE_NAME:
        return variable(run, node->name);
    case NODE_LIST:
    case NODE_TUPLE:
        return literal(run, node);
    case NODE_MAP:
        return mapping(run, node);
    case NODE_ATTRIBUTE:
        object = jinja_evaluate(run, node->a);
        run->line = node->line;
        return run->code == PBT_OK ? jinja_attribute(run, object, node->name) : object;
    case NODE_INDEX: {
        object = jinja_evaluate(run, node->a);
        const jinja_value *index = jinja_evaluate(run, node->b);
        run->line = node->line;
        return run->code == PBT_OK ? jinja_element(run, object, index) : object;
    }
    case NODE_SLICE:
        return slice(run, node);
    case NODE_CALL:
    case NODE_FILTER:
    case NODE_TEST:
        return compound(run, node);
    case NODE_BINARY:
        return operation(run, node);
    case NODE_COMPARE:
        return comparison(run, node);
    case NODE_NOT:
        return jinja_bool(run, !jinja_truth(jinja_evaluate(run, node->a)));
    case NODE_MINUS:
    case NODE_PLUS:
        return signed_number(run, node);
    case NODE_CONDITIONAL:
        return conditional(run, node);
    case NODE_BODY:
        return run->body;
    default:
        return jinja_refuse(run, "not an expression");
    }
}

const jinja_value *jinja_evaluate(jinja_run *run, const jinja_node *node) {
    run->line = node->line;
    if (!jinja_step(run, 1)) return jinja_none();
    if (run->depth >= JINJA_DEPTH) return jinja_refuse(run, "is nested too deeply");
    run->depth++;
    const jinja_value *value = evaluate(run, node);
    run->depth--;
    return value;
}
