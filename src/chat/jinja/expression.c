/* Expressions of templates, in Jinja's order of precedence. */
#include "chat/jinja/expression.h"

#include "chat/jinja/lexer.h"
#include "chat/jinja/literal.h"

#include <ctype.h>
#include <string.h>

static jinja_node *binary(jinja_parser *p, const char *name, jinja_node *a, jinja_node *b) {
    jinja_node *node = jinja_new(p, NODE_BINARY);
    if (!node || !a || !b) return NULL;
    node->name = name;
    node->a = a;
    node->b = b;
    return node;
}

/* Whether the tag closes here. */
static bool at_close(jinja_parser *p) {
    return jinja_at(p, "%}") || jinja_at(p, "}}") || jinja_at(p, "-%}") || jinja_at(p, "-}}") ||
           jinja_at(p, "+%}");
}

static bool argument(jinja_parser *p, jinja_node *node) {
    if (jinja_at(p, "*")) return jinja_fail(p, "arguments with * or ** are not supported"), false;
    size_t at = p->at;
    int line = p->line;
    const char *keyword = jinja_identifier(p);
    if (keyword && jinja_at(p, "=") && !jinja_at(p, "==")) {
        jinja_take(p, "=");
        node->name = keyword;
    } else {
        p->at = at;
        p->line = line;
    }
    node->a = jinja_parse_expression(p);
    return node->a != NULL;
}

/* Arguments up to ")", chained; keywords in `name`. */
static bool arguments(jinja_parser *p, jinja_node **first) {
    jinja_node **last = first;
    bool named = false;
    *first = NULL;
    while (!jinja_take(p, ")")) {
        if (*first && !jinja_take(p, ",")) return jinja_fail(p, "expected \",\" or \")\""), false;
        if (*first && jinja_take(p, ")")) return true;
        jinja_node *node = jinja_new(p, NODE_ARGUMENT);
        if (!node || !argument(p, node)) return false;
        if (named && !node->name) return jinja_fail(p, "a plain argument stands behind a named one"), false;
        named = node->name != NULL;
        *last = node;
        last = &node->next;
    }
    return true;
}

/* The items of a list or a tuple: their nodes are chained by wrappers, since a node may stand in one chain.
 */
static bool add_item(jinja_parser *p, jinja_node ***last, jinja_node *item) {
    jinja_node *wrapper = item ? jinja_new(p, NODE_ARGUMENT) : NULL;
    if (!wrapper) return false;
    wrapper->a = item;
    **last = wrapper;
    *last = &wrapper->next;
    return true;
}

static jinja_node *list(jinja_parser *p) {
    jinja_node *node = jinja_new(p, NODE_LIST), **last = node ? &node->a : NULL;
    while (node && !jinja_take(p, "]")) {
        if (node->a && !jinja_take(p, ",")) return jinja_fail(p, "expected \",\" or \"]\"");
        if (node->a && jinja_take(p, "]")) break;
        if (!add_item(p, &last, jinja_parse_expression(p))) return NULL;
    }
    return node;
}

static jinja_node *map(jinja_parser *p) {
    jinja_node *node = jinja_new(p, NODE_MAP), **last = node ? &node->a : NULL;
    while (node && !jinja_take(p, "}")) {
        if (node->a && !jinja_take(p, ",")) return jinja_fail(p, "expected \",\" or \"}\"");
        if (node->a && jinja_take(p, "}")) break;
        jinja_node *entry = jinja_new(p, NODE_ENTRY);
        if (!entry || !(entry->a = jinja_parse_expression(p))) return NULL;
        if (!jinja_take(p, ":")) return jinja_fail(p, "expected \":\" after a key");
        if (!(entry->b = jinja_parse_expression(p))) return NULL;
        *last = entry;
        last = &entry->next;
    }
    return node;
}

static jinja_node *or_expression(jinja_parser *p);

