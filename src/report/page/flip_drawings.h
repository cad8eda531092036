/*
 * What decides a flip. Nothing where nothing is known.
 */
#ifndef PBT_REPORT_PAGE_FLIP_DRAWINGS_H
#define PBT_REPORT_PAGE_FLIP_DRAWINGS_H

#include "report/page/page.h"

pbt_code pbt_page_flips(pbt_page *page);
/* Table 4 in the paper's layout. */
void pbt_page_flip_weights(pbt_page *page);

#endif
