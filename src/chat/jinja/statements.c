/* Running the statements of a template. */
#include "chat/jinja/statements.h"

#include "chat/jinja/eval.h"
#include "chat/jinja/value.h"
#include "chat/jinja/value_text.h"

#include <string.h>

jinja_scope *jinja_enter(jinja_run *run, jinja_scope *outer) {
    static _Thread_local jinja_scope nowhere;
    jinja_scope *scope = jinja_alloc(run, 1, sizeof *scope);
    if (!scope) {
        nowhere = (jinja_scope){.outer = outer};
        scope = &nowhere;
    }
    scope->outer = outer;
    scope->variables.kind = JINJA_MAP;
    run->scope = scope;
    return scope;
}

void jinja_set(jinja_run *run, const char *name, const jinja_value *value) {
    jinja_put(run, &run->scope->variables, name, value);
}

const jinja_value *jinja_capture(jinja_run *run, const jinja_node *statements) {
    jinja_scope *scope = run->scope;
    pbt_text text = {0}, *out = run->out;
    run->out = &text;
    jinja_enter(run, scope);
    jinja_render(run, statements);
    run->scope = scope;
    run->out = out;
    return jinja_take_text(run, &text);
}

static void assign_field(jinja_run *run, const jinja_node *target, const jinja_value *value) {
    const jinja_value *object = jinja_evaluate(run, target->a);
    if (run->code != PBT_OK) return;
    if (object->kind != JINJA_NAMESPACE)
        jinja_refuse(run, "only the fields of a namespace can be set, and \"%s\" is none", target->a->name);
    else if (value->kind == JINJA_FUNCTION || strncmp(target->name, "__", 2) == 0)
        jinja_refuse(run, "setting the field \"%s\" to this is not supported", target->name);
    else
        jinja_put(run, (jinja_value *)(uintptr_t)object, target->name, value);
}

static void assign(jinja_run *run, const jinja_node *target, const jinja_value *value) {
    if (run->code != PBT_OK) return;
    if (target->kind == NODE_NAME) {
        jinja_set(run, target->name, value);
        return;
    }
    if (target->kind == NODE_ATTRIBUTE) {
        assign_field(run, target, value);
        return;
    }
    const jinja_value *items = jinja_iterate(run, value);
    size_t n = 0;
    for (const jinja_node *t = target->a; t; t = t->next) n++;
    if (run->code == PBT_OK && items->count != n)
        jinja_refuse(run, "expected %zu values to unpack, found %zu", n, items->count);
    size_t i = 0;
    for (const jinja_node *t = target->a; t && run->code == PBT_OK; t = t->next)
        assign(run, t, items->items[i++]);
}

/* The items of a loop that its filter lets through. */
static const jinja_value *filtered(jinja_run *run, const jinja_node *node, const jinja_value *items) {
    jinja_scope *outer = run->scope;
    jinja_value *kept = jinja_make(run, JINJA_LIST);
    jinja_enter(run, outer);
    for (size_t i = 0; i < items->count && run->code == PBT_OK; i++) {
        run->scope->variables.count = 0;
        jinja_set(run, "loop", jinja_missing(run, "loop"));
        assign(run, node->target, items->items[i]);
        if (run->code == PBT_OK && jinja_truth(jinja_evaluate(run, node->d)))
            jinja_append(run, kept, items->items[i]);
    }
    run->scope = outer;
    return kept;
}

static bool defines_macro(const jinja_node *node) {
    for (; node; node = node->next)
        if (node->kind == NODE_MACRO || (node->b && node->kind <= NODE_MACRO && defines_macro(node->b)) ||
            (node->kind == NODE_IF && node->c && defines_macro(node->c)))
            return true;
    return false;
}

/* Whether a pass reached the end of the body: by that, and not by the number of items, Jinja decides about
 * "else". */
static bool run_loop(jinja_run *run, const jinja_node *node, const jinja_value *items) {
    jinja_scope *outer = run->scope;
    bool ended = false;
    bool keep = defines_macro(node->b); /* a macro remembers the scope it was made in */
    jinja_value *loop = jinja_make(run, JINJA_LOOP);
    loop->items = items->items;
    loop->count = items->count;
    for (size_t i = 0; i < items->count && run->code == PBT_OK; i++) {
        if (i == 0 || keep)
            jinja_enter(run, outer);
        else
            run->scope->variables.count = 0;
        loop->number = (int64_t)i;
        assign(run, node->target, items->items[i]);
        jinja_set(run, "loop", loop);
        jinja_scope *scope = run->scope;
        jinja_render(run, node->b);
        run->scope = scope;
        bool leave = run->flow == JINJA_LEAVE;
        ended = ended || run->flow == JINJA_ON;
        run->flow = JINJA_ON;
        if (leave) break;
    }
    run->scope = outer;
    return ended;
}

