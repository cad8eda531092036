/*
 * What every section of report.html is given; how arms look. Private to report/page/, as the headers of the
 * sections are. A section is left out where the run has nothing to show for it.
 */
#ifndef PBT_REPORT_PAGE_PAGE_H
#define PBT_REPORT_PAGE_PAGE_H

#include "base/memory.h"
#include "report/figures/gather.h"
#include "report/page/plot.h"
#include "store/store.h"

typedef struct pbt_page {
    pbt_store *store;
    const pbt_report *report;
    pbt_text *out;
    pbt_arena *arena; /* whatever a drawing needs, until the page is written */
    pbt_error *error;
} pbt_page;

extern const pbt_mark pbt_arm_marks[PBT_ARMS];
/* "arm-base", ...: the CSS class of an arm. */
extern const char *const pbt_arm_styles[PBT_ARMS];
/* An arena string; NULL when memory is out. */
const char *pbt_page_string(pbt_page *page, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
