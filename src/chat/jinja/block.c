/* The statements of templates: {% if %}, {% for %}, {% set %} and the like. */
#include "chat/jinja/block.h"

#include "chat/jinja/expression.h"
#include "chat/jinja/lexer.h"
#include "chat/jinja/parse_template.h"

#include <string.h>

/* The rest of a tag and the body behind it; the end tag is closed too where it is the last of `ends`. */
static bool block(jinja_parser *p, const char *const *ends, const char **ended, jinja_node **body) {
    return jinja_close_tag(p, "%}") && jinja_parse_body(p, ends, ended, body);
}

/* A body that ends at one word, in which no loop around it can be left. */
static bool whole_block(jinja_parser *p, const char *end, jinja_node **body) {
    const char *const ends[] = {end, NULL}, *ended;
    int loops = p->loops;
    p->loops = 0;
    bool good = block(p, ends, &ended, body) && jinja_close_tag(p, "%}");
    p->loops = loops;
    return good;
}

static jinja_node *if_statement(jinja_parser *p) {
    static const char *const ends[] = {"endif", "elif", "else", NULL}, *const last[] = {"endif", NULL};
    jinja_node *first = NULL, **place = &first;
    const char *ended = "elif";
    for (int links = 0; strcmp(ended, "elif") == 0; links++) {
        jinja_node *node = jinja_new(p, NODE_IF);
        if (links > JINJA_CHAIN) return jinja_fail(p, "more than %d elif", JINJA_CHAIN);
        if (!node || !(node->a = jinja_parse_tuple(p, false, NULL)) || !block(p, ends, &ended, &node->b))
            return NULL;
        *place = node;
        place = &node->c;
    }
    if (strcmp(ended, "else") == 0 && !block(p, last, &ended, place)) return NULL;
    return jinja_close_tag(p, "%}") ? first : NULL;
}

static jinja_node *target(jinja_parser *p, bool fields);

static jinja_node *one_target(jinja_parser *p, bool fields) {
    if (jinja_take(p, "(")) {
        if (++p->depth > JINJA_NESTING) return jinja_fail(p, "targets are nested too deeply");
        jinja_node *inner = target(p, false);
        p->depth--;
        return inner && !jinja_take(p, ")") ? jinja_fail(p, "expected \")\"") : inner;
    }
    static const char *const reserved[] = {"true", "True", "false", "False", "none", "None", "loop"};
    jinja_node *node = jinja_new(p, NODE_NAME);
    if (!node || !(node->name = jinja_identifier(p))) return jinja_fail(p, "expected a name to assign to");
    for (size_t i = 0; i < sizeof reserved / sizeof *reserved; i++)
        if (strcmp(node->name, reserved[i]) == 0)
            return jinja_fail(p, "\"%s\" cannot be assigned to", node->name);
    if (!fields || !jinja_take(p, ".")) return node;
    jinja_node *field = jinja_new(p, NODE_ATTRIBUTE);
    if (!field || !(field->name = jinja_identifier(p))) return jinja_fail(p, "expected a name after \".\"");
    field->a = node;
    return field;
}

/* What is assigned to: a name, a namespace's field, or several of them. */
static jinja_node *target(jinja_parser *p, bool fields) {
    jinja_node *first = one_target(p, fields);
    if (!first || !jinja_at(p, ",")) return first;
    jinja_node *tuple = jinja_new(p, NODE_TUPLE), **last = tuple ? &tuple->a : NULL;
    for (jinja_node *node = first; tuple; node = one_target(p, fields)) {
        if (!node) return NULL;
        *last = node;
        last = &node->next;
        if (!jinja_take(p, ",")) break;
        if (jinja_at(p, "=") || jinja_at(p, ")") || jinja_at_word(p, "in")) break;
    }
    return tuple;
}

static jinja_node *for_statement(jinja_parser *p) {
    static const char *const ends[] = {"endfor", "else", NULL}, *const last[] = {"endfor", NULL};
    const char *ended;
    jinja_node *node = jinja_new(p, NODE_FOR);
    if (!node || !(node->target = target(p, false))) return NULL;
    if (!jinja_take_word(p, "in")) return jinja_fail(p, "expected \"in\"");
    if (!(node->a = jinja_parse_tuple(p, false, "recursive"))) return NULL;
    if (jinja_take_word(p, "if") && !(node->d = jinja_parse_expression(p))) return NULL;
    if (jinja_at_word(p, "recursive")) return jinja_fail(p, "recursive loops are not supported");
    p->loops++;
    bool good = block(p, ends, &ended, &node->b);
    p->loops--;
    if (!good) return NULL;
    if (strcmp(ended, "else") == 0 && !block(p, last, &ended, &node->c)) return NULL;
    return jinja_close_tag(p, "%}") ? node : NULL;
}

