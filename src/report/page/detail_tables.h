/* The lesser tables: what stands behind the main figures. */
#ifndef PBT_REPORT_PAGE_DETAIL_TABLES_H
#define PBT_REPORT_PAGE_DETAIL_TABLES_H

#include "report/figures/gather.h"
#include "report/page/table.h"

enum { PBT_DETAIL_TABLES = 16 };
/* Appends the tables that have something in them to tables[*n ..] (room for PBT_DETAIL_TABLES). */
pbt_code pbt_report_detail_tables(const pbt_report *report, pbt_table *tables, size_t *n, pbt_error *error);

/* "12.3", with its interval "12.3 [10.1, 14.0]", or a dash. */
pbt_code pbt_figure_cell(pbt_table *table, size_t column, const pbt_figure *figure, bool interval,
                         pbt_error *error);

#endif
