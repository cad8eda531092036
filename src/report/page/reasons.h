/*
 * What became of the siblings of the debates: pairs, or why not.
 */
#ifndef PBT_REPORT_PAGE_REASONS_H
#define PBT_REPORT_PAGE_REASONS_H

#include "report/page/page.h"

pbt_code pbt_page_pairs(pbt_page *page);

#endif
