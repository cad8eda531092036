/*
 * Jinja's parser: statements. Expressions are in jinja_expression.c.
 */
#include "text/jinja.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void *pbt_jinja_parse_fail(pbt_jinja_parser *parser, const char *format, ...) {
    char where[32], sentence[384];
    va_list arguments;
    if (parser->code != PBT_OK) return NULL;
    va_start(arguments, format);
    vsnprintf(sentence, sizeof sentence, format, arguments);
    va_end(arguments);
    snprintf(where, sizeof where, "line %u", parser->token->line);
    parser->code = pbt_fail_at(parser->error, PBT_BAD_INPUT, parser->file, where, "%s", sentence);
    return NULL;
}

pbt_jinja_node *pbt_jinja_node_make(pbt_jinja_parser *parser, pbt_jinja_node_kind kind, uint32_t line) {
    pbt_jinja_node *node = pbt_arena_alloc(parser->arena, 1, sizeof *node);
    if (!node) {
        parser->code = pbt_fail_memory(parser->error, sizeof *node, "a chat template");
        return NULL;
    }
    node->kind = kind;
    node->line = line;
    return node;
}

pbt_jinja_node *pbt_jinja_node_close(pbt_jinja_parser *parser, pbt_jinja_node *node) {
    const pbt_jinja_node *const children[] = {node->a, node->b,    node->c,
                                              node->d, node->body, node->otherwise};
    for (size_t i = 0; i < sizeof children / sizeof *children; i++)
        for (const pbt_jinja_node *child = children[i]; child; child = child->next)
            if (child->depth >= node->depth) node->depth = child->depth + 1;
    if (node->depth > PBT_JINJA_DEPTH_LIMIT)
        return pbt_jinja_parse_fail(parser, "the template is nested more than %d deep",
                                    PBT_JINJA_DEPTH_LIMIT);
    return node;
}

const char *pbt_jinja_found(const pbt_jinja_parser *parser) {
    switch (parser->token->kind) {
    case PBT_JINJA_END:
        return "the end of the template";
    case PBT_JINJA_DATA:
        return "text";
    case PBT_JINJA_BLOCK_BEGIN:
        return "{%";
    case PBT_JINJA_BLOCK_END:
        return "%}";
    case PBT_JINJA_PRINT_BEGIN:
        return "{{";
    case PBT_JINJA_PRINT_END:
        return "}}";
    case PBT_JINJA_QUOTED:
        return "a string";
    default:
        return parser->token->text;
    }
}

bool pbt_jinja_at(const pbt_jinja_parser *parser, const char *operator_or_word) {
    return (parser->token->kind == PBT_JINJA_WORD || parser->token->kind == PBT_JINJA_OPERATOR) &&
           strcmp(parser->token->text, operator_or_word) == 0;
}

bool pbt_jinja_accept(pbt_jinja_parser *parser, const char *operator_or_word) {
    if (!pbt_jinja_at(parser, operator_or_word)) return false;
    parser->token++;
    return true;
}

bool pbt_jinja_expect(pbt_jinja_parser *parser, const char *operator_or_word) {
    if (pbt_jinja_accept(parser, operator_or_word)) return true;
    pbt_jinja_parse_fail(parser, "expected \"%s\", found %s", operator_or_word, pbt_jinja_found(parser));
    return false;
}

static bool expect_kind(pbt_jinja_parser *parser, pbt_jinja_token_kind kind, const char *what) {
    if (parser->token->kind == kind) {
        parser->token++;
        return true;
    }
    pbt_jinja_parse_fail(parser, "expected %s, found %s", what, pbt_jinja_found(parser));
    return false;
}

static bool end_tag(pbt_jinja_parser *parser) {
    return expect_kind(parser, PBT_JINJA_BLOCK_END, "%}");
}

/* ---- statements ---- */

static pbt_jinja_node *parse_tag(pbt_jinja_parser *parser);

