/*
 * report.html: one file, no network, the same bytes for the same run.
 */
#ifndef PBT_REPORT_PAGE_REPORT_PAGE_H
#define PBT_REPORT_PAGE_REPORT_PAGE_H

#include "base/text.h"
#include "report/figures/gather.h"

/* One self-contained page: tables and drawings, and the debates to walk through. `store` is the one that
 * `report` was read from. */
pbt_code pbt_report_html(pbt_store *store, const pbt_report *report, pbt_text *out, pbt_error *error);

#endif
