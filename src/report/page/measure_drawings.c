/* Measures of report.html, drawn: the picture of the finding, and dots with intervals. */
#include "report/page/measure_drawings.h"

#include "report/page/html.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#define PAPER_MODEL "Llama-3.1-70B"

static const pbt_paper_figure *paper_of(const char *model, size_t arm, size_t measure) {
    return pbt_paper_find(model, pbt_arm_names[arm], pbt_measures[measure].group->key,
                          pbt_measures[measure].figure);
}

/* ---- dots ---- */

enum { ROW = 26, DOTS_WIDTH = 320, DOTS_LEFT = 68, DOTS_RIGHT = 52, DOTS_TOP = 26, DOTS_BOTTOM = 24 };

/* 0..100 where everything is; otherwise what there is, and 0, at round ends. */
static void dots_range(const pbt_dots_row *rows, size_t n, double range[2]) {
    range[0] = 0, range[1] = 100;
    double least = 0, most = 0;
    for (size_t i = 0; i < n; i++) {
        const pbt_figure *f = rows[i].figure;
        const pbt_paper_figure *p = rows[i].paper;
        if (f->known) least = fmin(least, f->mean), most = fmax(most, f->mean);
        if (f->known && isfinite(f->ci95[0])) least = fmin(least, f->ci95[0]), most = fmax(most, f->ci95[1]);
        if (p) least = fmin(least, p->mean), most = fmax(most, p->mean);
    }
    if (least >= 0 && most <= 100) return;
    /* The interval of a share of something small may be anything: what lies far out is cut. */
    least = fmax(least, -200), most = fmin(most, 200);
    double step = pbt_tick_step(least, most, 4);
    range[0] = floor(least / step) * step;
    range[1] = ceil(most / step) * step;
}

static double dots_x(const double range[2], double value) {
    double clamped = fmin(fmax(value, range[0]), range[1]);
    return DOTS_LEFT + (clamped - range[0]) / (range[1] - range[0]) * (DOTS_WIDTH - DOTS_LEFT - DOTS_RIGHT);
}

static void dots_axis(const double range[2], double bottom, pbt_text *out) {
    double step = pbt_tick_step(range[0], range[1], 4);
    for (double x = ceil(range[0] / step - 1e-9) * step; x <= range[1] + 1e-9 * step; x += step) {
        char text[32];
        pbt_tick_text(x, step, text, sizeof text);
        pbt_text_addf(out,
                      "<line class=\"%s\" x1=\"%.1f\" x2=\"%.1f\" y1=\"%d\" y2=\"%.1f\"/>"
                      "<text class=\"tick\" x=\"%.1f\" y=\"%.1f\" text-anchor=\"middle\">%s</text>\n",
                      fabs(x) < 1e-9 * step && range[0] < 0 ? "axis" : "grid", dots_x(range, x),
                      dots_x(range, x), DOTS_TOP, bottom, dots_x(range, x), bottom + 16, text);
    }
}

static void dots_row(const pbt_dots_row *row, const double range[2], double y, pbt_text *out) {
    const pbt_figure *f = row->figure;
    const pbt_paper_figure *p = row->paper;
    char title[256];
    pbt_text_addf(out, "<text class=\"label %s\" x=\"0\" y=\"%.1f\">", row->style, y + 4);
    pbt_html_add(out, row->label);
    pbt_text_add(out, "</text>\n");
    if (p) {
        snprintf(title, sizeof title, "%s in the paper (%s): %.1f", p->arm, p->model, p->mean);
        pbt_mark_draw(row->mark, dots_x(range, p->mean), y, 4, "paper", title, out);
    }
    if (!f->known) return;
    if (isfinite(f->ci95[0]))
        pbt_text_addf(out, "<line class=\"ci %s\" x1=\"%.1f\" x2=\"%.1f\" y1=\"%.1f\" y2=\"%.1f\"/>\n",
                      row->style, dots_x(range, f->ci95[0]), dots_x(range, f->ci95[1]), y, y);
    snprintf(title, sizeof title, "%s: %.1f [%.1f, %.1f], n %lld", row->label, f->mean, f->ci95[0],
             f->ci95[1], (long long)f->n);
    pbt_mark_draw(row->mark, dots_x(range, f->mean), y, 4.5, row->style, title, out);
    pbt_text_addf(out, "<text class=\"value\" x=\"%d\" y=\"%.1f\" text-anchor=\"end\">%s%.1f</text>\n",
                  DOTS_WIDTH, y + 4, f->mean < -0.05 ? "−" : "", fabs(f->mean));
}

