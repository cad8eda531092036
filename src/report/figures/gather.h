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
    json_t *provenance;      /* what the report is of (provenance.h); NULL: not recorded */
    char *missing[PBT_ARMS]; /* why an arm is not present; NULL: it is */
    char **warnings;         /* [n_warnings]: what a reader must know before the figures (notices.h) */
    size_t n_warnings, warnings_capacity;
} pbt_report;

/* Everything but provenance, missing and warnings, into a zeroed report. `settings`: the experiment's record.
 */
pbt_code pbt_report_gather(pbt_store *store, const json_t *settings, pbt_report *report, pbt_error *error);
void pbt_report_free(pbt_report *report);

#endif
