#include "report/page/html.h"

#include "measures/arms.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { REPLACEMENT = 0xFFFD };

/* Whether HTML lets a document hold this code point. */
static bool allowed(uint32_t c) {
    if (c == '\n' || c == '\t') return true;
    if (c < 0x20 || (c >= 0x7F && c <= 0x9F)) return false;
    return !(c >= 0xFDD0 && c <= 0xFDEF) && (c & 0xFFFE) != 0xFFFE;
}

static const char *entity(uint32_t c) {
    switch (c) {
    case '&':
        return "&amp;";
    case '<':
        return "&lt;";
    case '>':
        return "&gt;";
    case '"':
        return "&quot;";
    case '\'':
        return "&#39;";
    default:
        return NULL;
    }
}

void pbt_html_add(pbt_text *out, const char *text) {
    size_t length = strlen(text), size;
    for (size_t i = 0; i < length; i += size) {
        char bytes[4];
        uint32_t c = pbt_utf8_decode(text + i, length - i, &size);
        const char *name = entity(c);
        if (name)
            pbt_text_add(out, name);
        else
            pbt_text_append(out, bytes, pbt_utf8_encode(allowed(c) ? c : REPLACEMENT, bytes));
    }
}

void pbt_html_addf(pbt_text *out, const char *format, ...) {
    char text[1024];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    pbt_html_add(out, text);
}

/* What JSON may spell another way and HTML or JavaScript would read as its own. */
static const char *json_escape(const unsigned char *p) {
    if (*p == '<') return "\\u003c";
    if (*p == '>') return "\\u003e";
    if (*p == '&') return "\\u0026";
    if (*p == 0x7F) return "\\u007f";
    if (p[0] == 0xE2 && p[1] == 0x80 && p[2] == 0xA8) return "\\u2028";
    if (p[0] == 0xE2 && p[1] == 0x80 && p[2] == 0xA9) return "\\u2029";
    return NULL;
}

pbt_code pbt_html_json(pbt_text *out, const char *id, const json_t *value, pbt_error *error) {
    char *json = value ? json_dumps(value, JSON_COMPACT | JSON_REAL_PRECISION(9)) : NULL;
    if (!json) return pbt_fail_memory(error, 0, "the data of a page");
    pbt_text_addf(out, "<script type=\"application/json\" id=\"%s\">", id);
    const char *start = json, *p = json;
    while (*p) {
        const char *escape = json_escape((const unsigned char *)p);
        if (!escape) {
            p++;
            continue;
        }
        pbt_text_append(out, start, (size_t)(p - start));
        pbt_text_add(out, escape);
        p += (unsigned char)*p == 0xE2 ? 3 : 1;
        start = p;
    }
    pbt_text_append(out, start, (size_t)(p - start));
    pbt_text_add(out, "</script>\n");
    free(json);
    return PBT_OK;
}

/* Whether a column holds words rather than numbers. */
static bool wordy(const pbt_table *table, size_t column) {
    for (size_t r = 0; r < table->n_rows; r++) {
        const char *cell = table->rows[r][column];
        if (cell && ((*cell >= 'a' && *cell <= 'z') || (*cell >= 'A' && *cell <= 'Z'))) return true;
    }
    return false;
}

/* The class of a cell that names an arm, so that it has the arm's colour. */
static void cell_class(const pbt_table *table, size_t column, const char *cell, pbt_text *out) {
    if (pbt_arm_named(cell) < PBT_ARMS)
        pbt_text_addf(out, " class=\"arm-%s\"", cell);
    else if (wordy(table, column))
        pbt_text_add(out, " class=\"t\"");
}

void pbt_html_table(pbt_text *out, const pbt_table *table) {
    pbt_text_add(out, "<div class=\"scroll\"><table>\n<thead><tr>");
    for (size_t c = 0; c < table->n_columns; c++) {
        pbt_text_addf(out, "<th scope=\"col\"%s>", wordy(table, c) ? " class=\"t\"" : "");
        pbt_html_add(out, table->head[c]);
        pbt_text_add(out, "</th>");
    }
    pbt_text_add(out, "</tr></thead>\n<tbody>\n");
    for (size_t r = 0; r < table->n_rows; r++) {
        pbt_text_add(out, "<tr>");
        for (size_t c = 0; c < table->n_columns; c++) {
            const char *cell = table->rows[r][c] ? table->rows[r][c] : "";
            pbt_text_add(out, c == 0 ? "<th scope=\"row\"" : "<td");
            cell_class(table, c, cell, out);
            pbt_text_add(out, ">");
            pbt_html_add(out, cell);
            pbt_text_add(out, c == 0 ? "</th>" : "</td>");
        }
        pbt_text_add(out, "</tr>\n");
    }
    pbt_text_add(out, "</tbody></table></div>\n");
    if (!table->note) return;
    pbt_text_add(out, "<p class=\"note\">");
    pbt_html_add(out, table->note);
    pbt_text_add(out, "</p>\n");
}

static void fill_place(pbt_text *out, const char *name, size_t length, const pbt_html_value *values,
                       size_t n) {
    for (size_t i = 0; i < n; i++) {
        if (strlen(values[i].name) != length || memcmp(values[i].name, name, length) != 0) continue;
        if (values[i].markup)
            pbt_text_add(out, values[i].text);
        else
            pbt_html_add(out, values[i].text);
    }
}

void pbt_html_fill(pbt_text *out, const char *template, const pbt_html_value *values, size_t n) {
    for (const char *at = template;;) {
        const char *open = strstr(at, "{{"), *close = open ? strstr(open, "}}") : NULL;
        if (!close) {
            pbt_text_add(out, at);
            return;
        }
        pbt_text_append(out, at, (size_t)(open - at));
        fill_place(out, open + 2, (size_t)(close - open) - 2, values, n);
        at = close + 2;
    }
}
