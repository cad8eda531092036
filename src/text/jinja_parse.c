/* Templates to statements: text, {{ }}, {% %} and {# #}, with transformers' trim_blocks and lstrip_blocks. */
#include "text/jinja.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

void *jinja_fail(jinja_parser *p, const char *format, ...) {
    if (p->failed) return NULL;
    char message[256], where[32];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(message, sizeof message, format, arguments);
    va_end(arguments);
    snprintf(where, sizeof where, "line %d", p->line);
    p->failed = true;
    (void)pbt_fail_at(p->error, PBT_BAD_INPUT, "chat template", where, "%s", message);
    return NULL;
}

jinja_node *jinja_new(jinja_parser *p, jinja_node_kind kind) {
    jinja_node *node = pbt_arena_alloc(p->arena, 1, sizeof *node);
    if (!node) return jinja_fail(p, "memory is out");
    node->kind = kind;
    node->line = p->line;
    return node;
}

void jinja_skip_space(jinja_parser *p) {
    while (p->at < p->length && isspace((unsigned char)p->source[p->at]))
        if (p->source[p->at++] == '\n') p->line++;
}

bool jinja_take(jinja_parser *p, const char *mark) {
    size_t n = strlen(mark);
    jinja_skip_space(p);
    if (p->length - p->at < n || memcmp(p->source + p->at, mark, n) != 0) return false;
    p->at += n;
    return true;
}

static bool word_character(char c) {
    return isalnum((unsigned char)c) || c == '_';
}

bool jinja_take_word(jinja_parser *p, const char *word) {
    size_t n = strlen(word);
    jinja_skip_space(p);
    if (p->length - p->at < n || memcmp(p->source + p->at, word, n) != 0) return false;
    if (p->at + n < p->length && word_character(p->source[p->at + n])) return false;
    p->at += n;
    return true;
}

const char *jinja_identifier(jinja_parser *p) {
    jinja_skip_space(p);
    size_t start = p->at;
    if (p->at < p->length && isdigit((unsigned char)p->source[p->at])) return NULL;
    while (p->at < p->length && word_character(p->source[p->at])) p->at++;
    return p->at > start ? pbt_arena_copy(p->arena, p->source + start, p->at - start) : NULL;
}

/* Ends a tag: "-%}" strips what follows, "%}" takes one newline with it. */
static bool close_tag(jinja_parser *p, const char *mark, bool trim_newline) {
    jinja_skip_space(p);
    bool strip = p->at < p->length && p->source[p->at] == '-';
    bool keep = p->at < p->length && p->source[p->at] == '+';
    if (strip || keep) p->at++;
    if (p->length - p->at < 2 || memcmp(p->source + p->at, mark, 2) != 0)
        return jinja_fail(p, "expected \"%s\", found \"%.12s\"", mark, p->source + p->at), false;
    p->at += 2;
    if (strip) jinja_skip_space(p);
    if (!strip && !keep && trim_newline && p->at < p->length && p->source[p->at] == '\n') {
        p->at++;
        p->line++;
    }
    return true;
}

static jinja_node *text_node(jinja_parser *p, const char *text, size_t length) {
    jinja_node *node = jinja_new(p, NODE_TEXT);
    jinja_value *value = pbt_arena_alloc(p->arena, 1, sizeof *value);
    if (!node || !value) return jinja_fail(p, "memory is out");
    *value = (jinja_value){.kind = JINJA_STRING, .text = text, .length = length};
    node->value = value;
    return node;
}

/* Text up to the next mark, stripped as the mark asks. */
static jinja_node *text(jinja_parser *p) {
    size_t start = p->at, end = start;
    while (end < p->length &&
           !(p->source[end] == '{' && end + 1 < p->length && strchr("{%#", p->source[end + 1])))
        end++;
    size_t stop = end;
    for (size_t i = start; i < end; i++) p->line += p->source[i] == '\n';
    p->at = end;
    if (end < p->length) {
        char kind = p->source[end + 1], sign = end + 2 < p->length ? p->source[end + 2] : 0;
        if (sign == '-') {
            while (stop > start && isspace((unsigned char)p->source[stop - 1])) stop--;
        } else if (kind != '{' && sign != '+') {
            size_t line = stop;
            while (line > start && (p->source[line - 1] == ' ' || p->source[line - 1] == '\t')) line--;
            bool beginning =
                line > start ? p->source[line - 1] == '\n' : start == 0 || p->source[start - 1] == '\n';
            if (beginning) stop = line;
        }
    }
    return text_node(p, p->source + start, stop - start);
}

static jinja_node *body(jinja_parser *p, const char *const *ends, const char **ended);

static jinja_node *if_statement(jinja_parser *p) {
    static const char *const ends[] = {"elif", "else", "endif", NULL}, *const last[] = {"endif", NULL};
    const char *ended = NULL;
    jinja_node *node = jinja_new(p, NODE_IF);
    if (!node || !(node->a = jinja_parse_expression(p)) || !close_tag(p, "%}", true)) return NULL;
    node->b = body(p, ends, &ended);
    if (p->failed) return NULL;
    if (strcmp(ended, "elif") == 0) {
        if (++p->depth > JINJA_DEPTH) return jinja_fail(p, "blocks are nested too deeply");
        node->c = if_statement(p);
        p->depth--;
        return node->c ? node : NULL;
    }
    if (strcmp(ended, "else") == 0) {
        if (!close_tag(p, "%}", true)) return NULL;
        node->c = body(p, last, &ended);
    }
    return !p->failed && close_tag(p, "%}", true) ? node : NULL;
}

