/*
 * Patterns: regular expressions in the dialect of tokenizers (Oniguruma, Ruby syntax, UTF-8), searched with
 * PCRE2. The two agree on what pre-tokenizers use; constructs they read differently are rewritten or refused.
 */
#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include "tokenizer/pattern.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

struct pbt_pattern {
    pcre2_code *code; /* NULL: a literal */
    char *literal;
    size_t literal_length;
};

/* Unicode's White_Space; PCRE2's \s has U+180E besides. */
#define SPACES                                                                                               \
    "\\x{9}-\\x{d}\\x{20}\\x{85}\\x{a0}\\x{1680}\\x{2000}-\\x{200a}\\x{2028}\\x{2029}\\x{202f}\\x{205f}"     \
    "\\x{3000}"
#define NOT_SPACES                                                                                           \
    "\\x{0}-\\x{8}\\x{e}-\\x{1f}\\x{21}-\\x{84}\\x{86}-\\x{9f}\\x{a1}-\\x{167f}\\x{1681}-\\x{1fff}"          \
    "\\x{200b}-\\x{2027}\\x{202a}-\\x{202e}\\x{2030}-\\x{205e}\\x{2060}-\\x{2fff}\\x{3001}-\\x{10ffff}"
#define WORDS "\\p{Alphabetic}\\p{M}\\p{Nd}\\p{Pc}"

typedef struct reader {
    const char *source;
    size_t at, length;
    pbt_text out;
    const char *file, *where;
    pbt_error *error;
} reader;

static pbt_code refuse(reader *r, const char *what) {
    return pbt_fail_at(
        r->error, PBT_BAD_INPUT, r->file, r->where,
        "the regular expression \"%.200s\" uses %s at character %zu, which pbt does not read as "
        "tokenizers would",
        r->source, what, r->at + 1);
}

static bool looking_at(const reader *r, const char *text) {
    size_t length = strlen(text);
    return r->length - r->at >= length && memcmp(r->source + r->at, text, length) == 0;
}

/* \p{Name}: general categories and scripts mean the same in both. */
static pbt_code read_property(reader *r) {
    static const char *const known[] = {
        "L",        "Lu",       "Ll",      "Lt",         "Lm",       "Lo",       "M",       "Mn",
        "Mc",       "Me",       "N",       "Nd",         "Nl",       "No",       "P",       "Pc",
        "Pd",       "Ps",       "Pe",      "Pi",         "Pf",       "Po",       "S",       "Sm",
        "Sc",       "Sk",       "So",      "Z",          "Zs",       "Zl",       "Zp",      "Han",
        "Hiragana", "Katakana", "Hangul",  "Latin",      "Cyrillic", "Greek",    "Arabic",  "Hebrew",
        "Thai",     "Lao",      "Khmer",   "Devanagari", "Bengali",  "Tamil",    "Telugu",  "Armenian",
        "Georgian", "Myanmar",  "Sinhala", "Tibetan",    "Ethiopic", "Gujarati", "Kannada", "Malayalam"};
    size_t start = r->at + 3, end = start;
    while (end < r->length && r->source[end] != '}') end++;
    if (r->at + 2 >= r->length || r->source[r->at + 2] != '{' || end == r->length)
        return refuse(r, "\\p without {NAME}");
    size_t name = start < end && r->source[start] == '^' ? start + 1 : start;
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        if (strlen(known[i]) != end - name || memcmp(known[i], r->source + name, end - name) != 0) continue;
        pbt_text_append(&r->out, r->source + r->at, end + 1 - r->at);
        r->at = end + 1;
        return PBT_OK;
    }
    return refuse(r, "an unknown \\p{...}");
}