static jinja_node *tuple(jinja_parser *p, bool conditional, const char *end_word, bool parenthesised) {
    jinja_node *node = jinja_new(p, NODE_TUPLE), **last = node ? &node->a : NULL;
    bool is_tuple = false;
    while (node) {
        if (node->a && !jinja_take(p, ",")) break;
        if (at_close(p) || jinja_at(p, ")") || (end_word && jinja_at_word(p, end_word))) break;
        jinja_node *item = conditional ? jinja_parse_expression(p) : or_expression(p);
        if (!add_item(p, &last, item)) return NULL;
        if (!jinja_at(p, ",")) break;
        is_tuple = true;
    }
    if (!node || is_tuple) return node;
    if (node->a) return node->a->a;
    return parenthesised ? node : jinja_fail(p, "expected an expression, found \"%.10s\"", p->source + p->at);
}

jinja_node *jinja_parse_tuple(jinja_parser *p, bool conditional, const char *end_word) {
    return tuple(p, conditional, end_word, false);
}

static jinja_node *strings(jinja_parser *p) {
    jinja_node *node = jinja_parse_string(p);
    /* Neighbouring strings are one. */
    for (int links = 0; node && (jinja_at(p, "'") || jinja_at(p, "\"")); links++) {
        if (links > JINJA_CHAIN) return jinja_fail(p, "an expression is too long");
        node = binary(p, "~", node, jinja_parse_string(p));
    }
    return node;
}

static jinja_node *primary(jinja_parser *p) {
    jinja_skip_space(p);
    char c = p->at < p->length ? p->source[p->at] : 0;
    if (c == '\'' || c == '"') return strings(p);
    if (isdigit((unsigned char)c)) return jinja_parse_number(p);
    if (jinja_take(p, "(")) {
        jinja_node *node = tuple(p, true, NULL, true);
        if (node && !jinja_take(p, ")")) return jinja_fail(p, "expected \")\"");
        return node;
    }
    if (jinja_take(p, "[")) return list(p);
    if (jinja_take(p, "{")) return map(p);
    const char *name = jinja_identifier(p);
    if (!name) return jinja_fail(p, "expected an expression, found \"%.10s\"", p->source + p->at);
    if (strcmp(name, "true") == 0 || strcmp(name, "True") == 0) return jinja_constant(p, JINJA_BOOL, 1);
    if (strcmp(name, "false") == 0 || strcmp(name, "False") == 0) return jinja_constant(p, JINJA_BOOL, 0);
    if (strcmp(name, "none") == 0 || strcmp(name, "None") == 0) return jinja_constant(p, JINJA_NONE, 0);
    jinja_node *node = jinja_new(p, NODE_NAME);
    if (node) node->name = name;
    return node;
}

/* One part of a slice, unless it is left out. */
static bool slice_part(jinja_parser *p, jinja_node **part) {
    if (jinja_at(p, ":") || jinja_at(p, "]")) return true;
    *part = jinja_parse_expression(p);
    return *part != NULL;
}

static jinja_node *subscript(jinja_parser *p, jinja_node *object) {
    jinja_node *node = jinja_new(p, NODE_INDEX);
    if (!node || !slice_part(p, &node->b)) return NULL;
    node->a = object;
    if (jinja_take(p, ":")) {
        node->kind = NODE_SLICE;
        if (!slice_part(p, &node->c)) return NULL;
        if (jinja_take(p, ":") && !slice_part(p, &node->d)) return NULL;
    } else if (!node->b) {
        return jinja_fail(p, "expected an index");
    }
    return jinja_take(p, "]") ? node : jinja_fail(p, "expected \"]\"");
}

static jinja_node *call(jinja_parser *p, jinja_node *function) {
    jinja_node *node = jinja_new(p, NODE_CALL);
    if (!node || !arguments(p, &node->b)) return NULL;
    node->a = function;
    return node;
}

static jinja_node *member(jinja_parser *p, jinja_node *object) {
    jinja_node *node = jinja_new(p, NODE_ATTRIBUTE);
    if (!node) return NULL;
    node->a = object;
    jinja_skip_space(p);
    if (p->at < p->length && isdigit((unsigned char)p->source[p->at])) {
        int64_t n = 0;
        while (p->at < p->length && isdigit((unsigned char)p->source[p->at]) && n < INT32_MAX)
            n = n * 10 + (p->source[p->at++] - '0');
        node->kind = NODE_INDEX;
        return (node->b = jinja_constant(p, JINJA_INT, n)) ? node : NULL;
    }
    return (node->name = jinja_identifier(p)) ? node : jinja_fail(p, "expected a name after \".\"");
}

