/* pbt against the other arms on the same items, drawn: differences with their intervals. */
#include "report/page/contrasts.h"

#include "report/page/measure_drawings.h"

#include <stdio.h>
#include <string.h>

static const char *const drawn[][3] = {{"balanced", "plus_minus", "Balanced, + → −"},
                                       {"balanced", "minus_plus", "Balanced, − → +"},
                                       {"balanced", "overall", "Balanced, overall"},
                                       {"flipflop", "difference", "\"Are you sure?\", difference"},
                                       {"farm", "misinformed", "FARM, misinformed"},
                                       {"team", "weak_first", "Teams, weak first"}};
enum { N_DRAWN = sizeof drawn / sizeof *drawn };

static size_t arm_index(const char *name) {
    size_t a = 0;
    while (a < PBT_REPORT_ARMS && strcmp(pbt_report_arms[a], name) != 0) a++;
    return a;
}

static void draw_contrast(pbt_page *page, const char *const names[3]) {
    pbt_figure figures[PBT_REPORT_ARMS];
    pbt_dots_row rows[PBT_REPORT_ARMS];
    char labels[PBT_REPORT_ARMS][32];
    size_t n = 0;
    for (size_t i = 0; i < page->report->n_comparisons && n < PBT_REPORT_ARMS; i++) {
        const pbt_comparison *c = &page->report->comparisons[i];
        if (strcmp(c->group, names[0]) != 0 || strcmp(c->figure, names[1]) != 0 || strcmp(c->arm, "pbt") != 0)
            continue;
        size_t arm = arm_index(c->against);
        if (arm == PBT_REPORT_ARMS) continue;
        figures[n] =
            (pbt_figure){.known = true, .mean = c->difference, .ci95 = {c->ci95[0], c->ci95[1]}, .n = c->n};
        snprintf(labels[n], sizeof *labels, "− %s", c->against);
        rows[n] = (pbt_dots_row){labels[n], pbt_arm_styles[arm], pbt_arm_marks[arm], &figures[n], NULL};
        n++;
    }
    if (n > 0) pbt_dots_draw(names[2], rows, n, page->out);
}

pbt_code pbt_page_contrasts(pbt_page *page) {
    bool any = false;
    for (size_t i = 0; i < page->report->n_comparisons; i++)
        any = any || strcmp(page->report->comparisons[i].arm, "pbt") == 0;
    if (!any) return PBT_OK;
    pbt_text_add(page->out, "<figure><div class=\"panels\">\n");
    for (size_t i = 0; i < N_DRAWN; i++) draw_contrast(page, drawn[i]);
    pbt_text_add(
        page->out,
        "</div><figcaption>pbt minus each other arm, in points, over the items that both have, with 95% "
        "intervals. For FARM less is better.</figcaption></figure>\n");
    return PBT_OK;
}