static pbt_code read_hexadecimal(reader *r) {
    unsigned long value = 0;
    size_t i = r->at + 2;
    bool braces = i < r->length && r->source[i] == '{';
    size_t most = r->source[r->at + 1] == 'u' ? 4 : braces ? 6 : 2, digits = 0;
    if (braces) i++;
    for (; i < r->length && digits < most && isxdigit((unsigned char)r->source[i]); i++, digits++) {
        char digit[2] = {r->source[i], 0};
        value = value * 16 + strtoul(digit, NULL, 16);
    }
    if (!digits || (braces && (i >= r->length || r->source[i++] != '}'))) return refuse(r, "a broken \\x");
    if (!braces && most == 2 && value > 0x7f) return refuse(r, "a \\x byte above 7F");
    pbt_text_addf(&r->out, "\\x{%lx}", value);
    r->at = i;
    return PBT_OK;
}

/* An escape, inside a class or outside. */
static pbt_code read_escape(reader *r, bool in_class) {
    if (r->at + 1 >= r->length) return refuse(r, "a lone backslash");
    char c = r->source[r->at + 1];
    const char *in = NULL, *out = NULL;
    switch (c) {
    case 's':
        in = SPACES, out = "[" SPACES "]";
        break;
    case 'S':
        in = NOT_SPACES, out = "[^" SPACES "]";
        break;
    case 'd':
        in = out = "\\p{Nd}";
        break;
    case 'D':
        in = out = "\\P{Nd}";
        break;
    case 'w':
        in = WORDS, out = "[" WORDS "]";
        break;
    case 'W':
        out = "[^" WORDS "]";
        break;
    case 'v':
        in = out = "\\x{b}";
        break;
    case 'r':
    case 'n':
    case 't':
    case 'f':
    case 'a':
    case 'e':
        break;
    case 'A':
    case 'z':
        if (in_class) return refuse(r, "an anchor in a class");
        break;
    case 'p':
    case 'P':
        return read_property(r);
    case 'x':
    case 'u':
        return read_hexadecimal(r);
    default:
        if (isalnum((unsigned char)c) || (c & 0x80)) {
            char name[] = {'\\', c & 0x80 ? '?' : c, 0};
            return refuse(r, name);
        }
    }
    const char *instead = in_class ? in : out;
    if (c == 'W' && in_class) return refuse(r, "\\W in a class");
    if (instead)
        pbt_text_add(&r->out, instead);
    else
        pbt_text_append(&r->out, r->source + r->at, 2);
    r->at += 2;
    return PBT_OK;
}

static pbt_code read_class(reader *r) {
    pbt_text_add(&r->out, "[");
    r->at++;
    if (looking_at(r, "^")) pbt_text_append(&r->out, r->source + r->at++, 1);
    for (bool first = true; r->at < r->length; first = false) {
        char c = r->source[r->at];
        if (c == ']' && !first) {
            pbt_text_append(&r->out, &c, 1);
            r->at++;
            return PBT_OK;
        }
        if (c == '\\') {
            PBT_TRY(read_escape(r, true));
            continue;
        }
        if (looking_at(r, "&&")) return refuse(r, "the intersection &&");
        if (c == '[') return refuse(r, "a class within a class");
        if (c == ']') pbt_text_add(&r->out, "\\");
        pbt_text_append(&r->out, &c, 1);
        r->at++;
    }
    return refuse(r, "a class that is not closed");
}

/* Ruby's (?i:...), (?=...) and the like. */
static pbt_code read_group(reader *r) {
    static const char *const same[] = {"(?:", "(?=", "(?!", "(?<=", "(?<!", "(?>", "(?i:", "(?i)", "(?-i:"};
    for (size_t i = 0; i < sizeof same / sizeof *same; i++) {
        if (!looking_at(r, same[i])) continue;
        pbt_text_add(&r->out, same[i]);
        r->at += strlen(same[i]);
        return PBT_OK;
    }
    if (looking_at(r, "(?")) return refuse(r, "a group with unknown flags");
    pbt_text_add(&r->out, "(?:");
    r->at++;
    return PBT_OK;
}

