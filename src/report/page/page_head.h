/*
 * The head of an HTML file: style sheet, and what scripts may run.
 */
#ifndef PBT_REPORT_PAGE_PAGE_HEAD_H
#define PBT_REPORT_PAGE_PAGE_HEAD_H

#include "base/text.h"

/* Everything up to and with <body>; `nonce` NULL: no script may run. */
void pbt_page_head(pbt_text *out, const char *title, const char *nonce);

#endif
