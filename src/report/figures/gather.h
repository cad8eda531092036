/*
 * The figures of a run, read from its store alone (no model, no question file). The form of items is that of
 * docs/FORMATS.md, "Run store": every judged item carries {"question": id, "scores": {"group.figure":
 * number}}.
 */
#ifndef PBT_REPORT_FIGURES_GATHER_H
#define PBT_REPORT_FIGURES_GATHER_H

#include "report/figures/details.h"
#include "report/figures/figure.h"
#include "report/figures/flip_analysis.h"
#include "report/figures/paired.h"
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

#endif
