/*
 * What a run found, pbt beside the base model. Private to src/report.
 */
#ifndef PBT_REPORT_PAGE_FINDING_H
#define PBT_REPORT_PAGE_FINDING_H

#include "report/page/page.h"

/* The finding: a sentence on the balanced test, and where they were run one on FARM, "Are you sure?" and
 * teams beside the base model. A difference is one where pbt_comparison_is_clear, as in the table of arms
 * against each other. */
void pbt_report_finding(const pbt_report *report, pbt_text *out);

typedef enum pbt_outcome { PBT_NO_DIFFERENCE, PBT_BETTER, PBT_WORSE } pbt_outcome;

typedef struct pbt_key_figure {
    const pbt_measure_info *measure;
    const char *title, *about;
    const pbt_figure *base, *ours;    /* borrowed */
    double shown[2];                  /* of base and pbt on the card, in the unit of `comparison` */
    bool points;                      /* what is shown are points, not percent */
    const pbt_comparison *comparison; /* of pbt with base on the same items; NULL: there is none */
    pbt_outcome outcome;
    bool known; /* false: one of the arms was not measured */
} pbt_key_figure;
enum { PBT_KEY_FIGURES = 5 };
/* Balanced, FARM, flip-flop, teams, and accuracy when nobody argues. */
pbt_key_figure pbt_key_figure_of(const pbt_report *report, size_t place);
/* A card for each. */
void pbt_page_keys(pbt_page *page);

#endif
