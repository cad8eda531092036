/*
 * What a report is of, as a table, and the settings.
 */
#ifndef PBT_REPORT_PAGE_PROVENANCE_TABLE_H
#define PBT_REPORT_PAGE_PROVENANCE_TABLE_H

#include "report/figures/gather.h"
#include "report/page/table.h"

/* Program, models, adapters, prompts and questions with their hashes. Free with pbt_table_free, after an
 * error too. */
pbt_code pbt_provenance_table(const pbt_report *report, pbt_table *table, pbt_error *error);
/* A line a setting, "    key: value" (a block of code in Markdown); nothing where none are known. */
void pbt_provenance_settings(const pbt_report *report, pbt_text *out);

#endif
