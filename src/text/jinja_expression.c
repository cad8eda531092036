/* Expressions of templates, in Jinja's order of precedence. */
#include "text/jinja.h"

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

static jinja_node *constant(jinja_parser *p, jinja_kind kind, int64_t number) {
    jinja_node *node = jinja_new(p, NODE_CONSTANT);
    jinja_value *value = pbt_arena_alloc(p->arena, 1, sizeof *value);
    if (!node || !value) return jinja_fail(p, "memory is out");
    value->kind = kind;
    value->number = number;
    node->value = value;
    return node;
}

static char unescaped(char c) {
    switch (c) {
    case 'n':
        return '\n';
    case 't':
        return '\t';
    case 'r':
        return '\r';
    default:
        return c;
    }
}

static jinja_node *string(jinja_parser *p, char quote) {
    pbt_text text = {0};
    while (p->at < p->length && p->source[p->at] != quote) {
        char c = p->source[p->at++];
        if (c == '\n') p->line++;
        if (c == '\\' && p->at < p->length) {
            char next = p->source[p->at++];
            if (next == 'x' || next == 'u' || next == 'U' || next == 'N' || isdigit((unsigned char)next)) {
                pbt_text_free(&text);
                return jinja_fail(p, "the escape \\%c in a string is not supported", next);
            }
            if (!strchr("ntr\\'\"", next)) pbt_text_append(&text, &c, 1);
            c = unescaped(next);
        }
        pbt_text_append(&text, &c, 1);
    }
    if (p->at >= p->length) {
        pbt_text_free(&text);
        return jinja_fail(p, "a string has no closing quote");
    }
    p->at++;
    jinja_node *node = constant(p, JINJA_STRING, 0);
    if (node) {
        ((jinja_value *)(uintptr_t)node->value)->text =
            pbt_arena_copy(p->arena, pbt_text_string(&text), text.length);
        ((jinja_value *)(uintptr_t)node->value)->length = text.length;
    }
    pbt_text_free(&text);
    return node;
}

/* Arguments up to `close`, chained; keywords in `name`. */
static bool arguments(jinja_parser *p, const char *close, jinja_node **first) {
    jinja_node **last = first;
    *first = NULL;
    while (!jinja_take(p, close)) {
        if (*first && !jinja_take(p, ",")) return jinja_fail(p, "expected \",\" or \"%s\"", close), false;
        if (*first && jinja_take(p, close)) return true;
        size_t at = p->at;
        int line = p->line;
        const char *keyword = jinja_identifier(p);
        bool named = keyword && jinja_take(p, "=") && p->source[p->at] != '=';
        if (!named) {
            p->at = at;
            p->line = line;
        }
        jinja_node *value = jinja_parse_expression(p);
        jinja_node *argument = value ? jinja_new(p, NODE_LIST) : NULL;
        if (!argument) return false;
        argument->a = value;
        argument->name = named ? keyword : NULL;
        *last = argument;
        last = &argument->next;
    }
    return true;
}

static jinja_node *list(jinja_parser *p, const char *close) {
    jinja_node *node = jinja_new(p, NODE_LIST);
    return node && arguments(p, close, &node->a) ? node : NULL;
}

static jinja_node *map(jinja_parser *p) {
    jinja_node *node = jinja_new(p, NODE_MAP), **last = node ? &node->a : NULL;
    while (node && !jinja_take(p, "}")) {
        if (node->a && !jinja_take(p, ",")) return jinja_fail(p, "expected \",\" or \"}\"");
        jinja_node *key = jinja_parse_expression(p);
        if (!key || !jinja_take(p, ":")) return jinja_fail(p, "expected \":\" after a key");
        jinja_node *entry = binary(p, ":", key, jinja_parse_expression(p));
        if (!entry) return NULL;
        *last = entry;
        last = &entry->next;
    }
    return node;
}

static jinja_node *number(jinja_parser *p) {
    int64_t n = 0;
    while (p->at < p->length && isdigit((unsigned char)p->source[p->at])) {
        if (n > INT64_MAX / 16) return jinja_fail(p, "a number is too large");
        n = n * 10 + (p->source[p->at++] - '0');
    }
    if (p->at < p->length && p->source[p->at] == '.' && isdigit((unsigned char)p->source[p->at + 1]))
        return jinja_fail(p, "fractions are not supported");
    return constant(p, JINJA_INT, n);
}

