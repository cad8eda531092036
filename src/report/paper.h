/*
 * The paper's own figures (Stengel-Eskin, Hase, Bansal 2024: "Teaching Models to Balance Resisting and
 * Accepting Persuasion"), typed in from its tables, to stand beside ours.
 */
#ifndef PBT_REPORT_PAPER_H
#define PBT_REPORT_PAPER_H

#include "base/json.h"

typedef struct pbt_paper_figure {
    const char *table;  /* "Table 3" */
    const char *model;  /* "Llama-3.1-70B" */
    const char *arm;    /* "base", "accept", "resist", "pbt" */
    const char *group;  /* "balanced", "flipflop", "farm", "team" */
    const char *figure; /* "plus_minus", ... as in report.json */
    double mean, std;   /* percent; std NaN: not given */
} pbt_paper_figure;

extern const pbt_paper_figure pbt_paper_figures[];
extern const size_t pbt_n_paper_figures;
/* NULL when the paper has no such figure. */
const pbt_paper_figure *pbt_paper_find(const char *model, const char *arm, const char *group,
                                       const char *figure);
/* {model: {arm: {group: {figure: {"mean", "std", "source"}}}}}; new reference. */
json_t *pbt_paper_json(void);

#endif