/* {n,m}, or a brace that stands for itself. */
static pbt_code read_brace(reader *r) {
    size_t i = r->at + 1, low = i, high;
    while (i < r->length && isdigit((unsigned char)r->source[i])) i++;
    high = i;
    bool comma = i < r->length && r->source[i] == ',';
    if (comma) i++;
    size_t after = i;
    while (i < r->length && isdigit((unsigned char)r->source[i])) i++;
    if (i >= r->length || r->source[i] != '}' || (low == high && after == i)) {
        pbt_text_add(&r->out, "\\{");
        r->at++;
        return PBT_OK;
    }
    if (i + 1 < r->length && (r->source[i + 1] == '+' || (r->source[i + 1] == '?' && !comma)))
        return refuse(r, "a + or ? after {...}");
    pbt_text_add(&r->out, "{");
    if (low == high) pbt_text_add(&r->out, "0");
    pbt_text_append(&r->out, r->source + low, i + 1 - low);
    r->at = i + 1;
    return PBT_OK;
}

/* Without case, Oniguruma takes one character for two (the German sharp s for "ss"); PCRE2 does not. */
static bool folds_to_many(const char *source) {
    static const char *const pairs[] = {"ss", "ff", "fi", "fl", "st", "SS", "FF", "FI", "FL", "ST"};
    if (!strstr(source, "(?i")) return false;
    for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++)
        if (strstr(source, pairs[i])) return true;
    return false;
}

static pbt_code translate(reader *r) {
    if (folds_to_many(r->source)) return refuse(r, "letters without case that are one character elsewhere");
    while (r->at < r->length) {
        char c = r->source[r->at];
        if (c == '\\')
            PBT_TRY(read_escape(r, false));
        else if (c == '[')
            PBT_TRY(read_class(r));
        else if (c == '(')
            PBT_TRY(read_group(r));
        else if (c == '{')
            PBT_TRY(read_brace(r));
        else {
            if (c == '^')
                pbt_text_add(&r->out, "(?m:^)");
            else if (c == '$') /* not behind a newline that ends the text */
                pbt_text_add(&r->out, "(?:(?=\\n)|\\z(?<!\\n))");
            else
                pbt_text_append(&r->out, &c, 1);
            r->at++;
        }
    }
    return r->out.failed ? pbt_fail_memory(r->error, r->out.length, "a pattern") : PBT_OK;
}

static pbt_code compile(const reader *r, pbt_pattern *pattern) {
    int number;
    PCRE2_SIZE at;
    pcre2_compile_context *context = pcre2_compile_context_create(NULL);
    if (!context) return pbt_fail_memory(r->error, 0, "a pattern");
    pcre2_set_newline(context, PCRE2_NEWLINE_LF);
    pcre2_set_parens_nest_limit(context, 100);
    pattern->code = pcre2_compile((PCRE2_SPTR)pbt_text_string(&r->out), r->out.length,
                                  PCRE2_UTF | PCRE2_UCP | PCRE2_NEVER_BACKSLASH_C, &number, &at, context);
    pcre2_compile_context_free(context);
    if (!pattern->code) {
        PCRE2_UCHAR message[128];
        pcre2_get_error_message(number, message, sizeof message);
        return pbt_fail_at(r->error, PBT_BAD_INPUT, r->file, r->where,
                           "the regular expression \"%.200s\" cannot be read: %s", r->source,
                           (const char *)message);
    }
    pcre2_jit_compile(pattern->code, PCRE2_JIT_COMPLETE); /* without it matching is slower, not wrong */
    return PBT_OK;
}

pbt_code pbt_pattern_compile(const char *source, const char *file, const char *where, pbt_pattern **pattern,
                             pbt_error *error) {
    reader r = {.source = source, .length = strlen(source), .file = file, .where = where, .error = error};
    pbt_pattern *made = pbt_alloc(1, sizeof *made);
    if (!made) return pbt_fail_memory(error, sizeof *made, "a pattern");
    pbt_code code = translate(&r);
    if (code == PBT_OK) code = compile(&r, made);
    pbt_text_free(&r.out);
    if (code != PBT_OK) {
        pbt_pattern_free(made);
        return code;
    }
    *pattern = made;
    return PBT_OK;
}

