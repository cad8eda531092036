/*
 * The sections that belong to tables.
 */
#ifndef PBT_REPORT_PAGE_SECTIONS_H
#define PBT_REPORT_PAGE_SECTIONS_H

#include "report/page/page.h"
#include "report/page/table.h"

pbt_code pbt_page_sections(pbt_page *page, const pbt_table *tables, size_t n);
/* Links to them for the navigation. */
void pbt_page_section_links(pbt_page *page, const pbt_table *tables, size_t n);

#endif