static jinja_node *primary(jinja_parser *p) {
    jinja_skip_space(p);
    char c = p->at < p->length ? p->source[p->at] : 0;
    if (c == '\'' || c == '"') {
        p->at++;
        jinja_node *node = string(p, c);
        jinja_skip_space(p);
        /* Neighbouring strings are one. */
        while (node && p->at < p->length && (p->source[p->at] == '\'' || p->source[p->at] == '"')) {
            char quote = p->source[p->at++];
            node = binary(p, "~", node, string(p, quote));
            jinja_skip_space(p);
        }
        return node;
    }
    if (isdigit((unsigned char)c)) return number(p);
    if (jinja_take(p, "(")) {
        jinja_node *node = jinja_parse_expression(p);
        if (node && !jinja_take(p, ")")) return jinja_fail(p, "expected \")\"; tuples are not supported");
        return node;
    }
    if (jinja_take(p, "[")) return list(p, "]");
    if (jinja_take(p, "{")) return map(p);
    const char *name = jinja_identifier(p);
    if (!name) return jinja_fail(p, "expected an expression, found \"%.10s\"", p->source + p->at);
    if (strcmp(name, "true") == 0 || strcmp(name, "True") == 0) return constant(p, JINJA_BOOL, 1);
    if (strcmp(name, "false") == 0 || strcmp(name, "False") == 0) return constant(p, JINJA_BOOL, 0);
    if (strcmp(name, "none") == 0 || strcmp(name, "None") == 0) return constant(p, JINJA_NONE, 0);
    jinja_node *node = jinja_new(p, NODE_NAME);
    if (node) node->name = name;
    return node;
}

static jinja_node *subscript(jinja_parser *p, jinja_node *object) {
    jinja_node *node = jinja_new(p, NODE_INDEX);
    if (!node) return NULL;
    node->a = object;
    if (!jinja_take(p, ":")) {
        node->b = jinja_parse_expression(p);
        if (!node->b) return NULL;
        if (jinja_take(p, "]")) return node;
        if (!jinja_take(p, ":")) return jinja_fail(p, "expected \"]\"");
    }
    node->kind = NODE_SLICE;
    if (jinja_take(p, "]")) return node;
    if (!jinja_take(p, ":")) {
        node->c = jinja_parse_expression(p);
        if (!node->c) return NULL;
        if (jinja_take(p, "]")) return node;
        if (!jinja_take(p, ":")) return jinja_fail(p, "expected \"]\"");
    }
    if (jinja_take(p, "]")) return node;
    node->d = jinja_parse_expression(p);
    if (!node->d || !jinja_take(p, "]")) return jinja_fail(p, "expected \"]\"");
    return node;
}

static jinja_node *postfix(jinja_parser *p, jinja_node *node) {
    for (int links = 0; node && links < 256; links++) {
        if (jinja_take(p, ".")) {
            jinja_node *attribute = jinja_new(p, NODE_ATTRIBUTE);
            if (!attribute || !(attribute->name = jinja_identifier(p)))
                return jinja_fail(p, "expected a name after \".\"");
            attribute->a = node;
            node = attribute;
        } else if (jinja_take(p, "[")) {
            node = subscript(p, node);
        } else if (jinja_take(p, "(")) {
            jinja_node *call = jinja_new(p, NODE_CALL);
            if (!call || !arguments(p, ")", &call->b)) return NULL;
            call->a = node;
            node = call;
        } else {
            return node;
        }
    }
    return node ? jinja_fail(p, "an expression is too long") : NULL;
}

static bool starts_argument(jinja_parser *p) {
    jinja_skip_space(p);
    char c = p->at < p->length ? p->source[p->at] : 0;
    if (c == '\'' || c == '"' || c == '[' || isdigit((unsigned char)c)) return true;
    if (!isalpha((unsigned char)c)) return false;
    static const char *const words[] = {"else", "or", "and", "is", "if", "not", "in"};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        size_t at = p->at;
        if (jinja_take_word(p, words[i])) {
            p->at = at;
            return false;
        }
    }
    return true;
}

static jinja_node *filters(jinja_parser *p, jinja_node *node) {
    for (int links = 0; node && links < 256; links++) {
        bool test = false;
        if (!jinja_take(p, "|")) {
            test = jinja_take_word(p, "is");
            if (!test) return node;
        }
        jinja_node *next = jinja_new(p, test ? NODE_TEST : NODE_FILTER);
        if (!next) return NULL;
        next->a = node;
        next->negated = test && jinja_take_word(p, "not");
        if (!(next->name = jinja_identifier(p)))
            return jinja_fail(p, "expected the name of a filter or test");
        if (jinja_take(p, "(")) {
            if (!arguments(p, ")", &next->b)) return NULL;
        } else if (test && starts_argument(p)) {
            next->b = jinja_new(p, NODE_LIST);
            if (!next->b || !(next->b->a = postfix(p, primary(p)))) return NULL;
        }
        node = next;
    }
    return node ? jinja_fail(p, "an expression is too long") : NULL;
}

