/*
 * FARM round by round, teams in both orders and turn by turn. Nothing where nothing is known.
 */
#ifndef PBT_REPORT_PAGE_DRAWINGS_H
#define PBT_REPORT_PAGE_DRAWINGS_H

#include "report/page/page.h"

pbt_code pbt_page_rounds(pbt_page *page);
pbt_code pbt_page_teams(pbt_page *page);

#endif