static void for_loop(jinja_run *run, const jinja_node *node) {
    const jinja_value *value = jinja_evaluate(run, node->a);
    if (run->code != PBT_OK) return;
    const jinja_value *items = jinja_iterate(run, value);
    if (run->code == PBT_OK && node->d) items = filtered(run, node, items);
    if (run->code != PBT_OK) return;
    if (run_loop(run, node, items) || run->code != PBT_OK) return;
    jinja_scope *outer = run->scope;
    jinja_enter(run, outer);
    jinja_render(run, node->c);
    run->scope = outer;
}

/* {% set x %}, {% filter f %}: a captured body through filters. */
static void captured(jinja_run *run, const jinja_node *node) {
    const jinja_value *before = run->body, *body = jinja_capture(run, node->b);
    if (run->code != PBT_OK) return;
    run->body = body;
    const jinja_value *value = jinja_evaluate(run, node->a);
    run->body = before;
    if (run->code != PBT_OK) return;
    if (node->kind == NODE_FILTER_BLOCK && value->kind != JINJA_STRING)
        jinja_refuse(run, "a filter block that gives %s is not supported", jinja_kind_name(value));
    else if (node->kind == NODE_FILTER_BLOCK)
        jinja_print(run, value, run->out);
    else
        assign(run, node->target, value);
}

static void with(jinja_run *run, const jinja_node *node) {
    jinja_scope *outer = run->scope, *inner = jinja_enter(run, outer);
    for (const jinja_node *set = node->a; set && run->code == PBT_OK; set = set->next) {
        run->scope = outer; /* the values do not see each other */
        const jinja_value *value = jinja_evaluate(run, set->a);
        run->scope = inner;
        assign(run, set->target, value);
    }
    if (run->code == PBT_OK) jinja_render(run, node->b);
    run->scope = outer;
}

static void define(jinja_run *run, const jinja_node *node) {
    jinja_value *macro = jinja_make(run, JINJA_FUNCTION);
    macro->text = node->name;
    macro->macro = node;
    macro->scope = run->scope;
    jinja_set(run, node->name, macro);
}

/* As transformers' AssistantTracker has it: what the block wrote, counted from where the output stood. */
static void generation(jinja_run *run, const jinja_node *node) {
    jinja_scope *scope = run->scope;
    const size_t before = run->out->length, from = run->root ? run->root->length : 0;
    jinja_mark *mark = jinja_alloc(run, 1, sizeof *mark);
    if (!mark) return;
    jinja_enter(run, scope);
    jinja_render(run, node->b);
    run->scope = scope;
    *mark = (jinja_mark){.from = from, .to = from + (run->out->length - before)};
    *(run->last_mark ? &run->last_mark->next : &run->marks) = mark;
    run->last_mark = mark;
}

static void run_statement(jinja_run *run, const jinja_node *node) {
    const jinja_value *value;
    switch (node->kind) {
    case NODE_TEXT:
        pbt_text_append(run->out, node->value->text, node->value->length);
        jinja_check_text(run, run->out);
        break;
    case NODE_OUTPUT:
        value = jinja_evaluate(run, node->a);
        if (run->code == PBT_OK) jinja_print(run, value, run->out);
        break;
    case NODE_IF: {
        bool yes = jinja_truth(jinja_evaluate(run, node->a));
        if (run->code == PBT_OK) jinja_render(run, yes ? node->b : node->c);
        break;
    }
    case NODE_FOR:
        for_loop(run, node);
        break;
    case NODE_SET:
        value = jinja_evaluate(run, node->a);
        assign(run, node->target, value);
        break;
    case NODE_SET_BLOCK:
    case NODE_FILTER_BLOCK:
        captured(run, node);
        break;
    case NODE_GENERATION:
        generation(run, node);
        break;
    case NODE_WITH:
        with(run, node);
        break;
    case NODE_MACRO:
        define(run, node);
        break;
    case NODE_BREAK:
    case NODE_CONTINUE:
        run->flow = node->kind == NODE_BREAK ? JINJA_LEAVE : JINJA_NEXT;
        break;
    default:
        jinja_refuse(run, "not a statement");
    }
}

void jinja_render(jinja_run *run, const jinja_node *node) {
    if (run->depth >= JINJA_DEPTH) {
        jinja_refuse(run, "is nested too deeply");
        return;
    }
    run->depth++;
    for (; node && run->code == PBT_OK && run->flow == JINJA_ON; node = node->next) {
        run->line = node->line;
        if (!jinja_step(run, 1)) break;
        run_statement(run, node);
    }
    run->depth--;
}
