/*
 * The report of a run: its figures (report/figures/) as JSON, Markdown, terminal tables and a page
 * (report/page/). This header brings all of it.
 */
#ifndef PBT_REPORT_REPORT_H
#define PBT_REPORT_REPORT_H

#include "report/figures/report_read.h"
#include "report/page/compare_page.h"
#include "report/page/finding.h"
#include "report/page/provenance_table.h"
#include "report/page/report_json.h"
#include "report/page/report_page.h"
#include "report/page/summary_table.h"
#include "report/page/tables.h"
#include "store/store.h"

pbt_code pbt_report_markdown(const pbt_report *report, pbt_text *out, pbt_error *error);
/* `columns` as in pbt_table_terminal. */
pbt_code pbt_report_terminal(const pbt_report *report, bool bold, size_t columns, pbt_text *out,
                             pbt_error *error);
/* Writes FOLDER/report.json, FOLDER/report.md and FOLDER/report.html. */
pbt_code pbt_report_write(pbt_store *store, const pbt_report *report, const char *folder, pbt_error *error);

#endif
