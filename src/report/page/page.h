/*
 * The sections of report.html. page.c puts them together; each section is left out where the run has nothing
 * to show for it. Private to src/report.
 */
#ifndef PBT_REPORT_PAGE_PAGE_H
#define PBT_REPORT_PAGE_PAGE_H

#include "base/memory.h"
#include "report/figures/paper.h"
#include "report/page/plot.h"
#include "report/report.h"

typedef struct pbt_page {
    pbt_store *store;
    const pbt_report *report;
    pbt_text *out;
    pbt_arena *arena; /* whatever a drawing needs, until the page is written */
    pbt_error *error;
} pbt_page;

extern const pbt_mark pbt_arm_marks[PBT_REPORT_ARMS];
/* "arm-base", ...: the CSS class of an arm. */
extern const char *const pbt_arm_styles[PBT_REPORT_ARMS];
/* An arena string; NULL when memory is out. */
const char *pbt_page_string(pbt_page *page, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* The measures of one group: consecutive in pbt_report_measures. n = 0: there is no such group. */
typedef struct pbt_measure_group {
    size_t first, n;
} pbt_measure_group;
pbt_measure_group pbt_measure_group_find(const char *group);

/* What a drawing of one measure is headed, in words and with its unit. */
const char *pbt_measure_title(const pbt_measure_name *measure);

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
/* <td> of a figure: mean, spread, interval, seeds, and how many answers could not be read (NULL: not known).
 */
void pbt_figure_cell_html(const pbt_figure *figure, const pbt_figure *unread, size_t n_seeds, pbt_text *out);

/* Everything up to and with <body>; `nonce` NULL: no script may run. */
void pbt_page_head(pbt_text *out, const char *title, const char *nonce);
/* The sections that belong to tables (sections.c), and links to them for the navigation. */
pbt_code pbt_page_sections(pbt_page *page, const pbt_table *tables, size_t n);
void pbt_page_section_links(pbt_page *page, const pbt_table *tables, size_t n);
/* The picture of the finding: resisting against accepting, this run and the paper. */
pbt_code pbt_page_picture(pbt_page *page);
/* Rows for the run's arms and the paper's models, with intervals, seeds, counts. */
void pbt_page_measure_table(pbt_page *page, const pbt_measure_group *group);

/* Panels of FARM round by round, and of teams in both orders and turn by turn; the figure of what decides a
 * flip. Nothing where nothing is known. */
pbt_code pbt_page_rounds(pbt_page *page);
pbt_code pbt_page_teams(pbt_page *page);
pbt_code pbt_page_flips(pbt_page *page);
/* pbt against the other arms. */
pbt_code pbt_page_contrasts(pbt_page *page);
/* Table 4 in the paper's layout. */
void pbt_page_flip_weights(pbt_page *page);
pbt_code pbt_page_training(pbt_page *page);
pbt_code pbt_page_pairs(pbt_page *page);
/* The debates as data for report.js, and the elements that it fills. */
pbt_code pbt_page_explorer(pbt_page *page);

#endif
