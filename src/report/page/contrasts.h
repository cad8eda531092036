/*
 * pbt against the other arms on the same items.
 */
#ifndef PBT_REPORT_PAGE_CONTRASTS_H
#define PBT_REPORT_PAGE_CONTRASTS_H

#include "report/page/page.h"

pbt_code pbt_page_contrasts(pbt_page *page);

#endif
