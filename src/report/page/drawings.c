/* Drawings of report.html for FARM and teams. */
#include "report/page/drawings.h"

#include "report/page/html.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { WIDTH = 340, HEIGHT = 220, MOST_STEPS = 16 };

static const pbt_detail_list *details_of(const pbt_page *page, size_t arm) {
    return &page->report->arms[arm].details;
}

/* The figures PREFIX0SUFFIX, PREFIX1SUFFIX, ... of an arm, from `first` on, as a line over 0, 1, ... */
static bool detail_line(pbt_page *page, size_t arm, const char *prefix, const char *suffix, int first,
                        const char *label, const char *extra, pbt_mark mark, pbt_series *series) {
    double *x = pbt_arena_alloc(page->arena, MOST_STEPS, sizeof *x);
    double *y = pbt_arena_alloc(page->arena, MOST_STEPS, sizeof *y);
    const char *style = pbt_page_string(page, "%s %s", pbt_arm_styles[arm], extra);
    const char *told = pbt_page_string(page, "%s%s", pbt_arm_names[arm],
                                       strcmp(suffix, ".strong") == 0 ? ", strong agent"
                                       : strcmp(suffix, ".weak") == 0 ? ", weak agent"
                                                                      : "");
    *series = (pbt_series){
        .style = style, .label = label, .name = told, .x = x, .y = y, .line = true, .mark = mark};
    if (!x || !y || !style || !told) return false;
    for (int step = first; step < first + MOST_STEPS; step++) {
        char name[128];
        snprintf(name, sizeof name, "%s%d%s", prefix, step, suffix);
        const pbt_figure *f = pbt_detail_figure(details_of(page, arm), name);
        if (!f || !f->known) continue;
        x[series->n] = step;
        y[series->n++] = f->mean;
    }
    return true;
}

static void draw_steps(pbt_page *page, const char *title, const char *x_title, const pbt_series *series,
                       size_t n, bool from_zero) {
    pbt_plot plot = {.title = title,
                     .x_title = x_title,
                     .width = WIDTH,
                     .height = HEIGHT,
                     .right = 66,
                     .series = series,
                     .n_series = n,
                     .whole_x = true};
    if (from_zero) plot.y_range[1] = 100;
    pbt_plot_draw(&plot, page->out);
}

/* ---- FARM ---- */

/* The strategies whose rounds were counted, in order of appearance. */
static size_t strategies_of(const pbt_page *page, char names[8][32]) {
    static const char prefix[] = "farm.by_round.";
    size_t n = 0;
    for (size_t a = 0; a < PBT_ARMS; a++)
        for (size_t i = 0; i < details_of(page, a)->count && n < 8; i++) {
            const char *name = details_of(page, a)->items[i].name;
            if (strncmp(name, prefix, sizeof prefix - 1) != 0) continue;
            size_t length = strcspn(name + sizeof prefix - 1, ".");
            char found[32];
            snprintf(found, sizeof found, "%.*s", (int)length, name + sizeof prefix - 1);
            bool known = false;
            for (size_t k = 0; k < n; k++) known = known || strcmp(names[k], found) == 0;
            if (!known) memcpy(names[n++], found, sizeof found);
        }
    return n;
}

pbt_code pbt_page_rounds(pbt_page *page) {
    char names[8][32];
    size_t n = strategies_of(page, names);
    if (n == 0) return PBT_OK;
    for (size_t i = 0; i < n; i++) {
        pbt_series series[PBT_ARMS];
        size_t count = 0;
        char prefix[64], title[96];
        snprintf(prefix, sizeof prefix, "farm.by_round.%s.", names[i]);
        snprintf(title, sizeof title, "Misinformed so far, %%, %s", names[i]);
        for (size_t a = 0; a < PBT_ARMS; a++) {
            if (!detail_line(page, a, prefix, "", 0, pbt_arm_names[a], "", pbt_arm_marks[a], &series[count]))
                return pbt_fail_memory(page->error, 0, "a plot");
            if (series[count].n > 0) count++;
        }
        draw_steps(page, title, "round (0: the bare claim)", series, count, true);
    }
    return PBT_OK;
}

/* ---- teams ---- */

/* Arms beside each other: a filled mark where the strong agent begins, a hollow one where the weak does, the
 * gap between them, and what the untouched agents reach alone. */
