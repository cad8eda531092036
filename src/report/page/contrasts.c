/* pbt against the other arms on the same items, drawn: differences with their intervals. */
#include "report/page/contrasts.h"

#include "report/page/measure_drawings.h"

#include <stdio.h>

static const pbt_measure_id drawn[] = {PBT_BALANCED_PLUS_MINUS, PBT_BALANCED_MINUS_PLUS, PBT_BALANCED_OVERALL,
                                       PBT_FLIPFLOP_DIFFERENCE, PBT_FARM_MISINFORMED,    PBT_TEAM_WEAK_FIRST};
enum { N_DRAWN = sizeof drawn / sizeof *drawn };

static void draw_contrast(pbt_page *page, pbt_measure_id measure) {
    pbt_figure figures[PBT_ARMS];
    pbt_dots_row rows[PBT_ARMS];
    char labels[PBT_ARMS][32];
    size_t n = 0;
    for (size_t i = 0; i < page->report->n_comparisons && n < PBT_ARMS; i++) {
        const pbt_comparison *c = &page->report->comparisons[i];
        if (c->measure != measure || c->arm != PBT_ARM_PBT) continue;
        const pbt_arm arm = c->against;
        figures[n] =
            (pbt_figure){.known = true, .mean = c->difference, .ci95 = {c->ci95[0], c->ci95[1]}, .n = c->n};
        snprintf(labels[n], sizeof *labels, "− %s", pbt_arm_names[arm]);
        rows[n] = (pbt_dots_row){labels[n], pbt_arm_styles[arm], pbt_arm_marks[arm], &figures[n], NULL};
        n++;
    }
    char title[96];
    snprintf(title, sizeof title, "%s, %s", pbt_measures[measure].group->name, pbt_measures[measure].label);
    if (n > 0) pbt_dots_draw(title, rows, n, page->out);
}

pbt_code pbt_page_contrasts(pbt_page *page) {
    bool any = false;
    for (size_t i = 0; i < page->report->n_comparisons; i++)
        any = any || page->report->comparisons[i].arm == PBT_ARM_PBT;
    if (!any) return PBT_OK;
    pbt_text_add(page->out, "<figure><div class=\"panels\">\n");
    for (size_t i = 0; i < N_DRAWN; i++) draw_contrast(page, drawn[i]);
    pbt_text_add(
        page->out,
        "</div><figcaption>pbt minus each other arm, in points, over the items that both have, with 95% "
        "intervals. For FARM less is better.</figcaption></figure>\n");
    return PBT_OK;
}
