/*
 * Jinja's parser: expressions, in the order of precedence of jinja2/parser.py.
 */
#include "text/jinja.h"

#include <string.h>

#define make pbt_jinja_node_make
#define close_node pbt_jinja_node_close

static pbt_jinja_node *parse_unary(pbt_jinja_parser *parser, bool filters);

static bool enter(pbt_jinja_parser *parser) {
    if (++parser->depth <= PBT_JINJA_DEPTH_LIMIT) return true;
    pbt_jinja_parse_fail(parser, "an expression is nested more than %d deep", PBT_JINJA_DEPTH_LIMIT);
    return false;
}

/* ---- primaries ---- */

/* Expressions up to the closing bracket, which is read too. */
static bool parse_items(pbt_jinja_parser *parser, const char *closing, pbt_jinja_node **first, bool *comma) {
    pbt_jinja_node **last = first;
    *comma = false;
    while (!pbt_jinja_accept(parser, closing)) {
        if (last != first) {
            if (!pbt_jinja_expect(parser, ",")) return false;
            *comma = true;
            if (pbt_jinja_accept(parser, closing)) break;
        }
        *last = pbt_jinja_parse_expression(parser, true);
        if (!*last) return false;
        last = &(*last)->next;
    }
    return true;
}

static pbt_jinja_node *parse_bracket(pbt_jinja_parser *parser) {
    bool list = pbt_jinja_at(parser, "["), comma;
    pbt_jinja_node *node = make(parser, list ? PBT_JINJA_LIST : PBT_JINJA_TUPLE, parser->token->line);
    parser->token++;
    if (!node || !parse_items(parser, list ? "]" : ")", &node->a, &comma)) return NULL;
    if (!list && node->a && !comma) return node->a;
    return close_node(parser, node);
}

static pbt_jinja_node *parse_dict(pbt_jinja_parser *parser) {
    pbt_jinja_node *node = make(parser, PBT_JINJA_DICT, parser->token->line), **last;
    if (!node) return NULL;
    last = &node->a;
    parser->token++;
    while (!pbt_jinja_accept(parser, "}")) {
        if (node->a) {
            if (!pbt_jinja_expect(parser, ",")) return NULL;
            if (pbt_jinja_accept(parser, "}")) break;
        }
        pbt_jinja_node *key = pbt_jinja_parse_expression(parser, true);
        if (!key || !pbt_jinja_expect(parser, ":")) return NULL;
        key->next = pbt_jinja_parse_expression(parser, true);
        if (!key->next) return NULL;
        *last = key;
        last = &key->next->next;
    }
    return close_node(parser, node);
}

static pbt_jinja_node *parse_word(pbt_jinja_parser *parser) {
    static const struct {
        const char *word;
        pbt_jinja_kind kind;
        int number;
    } constants[] = {{"true", PBT_JINJA_BOOLEAN, 1}, {"True", PBT_JINJA_BOOLEAN, 1},
                     {"false", PBT_JINJA_BOOLEAN, 0}, {"False", PBT_JINJA_BOOLEAN, 0},
                     {"none", PBT_JINJA_NONE, 0},    {"None", PBT_JINJA_NONE, 0}};
    static const char *const keywords[] = {"not", "and", "or", "in", "is", "if", "else"};
    for (size_t i = 0; i < sizeof keywords / sizeof *keywords; i++)
        if (pbt_jinja_at(parser, keywords[i]))
            return pbt_jinja_parse_fail(parser, "expected an expression, found \"%s\"", keywords[i]);
    pbt_jinja_node *node = make(parser, PBT_JINJA_NAME, parser->token->line);
    if (!node) return NULL;
    node->string = parser->token->text;
    for (size_t i = 0; i < sizeof constants / sizeof *constants; i++)
        if (pbt_jinja_at(parser, constants[i].word)) {
            node->kind = PBT_JINJA_CONSTANT;
            node->constant = constants[i].kind;
            node->number = constants[i].number;
        }
    parser->token++;
    return node;
}

/* Strings side by side are one string, as in Python. */
static pbt_jinja_node *parse_strings(pbt_jinja_parser *parser, pbt_jinja_node *node) {
    pbt_text text = {0};
    for (; parser->token->kind == PBT_JINJA_QUOTED; parser->token++)
        pbt_text_append(&text, parser->token->text, parser->token->length);
    char *copy = text.failed ? NULL : pbt_arena_copy(parser->arena, pbt_text_string(&text), text.length);
    node->constant = PBT_JINJA_STRING;
    node->string = copy;
    node->length = text.length;
    pbt_text_free(&text);
    if (copy) return node;
    parser->code = pbt_fail_memory(parser->error, node->length, "a chat template");
    return NULL;
}

