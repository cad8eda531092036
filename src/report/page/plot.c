#include "report/page/plot.h"

#include "report/page/html.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { LEFT = 46, TOP = 30, BOTTOM = 40, MOST_LABELS = 24, LABEL_WIDTH = 70, LABEL_HEIGHT = 14 };

/* Where data units fall on the drawing. */
typedef struct frame {
    double left, right, top, bottom; /* CSS pixels */
    double x[2], y[2];               /* data units at left, right and bottom, top */
} frame;

static double place_x(const frame *f, double x) {
    return f->left + (x - f->x[0]) / (f->x[1] - f->x[0]) * (f->right - f->left);
}

static double place_y(const frame *f, double y) {
    return f->bottom - (y - f->y[0]) / (f->y[1] - f->y[0]) * (f->bottom - f->top);
}

double pbt_tick_step(double least, double most, int wanted) {
    double raw = (most - least) / (wanted > 0 ? wanted : 1);
    if (!(raw > 0) || !isfinite(raw)) return 1;
    double power = pow(10, floor(log10(raw))), share = raw / power;
    return power * (share <= 1.0 ? 1 : share <= 2.0 ? 2 : share <= 5.0 ? 5 : 10);
}

void pbt_tick_text(double value, double step, char *out, size_t size) {
    int decimals = (int)ceil(-log10(step) - 1e-9);
    if (fabs(value) < step * 1e-6) value = 0;
    const char *minus = value < 0 ? "−" : "";
    if (step < 1e-4 && value != 0)
        snprintf(out, size, "%s%g", minus, fabs(value));
    else
        snprintf(out, size, "%s%.*f", minus, decimals > 0 ? decimals : 0, fabs(value));
}

/* The range that holds all values, with a little air; a single value gets a range around it. */
static void find_range(const pbt_plot *p, bool of_x, double range[2]) {
    double least = INFINITY, most = -INFINITY;
    for (size_t s = 0; s < p->n_series; s++) {
        const double *values = of_x ? p->series[s].x : p->series[s].y;
        for (size_t i = 0; i < p->series[s].n; i++) {
            if (!isfinite(values[i])) continue;
            least = fmin(least, values[i]);
            most = fmax(most, values[i]);
        }
    }
    if (!isfinite(least)) least = 0, most = 1;
    double air = of_x ? 0 : 0.06 * (most - least);
    if (most - least < 1e-12) air = most != 0 ? 0.1 * fabs(most) : 1;
    range[0] = least - air;
    range[1] = most + air;
}

static frame make_frame(const pbt_plot *p) {
    frame f = {.left = LEFT,
               .right = p->width - (p->right > 0 ? p->right : 12),
               .top = TOP,
               .bottom = p->height - BOTTOM};
    memcpy(f.x, p->x_range, sizeof f.x);
    memcpy(f.y, p->y_range, sizeof f.y);
    if (!(f.x[1] > f.x[0])) find_range(p, true, f.x);
    if (!(f.y[1] > f.y[0])) find_range(p, false, f.y);
    return f;
}

static void draw_axes(const pbt_plot *p, const frame *f, pbt_text *out) {
    char text[32];
    double step = pbt_tick_step(f->y[0], f->y[1], (int)((f->bottom - f->top) / 44));
    for (double y = ceil(f->y[0] / step - 1e-9) * step; y <= f->y[1] + 1e-9 * step; y += step) {
        pbt_tick_text(y, step, text, sizeof text);
        pbt_text_addf(out,
                      "<line class=\"grid\" x1=\"%.1f\" x2=\"%.1f\" y1=\"%.1f\" y2=\"%.1f\"/>"
                      "<text class=\"tick\" x=\"%.1f\" y=\"%.1f\" text-anchor=\"end\">%s</text>\n",
                      f->left, f->right, place_y(f, y), place_y(f, y), f->left - 7, place_y(f, y) + 4, text);
    }
    step = pbt_tick_step(f->x[0], f->x[1], (int)((f->right - f->left) / 56));
    if (p->whole_x && step < 1) step = 1;
    for (double x = ceil(f->x[0] / step - 1e-9) * step; x <= f->x[1] + 1e-9 * step; x += step) {
        pbt_tick_text(x, step, text, sizeof text);
        pbt_text_addf(out,
                      "<line class=\"axis\" x1=\"%.1f\" x2=\"%.1f\" y1=\"%.1f\" y2=\"%.1f\"/>"
                      "<text class=\"tick\" x=\"%.1f\" y=\"%.1f\" text-anchor=\"middle\">%s</text>\n",
                      place_x(f, x), place_x(f, x), f->bottom, f->bottom + 4, place_x(f, x), f->bottom + 17,
                      text);
    }
    pbt_text_addf(out, "<line class=\"axis\" x1=\"%.1f\" x2=\"%.1f\" y1=\"%.1f\" y2=\"%.1f\"/>\n", f->left,
                  f->right, f->bottom, f->bottom);
    if (p->x_title) {
        pbt_text_addf(out, "<text class=\"axis-title\" x=\"%.1f\" y=\"%.1f\" text-anchor=\"middle\">",
                      (f->left + f->right) / 2, f->bottom + 34);
        pbt_html_add(out, p->x_title);
        pbt_text_add(out, "</text>\n");
    }
    pbt_text_add(out, "<text class=\"plot-title\" x=\"0\" y=\"14\">");
    pbt_html_add(out, p->title);
    if (p->y_title) {
        pbt_text_add(out, " <tspan class=\"axis-title\">");
        pbt_html_add(out, p->y_title);
        pbt_text_add(out, "</tspan>");
    }
    pbt_text_add(out, "</text>\n");
}

