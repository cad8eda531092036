/*
 * Measures of report.html as tables in the paper's layout, with the paper's models beside.
 */
#ifndef PBT_REPORT_PAGE_MEASURE_TABLE_H
#define PBT_REPORT_PAGE_MEASURE_TABLE_H

#include "report/page/measure_drawings.h"

/* <td> of a figure: mean, spread, interval, seeds, and how many answers could not be read (NULL: not known).
 */
void pbt_figure_cell_html(const pbt_figure *figure, const pbt_figure *unread, size_t n_seeds, pbt_text *out);

/* Rows for the run's arms and the paper's models, with intervals, seeds, counts. */
void pbt_page_measure_table(pbt_page *page, const pbt_measure_group *group);

#endif
