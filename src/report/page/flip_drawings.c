/* What decides a flip, in report.html: scatter with the fitted boundary, calibration, Table 4. */
#include "report/page/flip_drawings.h"

#include "report/figures/paper.h"
#include "report/page/html.h"

#include <math.h>
#include <stdlib.h>

enum { WIDTH = 340 };

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

static int ascending(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* From the 1st to the 99th percentile of a feature, with a little air: a few far points would press all
 * others together. */
static bool middle_range(pbt_page *page, const pbt_flips *f, int feature, double range[2]) {
    double *values = pbt_arena_alloc(page->arena, f->n, sizeof *values);
    if (!values) return false;
    for (size_t i = 0; i < f->n; i++) values[i] = f->points[i].features[feature];
    qsort(values, f->n, sizeof *values, ascending);
    double least = values[(f->n - 1) / 100], most = values[f->n - 1 - (f->n - 1) / 100];
    double air = 0.05 * (most - least) + 1e-9;
    range[0] = least - air, range[1] = most + air;
    return true;
}

static pbt_code draw_scatter(pbt_page *page, size_t arm) {
    const pbt_flips *f = &page->report->arms[arm].flips;
    size_t every = (f->n + MOST_POINTS - 1) / MOST_POINTS, count[2] = {0, 0};
    double *xy[4], range[2][2], bx[2], by[2];
    for (int i = 0; i < 4; i++)
        if (!(xy[i] = pbt_arena_alloc(page->arena, MOST_POINTS + 1, sizeof(double))))
            return pbt_fail_memory(page->error, 0, "a plot");
    for (size_t i = 0; i < f->n; i += every) {
        const pbt_flip_point *p = &f->points[i];
        double x = p->features[PBT_LOGP_ORIGINAL], y = p->features[PBT_LOGP_ALTERNATIVE];
        double **of = p->flipped ? xy + 2 : xy;
        of[0][count[p->flipped]] = x;
        of[1][count[p->flipped]++] = y;
    }
    if (!middle_range(page, f, PBT_LOGP_ORIGINAL, range[0]) ||
        !middle_range(page, f, PBT_LOGP_ALTERNATIVE, range[1]))
        return pbt_fail_memory(page->error, 0, "a plot");
    const char *title =
        pbt_page_string(page, "%s: %zu cases, %zu flipped", pbt_arm_names[arm], f->n, f->n_flipped);
    if (!title) return pbt_fail_memory(page->error, 0, "a plot");
    pbt_series series[3] = {{.style = "keeps",
                             .name = "kept its own",
                             .x = xy[0],
                             .y = xy[1],
                             .n = count[0],
                             .mark = PBT_MARK_CIRCLE},
                            {.style = "takes",
                             .name = "took the other",
                             .x = xy[2],
                             .y = xy[3],
                             .n = count[1],
                             .mark = PBT_MARK_CIRCLE},
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
                     .radius = 2.8,
                     .cloud = true,
                     .x_range = {range[0][0], range[0][1]},
                     .y_range = {range[1][0], range[1][1]}};
    pbt_plot_draw(&plot, page->out);
    return PBT_OK;
}

static pbt_code draw_calibration(pbt_page *page) {
    static const double line[2] = {0, 1};
    pbt_series series[PBT_ARMS + 1] = {{.style = "ref", .x = line, .y = line, .n = 2, .line = true}};
    size_t n = 1;
    for (size_t a = 0; a < PBT_ARMS; a++) {
        const pbt_flips *f = &page->report->arms[a].flips;
        double *x = pbt_arena_alloc(page->arena, PBT_FLIP_BINS, sizeof *x);
        double *y = pbt_arena_alloc(page->arena, PBT_FLIP_BINS, sizeof *y);
        const char **titles = pbt_arena_alloc(page->arena, PBT_FLIP_BINS, sizeof *titles);
        size_t count = 0;
        if (!x || !y || !titles) return pbt_fail_memory(page->error, 0, "a plot");
        for (int b = 0; b < PBT_FLIP_BINS && f->n > 0; b++) {
            if (f->bins[b].n == 0) continue;
            titles[count] =
                pbt_page_string(page, "%s: predicted %.3f, flipped %.3f [%.3f, %.3f] of %lld",
                                pbt_arm_names[a], f->bins[b].predicted, f->bins[b].observed,
                                f->bins[b].interval[0], f->bins[b].interval[1], (long long)f->bins[b].n);
            x[count] = f->bins[b].predicted;
            y[count++] = f->bins[b].observed;
        }
        if (count > 0)
            series[n++] = (pbt_series){.style = pbt_arm_styles[a],
                                       .label = pbt_arm_names[a],
                                       .x = x,
                                       .y = y,
                                       .n = count,
                                       .line = true,
                                       .mark = pbt_arm_marks[a],
                                       .titles = titles};
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
    for (size_t a = 0; a < PBT_ARMS; a++) any = any || page->report->arms[a].flips.n > 0;
    if (!any) return PBT_OK;
    pbt_text_add(page->out, "<figure><div class=\"panels\">\n");
    for (size_t a = 0; a < PBT_ARMS; a++)
        if (page->report->arms[a].flips.n > 0) PBT_TRY(draw_scatter(page, a));
    PBT_TRY(draw_calibration(page));
    pbt_text_add(
        page->out,
        "</div><figcaption>A point is a case of the balanced test: <span class=\"keeps\">○ kept its own "
        "answer</span>, <span class=\"takes\">● adopted the other</span>. To the right the model believed "
        "more in "
        "its own answer, upwards more in the other one. The line is where the regression on these two "
        "log-probabilities (natural, base e) gives both outcomes the same chance; the few points beyond the "
        "frame stand at its edge. Calibration: of the cases predicted to flip with this probability, how "
        "many "
        "did; on the dashed line the prediction is exact. Each case is predicted by a regression that did "
        "not "
        "see it.</figcaption></figure>\n");
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
    for (size_t a = 0; a < PBT_ARMS; a++) {
        const pbt_flips *f = &page->report->arms[a].flips;
        if (f->n == 0 || f->all.d != PBT_FLIP_FEATURES) continue;
        pbt_text_addf(out, "<tr><th scope=\"row\" class=\"%s\">%s%s</th>", pbt_arm_styles[a], a ? "+ " : "",
                      pbt_arm_names[a]);
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
