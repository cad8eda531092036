/*
 * The tables of the flip analysis and of arms against arms.
 */
#ifndef PBT_REPORT_PAGE_ANALYSIS_TABLES_H
#define PBT_REPORT_PAGE_ANALYSIS_TABLES_H

#include "report/figures/gather.h"
#include "report/page/table.h"

/* Without rows where nothing was analysed. */
pbt_code pbt_flip_accuracy_table(const pbt_report *report, pbt_table *table, pbt_error *error);
pbt_code pbt_flip_weights_table(const pbt_report *report, pbt_table *table, pbt_error *error);
pbt_code pbt_comparisons_table(const pbt_report *report, pbt_table *table, pbt_error *error);

#endif