static pbt_jinja_node *parse_primary(pbt_jinja_parser *parser) {
    const pbt_jinja_token *token = parser->token;
    if (token->kind == PBT_JINJA_WORD) return parse_word(parser);
    if (token->kind == PBT_JINJA_QUOTED || token->kind == PBT_JINJA_NUMBER) {
        pbt_jinja_node *node = make(parser, PBT_JINJA_CONSTANT, token->line);
        if (!node) return NULL;
        if (token->kind == PBT_JINJA_QUOTED) return parse_strings(parser, node);
        node->constant = PBT_JINJA_INTEGER;
        node->number = token->number;
        parser->token++;
        return node;
    }
    if (pbt_jinja_at(parser, "(") || pbt_jinja_at(parser, "[")) return parse_bracket(parser);
    if (pbt_jinja_at(parser, "{")) return parse_dict(parser);
    return pbt_jinja_parse_fail(parser, "expected an expression, found %s", pbt_jinja_found(parser));
}

/* ---- behind a primary ---- */

/* One part of a slice, NULL where it is left out. */
static bool parse_slice_part(pbt_jinja_parser *parser, pbt_jinja_node **part) {
    if (pbt_jinja_at(parser, ":") || pbt_jinja_at(parser, "]")) return true;
    *part = pbt_jinja_parse_expression(parser, true);
    return *part != NULL;
}

static pbt_jinja_node *parse_subscript(pbt_jinja_parser *parser, pbt_jinja_node *value) {
    pbt_jinja_node *node = make(parser, PBT_JINJA_ITEM, parser->token->line);
    if (!node) return NULL;
    node->a = value;
    if (pbt_jinja_accept(parser, ".")) {
        if (parser->token->kind == PBT_JINJA_NUMBER) {
            node->b = parse_primary(parser);
            return node->b ? close_node(parser, node) : NULL;
        }
        if (parser->token->kind != PBT_JINJA_WORD)
            return pbt_jinja_parse_fail(parser, "expected a name, found %s", pbt_jinja_found(parser));
        node->kind = PBT_JINJA_GET;
        node->string = parser->token->text;
        parser->token++;
        return close_node(parser, node);
    }
    parser->token++;
    if (!parse_slice_part(parser, &node->b)) return NULL;
    if (pbt_jinja_accept(parser, ":")) {
        node->kind = PBT_JINJA_SLICE;
        if (!parse_slice_part(parser, &node->c)) return NULL;
        if (pbt_jinja_accept(parser, ":") && !parse_slice_part(parser, &node->d)) return NULL;
    } else if (!node->b) {
        return pbt_jinja_parse_fail(parser, "expected an index, found %s", pbt_jinja_found(parser));
    }
    return pbt_jinja_expect(parser, "]") ? close_node(parser, node) : NULL;
}

static pbt_jinja_node *parse_argument(pbt_jinja_parser *parser) {
    pbt_jinja_node *node = make(parser, PBT_JINJA_ARGUMENT, parser->token->line);
    if (!node) return NULL;
    if (pbt_jinja_at(parser, "*") || pbt_jinja_at(parser, "**"))
        return pbt_jinja_parse_fail(parser, "* and ** before an argument are not supported");
    const pbt_jinja_token *next = parser->token + 1;
    if (parser->token->kind == PBT_JINJA_WORD && next->kind == PBT_JINJA_OPERATOR &&
        strcmp(next->text, "=") == 0) {
        node->string = parser->token->text;
        parser->token += 2;
    }
    node->a = pbt_jinja_parse_expression(parser, true);
    return node->a ? close_node(parser, node) : NULL;
}

/* ( arguments ) */
static bool parse_arguments(pbt_jinja_parser *parser, pbt_jinja_node **first) {
    pbt_jinja_node **last = first;
    bool keywords = false;
    parser->token++;
    for (unsigned n = 0; !pbt_jinja_accept(parser, ")"); n++) {
        if (last != first) {
            if (!pbt_jinja_expect(parser, ",")) return false;
            if (pbt_jinja_accept(parser, ")")) break;
        }
        if (n == 8) {
            pbt_jinja_parse_fail(parser, "more than 8 arguments are not supported");
            return false;
        }
        *last = parse_argument(parser);
        if (!*last) return false;
        if (keywords && !(*last)->string) {
            pbt_jinja_parse_fail(parser, "an argument by position after one by keyword");
            return false;
        }
        keywords = (*last)->string != NULL;
        last = &(*last)->next;
    }
    return true;
}