static jinja_node *unary(jinja_parser *p, bool with_filters) {
    jinja_node *node;
    if (++p->depth > JINJA_DEPTH) return jinja_fail(p, "expressions are nested too deeply");
    if (jinja_take(p, "-")) {
        node = jinja_new(p, NODE_MINUS);
        if (!node || !(node->a = unary(p, false))) return NULL;
    } else {
        node = postfix(p, primary(p));
    }
    p->depth--;
    return with_filters ? filters(p, node) : node;
}

/* A left-associative level: operands of `next` between any of `marks`. */
static jinja_node *level(jinja_parser *p, const char *const *marks, int depth);

static jinja_node *operand(jinja_parser *p, int depth) {
    static const char *const plus[] = {"+", "-", NULL}, *const tilde[] = {"~", NULL},
                             *const times[] = {"//", "*", "/", "%", NULL};
    if (depth == 0) return level(p, plus, 0);
    if (depth == 1) return level(p, tilde, 1);
    if (depth == 2) return level(p, times, 2);
    return unary(p, true);
}

static jinja_node *level(jinja_parser *p, const char *const *marks, int depth) {
    jinja_node *left = operand(p, depth + 1);
    for (int links = 0; left && links < 1024; links++) {
        const char *mark = NULL;
        jinja_skip_space(p);
        /* The closing of a tag is no operator. */
        bool closing = p->at + 1 < p->length &&
                       (p->source[p->at] == '-' || p->source[p->at] == '%' || p->source[p->at] == '+') &&
                       (p->source[p->at + 1] == '}' || p->source[p->at + 1] == '%');
        for (int i = 0; !closing && !mark && marks[i]; i++)
            if (jinja_take(p, marks[i])) mark = marks[i];
        if (!mark) return left;
        left = binary(p, mark, left, operand(p, depth + 1));
    }
    return left ? jinja_fail(p, "an expression is too long") : NULL;
}

static jinja_node *comparison(jinja_parser *p) {
    static const char *const marks[] = {"==", "!=", "<=", ">=", "<", ">"};
    jinja_node *left = operand(p, 0);
    for (int links = 0; left && links < 16; links++) {
        const char *mark = NULL;
        for (int i = 0; !mark && i < 6; i++)
            if (jinja_take(p, marks[i])) mark = marks[i];
        size_t at = p->at;
        if (!mark && jinja_take_word(p, "in")) mark = "in";
        if (!mark && jinja_take_word(p, "not")) {
            if (jinja_take_word(p, "in"))
                mark = "not in";
            else
                p->at = at;
        }
        if (!mark) return left;
        if (links > 0) return jinja_fail(p, "chained comparisons are not supported");
        left = binary(p, mark, left, operand(p, 0));
    }
    return left;
}

static jinja_node *negation(jinja_parser *p) {
    if (!jinja_take_word(p, "not")) return comparison(p);
    jinja_node *node = jinja_new(p, NODE_NOT);
    if (++p->depth > JINJA_DEPTH) return jinja_fail(p, "expressions are nested too deeply");
    if (!node || !(node->a = negation(p))) return NULL;
    p->depth--;
    return node;
}

static jinja_node *conjunction(jinja_parser *p) {
    jinja_node *left = negation(p);
    while (left && jinja_take_word(p, "and")) left = binary(p, "and", left, negation(p));
    return left;
}

static jinja_node *disjunction(jinja_parser *p) {
    jinja_node *left = conjunction(p);
    while (left && jinja_take_word(p, "or")) left = binary(p, "or", left, conjunction(p));
    return left;
}

jinja_node *jinja_parse_expression(jinja_parser *p) {
    if (++p->depth > JINJA_DEPTH) return jinja_fail(p, "expressions are nested too deeply");
    jinja_node *value = disjunction(p);
    while (value && jinja_take_word(p, "if")) {
        jinja_node *node = jinja_new(p, NODE_CONDITIONAL);
        if (!node || !(node->b = disjunction(p))) return NULL;
        node->a = value;
        if (jinja_take_word(p, "else") && !(node->c = jinja_parse_expression(p))) return NULL;
        value = node;
    }
    p->depth--;
    return value;
}