static jinja_node *postfix(jinja_parser *p, jinja_node *node) {
    for (int links = 0; node && links < JINJA_CHAIN; links++) {
        if (jinja_take(p, "."))
            node = member(p, node);
        else if (jinja_take(p, "["))
            node = subscript(p, node);
        else if (jinja_take(p, "("))
            node = call(p, node);
        else
            return node;
    }
    return node ? jinja_fail(p, "an expression is too long") : NULL;
}

/* What may stand behind a test without parentheses as its argument. */
static bool starts_argument(jinja_parser *p) {
    jinja_skip_space(p);
    char c = p->at < p->length ? p->source[p->at] : 0;
    if (at_close(p)) return false;
    if (c && strchr("'\"[({", c)) return true;
    if (isdigit((unsigned char)c)) return true;
    if (!isalpha((unsigned char)c) && c != '_') return false;
    return !jinja_at_word(p, "else") && !jinja_at_word(p, "or") && !jinja_at_word(p, "and");
}

static jinja_node *test(jinja_parser *p, jinja_node *node) {
    jinja_node *next = jinja_new(p, NODE_TEST);
    if (!next) return NULL;
    next->a = node;
    next->negated = jinja_take_word(p, "not");
    if (!(next->name = jinja_identifier(p))) return jinja_fail(p, "expected the name of a test");
    if (jinja_take(p, "(")) return arguments(p, &next->b) ? next : NULL;
    if (!starts_argument(p)) return next;
    if (jinja_at_word(p, "is")) return jinja_fail(p, "tests cannot be chained");
    next->b = jinja_new(p, NODE_ARGUMENT);
    return next->b && (next->b->a = postfix(p, primary(p))) ? next : NULL;
}

static jinja_node *one_filter(jinja_parser *p, jinja_node *node) {
    jinja_node *next = jinja_new(p, NODE_FILTER);
    if (!next || !node) return NULL;
    next->a = node;
    if (!(next->name = jinja_identifier(p))) return jinja_fail(p, "expected the name of a filter");
    return !jinja_take(p, "(") || arguments(p, &next->b) ? next : NULL;
}

jinja_node *jinja_parse_filters(jinja_parser *p, jinja_node *node, bool inline_first) {
    if (inline_first) node = one_filter(p, node);
    for (int links = 0; node && links < JINJA_CHAIN; links++) {
        if (!jinja_take(p, "|")) return node;
        node = one_filter(p, node);
    }
    return node ? jinja_fail(p, "an expression is too long") : NULL;
}

static jinja_node *filters_and_tests(jinja_parser *p, jinja_node *node) {
    for (int links = 0; node && links < JINJA_CHAIN; links++) {
        if (jinja_take(p, "|"))
            node = one_filter(p, node);
        else if (jinja_take_word(p, "is"))
            node = test(p, node);
        else if (jinja_take(p, "("))
            node = call(p, node);
        else
            return node;
    }
    return node ? jinja_fail(p, "an expression is too long") : NULL;
}

static jinja_node *unary(jinja_parser *p, bool with_filters) {
    jinja_node *node;
    if (++p->depth > JINJA_NESTING) return jinja_fail(p, "expressions are nested too deeply");
    bool minus = jinja_take(p, "-");
    if (minus || jinja_take(p, "+")) {
        node = jinja_new(p, minus ? NODE_MINUS : NODE_PLUS);
        if (!node || !(node->a = unary(p, false))) return NULL;
    } else {
        node = primary(p);
    }
    p->depth--;
    node = postfix(p, node);
    return with_filters ? filters_and_tests(p, node) : node;
}