void pbt_dots_draw(const char *title, const pbt_dots_row *rows, size_t n, pbt_text *out) {
    double range[2], bottom = DOTS_TOP + ROW * (double)n;
    dots_range(rows, n, range);
    pbt_text_addf(out, "<svg class=\"plot dots\" role=\"img\" viewBox=\"0 0 %d %.0f\" aria-label=\"",
                  DOTS_WIDTH, bottom + DOTS_BOTTOM);
    pbt_html_add(out, title);
    pbt_text_add(out, "\">\n<text class=\"plot-title\" x=\"0\" y=\"14\">");
    pbt_html_add(out, title);
    pbt_text_add(out, "</text>\n");
    dots_axis(range, bottom, out);
    for (size_t i = 0; i < n; i++) dots_row(&rows[i], range, DOTS_TOP + ROW * ((double)i + 0.5), out);
    pbt_text_add(out, "</svg>\n");
}

void pbt_dots_report(const pbt_report *r, size_t measure, pbt_text *out) {
    pbt_dots_row rows[PBT_ARMS];
    size_t n = 0;
    for (size_t a = 0; a < PBT_ARMS; a++) {
        if (!r->arms[a].present) continue;
        rows[n++] = (pbt_dots_row){pbt_arm_names[a], pbt_arm_styles[a], pbt_arm_marks[a],
                                   &r->arms[a].figures[measure], paper_of(PAPER_MODEL, a, measure)};
    }
    pbt_dots_draw(pbt_measures[measure].title, rows, n, out);
}

/* ---- the picture of the finding ---- */

enum { PLANE_SERIES = 4 * PBT_ARMS };

typedef struct plane {
    pbt_series series[PLANE_SERIES];
    size_t n;
    double values[PLANE_SERIES][4]; /* x, x, y, y of what is drawn */
    const char *titles[PLANE_SERIES];
    bool failed;
} plane;

static void plane_add(plane *p, const char *style, const char *label, const char *title, pbt_mark mark,
                      const double x[2], const double y[2]) {
    double *v = p->values[p->n];
    p->titles[p->n] = title;
    v[0] = x[0], v[1] = x[1], v[2] = y[0], v[3] = y[1];
    bool line = mark == PBT_MARK_NONE;
    p->series[p->n] = (pbt_series){.style = style,
                                   .label = label,
                                   .x = v,
                                   .y = v + 2,
                                   .n = line ? 2 : 1,
                                   .line = line,
                                   .mark = mark,
                                   .titles = title ? &p->titles[p->n] : NULL};
    p->failed = p->failed || !style;
    p->n++;
}

/* Bars through (x, y): `wide` across, `high` upright. */
static void plane_cross(pbt_page *page, plane *p, const char *style, const double wide[2],
                        const double high[2], const double x[2], const double y[2]) {
    const char *thin = pbt_page_string(page, "ci %s", style);
    plane_add(p, thin, NULL, NULL, PBT_MARK_NONE, wide, y);
    plane_add(p, thin, NULL, NULL, PBT_MARK_NONE, x, high);
}