static void draw_orders(pbt_page *page) {
    enum { LEFT = 40, RIGHT = 108, TOP = 30, BOTTOM = 30, W = WIDTH, H = HEIGHT };
    const pbt_report *r = page->report;
    double values[2 * PBT_ARMS + 2], least = 100, most = 0;
    size_t n = 0, arms = 0;
    const pbt_figure *strong = &r->arms[PBT_ARM_BASE].figures[PBT_TEAM_SOLO_STRONG],
                     *weak = &r->arms[PBT_ARM_BASE].figures[PBT_TEAM_SOLO_WEAK];
    if (strong->known) values[n++] = strong->mean;
    if (weak->known) values[n++] = weak->mean;
    for (size_t a = 0; a < PBT_ARMS; a++) {
        const pbt_figure *first = &r->arms[a].figures[PBT_TEAM_STRONG_FIRST],
                         *second = &r->arms[a].figures[PBT_TEAM_WEAK_FIRST];
        if (!first->known || !second->known) continue;
        values[n++] = first->mean, values[n++] = second->mean;
        arms++;
    }
    if (arms == 0) return;
    for (size_t i = 0; i < n; i++) least = fmin(least, values[i]), most = fmax(most, values[i]);
    double step = pbt_tick_step(least, most + 1e-9, 4), low = floor(least / step - 0.4) * step,
           high = ceil(most / step + 0.4) * step, scale = (H - TOP - BOTTOM) / (high - low);
    pbt_text *out = page->out;
    pbt_text_addf(out,
                  "<svg class=\"plot\" role=\"img\" viewBox=\"0 0 %d %d\" aria-label=\"Team accuracy in both "
                  "orders\">\n",
                  W, H);
    pbt_text_add(out,
                 "<text class=\"plot-title\" x=\"0\" y=\"14\">Team accuracy after discussion, %</text>\n");
    for (double y = low; y <= high + 1e-9; y += step) {
        char text[32];
        pbt_tick_text(y, step, text, sizeof text);
        pbt_text_addf(out,
                      "<line class=\"grid\" x1=\"%d\" x2=\"%d\" y1=\"%.1f\" y2=\"%.1f\"/><text "
                      "class=\"tick\" x=\"%d\" y=\"%.1f\" text-anchor=\"end\">%s</text>\n",
                      LEFT, W - RIGHT, H - BOTTOM - (y - low) * scale, H - BOTTOM - (y - low) * scale,
                      LEFT - 7, H - BOTTOM - (y - low) * scale + 4, text);
    }
    for (int w = 0; w < 2; w++) {
        const pbt_figure *solo = w ? weak : strong;
        if (!solo || !solo->known) continue;
        double y = H - BOTTOM - (solo->mean - low) * scale;
        pbt_text_addf(out,
                      "<line class=\"ref\" x1=\"%d\" x2=\"%d\" y1=\"%.1f\" y2=\"%.1f\"/><text class=\"tick\" "
                      "x=\"%d\" y=\"%.1f\">%s alone %.1f</text>\n",
                      LEFT, W - RIGHT, y, y, W - RIGHT + 6, y + 4, w ? "weak" : "strong", solo->mean);
    }
    size_t at = 0;
    for (size_t a = 0; a < PBT_ARMS; a++) {
        const pbt_figure *first = &r->arms[a].figures[PBT_TEAM_STRONG_FIRST],
                         *second = &r->arms[a].figures[PBT_TEAM_WEAK_FIRST];
        if (!first->known || !second->known) continue;
        double x = LEFT + ((double)at + 0.5) * (W - LEFT - RIGHT) / (double)arms,
               y1 = H - BOTTOM - (first->mean - low) * scale, y2 = H - BOTTOM - (second->mean - low) * scale;
        char title[96], hollow[48];
        at++;
        pbt_text_addf(out, "<line class=\"ci %s\" x1=\"%.1f\" x2=\"%.1f\" y1=\"%.1f\" y2=\"%.1f\"/>\n",
                      pbt_arm_styles[a], x, x, y1, y2);
        snprintf(title, sizeof title, "%s, weak first: %.1f", pbt_arm_names[a], second->mean);
        snprintf(hollow, sizeof hollow, "hollow %s", pbt_arm_styles[a]);
        pbt_mark_draw(pbt_arm_marks[a], x, y2, 6, hollow, title, out);
        snprintf(title, sizeof title, "%s, strong first: %.1f", pbt_arm_names[a], first->mean);
        pbt_mark_draw(pbt_arm_marks[a], x, y1, 5, pbt_arm_styles[a], title, out);
        pbt_text_addf(out, "<text class=\"label %s\" x=\"%.1f\" y=\"%d\" text-anchor=\"middle\">%s</text>\n",
                      pbt_arm_styles[a], x, H - BOTTOM + 20, pbt_arm_names[a]);
    }
    pbt_text_add(out, "</svg>\n");
}

/* The strong agent and its partner after each turn. */
static pbt_code draw_turns(pbt_page *page, const char *order, const char *title) {
    pbt_series series[2 * PBT_ARMS];
    size_t n = 0;
    char prefix[64];
    snprintf(prefix, sizeof prefix, "team.by_turn.%s.", order);
    for (size_t a = 0; a < PBT_ARMS; a++) {
        if (!detail_line(page, a, prefix, ".strong", 2, pbt_arm_names[a], "", PBT_MARK_NONE, &series[n]))
            return pbt_fail_memory(page->error, 0, "a plot");
        if (series[n].n > 0) n++;
        if (!detail_line(page, a, prefix, ".weak", 2, NULL, "dashed", PBT_MARK_NONE, &series[n]))
            return pbt_fail_memory(page->error, 0, "a plot");
        if (series[n].n > 0) n++;
    }
    if (n > 0) draw_steps(page, title, "after turn", series, n, false);
    return PBT_OK;
}

pbt_code pbt_page_teams(pbt_page *page) {
    draw_orders(page);
    PBT_TRY(draw_turns(page, pbt_measures[PBT_TEAM_STRONG_FIRST].figure, "Turn by turn, strong first, %"));
    return draw_turns(page, pbt_measures[PBT_TEAM_WEAK_FIRST].figure, "Turn by turn, weak first, %");
}