static pbt_jinja_node *parse_call(pbt_jinja_parser *parser, pbt_jinja_node *callee) {
    pbt_jinja_node *node = make(parser, PBT_JINJA_CALL, parser->token->line);
    if (!node) return NULL;
    node->a = callee;
    return parse_arguments(parser, &node->b) ? close_node(parser, node) : NULL;
}

static pbt_jinja_node *parse_postfix(pbt_jinja_parser *parser, pbt_jinja_node *node) {
    while (node) {
        if (pbt_jinja_at(parser, ".") || pbt_jinja_at(parser, "["))
            node = parse_subscript(parser, node);
        else if (pbt_jinja_at(parser, "("))
            node = parse_call(parser, node);
        else
            break;
    }
    return node;
}

/* ---- filters and tests ---- */

static pbt_jinja_node *parse_filter(pbt_jinja_parser *parser, pbt_jinja_node *value) {
    pbt_jinja_node *node = make(parser, PBT_JINJA_FILTER, parser->token->line);
    parser->token++;
    if (!node) return NULL;
    if (parser->token->kind != PBT_JINJA_WORD)
        return pbt_jinja_parse_fail(parser, "expected the name of a filter, found %s",
                                    pbt_jinja_found(parser));
    if (!pbt_jinja_filter_known(parser->token->text))
        return pbt_jinja_parse_fail(parser, "there is no filter \"%s\"", parser->token->text);
    node->a = value;
    node->string = parser->token->text;
    parser->token++;
    if (pbt_jinja_at(parser, "(") && !parse_arguments(parser, &node->b)) return NULL;
    return close_node(parser, node);
}

/* The argument of a test without parentheses: "x is divisibleby 3". */
static bool parse_test_argument(pbt_jinja_parser *parser, pbt_jinja_node *test) {
    pbt_jinja_token_kind kind = parser->token->kind;
    bool bracket = pbt_jinja_at(parser, "[") || pbt_jinja_at(parser, "{");
    if (kind != PBT_JINJA_WORD && kind != PBT_JINJA_QUOTED && kind != PBT_JINJA_NUMBER && !bracket)
        return true;
    if (pbt_jinja_at(parser, "else") || pbt_jinja_at(parser, "or") || pbt_jinja_at(parser, "and"))
        return true;
    pbt_jinja_node *argument = make(parser, PBT_JINJA_ARGUMENT, parser->token->line);
    if (!argument) return false;
    argument->a = parse_postfix(parser, parse_primary(parser));
    if (!argument->a || !close_node(parser, argument)) return false;
    test->b = argument;
    return true;
}

static pbt_jinja_node *parse_test(pbt_jinja_parser *parser, pbt_jinja_node *value) {
    pbt_jinja_node *node = make(parser, PBT_JINJA_TEST, parser->token->line);
    parser->token++;
    if (!node) return NULL;
    bool negated = pbt_jinja_accept(parser, "not");
    if (parser->token->kind != PBT_JINJA_WORD)
        return pbt_jinja_parse_fail(parser, "expected the name of a test, found %s", pbt_jinja_found(parser));
    if (!pbt_jinja_test_known(parser->token->text))
        return pbt_jinja_parse_fail(parser, "there is no test \"%s\"", parser->token->text);
    node->a = value;
    node->string = parser->token->text;
    parser->token++;
    if (pbt_jinja_at(parser, "(") ? !parse_arguments(parser, &node->b) : !parse_test_argument(parser, node))
        return NULL;
    if (!close_node(parser, node) || !negated) return parser->code == PBT_OK ? node : NULL;
    pbt_jinja_node *negation = make(parser, PBT_JINJA_NOT, node->line);
    if (!negation) return NULL;
    negation->a = node;
    return close_node(parser, negation);
}

static pbt_jinja_node *parse_filters(pbt_jinja_parser *parser, pbt_jinja_node *node) {
    while (node) {
        if (pbt_jinja_at(parser, "|"))
            node = parse_filter(parser, node);
        else if (pbt_jinja_at(parser, "is"))
            node = parse_test(parser, node);
        else if (pbt_jinja_at(parser, "("))
            node = parse_call(parser, node);
        else
            break;
    }
    return node;
}

/* ---- operators ---- */

static pbt_jinja_node *parse_unary(pbt_jinja_parser *parser, bool filters) {
    pbt_jinja_node *node;
    if (!enter(parser)) return NULL;
    if (pbt_jinja_at(parser, "-") || pbt_jinja_at(parser, "+")) {
        node = make(parser, pbt_jinja_at(parser, "-") ? PBT_JINJA_NEGATE : PBT_JINJA_POSITIVE,
                    parser->token->line);
        parser->token++;
        if (!node || !(node->a = parse_unary(parser, false))) return NULL;
        node = close_node(parser, node);
    } else {
        node = parse_primary(parser);
    }
    node = parse_postfix(parser, node);
    if (filters) node = parse_filters(parser, node);
    parser->depth--;
    return node;
}