/* The binary levels from loose to tight; an operator of a level is taken where no longer one stands. */
static const char *operator_at(jinja_parser *p, int level) {
    static const char *const marks[4][5] = {{"+", "-"}, {"~"}, {"//", "*", "/", "%"}, {"**"}};
    if (at_close(p)) return NULL;
    if (level == 2 && jinja_at(p, "**")) return NULL;
    for (int i = 0; i < 5 && marks[level][i]; i++)
        if (jinja_take(p, marks[level][i])) return marks[level][i];
    return NULL;
}

static jinja_node *operation(jinja_parser *p, int level) {
    if (level == 4) return unary(p, true);
    jinja_node *left = operation(p, level + 1);
    for (int links = 0; left && links < JINJA_CHAIN; links++) {
        const char *mark = operator_at(p, level);
        if (!mark) return left;
        left = binary(p, mark, left, operation(p, level + 1));
    }
    return left ? jinja_fail(p, "an expression is too long") : NULL;
}

static const char *comparison_at(jinja_parser *p) {
    static const char *const marks[] = {"==", "!=", "<=", ">=", "<", ">"};
    for (int i = 0; i < 6; i++)
        if (jinja_take(p, marks[i])) return marks[i];
    if (jinja_take_word(p, "in")) return "in";
    size_t at = p->at;
    int line = p->line;
    if (jinja_take_word(p, "not") && jinja_take_word(p, "in")) return "not in";
    p->at = at;
    p->line = line;
    return NULL;
}

static jinja_node *comparison(jinja_parser *p) {
    jinja_node *left = operation(p, 0), *node = NULL, **last = NULL;
    for (int links = 0; left && links < JINJA_CHAIN; links++) {
        const char *mark = comparison_at(p);
        if (!mark) return node ? node : left;
        if (!node) {
            if (!(node = jinja_new(p, NODE_COMPARE))) return NULL;
            node->a = left;
            last = &node->b;
        }
        jinja_node *link = jinja_new(p, NODE_BINARY);
        if (!link || !(link->a = operation(p, 0))) return NULL;
        link->name = mark;
        *last = link;
        last = &link->next;
    }
    return left ? jinja_fail(p, "an expression is too long") : NULL;
}

static jinja_node *not_expression(jinja_parser *p) {
    if (!jinja_take_word(p, "not")) return comparison(p);
    jinja_node *node = jinja_new(p, NODE_NOT);
    if (++p->depth > JINJA_NESTING) return jinja_fail(p, "expressions are nested too deeply");
    if (!node || !(node->a = not_expression(p))) return NULL;
    p->depth--;
    return node;
}

static jinja_node *and_expression(jinja_parser *p) {
    jinja_node *left = not_expression(p);
    for (int links = 0; left && jinja_take_word(p, "and"); links++) {
        if (links > JINJA_CHAIN) return jinja_fail(p, "an expression is too long");
        left = binary(p, "and", left, not_expression(p));
    }
    return left;
}

static jinja_node *or_expression(jinja_parser *p) {
    if (++p->depth > JINJA_NESTING) return jinja_fail(p, "expressions are nested too deeply");
    jinja_node *left = and_expression(p);
    for (int links = 0; left && jinja_take_word(p, "or"); links++) {
        if (links > JINJA_CHAIN) return jinja_fail(p, "an expression is too long");
        left = binary(p, "or", left, and_expression(p));
    }
    p->depth--;
    return left;
}

jinja_node *jinja_parse_expression(jinja_parser *p) {
    if (++p->depth > JINJA_NESTING) return jinja_fail(p, "expressions are nested too deeply");
    jinja_node *value = or_expression(p);
    for (int links = 0; value && jinja_take_word(p, "if"); links++) {
        jinja_node *node = jinja_new(p, NODE_CONDITIONAL);
        if (links > JINJA_CHAIN) return jinja_fail(p, "an expression is too long");
        if (!node || !(node->b = or_expression(p))) return NULL;
        node->a = value;
        if (jinja_take_word(p, "else") && !(node->c = jinja_parse_expression(p))) return NULL;
        value = node;
    }
    p->depth--;
    return value;
}