static jinja_node *body_node(jinja_parser *p) {
    return jinja_new(p, NODE_BODY);
}

static jinja_node *set_statement(jinja_parser *p) {
    jinja_node *node = jinja_new(p, NODE_SET);
    if (!node || !(node->target = target(p, true))) return NULL;
    if (jinja_at(p, "=") && !jinja_at(p, "==")) {
        jinja_take(p, "=");
        if (!(node->a = jinja_parse_tuple(p, true, NULL))) return NULL;
        return jinja_close_tag(p, "%}") ? node : NULL;
    }
    node->kind = NODE_SET_BLOCK;
    if (!(node->a = jinja_parse_filters(p, body_node(p), false))) return NULL;
    return whole_block(p, "endset", &node->b) ? node : NULL;
}

static jinja_node *filter_statement(jinja_parser *p) {
    jinja_node *node = jinja_new(p, NODE_FILTER_BLOCK);
    if (!node || !(node->a = jinja_parse_filters(p, body_node(p), true))) return NULL;
    return whole_block(p, "endfilter", &node->b) ? node : NULL;
}

static jinja_node *with_statement(jinja_parser *p) {
    static const char *const ends[] = {"endwith", NULL};
    const char *ended;
    jinja_node *node = jinja_new(p, NODE_WITH), **last = node ? &node->a : NULL;
    while (node && !jinja_at(p, "%}") && !jinja_at(p, "-%}") && !jinja_at(p, "+%}")) {
        if (node->a && !jinja_take(p, ",")) return jinja_fail(p, "expected \",\" or the end of the tag");
        jinja_node *set = jinja_new(p, NODE_SET);
        if (!set || !(set->target = one_target(p, false))) return NULL;
        if (!jinja_take(p, "=")) return jinja_fail(p, "expected \"=\"");
        if (!(set->a = jinja_parse_expression(p))) return NULL;
        *last = set;
        last = &set->next;
    }
    return node && block(p, ends, &ended, &node->b) && jinja_close_tag(p, "%}") ? node : NULL;
}

static jinja_node *macro_statement(jinja_parser *p) {
    jinja_node *node = jinja_new(p, NODE_MACRO), **last = node ? &node->a : NULL;
    if (!node || !(node->name = jinja_identifier(p))) return jinja_fail(p, "expected a name after \"macro\"");
    if (!jinja_take(p, "(")) return jinja_fail(p, "expected \"(\"");
    while (!jinja_take(p, ")")) {
        if (node->a && !jinja_take(p, ",")) return jinja_fail(p, "expected \",\" or \")\"");
        jinja_node *parameter = jinja_new(p, NODE_PARAMETER);
        if (!parameter || !(parameter->name = jinja_identifier(p)))
            return jinja_fail(p, "expected the name of a parameter");
        if (jinja_take(p, "=") && !(parameter->a = jinja_parse_expression(p))) return NULL;
        *last = parameter;
        last = &parameter->next;
    }
    return whole_block(p, "endmacro", &node->b) ? node : NULL;
}

jinja_node *jinja_parse_statement(jinja_parser *p, const char *name) {
    jinja_node *node;
    if (strcmp(name, "if") == 0) return if_statement(p);
    if (strcmp(name, "for") == 0) return for_statement(p);
    if (strcmp(name, "set") == 0) return set_statement(p);
    if (strcmp(name, "filter") == 0) return filter_statement(p);
    if (strcmp(name, "with") == 0) return with_statement(p);
    if (strcmp(name, "macro") == 0) return macro_statement(p);
    if (strcmp(name, "generation") == 0) {
        node = jinja_new(p, NODE_GENERATION);
        p->generation = true;
        return node && whole_block(p, "endgeneration", &node->b) ? node : NULL;
    }
    bool leave = strcmp(name, "break") == 0;
    if (!leave && strcmp(name, "continue") != 0)
        return jinja_fail(p, "the statement \"%s\" is not supported", name);
    if (!p->loops) return jinja_fail(p, "\"%s\" stands outside of a loop", name);
    node = jinja_new(p, leave ? NODE_BREAK : NODE_CONTINUE);
    return node && jinja_close_tag(p, "%}") ? node : NULL;
}
