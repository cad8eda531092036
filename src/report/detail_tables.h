/* The lesser tables: what stands behind the main figures. */
#ifndef PBT_REPORT_DETAIL_TABLES_H
#define PBT_REPORT_DETAIL_TABLES_H

#include "report/report.h"

enum { PBT_DETAIL_TABLES = 16 };
/* Appends the tables that have something in them to tables[*n ..] (room for PBT_DETAIL_TABLES). */
pbt_code pbt_report_detail_tables(const pbt_report *report, pbt_table *tables, size_t *n, pbt_error *error);

#endif