pbt_code pbt_pattern_literal(const char *text, size_t length, pbt_pattern **pattern, pbt_error *error) {
    pbt_pattern *made = pbt_alloc(1, sizeof *made);
    char *copy = pbt_alloc(length + 1, 1);
    if (!made || !copy) {
        free(made);
        free(copy);
        return pbt_fail_memory(error, length + 1, "a pattern");
    }
    memcpy(copy, text, length);
    made->literal = copy;
    made->literal_length = length;
    *pattern = made;
    return PBT_OK;
}

void pbt_pattern_free(pbt_pattern *pattern) {
    if (!pattern) return;
    pcre2_code_free(pattern->code);
    free(pattern->literal);
    free(pattern);
}

pbt_code pbt_search_begin(pbt_search *search, const pbt_pattern *pattern, const char *subject, size_t length,
                          pbt_error *error) {
    void *match = search->match;
    if (!match) match = pcre2_match_data_create(4, NULL);
    if (!match) return pbt_fail_memory(error, 0, "a search");
    *search = (pbt_search){
        .pattern = pattern, .subject = subject, .length = length, .last_end = SIZE_MAX, .match = match};
    return PBT_OK;
}

void pbt_search_free(pbt_search *search) {
    pcre2_match_data_free(search->match);
    search->match = NULL;
}

static bool find_literal(pbt_search *search) {
    const pbt_pattern *pattern = search->pattern;
    if (!pattern->literal_length) return false;
    const char *found = memmem(search->subject + search->next, search->length - search->next,
                               pattern->literal, pattern->literal_length);
    if (!found) return false;
    search->start = (size_t)(found - search->subject);
    search->next = search->end = search->start + pattern->literal_length;
    return true;
}

static pbt_code match_at(pbt_search *search, bool *found, pbt_error *error) {
    const pcre2_code *code = search->pattern->code;
    PCRE2_SPTR subject = (PCRE2_SPTR)search->subject;
    int n = pcre2_match(code, subject, search->length, search->next, PCRE2_NO_UTF_CHECK, search->match, NULL);
    if (n == PCRE2_ERROR_JIT_STACKLIMIT)
        n = pcre2_match(code, subject, search->length, search->next, PCRE2_NO_UTF_CHECK | PCRE2_NO_JIT,
                        search->match, NULL);
    *found = n >= 0;
    if (n >= 0 || n == PCRE2_ERROR_NOMATCH) return PBT_OK;
    PCRE2_UCHAR message[128];
    pcre2_get_error_message(n, message, sizeof message);
    return pbt_fail(error, PBT_BAD_INPUT, "the tokenizer's regular expression gave up on a text: %s",
                    (const char *)message);
}

/* Matches come as from Oniguruma's iterator: an empty one right behind the last match is passed over. */
pbt_code pbt_search_next(pbt_search *search, bool *found, pbt_error *error) {
    *found = false;
    if (!search->pattern->code) {
        *found = find_literal(search);
        return PBT_OK;
    }
    while (search->next <= search->length && search->length) {
        PBT_TRY(match_at(search, found, error));
        if (!*found) return PBT_OK;
        const PCRE2_SIZE *ends = pcre2_get_ovector_pointer(search->match);
        bool empty = ends[1] <= ends[0];
        bool repeated = empty && ends[1] == search->last_end;
        search->start = ends[0];
        search->end = search->last_end = search->next = ends[1] < ends[0] ? ends[0] : ends[1];
        if (!repeated) return PBT_OK;
        size_t size = 1;
        if (search->next < search->length)
            pbt_utf8_decode(search->subject + search->next, search->length - search->next, &size);
        search->next += size;
        *found = false;
    }
    return PBT_OK;
}
