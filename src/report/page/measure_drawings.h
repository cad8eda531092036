/*
 * Measures of report.html, drawn: the picture of the finding, and dots with intervals.
 */
#ifndef PBT_REPORT_PAGE_MEASURE_DRAWINGS_H
#define PBT_REPORT_PAGE_MEASURE_DRAWINGS_H

#include "report/figures/paper.h"
#include "report/page/page.h"

/* One row of a dot plot; `paper` may be NULL, `figure` unknown. */
typedef struct pbt_dots_row {
    const char *label, *style;
    pbt_mark mark;
    const pbt_figure *figure;
    const pbt_paper_figure *paper;
} pbt_dots_row;
/* <svg> of one measure: the mean with its interval, the paper's figure beside it. */
void pbt_dots_draw(const char *title, const pbt_dots_row *rows, size_t n, pbt_text *out);
/* The rows of one run: its arms and Llama-3.1-70B's of the paper. */
void pbt_dots_report(const pbt_report *report, size_t measure, pbt_text *out);
/* The picture of the finding: resisting against accepting, this run and the paper. */
pbt_code pbt_page_picture(pbt_page *page);

#endif