/* Whether the tag's word is one of `ends` ("endfor else"). */
static bool is_end(const pbt_jinja_token *token, const char *ends) {
    size_t length = token->length;
    for (const char *end = ends; token->kind == PBT_JINJA_WORD && *end;) {
        size_t size = strcspn(end, " ");
        if (size == length && memcmp(end, token->text, length) == 0) return true;
        end += size + (end[size] == ' ');
    }
    return false;
}

static pbt_jinja_node *parse_print(pbt_jinja_parser *parser) {
    pbt_jinja_node *node = pbt_jinja_node_make(parser, PBT_JINJA_PRINT, parser->token->line);
    parser->token++;
    if (!node || !(node->a = pbt_jinja_parse_expression(parser, true))) return NULL;
    if (!expect_kind(parser, PBT_JINJA_PRINT_END, "}}")) return NULL;
    return pbt_jinja_node_close(parser, node);
}

static pbt_jinja_node *parse_data(pbt_jinja_parser *parser) {
    pbt_jinja_node *node = pbt_jinja_node_make(parser, PBT_JINJA_TEXT, parser->token->line);
    if (!node) return NULL;
    node->string = parser->token->text;
    node->length = parser->token->length;
    parser->token++;
    return node;
}

/* Statements up to a tag among `ends`, whose word is then the present token; with "" up to the end. NULL is
 * also an empty list: look at parser->code. */
static pbt_jinja_node *parse_body(pbt_jinja_parser *parser, const char *ends) {
    pbt_jinja_node *first = NULL, **last = &first;
    if (++parser->depth > PBT_JINJA_DEPTH_LIMIT)
        return pbt_jinja_parse_fail(parser, "the template is nested more than %d deep",
                                    PBT_JINJA_DEPTH_LIMIT);
    for (;;) {
        pbt_jinja_node *node;
        pbt_jinja_token_kind kind = parser->token->kind;
        if (kind == PBT_JINJA_END) {
            if (*ends) return pbt_jinja_parse_fail(parser, "the template ends where {%% %s %%} is missing", ends);
            break;
        }
        if (kind == PBT_JINJA_BLOCK_BEGIN) {
            parser->token++;
            if (is_end(parser->token, ends)) break;
            node = parse_tag(parser);
        } else {
            node = kind == PBT_JINJA_DATA ? parse_data(parser) : parse_print(parser);
        }
        if (!node) return NULL;
        *last = node;
        last = &node->next;
    }
    parser->depth--;
    return first;
}

static pbt_jinja_node *parse_if(pbt_jinja_parser *parser) {
    pbt_jinja_node *node = pbt_jinja_node_make(parser, PBT_JINJA_IF, parser->token->line);
    parser->token++;
    if (!node || !(node->a = pbt_jinja_parse_expression(parser, false)) || !end_tag(parser)) return NULL;
    node->body = parse_body(parser, "elif else endif");
    if (parser->code != PBT_OK) return NULL;
    if (pbt_jinja_at(parser, "elif")) {
        if (++parser->depth > PBT_JINJA_DEPTH_LIMIT)
            return pbt_jinja_parse_fail(parser, "more than %d branches", PBT_JINJA_DEPTH_LIMIT);
        node->otherwise = parse_if(parser);
        parser->depth--;
        if (!node->otherwise) return NULL;
        return pbt_jinja_node_close(parser, node);
    }
    if (pbt_jinja_accept(parser, "else")) {
        if (!end_tag(parser)) return NULL;
        node->otherwise = parse_body(parser, "endif");
        if (parser->code != PBT_OK) return NULL;
    }
    parser->token++;
    return end_tag(parser) ? pbt_jinja_node_close(parser, node) : NULL;
}

