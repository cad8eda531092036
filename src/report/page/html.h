/*
 * HTML that cannot be broken by what it shows: text and JSON from models, questions and settings, escaped.
 */
#ifndef PBT_REPORT_PAGE_HTML_H
#define PBT_REPORT_PAGE_HTML_H

#include "base/json.h"
#include "base/text.h"
#include "report/page/table.h"

/* Appends `text` for use between tags or inside a quoted attribute. Control characters, bytes that are not
 * UTF-8 and code points that HTML forbids become U+FFFD. */
void pbt_html_add(pbt_text *out, const char *text);
/* Formats, then escapes (at most 1023 bytes). */
void pbt_html_addf(pbt_text *out, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* A template of assets/ with its places {{name}} filled: escaped, or as they are where `markup` says that
 * they are HTML (or style) of ours. A place without a value stays empty. */
typedef struct pbt_html_value {
    const char *name, *text;
    bool markup;
} pbt_html_value;
void pbt_html_fill(pbt_text *out, const char *template, const pbt_html_value *values, size_t n);
/* <script type="application/json" id=...>: JSON in which no byte can end the element or start a comment. */
pbt_code pbt_html_json(pbt_text *out, const char *id, const json_t *value, pbt_error *error);
/* A table with its note; the title is left to the caller. */
void pbt_html_table(pbt_text *out, const pbt_table *table);

#endif
