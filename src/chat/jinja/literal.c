/* Strings and numbers in templates, as Python writes them. */
#include "chat/jinja/literal.h"

#include "chat/jinja/lexer.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

jinja_node *jinja_constant(jinja_parser *p, jinja_kind kind, int64_t number) {
    jinja_node *node = jinja_new(p, NODE_CONSTANT);
    jinja_value *value = pbt_arena_alloc(p->arena, 1, sizeof *value);
    if (!node || !value) return jinja_fail(p, "out of memory");
    value->kind = kind;
    value->number = number;
    node->value = value;
    return node;
}

/* \xHH, \uHHHH, \UHHHHHHHH and \ooo, behind the backslash. */
static bool numbered_escape(jinja_parser *p, pbt_text *text) {
    char kind = p->source[p->at];
    bool octal = kind >= '0' && kind <= '7';
    size_t least = octal ? 1 : kind == 'x' ? 2 : kind == 'u' ? 4 : 8, most = octal ? 3 : least, n = 0;
    uint32_t c = 0;
    if (!octal) p->at++;
    for (; n < most && p->at < p->length; n++, p->at++) {
        unsigned char digit = (unsigned char)p->source[p->at];
        if (octal ? digit < '0' || digit > '7' : !isxdigit(digit)) break;
        uint32_t value = isdigit(digit) ? digit - 48u : (uint32_t)tolower(digit) - 'a' + 10u;
        c = c * (octal ? 8 : 16) + value;
    }
    if (n < least || c == 0 || c > 0x10ffff || (c >= 0xd800 && c < 0xe000))
        return jinja_fail(p, "the escape \\%c in a string names no character", kind), false;
    char utf8[4];
    pbt_text_append(text, utf8, pbt_utf8_encode(c, utf8));
    return true;
}

static bool escape(jinja_parser *p, pbt_text *text) {
    static const char letters[] = "ntrabfv\\'\"", meanings[] = "\n\t\r\a\b\f\v\\'\"";
    char c = p->source[p->at];
    if (c == 'N') return jinja_fail(p, "the escape \\N in a string is not supported"), false;
    if (c == 'x' || c == 'u' || c == 'U' || (c >= '0' && c <= '7')) return numbered_escape(p, text);
    const char *found = c ? strchr(letters, c) : NULL;
    p->at++;
    if (c == '\n') {
        p->line++;
    } else if (found) {
        pbt_text_append(text, &meanings[found - letters], 1);
    } else {
        pbt_text_add(text, "\\");
        pbt_text_append(text, &c, 1);
    }
    return true;
}

jinja_node *jinja_parse_string(jinja_parser *p) {
    pbt_text text = {0};
    char quote = p->source[p->at++];
    bool good = true;
    while (good && p->at < p->length && p->source[p->at] != quote) {
        char c = p->source[p->at++];
        if (c == '\n') p->line++;
        if (c == '\\' && p->at < p->length)
            good = escape(p, &text);
        else
            pbt_text_append(&text, &c, 1);
    }
    if (good && p->at >= p->length) good = jinja_fail(p, "a string has no closing quote");
    p->at++;
    jinja_node *node = good ? jinja_constant(p, JINJA_STRING, 0) : NULL;
    if (node) {
        jinja_value *value = (jinja_value *)(uintptr_t)node->value;
        value->text = pbt_arena_copy(p->arena, pbt_text_string(&text), text.length);
        value->length = text.length;
        if (!value->text || text.failed) node = jinja_fail(p, "out of memory");
    }
    pbt_text_free(&text);
    return node;
}

/* The digits of a number without their underscores; 0: too many. */
static size_t digits(jinja_parser *p, char *out, size_t size) {
    size_t n = 0;
    while (p->at < p->length && n + 1 < size) {
        char c = p->source[p->at];
        if (c == '_' && n && p->at + 1 < p->length && isdigit((unsigned char)p->source[p->at + 1])) {
            p->at++;
            continue;
        }
        if (!isdigit((unsigned char)c)) break;
        out[n++] = c;
        p->at++;
    }
    out[n] = 0;
    return n + 1 < size ? n : 0;
}

static bool fraction_follows(const jinja_parser *p) {
    const char *s = p->source + p->at, *end = p->source + p->length;
    if (s + 1 < end && *s == '.' && isdigit((unsigned char)s[1])) return true;
    if (s >= end || (*s != 'e' && *s != 'E')) return false;
    s++;
    if (s < end && (*s == '+' || *s == '-')) s++;
    return s < end && isdigit((unsigned char)*s);
}

jinja_node *jinja_parse_number(jinja_parser *p) {
    char text[64];
    size_t n = digits(p, text, 24);
    if (!n) return jinja_fail(p, "a number is too large");
    if (p->at < p->length && n == 1 && text[0] == '0' && strchr("xXoObB", p->source[p->at]))
        return jinja_fail(p, "numbers in hexadecimal, octal or binary are not supported");
    if (!fraction_follows(p)) {
        char *end;
        if (n > 18) return jinja_fail(p, "a number is too large");
        if (n > 1 && text[0] == '0' && strspn(text, "0") != n) return jinja_fail(p, "a number begins with 0");
        return jinja_constant(p, JINJA_INT, strtoll(text, &end, 10));
    }
    if (p->source[p->at] == '.') {
        text[n++] = p->source[p->at++];
        size_t more = digits(p, text + n, 20);
        if (!more) return jinja_fail(p, "a number has too many digits");
        n += more;
    }
    if (fraction_follows(p) && p->source[p->at] != '.') {
        text[n++] = 'e';
        p->at++;
        if (p->source[p->at] == '+' || p->source[p->at] == '-') text[n++] = p->source[p->at++];
        if (!digits(p, text + n, 6)) return jinja_fail(p, "a number has too many digits");
    }
    jinja_node *node = jinja_constant(p, JINJA_FLOAT, 0);
    if (node) ((jinja_value *)(uintptr_t)node->value)->real = strtod(text, NULL);
    return node;
}