/* Where x and y have the same mean. */
static void draw_diagonals(const frame *f, pbt_text *out) {
    for (int mean = 25; mean <= 75; mean += 25) {
        double low = mean <= 50 ? 0 : 2 * mean - 100, high = mean <= 50 ? 2 * mean : 100;
        pbt_text_addf(out,
                      "<line class=\"iso\" x1=\"%.1f\" y1=\"%.1f\" x2=\"%.1f\" y2=\"%.1f\"/>"
                      "<text class=\"iso-label\" x=\"%.1f\" y=\"%.1f\">%d</text>\n",
                      place_x(f, low), place_y(f, high), place_x(f, high), place_y(f, low),
                      place_x(f, low + 0.25 * (high - low)) + 4, place_y(f, high - 0.25 * (high - low)) - 4,
                      mean);
    }
}

void pbt_mark_draw(pbt_mark mark, double x, double y, double r, const char *style, const char *title,
                   pbt_text *out) {
    if (mark == PBT_MARK_NONE) return;
    if (mark == PBT_MARK_CIRCLE) {
        pbt_text_addf(out, "<circle class=\"mark %s\" cx=\"%.1f\" cy=\"%.1f\" r=\"%.1f\">", style, x, y, r);
    } else {
        static const double corners[3][8] = {{0, -1.25, 1.1, 0.75, -1.1, 0.75, -1.1, 0.75},
                                             {-0.9, -0.9, 0.9, -0.9, 0.9, 0.9, -0.9, 0.9},
                                             {0, -1.3, 1.3, 0, 0, 1.3, -1.3, 0}};
        const double *c = corners[mark - PBT_MARK_TRIANGLE];
        pbt_text_addf(out, "<path class=\"mark %s\" d=\"M%.1f %.1fL%.1f %.1fL%.1f %.1fL%.1f %.1fZ\">", style,
                      x + r * c[0], y + r * c[1], x + r * c[2], y + r * c[3], x + r * c[4], y + r * c[5],
                      x + r * c[6], y + r * c[7]);
    }
    if (title) {
        pbt_text_add(out, "<title>");
        pbt_html_add(out, title);
        pbt_text_add(out, "</title>");
    }
    pbt_text_add(out, mark == PBT_MARK_CIRCLE ? "</circle>\n" : "</path>\n");
}

static bool visible(const pbt_series *s, size_t i) {
    return isfinite(s->x[i]) && isfinite(s->y[i]);
}

static void draw_line(const frame *f, const pbt_series *s, pbt_text *out) {
    bool open = false;
    pbt_text_addf(out, "<path class=\"line %s\" d=\"", s->style);
    for (size_t i = 0; i < s->n; i++) {
        if (visible(s, i))
            pbt_text_addf(out, "%s%.1f %.1f", open ? "L" : "M", place_x(f, s->x[i]), place_y(f, s->y[i]));
        open = visible(s, i);
    }
    pbt_text_add(out, "\"/>\n");
}

/* The data of a series for charts.js. */
static void open_series(const pbt_series *s, pbt_text *out) {
    pbt_text_addf(out, "<g class=\"s %s\" data-name=\"", s->style);
    pbt_html_add(out, s->name ? s->name : s->label);
    for (int d = 0; d < 2; d++) {
        const double *values = d ? s->y : s->x;
        const char *space = "";
        pbt_text_addf(out, "\" data-%c=\"", "xy"[d]);
        for (size_t i = 0; i < s->n; i++) {
            if (!visible(s, i)) continue;
            pbt_text_addf(out, "%s%.6g", space, values[i]);
            space = " ";
        }
    }
    pbt_text_add(out, "\">\n");
}

