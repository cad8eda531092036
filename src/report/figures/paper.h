/*
 * The paper's own figures (Stengel-Eskin, Hase, Bansal 2024: "Teaching Models to Balance Resisting and
 * Accepting Persuasion"), typed in from its tables, to stand beside ours.
 */
#ifndef PBT_REPORT_FIGURES_PAPER_H
#define PBT_REPORT_FIGURES_PAPER_H

#include "base/json.h"

#include <stdbool.h>

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
/* Table 4 and section 5: what decides whether Llama-3.1-8B with PBT flips. */
typedef struct pbt_paper_flips {
    const char *model, *arm;
    double weights[6]; /* answer entropy, log P(original), log P(alternative), both confidences, accuracy */
    bool significant[6];
    double accuracy_all, accuracy_two; /* percent */
} pbt_paper_flips;
extern const pbt_paper_flips pbt_paper_flip_analysis;

/* {model: {arm: {group: {figure: {"mean", "std", "source"}}}}},
 * and "flip_analysis" beside the groups of Llama-3.1-8B's pbt; new reference. */
json_t *pbt_paper_json(void);

#endif