/* A name, or NAME.ATTRIBUTE where `attribute`. */
static pbt_jinja_node *parse_target(pbt_jinja_parser *parser, bool attribute) {
    static const char reserved[] = "loop true false none True False None not and or in is if else";
    const pbt_jinja_token *token = parser->token;
    if (token->kind != PBT_JINJA_WORD || is_end(token, reserved))
        return pbt_jinja_parse_fail(parser, "expected a name to assign to, found %s", pbt_jinja_found(parser));
    pbt_jinja_node *name = pbt_jinja_node_make(parser, PBT_JINJA_NAME, token->line);
    if (!name) return NULL;
    name->string = token->text;
    parser->token++;
    if (!attribute || !pbt_jinja_accept(parser, ".")) return name;
    pbt_jinja_node *node = pbt_jinja_node_make(parser, PBT_JINJA_GET, token->line);
    if (!node) return NULL;
    node->a = name;
    node->string = parser->token->text;
    if (!expect_kind(parser, PBT_JINJA_WORD, "a name")) return NULL;
    return pbt_jinja_node_close(parser, node);
}

/* a | a, b | (a, b); *tuple tells the first from the others. */
static pbt_jinja_node *parse_targets(pbt_jinja_parser *parser, bool attribute) {
    bool parentheses = pbt_jinja_accept(parser, "(");
    pbt_jinja_node *first = parse_target(parser, attribute), *last = first;
    if (!first) return NULL;
    first->count = 0; /* one target that takes the whole value */
    while (pbt_jinja_accept(parser, ",")) {
        if (first->count == 0) first->count = 1;
        if (parser->token->kind != PBT_JINJA_WORD || pbt_jinja_at(parser, "in")) break;
        last->next = parse_target(parser, attribute);
        last = last->next;
        if (!last) return NULL;
        first->count++;
    }
    if (parentheses && !pbt_jinja_expect(parser, ")")) return NULL;
    return first;
}

static pbt_jinja_node *parse_for(pbt_jinja_parser *parser) {
    pbt_jinja_node *node = pbt_jinja_node_make(parser, PBT_JINJA_FOR, parser->token->line);
    parser->token++;
    if (!node || !(node->a = parse_targets(parser, false)) || !pbt_jinja_expect(parser, "in")) return NULL;
    if (!(node->b = pbt_jinja_parse_expression(parser, false))) return NULL;
    if (pbt_jinja_accept(parser, "if") && !(node->c = pbt_jinja_parse_expression(parser, true))) return NULL;
    if (pbt_jinja_at(parser, "recursive"))
        return pbt_jinja_parse_fail(parser, "recursive loops are not supported");
    if (!end_tag(parser)) return NULL;
    parser->loops++;
    node->body = parse_body(parser, "else endfor");
    parser->loops--;
    if (parser->code != PBT_OK) return NULL;
    if (pbt_jinja_accept(parser, "else")) {
        if (!end_tag(parser)) return NULL;
        node->otherwise = parse_body(parser, "endfor");
        if (parser->code != PBT_OK) return NULL;
    }
    parser->token++;
    return end_tag(parser) ? pbt_jinja_node_close(parser, node) : NULL;
}

/* The body of {% generation %} or {% set x %}: its loops are its own. */
static bool parse_inner_body(pbt_jinja_parser *parser, pbt_jinja_node *node, const char *end) {
    unsigned loops = parser->loops;
    if (!end_tag(parser)) return false;
    parser->loops = 0;
    node->body = parse_body(parser, end);
    parser->loops = loops;
    if (parser->code != PBT_OK) return false;
    parser->token++;
    return end_tag(parser);
}

