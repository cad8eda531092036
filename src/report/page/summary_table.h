/*
 * What pbt run ends with: an arm a row, the main figures of the tests that were run.
 */
#ifndef PBT_REPORT_PAGE_SUMMARY_TABLE_H
#define PBT_REPORT_PAGE_SUMMARY_TABLE_H

#include "report/figures/gather.h"
#include "report/page/table.h"

/* Means over seeds in percent; "–": not measured. Free with pbt_table_free, after an error too. */
pbt_code pbt_summary_table(const pbt_report *report, pbt_table *table, pbt_error *error);

#endif