static void draw_series(const frame *f, const pbt_series *s, double radius, pbt_text *out) {
    size_t seen = 0;
    for (size_t i = 0; i < s->n; i++) seen += visible(s, i);
    bool told = (s->name || s->label) && !s->titles && seen > 0;
    if (told) open_series(s, out);
    if (s->line && seen > 1) draw_line(f, s, out);
    /* A line of one point would not be seen. */
    pbt_mark mark = s->mark == PBT_MARK_NONE && s->line && seen == 1 ? PBT_MARK_CIRCLE : s->mark;
    if (s->line) radius = 3;
    for (size_t i = 0; i < s->n && mark != PBT_MARK_NONE; i++) {
        if (!visible(s, i)) continue;
        /* A point outside the ranges stands at the edge. */
        double x = fmin(fmax(place_x(f, s->x[i]), f->left), f->right),
               y = fmin(fmax(place_y(f, s->y[i]), f->top), f->bottom);
        pbt_mark_draw(mark, x, y, radius, s->style, s->titles ? s->titles[i] : NULL, out);
    }
    if (told) pbt_text_add(out, "</g>\n");
}

typedef struct end_label {
    const pbt_series *series;
    double x, y;
} end_label;

/* Labels beside last points, pushed apart until none covers another. */
static void draw_labels(const pbt_plot *p, const frame *f, pbt_text *out) {
    end_label labels[MOST_LABELS];
    size_t n = 0;
    for (size_t s = 0; s < p->n_series && n < MOST_LABELS; s++) {
        const pbt_series *series = &p->series[s];
        size_t last = series->n;
        while (last > 0 && !visible(series, last - 1)) last--;
        if (!series->label || last == 0) continue;
        /* Beside the end of a line; above a point, where no interval runs through it. */
        end_label l = {series, place_x(f, series->x[last - 1]),
                       place_y(f, series->y[last - 1]) - (series->line ? 0 : 9)};
        /* At the upper edge beside the point, not in the title. */
        if (l.y < f->top) l.y = f->top + 3;
        size_t at = n++;
        for (; at > 0 && labels[at - 1].y > l.y; at--) labels[at] = labels[at - 1];
        labels[at] = l;
    }
    for (size_t i = 1; i < n; i++)
        for (size_t j = 0; j < i; j++)
            if (fabs(labels[i].x - labels[j].x) < LABEL_WIDTH && labels[i].y < labels[j].y + LABEL_HEIGHT)
                labels[i].y = labels[j].y + LABEL_HEIGHT;
    double over = n ? labels[n - 1].y - (f->bottom - 4) : 0;
    for (size_t i = n; over > 0 && i-- > 0;) {
        labels[i].y -= over;
        over = i > 0 ? labels[i - 1].y + LABEL_HEIGHT - labels[i].y : 0;
    }
    for (size_t i = 0; i < n; i++) {
        /* A point near the right edge has its label at its left. */
        bool left = !labels[i].series->line && labels[i].x > f->right - LABEL_WIDTH;
        pbt_text_addf(out, "<text class=\"label %s\" x=\"%.1f\" y=\"%.1f\"%s>", labels[i].series->style,
                      labels[i].x + (left ? -8 : 8), labels[i].y + 4, left ? " text-anchor=\"end\"" : "");
        pbt_html_add(out, labels[i].series->label);
        pbt_text_add(out, "</text>\n");
    }
}

void pbt_plot_draw(const pbt_plot *p, pbt_text *out) {
    frame f = make_frame(p);
    pbt_text_addf(out, "<svg class=\"plot\" role=\"img\" viewBox=\"0 0 %.0f %.0f\" aria-label=\"", p->width,
                  p->height);
    pbt_html_add(out, p->about ? p->about : p->title);
    pbt_text_addf(out, "\" data-frame=\"%.1f %.1f %.1f %.1f %.9g %.9g %.9g %.9g\"%s data-x=\"", f.left,
                  f.right, f.top, f.bottom, f.x[0], f.x[1], f.y[0], f.y[1],
                  p->cloud ? " data-cloud=\"\"" : "");
    pbt_html_add(out, p->x_title ? p->x_title : "");
    pbt_text_add(out, "\" data-y=\"");
    pbt_html_add(out, p->y_title ? p->y_title : "");
    pbt_text_add(out, "\">\n");
    draw_axes(p, &f, out);
    if (p->diagonals) draw_diagonals(&f, out);
    for (size_t s = 0; s < p->n_series; s++)
        draw_series(&f, &p->series[s], p->radius > 0 ? p->radius : 4, out);
    draw_labels(p, &f, out);
    pbt_text_add(out, "</svg>\n");
}