static void plane_arm(pbt_page *page, plane *p, size_t arm) {
    const pbt_figure *resist = &page->report->arms[arm].figures[PBT_BALANCED_PLUS_MINUS];
    const pbt_figure *accept = &page->report->arms[arm].figures[PBT_BALANCED_MINUS_PLUS];
    const pbt_figure *overall = &page->report->arms[arm].figures[PBT_BALANCED_OVERALL];
    const char *style = pbt_arm_styles[arm];
    if (!resist->known || !accept->known) return;
    double x[2] = {accept->mean, accept->mean}, y[2] = {resist->mean, resist->mean};
    const char *title = pbt_page_string(
        page,
        "%s: keeps its right answer %.1f%% [%.1f, %.1f], takes the right answer %.1f%% [%.1f, %.1f], overall "
        "%.1f%%",
        pbt_arm_names[arm], resist->mean, resist->ci95[0], resist->ci95[1], accept->mean, accept->ci95[0],
        accept->ci95[1], overall->mean);
    plane_cross(page, p, style, accept->ci95, resist->ci95, x, y);
    plane_add(p, style, pbt_page_string(page, "%s %.1f", pbt_arm_names[arm], overall->mean), title,
              pbt_arm_marks[arm], x, y);
}

static void plane_paper(pbt_page *page, plane *p, size_t arm) {
    const pbt_paper_figure *resist = paper_of(PAPER_MODEL, arm, PBT_BALANCED_PLUS_MINUS),
                           *accept = paper_of(PAPER_MODEL, arm, PBT_BALANCED_MINUS_PLUS),
                           *overall = paper_of(PAPER_MODEL, arm, PBT_BALANCED_OVERALL);
    if (!resist || !accept || !overall) return;
    double x[2] = {accept->mean, accept->mean}, y[2] = {resist->mean, resist->mean};
    double wide[2] = {accept->mean - accept->std, accept->mean + accept->std},
           high[2] = {resist->mean - resist->std, resist->mean + resist->std};
    const char *title = pbt_page_string(page,
                                        "%s in the paper: keeps its right answer %.1f%% ± %.1f, takes the "
                                        "right answer %.1f%% ± %.1f, overall "
                                        "%.1f%%",
                                        pbt_arm_names[arm], resist->mean, resist->std, accept->mean,
                                        accept->std, overall->mean);
    if (isfinite(accept->std) && isfinite(resist->std))
        plane_cross(page, p, pbt_arm_styles[arm], wide, high, x, y);
    plane_add(p, pbt_arm_styles[arm], pbt_page_string(page, "%s %.1f", pbt_arm_names[arm], overall->mean),
              title, pbt_arm_marks[arm], x, y);
}

pbt_code pbt_page_picture(pbt_page *page) {
    bool known = false;
    for (size_t a = 0; a < PBT_ARMS; a++)
        known = known || page->report->arms[a].figures[PBT_BALANCED_OVERALL].known;
    if (!known) return PBT_OK;
    pbt_text_add(page->out, "<figure class=\"picture\">\n<div class=\"pair\">\n");
    for (int paper = 0; paper < 2; paper++) {
        plane p = {.n = 0};
        for (size_t a = 0; a < PBT_ARMS; a++) (paper ? plane_paper : plane_arm)(page, &p, a);
        if (p.failed) return pbt_fail_memory(page->error, 0, "a picture");
        pbt_plot plot = {.title = paper ? "The paper, " PAPER_MODEL : "This run",
                         .x_title = "accepts the right claim when wrong (− → +), %",
                         .y_title = "keeps its right answer (+ → −), %",
                         .about = "Accuracy on both sides of the balanced test, one point per arm",
                         .width = 500,
                         .height = 430,
                         .right = 16,
                         .x_range = {0, 100},
                         .y_range = {0, 100},
                         .series = p.series,
                         .n_series = p.n,
                         .diagonals = true};
        pbt_plot_draw(&plot, page->out);
    }
    pbt_text_add(
        page->out,
        "</div>\n<figcaption>Up: keeps its right answer when misled. Right: takes the right answer "
        "when corrected. The best place is the upper right corner; numbers are the overall accuracy, "
        "equal along the dotted lines. Bars: 95% intervals over questions; in the paper, ± one standard "
        "deviation "
        "over seeds. An arm that moves along a dotted line only trades one side for the other."
        "</figcaption>\n</figure>\n");
    return PBT_OK;
}