static pbt_jinja_node *parse_set(pbt_jinja_parser *parser) {
    pbt_jinja_node *node = pbt_jinja_node_make(parser, PBT_JINJA_SET, parser->token->line);
    parser->token++;
    if (!node || !(node->a = parse_targets(parser, true))) return NULL;
    if (!pbt_jinja_accept(parser, "=")) {
        node->kind = PBT_JINJA_SET_BLOCK;
        if (node->a->count)
            return pbt_jinja_parse_fail(parser, "expected \"=\", found %s", pbt_jinja_found(parser));
        if (pbt_jinja_at(parser, "|"))
            return pbt_jinja_parse_fail(parser, "a filter on a {%% set %%} block is not supported");
        return parse_inner_body(parser, node, "endset") ? pbt_jinja_node_close(parser, node) : NULL;
    }
    pbt_jinja_node *value = pbt_jinja_parse_expression(parser, true);
    if (!value) return NULL;
    node->b = value;
    if (pbt_jinja_at(parser, ",")) {
        pbt_jinja_node *tuple = pbt_jinja_node_make(parser, PBT_JINJA_TUPLE, value->line);
        if (!tuple) return NULL;
        tuple->a = value;
        while (pbt_jinja_accept(parser, ",") && parser->token->kind != PBT_JINJA_BLOCK_END) {
            value->next = pbt_jinja_parse_expression(parser, true);
            if (!(value = value->next)) return NULL;
        }
        if (!(node->b = pbt_jinja_node_close(parser, tuple))) return NULL;
    }
    return end_tag(parser) ? pbt_jinja_node_close(parser, node) : NULL;
}

static pbt_jinja_node *parse_jump(pbt_jinja_parser *parser, pbt_jinja_node_kind kind) {
    pbt_jinja_node *node = pbt_jinja_node_make(parser, kind, parser->token->line);
    if (!parser->loops)
        return pbt_jinja_parse_fail(parser, "{%% %s %%} outside of a loop", parser->token->text);
    parser->token++;
    return node && end_tag(parser) ? node : NULL;
}

static pbt_jinja_node *parse_tag(pbt_jinja_parser *parser) {
    uint32_t line = parser->token->line;
    if (parser->token->kind != PBT_JINJA_WORD)
        return pbt_jinja_parse_fail(parser, "expected the name of a tag, found %s", pbt_jinja_found(parser));
    if (pbt_jinja_at(parser, "if")) return parse_if(parser);
    if (pbt_jinja_at(parser, "for")) return parse_for(parser);
    if (pbt_jinja_at(parser, "set")) return parse_set(parser);
    if (pbt_jinja_at(parser, "break")) return parse_jump(parser, PBT_JINJA_BREAK);
    if (pbt_jinja_at(parser, "continue")) return parse_jump(parser, PBT_JINJA_CONTINUE);
    if (pbt_jinja_accept(parser, "generation")) {
        pbt_jinja_node *node = pbt_jinja_node_make(parser, PBT_JINJA_SCOPE, line);
        if (!node || !parse_inner_body(parser, node, "endgeneration")) return NULL;
        return pbt_jinja_node_close(parser, node);
    }
    return pbt_jinja_parse_fail(parser, "the tag {%% %s %%} is not supported here", parser->token->text);
}

pbt_code pbt_jinja_parse(const char *source, size_t length, const char *file, pbt_jinja **jinja,
                         pbt_error *error) {
    pbt_jinja *made = pbt_alloc(1, sizeof *made);
    if (made) made->arena = pbt_arena_create();
    if (!made || !made->arena) {
        free(made);
        return pbt_fail_memory(error, sizeof *made, "a chat template");
    }
    pbt_jinja_token *tokens = NULL;
    pbt_jinja_parser parser = {.arena = made->arena, .error = error};
    made->file = parser.file = pbt_arena_string(made->arena, file ? file : "chat template");
    pbt_code code = made->file ? pbt_jinja_lex(source, length, made->file, made->arena, &tokens, error)
                               : pbt_fail_memory(error, 0, "a chat template");
    if (code == PBT_OK) {
        parser.token = tokens;
        made->body = parse_body(&parser, "");
        code = parser.code;
    }
    free(tokens);
    if (code != PBT_OK) {
        pbt_jinja_free(made);
        return code;
    }
    *jinja = made;
    return PBT_OK;
}

void pbt_jinja_free(pbt_jinja *jinja) {
    if (!jinja) return;
    pbt_arena_free(jinja->arena);
    free(jinja);
}