static pbt_jinja_node *join(pbt_jinja_parser *parser, pbt_jinja_node_kind kind, const char *operator,
                            pbt_jinja_node *left, pbt_jinja_node *right) {
    if (!left || !right) return NULL;
    pbt_jinja_node *node = make(parser, kind, left->line);
    if (!node) return NULL;
    node->string = operator;
    node->a = left;
    node->b = right;
    return close_node(parser, node);
}

/* Left-associative operators, the tightest level first. */
static pbt_jinja_node *parse_binary(pbt_jinja_parser *parser, size_t level) {
    static const char *const levels[4][5] = {{"**"}, {"*", "/", "//", "%"}, {"~"}, {"+", "-"}};
    pbt_jinja_node *left = level > 0 ? parse_binary(parser, level - 1) : parse_unary(parser, true);
    for (size_t i = 0; left && levels[level][i];) {
        if (!pbt_jinja_accept(parser, levels[level][i])) {
            i++;
            continue;
        }
        pbt_jinja_node *right = level > 0 ? parse_binary(parser, level - 1) : parse_unary(parser, true);
        left = join(parser, PBT_JINJA_BINARY, levels[level][i], left, right);
        i = 0;
    }
    return left;
}

static const char *accept_comparison(pbt_jinja_parser *parser) {
    static const char *const operators[] = {"==", "!=", "<", "<=", ">", ">=", "in"};
    for (size_t i = 0; i < sizeof operators / sizeof *operators; i++)
        if (pbt_jinja_accept(parser, operators[i])) return operators[i];
    const pbt_jinja_token *next = parser->token + 1;
    if (!pbt_jinja_at(parser, "not") || next->kind != PBT_JINJA_WORD || strcmp(next->text, "in") != 0)
        return NULL;
    parser->token += 2;
    return "not in";
}

static pbt_jinja_node *parse_comparison(pbt_jinja_parser *parser) {
    pbt_jinja_node *left = parse_binary(parser, 3), *first = NULL, **last = &first;
    const char *operator;
    while (left && (operator= accept_comparison(parser))) {
        pbt_jinja_node *operand = make(parser, PBT_JINJA_OPERAND, parser->token->line);
        if (!operand || !(operand->a = parse_binary(parser, 3)) || !close_node(parser, operand)) return NULL;
        operand->string = operator;
        *last = operand;
        last = &operand->next;
    }
    return first ? join(parser, PBT_JINJA_COMPARE, NULL, left, first) : left;
}

static pbt_jinja_node *parse_not(pbt_jinja_parser *parser) {
    if (!pbt_jinja_at(parser, "not")) return parse_comparison(parser);
    pbt_jinja_node *node = make(parser, PBT_JINJA_NOT, parser->token->line);
    parser->token++;
    if (!node || !enter(parser) || !(node->a = parse_not(parser))) return NULL;
    parser->depth--;
    return close_node(parser, node);
}

static pbt_jinja_node *parse_and(pbt_jinja_parser *parser) {
    pbt_jinja_node *left = parse_not(parser);
    while (left && pbt_jinja_accept(parser, "and"))
        left = join(parser, PBT_JINJA_AND, NULL, left, parse_not(parser));
    return left;
}

static pbt_jinja_node *parse_or(pbt_jinja_parser *parser) {
    pbt_jinja_node *left = parse_and(parser);
    while (left && pbt_jinja_accept(parser, "or"))
        left = join(parser, PBT_JINJA_OR, NULL, left, parse_and(parser));
    return left;
}

pbt_jinja_node *pbt_jinja_parse_expression(pbt_jinja_parser *parser, bool conditional) {
    if (!enter(parser)) return NULL;
    pbt_jinja_node *node = parse_or(parser);
    while (node && conditional && pbt_jinja_at(parser, "if")) {
        pbt_jinja_node *condition = make(parser, PBT_JINJA_CONDITION, parser->token->line);
        parser->token++;
        if (!condition || !(condition->a = parse_or(parser))) return NULL;
        condition->b = node;
        if (pbt_jinja_accept(parser, "else") && !(condition->c = pbt_jinja_parse_expression(parser, true)))
            return NULL;
        node = close_node(parser, condition);
    }
    parser->depth--;
    return node;
}
