/*
 * The debates as data for debates.js, and the elements that it fills.
 */
#ifndef PBT_REPORT_PAGE_EXPLORER_H
#define PBT_REPORT_PAGE_EXPLORER_H

#include "report/page/page.h"

pbt_code pbt_page_explorer(pbt_page *page);

#endif
