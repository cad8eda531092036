/*
 * Figures beside the main ones: every "details" name of the judged items ("farm.by_round.logical.2") becomes
 * a figure of its arm. They feed the lesser tables and drawings.
 */
#ifndef PBT_REPORT_FIGURES_DETAILS_H
#define PBT_REPORT_FIGURES_DETAILS_H

#include "report/figures/figure.h"

typedef struct pbt_detail {
    char *name; /* dotted; begins with the group */
    pbt_figure_items items;
    pbt_figure figure;
} pbt_detail;

typedef struct pbt_detail_list {
    pbt_detail *items; /* in the order of their first appearance */
    size_t count, capacity;
} pbt_detail_list;

/* Takes all numbers of an item's "details" (may be absent). */
pbt_code pbt_details_add(pbt_detail_list *list, const json_t *details, size_t seed, uint32_t cluster,
                         pbt_error *error);
/* Items to figures. */
pbt_code pbt_details_make(pbt_detail_list *list, size_t n_seeds, size_t draws, const char *arm,
                          pbt_error *error);
void pbt_details_free(pbt_detail_list *list);
/* NULL when there is none of that name. */
const pbt_figure *pbt_detail_figure(const pbt_detail_list *list, const char *name);
/* The items of all details "PREFIXset", each set weighted alike whatever its size: their mean is the mean of
 * the sets' means (each seed by itself). */
pbt_code pbt_details_even(const pbt_detail_list *list, const char *prefix, size_t n_seeds,
                          pbt_figure_items *out, pbt_error *error);
/* Puts the figures into the arm's object, dots as levels: {"farm": {"by_round": {"logical": {"2": figure}}}}.
 */
void pbt_details_json(const pbt_detail_list *list, json_t *arm);

#endif
