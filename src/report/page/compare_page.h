/*
 * Several runs side by side, for a file; `names` head the rows.
 */
#ifndef PBT_REPORT_PAGE_COMPARE_PAGE_H
#define PBT_REPORT_PAGE_COMPARE_PAGE_H

#include "base/text.h"
#include "report/figures/gather.h"

/* Means with spreads and intervals, a table for each group of measures; as HTML also drawn. */
pbt_code pbt_compare_markdown(const pbt_report *reports, const char *const *names, size_t n, pbt_text *out,
                              pbt_error *error);
pbt_code pbt_compare_html(const pbt_report *reports, const char *const *names, size_t n, pbt_text *out,
                          pbt_error *error);

#endif
