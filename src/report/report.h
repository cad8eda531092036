/*
 * The report of a run: read from its store alone (no model, no question file), printed as JSON, Markdown and
 * terminal tables. The form of items is that of docs/FORMATS.md, "Run store": every judged item carries
 * {"question": id, "scores": {"group.figure": number}}.
 */
#ifndef PBT_REPORT_REPORT_H
#define PBT_REPORT_REPORT_H

#include "base/text.h"
#include "report/figures/details.h"
#include "report/figures/figure.h"
#include "report/figures/flip_analysis.h"
#include "report/figures/paired.h"
#include "report/page/table.h"
#include "store/store.h"

/* What is measured, in the order of report.json. */
typedef struct pbt_measure_name {
    const char *group, *figure, *label;
} pbt_measure_name;
enum { PBT_REPORT_MEASURES = 15, PBT_REPORT_ARMS = 4 };
extern const pbt_measure_name pbt_report_measures[PBT_REPORT_MEASURES];
extern const char *const pbt_report_arms[PBT_REPORT_ARMS]; /* base, accept, resist, pbt */

typedef struct pbt_report_arm {
    bool present;
    pbt_figure figures[PBT_REPORT_MEASURES];
    pbt_detail_list details;
    pbt_flips flips;
    json_t *training; /* list of each seed's training summary; [] for base */
} pbt_report_arm;

typedef struct pbt_report {
    char *experiment;
    int64_t *seeds;
    size_t n_seeds;
    size_t draws;
    pbt_report_arm arms[PBT_REPORT_ARMS];
    pbt_comparison *comparisons; /* of arms, measure by measure */
    size_t n_comparisons;
    json_t *trees, *reasons; /* lists of each seed's counts */
} pbt_report;

/* The main figure of that name; NULL where there is none. */
const pbt_figure *pbt_report_figure(const pbt_report_arm *arm, const char *group, const char *figure);

/* Free with pbt_report_free, after an error too. */
pbt_code pbt_report_read(pbt_store *store, pbt_report *report, pbt_error *error);
void pbt_report_free(pbt_report *report);

/* report.json (interface, "report.json"): fixed key order, no times, no paths; new reference. */
json_t *pbt_report_json(const pbt_report *report);
/* All tables of the report, to be printed in any form; *tables is malloc'ed, pbt_tables_free. */
pbt_code pbt_report_tables(const pbt_report *report, pbt_table **tables, size_t *n, pbt_error *error);
void pbt_tables_free(pbt_table *tables, size_t n);
/* The finding: a sentence on the balanced test, and where they were run one on FARM, "Are you sure?" and
 * teams beside the base model. What the intervals do not support is called no clear difference. */
void pbt_report_finding(const pbt_report *report, pbt_text *out);
pbt_code pbt_report_markdown(const pbt_report *report, pbt_text *out, pbt_error *error);
/* `columns` as in pbt_table_terminal. */
pbt_code pbt_report_terminal(const pbt_report *report, bool bold, size_t columns, pbt_text *out,
                             pbt_error *error);
/* One self-contained page: tables and drawings, and the debates to walk through (page.h). `store` is the one
 * that `report` was read from. */
pbt_code pbt_report_html(pbt_store *store, const pbt_report *report, pbt_text *out, pbt_error *error);
/* Writes FOLDER/report.json, FOLDER/report.md and FOLDER/report.html. */
pbt_code pbt_report_write(pbt_store *store, const pbt_report *report, const char *folder, pbt_error *error);

/* Several runs side by side; `names` head the rows. */
pbt_code pbt_compare_table(const pbt_report *reports, const char *const *names, size_t n, pbt_table *table,
                           pbt_error *error);
json_t *pbt_compare_json(const pbt_report *reports, const char *const *names, size_t n);
/* The same with spreads and intervals, a table for each group of measures; as HTML also drawn. */
pbt_code pbt_compare_markdown(const pbt_report *reports, const char *const *names, size_t n, pbt_text *out,
                              pbt_error *error);
pbt_code pbt_compare_html(const pbt_report *reports, const char *const *names, size_t n, pbt_text *out,
                          pbt_error *error);

#endif