static jinja_node *for_statement(jinja_parser *p) {
    static const char *const ends[] = {"else", "endfor", NULL}, *const last[] = {"endfor", NULL};
    const char *ended = NULL;
    jinja_node *node = jinja_new(p, NODE_FOR);
    if (!node || !(node->name = jinja_identifier(p))) return jinja_fail(p, "expected a name after \"for\"");
    if (jinja_take(p, ",") && !(node->name2 = jinja_identifier(p)))
        return jinja_fail(p, "expected a second name");
    if (!jinja_take_word(p, "in")) return jinja_fail(p, "expected \"in\"");
    /* The iterable is a disjunction: "if" behind it would be a filter of the loop. */
    if (!(node->a = jinja_parse_expression(p))) return NULL;
    if (node->a->kind == NODE_CONDITIONAL && !node->a->c) {
        node->d = node->a->b;
        node->a = node->a->a;
    }
    if (jinja_take_word(p, "recursive")) return jinja_fail(p, "recursive loops are not supported");
    if (!close_tag(p, "%}", true)) return NULL;
    node->b = body(p, ends, &ended);
    if (p->failed) return NULL;
    if (strcmp(ended, "else") == 0) {
        if (!close_tag(p, "%}", true)) return NULL;
        node->c = body(p, last, &ended);
    }
    return !p->failed && close_tag(p, "%}", true) ? node : NULL;
}

static jinja_node *set_statement(jinja_parser *p) {
    jinja_node *node = jinja_new(p, NODE_SET);
    if (!node || !(node->name = jinja_identifier(p))) return jinja_fail(p, "expected a name after \"set\"");
    if (jinja_take(p, ".") && !(node->name2 = jinja_identifier(p))) return jinja_fail(p, "expected a name");
    if (!jinja_take(p, "=")) return jinja_fail(p, "block assignments are not supported; expected \"=\"");
    if (!(node->a = jinja_parse_expression(p))) return NULL;
    return close_tag(p, "%}", true) ? node : NULL;
}

static jinja_node *statement(jinja_parser *p, const char *name) {
    static const char *const generation[] = {"endgeneration", NULL};
    const char *ended;
    if (strcmp(name, "if") == 0) return if_statement(p);
    if (strcmp(name, "for") == 0) return for_statement(p);
    if (strcmp(name, "set") == 0) return set_statement(p);
    if (strcmp(name, "generation") == 0) {
        jinja_node *node = jinja_new(p, NODE_IF);
        if (!node || !close_tag(p, "%}", true)) return NULL;
        node->b = body(p, generation, &ended);
        return !p->failed && close_tag(p, "%}", true) ? node : NULL;
    }
    return jinja_fail(p, "the statement \"%s\" is not supported", name);
}

static bool comment(jinja_parser *p) {
    const char *end = memmem(p->source + p->at, p->length - p->at, "#}", 2);
    if (!end) return jinja_fail(p, "a comment has no end"), false;
    for (; p->source + p->at < end; p->at++) p->line += p->source[p->at] == '\n';
    if (p->source[p->at - 1] == '-' || p->source[p->at - 1] == '+') p->at--;
    return close_tag(p, "#}", true);
}

/* Statements up to one of the `ends` (taken, its tag still open) or the end of the template. */
static jinja_node *body(jinja_parser *p, const char *const *ends, const char **ended) {
    jinja_node *first = NULL, **last = &first;
    if (++p->depth > JINJA_DEPTH) return jinja_fail(p, "blocks are nested too deeply");
    while (!p->failed) {
        jinja_node *node = text(p);
        if (!node) return NULL;
        *last = node;
        last = &node->next;
        if (p->at >= p->length) break;
        char kind = p->source[p->at + 1];
        p->at += 2;
        if (p->at < p->length && (p->source[p->at] == '-' || p->source[p->at] == '+')) p->at++;
        if (kind == '#') {
            if (!comment(p)) return NULL;
            continue;
        }
        if (kind == '{') {
            node = jinja_new(p, NODE_OUTPUT);
            if (!node || !(node->a = jinja_parse_expression(p)) || !close_tag(p, "}}", false)) return NULL;
        } else {
            const char *name = jinja_identifier(p);
            if (!name) return jinja_fail(p, "expected a statement");
            for (int i = 0; ends && ends[i]; i++)
                if (strcmp(name, ends[i]) == 0) {
                    *ended = ends[i];
                    p->depth--;
                    return first;
                }
            node = statement(p, name);
            if (!node) return NULL;
        }
        *last = node;
        last = &node->next;
    }
    if (ends && !p->failed) return jinja_fail(p, "expected \"%s\" before the end of the template", ends[0]);
    p->depth--;
    return first;
}

jinja_node *jinja_parse(jinja_parser *p) {
    p->line = 1;
    if (p->length > 0 && p->source[p->length - 1] == '\n') p->length--;
    return body(p, NULL, NULL);
}
