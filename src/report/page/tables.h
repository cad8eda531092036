/*
 * All tables of a report, and several runs in one table.
 */
#ifndef PBT_REPORT_PAGE_TABLES_H
#define PBT_REPORT_PAGE_TABLES_H

#include "report/figures/gather.h"
#include "report/page/table.h"

/* All tables of the report, to be printed in any form; *tables is malloc'ed, pbt_tables_free. */
pbt_code pbt_report_tables(const pbt_report *report, pbt_table **tables, size_t *n, pbt_error *error);
void pbt_tables_free(pbt_table *tables, size_t n);
/* Several runs side by side; `names` head the rows. */
pbt_code pbt_compare_table(const pbt_report *reports, const char *const *names, size_t n, pbt_table *table,
                           pbt_error *error);

#endif
