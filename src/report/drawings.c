/* Drawings of report.html for FARM, teams and flips. */
#include "report/html.h"
#include "report/page.h"

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
    *series = (pbt_series){.style = style, .label = label, .x = x, .y = y, .line = true, .mark = mark};
    if (!x || !y || !style) return false;
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
    for (size_t a = 0; a < PBT_REPORT_ARMS; a++)
        for (size_t i = 0; i < details_of(page, a)->count && n < 8; i++) {
            const char *name = details_of(page, a)->items[i].name;
            if (strncmp(name, prefix, sizeof prefix - 1) != 0) continue;
            size_t length = strcspn(name + sizeof prefix - 1, ".");
            char found[32];
            snprintf(found, sizeof found, "%.*s", (int)length, name + sizeof prefix - 1);
            bool known = false;
            for (size_t k = 0; k < n; k++) known = known || strcmp(names[k], found) == 0;
            if (!known) strcpy(names[n++], found);
        }
    return n;
}

pbt_code pbt_page_rounds(pbt_page *page) {
    char names[8][32];
    size_t n = strategies_of(page, names);
    if (n == 0) return PBT_OK;
    for (size_t i = 0; i < n; i++) {
        pbt_series series[PBT_REPORT_ARMS];
        size_t count = 0;
        char prefix[64], title[96];
        snprintf(prefix, sizeof prefix, "farm.by_round.%s.", names[i]);
        snprintf(title, sizeof title, "Misinformed so far, %%, %s", names[i]);
        for (size_t a = 0; a < PBT_REPORT_ARMS; a++) {
            if (!detail_line(page, a, prefix, "", 0, pbt_report_arms[a], "", pbt_arm_marks[a],
                             &series[count]))
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
    enum { LEFT = 40, RIGHT = 96, TOP = 30, BOTTOM = 30, W = WIDTH, H = HEIGHT };
    const pbt_report *r = page->report;
    double values[2 * PBT_REPORT_ARMS + 2], least = 100, most = 0;
    size_t n = 0, arms = 0;
    const pbt_figure *strong = pbt_report_figure(&r->arms[0], "team", "solo_strong"),
                     *weak = pbt_report_figure(&r->arms[0], "team", "solo_weak");
    if (strong && strong->known) values[n++] = strong->mean;
    if (weak && weak->known) values[n++] = weak->mean;
    for (size_t a = 0; a < PBT_REPORT_ARMS; a++) {
        const pbt_figure *first = pbt_report_figure(&r->arms[a], "team", "strong_first"),
                         *second = pbt_report_figure(&r->arms[a], "team", "weak_first");
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
    for (size_t a = 0; a < PBT_REPORT_ARMS; a++) {
        const pbt_figure *first = pbt_report_figure(&r->arms[a], "team", "strong_first"),
                         *second = pbt_report_figure(&r->arms[a], "team", "weak_first");
        if (!first->known || !second->known) continue;
        double x = LEFT + ((double)at + 0.5) * (W - LEFT - RIGHT) / (double)arms,
               y1 = H - BOTTOM - (first->mean - low) * scale, y2 = H - BOTTOM - (second->mean - low) * scale;
        char title[96], hollow[48];
        at++;
        pbt_text_addf(out, "<line class=\"ci %s\" x1=\"%.1f\" x2=\"%.1f\" y1=\"%.1f\" y2=\"%.1f\"/>\n",
                      pbt_arm_styles[a], x, x, y1, y2);
        snprintf(title, sizeof title, "%s, weak first: %.1f", pbt_report_arms[a], second->mean);
        snprintf(hollow, sizeof hollow, "hollow %s", pbt_arm_styles[a]);
        pbt_mark_draw(pbt_arm_marks[a], x, y2, 6, hollow, title, out);
        snprintf(title, sizeof title, "%s, strong first: %.1f", pbt_report_arms[a], first->mean);
        pbt_mark_draw(pbt_arm_marks[a], x, y1, 5, pbt_arm_styles[a], title, out);
        pbt_text_addf(out, "<text class=\"label %s\" x=\"%.1f\" y=\"%d\" text-anchor=\"middle\">%s</text>\n",
                      pbt_arm_styles[a], x, H - BOTTOM + 20, pbt_report_arms[a]);
    }
    pbt_text_add(out, "</svg>\n");
}

/* The strong agent and its partner after each turn. */
static pbt_code draw_turns(pbt_page *page, const char *order, const char *title) {
    pbt_series series[2 * PBT_REPORT_ARMS];
    size_t n = 0;
    char prefix[64];
    snprintf(prefix, sizeof prefix, "team.by_turn.%s.", order);
    for (size_t a = 0; a < PBT_REPORT_ARMS; a++) {
        if (!detail_line(page, a, prefix, ".strong", 2, pbt_report_arms[a], "", PBT_MARK_NONE, &series[n]))
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
    PBT_TRY(draw_turns(page, "strong_first", "Turn by turn, strong first, %"));
    return draw_turns(page, "weak_first", "Turn by turn, weak first, %");
}

/* ---- flips ---- */

enum { MOST_POINTS = 500 };

/* Where both outcomes are equally likely, inside the ranges; false: not there, or nowhere. */
static bool boundary_line(const pbt_flips *f, const double x[2], const double y[2], double bx[2],
                          double by[2]) {
    size_t n = 0;
    for (int side = 0; side < 2 && n < 2; side++) {
        double at = -(f->boundary[0] + f->boundary[1] * x[side]) / f->boundary[2];
        if (isfinite(at) && at >= y[0] && at <= y[1]) bx[n] = x[side], by[n++] = at;
    }
    for (int side = 0; side < 2 && n < 2; side++) {
        double at = -(f->boundary[0] + f->boundary[2] * y[side]) / f->boundary[1];
        if (isfinite(at) && at >= x[0] && at <= x[1]) bx[n] = at, by[n++] = y[side];
    }
    return n == 2;
}

static void grow_range(double range[2], double value) {
    range[0] = fmin(range[0], value);
    range[1] = fmax(range[1], value);
}

static pbt_code draw_scatter(pbt_page *page, size_t arm) {
    const pbt_flips *f = &page->report->arms[arm].flips;
    size_t every = (f->n + MOST_POINTS - 1) / MOST_POINTS, count[2] = {0, 0};
    double *xy[4], range[2][2] = {{INFINITY, -INFINITY}, {INFINITY, -INFINITY}}, bx[2], by[2];
    for (int i = 0; i < 4; i++)
        if (!(xy[i] = pbt_arena_alloc(page->arena, MOST_POINTS + 1, sizeof(double))))
            return pbt_fail_memory(page->error, 0, "a plot");
    for (size_t i = 0; i < f->n; i += every) {
        const pbt_flip_point *p = &f->points[i];
        double x = p->features[PBT_LOGP_ORIGINAL], y = p->features[PBT_LOGP_ALTERNATIVE];
        xy[2 * p->flipped][count[p->flipped]] = x;
        xy[2 * p->flipped + 1][count[p->flipped]++] = y;
        grow_range(range[0], x), grow_range(range[1], y);
    }
    for (int d = 0; d < 2; d++) {
        double air = 0.05 * (range[d][1] - range[d][0]) + 1e-9;
        range[d][0] -= air, range[d][1] += air;
    }
    const char *kept = pbt_page_string(page, "%s hollow", pbt_arm_styles[arm]);
    const char *title =
        pbt_page_string(page, "%s: %zu cases, %zu flipped", pbt_report_arms[arm], f->n, f->n_flipped);
    if (!kept || !title) return pbt_fail_memory(page->error, 0, "a plot");
    pbt_series series[3] = {
        {.style = kept, .x = xy[0], .y = xy[1], .n = count[0], .mark = PBT_MARK_CIRCLE},
        {.style = pbt_arm_styles[arm], .x = xy[2], .y = xy[3], .n = count[1], .mark = PBT_MARK_CIRCLE},
        {.style = "boundary", .x = bx, .y = by, .n = 2, .line = true}};
    bool line = f->two.d == 2 && boundary_line(f, range[0], range[1], bx, by);
    pbt_plot plot = {.title = title,
                     .y_title = "log P(alternative)",
                     .x_title = "log P(original)",
                     .width = WIDTH,
                     .height = 300,
                     .right = 12,
                     .series = series,
                     .n_series = line ? 3 : 2,
                     .radius = 2.6,
                     .x_range = {range[0][0], range[0][1]},
                     .y_range = {range[1][0], range[1][1]}};
    pbt_plot_draw(&plot, page->out);
    return PBT_OK;
}

static pbt_code draw_calibration(pbt_page *page) {
    static const double line[2] = {0, 1};
    pbt_series series[PBT_REPORT_ARMS + 1] = {{.style = "ref", .x = line, .y = line, .n = 2, .line = true}};
    size_t n = 1;
    for (size_t a = 0; a < PBT_REPORT_ARMS; a++) {
        const pbt_flips *f = &page->report->arms[a].flips;
        double *x = pbt_arena_alloc(page->arena, PBT_FLIP_BINS, sizeof *x);
        double *y = pbt_arena_alloc(page->arena, PBT_FLIP_BINS, sizeof *y);
        size_t count = 0;
        if (!x || !y) return pbt_fail_memory(page->error, 0, "a plot");
        for (int b = 0; b < PBT_FLIP_BINS && f->n > 0; b++) {
            if (f->bins[b].n == 0) continue;
            x[count] = f->bins[b].predicted;
            y[count++] = f->bins[b].observed;
        }
        if (count > 0)
            series[n++] = (pbt_series){.style = pbt_arm_styles[a],
                                       .label = pbt_report_arms[a],
                                       .x = x,
                                       .y = y,
                                       .n = count,
                                       .line = true,
                                       .mark = pbt_arm_marks[a]};
    }
    if (n == 1) return PBT_OK;
    pbt_plot plot = {.title = "Calibration",
                     .y_title = "share that flipped",
                     .x_title = "predicted probability of a flip",
                     .width = WIDTH,
                     .height = 300,
                     .right = 56,
                     .series = series,
                     .n_series = n,
                     .x_range = {0, 1},
                     .y_range = {0, 1}};
    pbt_plot_draw(&plot, page->out);
    return PBT_OK;
}

pbt_code pbt_page_flips(pbt_page *page) {
    bool any = false;
    for (size_t a = 0; a < PBT_REPORT_ARMS; a++) any = any || page->report->arms[a].flips.n > 0;
    if (!any) return PBT_OK;
    pbt_text_add(page->out, "<figure><div class=\"panels\">\n");
    for (size_t a = 0; a < PBT_REPORT_ARMS; a++)
        if (page->report->arms[a].flips.n > 0) PBT_TRY(draw_scatter(page, a));
    PBT_TRY(draw_calibration(page));
    pbt_text_add(
        page->out,
        "</div><figcaption>A point is a case of the balanced test: filled where the model took over the "
        "other "
        "answer, hollow where it kept its own. The line is where the model of the two log-probabilities "
        "gives both the same chance. Calibration: predictions for cases of the other folds, in "
        "tenths.</figcaption></figure>\n");
    return PBT_OK;
}

/* ---- Table 4 ---- */

static void weight_cell(double weight, double p, pbt_text *out) {
    pbt_text_addf(out, "<td><span class=\"v\">%s%.2f%s</span>", weight < 0 ? "−" : "", fabs(weight),
                  p < 0.05 ? "*" : "");
    if (isfinite(p))
        pbt_text_addf(out, "<span class=\"ci\">p %s%.3f</span>", p < 0.001 ? "&lt; " : "", fmax(p, 0.001));
    pbt_text_add(out, "</td>");
}

void pbt_page_flip_weights(pbt_page *page) {
    const pbt_paper_flips *paper = &pbt_paper_flip_analysis;
    pbt_text *out = page->out;
    pbt_text_add(out, "<div class=\"scroll\"><table>\n<thead><tr><th scope=\"col\">arm</th>");
    for (int j = 0; j < PBT_FLIP_FEATURES; j++)
        pbt_text_addf(out, "<th scope=\"col\">%s</th>", pbt_flip_feature_labels[j]);
    pbt_text_add(out, "</tr></thead>\n<tbody>\n");
    for (size_t a = 0; a < PBT_REPORT_ARMS; a++) {
        const pbt_flips *f = &page->report->arms[a].flips;
        if (f->n == 0 || f->all.d != PBT_FLIP_FEATURES) continue;
        pbt_text_addf(out, "<tr><th scope=\"row\" class=\"%s\">%s%s</th>", pbt_arm_styles[a], a ? "+ " : "",
                      pbt_report_arms[a]);
        for (int j = 0; j < PBT_FLIP_FEATURES; j++) weight_cell(f->all.weights[1 + j], f->all.p[1 + j], out);
        pbt_text_add(out, "</tr>\n");
    }
    pbt_text_addf(out,
                  "<tr class=\"group\"><th colspan=\"%d\">The paper, %s + %s <span class=\"source\">Table "
                  "4</span></th></tr>\n<tr><th scope=\"row\" class=\"arm-pbt\">+ pbt</th>",
                  PBT_FLIP_FEATURES + 1, paper->model, paper->arm);
    for (int j = 0; j < PBT_FLIP_FEATURES; j++)
        pbt_text_addf(out, "<td>%s%.2f%s</td>", paper->weights[j] < 0 ? "−" : "", fabs(paper->weights[j]),
                      paper->significant[j] ? "*" : "");
    pbt_text_add(out, "</tr>\n</tbody></table></div>\n");
}
