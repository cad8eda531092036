/*
 * The figures of a run, read from its store alone (no model, no question file). The form of items is that of
 * docs/FORMATS.md, "Run store": every judged item carries {"question": id, "scores": {"group.figure":
 * number}}.
 */
#ifndef PBT_REPORT_FIGURES_GATHER_H
#define PBT_REPORT_FIGURES_GATHER_H

#include "measures/arms.h"
#include "measures/measures.h"
#include "report/figures/details.h"
#include "report/figures/figure.h"
#include "report/figures/flip_analysis.h"
#include "report/figures/paired.h"
#include "store/store.h"

typedef struct pbt_report_arm {
    bool present;
    pbt_figure figures[PBT_MEASURES]; /* by pbt_measure_id */
    pbt_detail_list details;
    pbt_flips flips;
    json_t *training; /* list of each seed's training summary; [] for base */
} pbt_report_arm;

typedef struct pbt_report {
    char *experiment;
    int64_t *seeds;
    size_t n_seeds;
    size_t draws;
    pbt_report_arm arms[PBT_ARMS]; /* by pbt_arm */
    pbt_comparison *comparisons;   /* of arms, measure by measure */
    size_t n_comparisons;
    json_t *trees, *reasons; /* lists of each seed's counts */
} pbt_report;

/* Free with pbt_report_free, after an error too. */
pbt_code pbt_report_read(pbt_store *store, pbt_report *report, pbt_error *error);
void pbt_report_free(pbt_report *report);

#endif
