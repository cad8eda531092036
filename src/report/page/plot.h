/*
 * Plots as SVG: axes with round ticks, series of lines, points and intervals, labels beside what they name.
 * Colours and fonts come from report.css by class, so that one drawing serves light, dark and paper.
 */
#ifndef PBT_REPORT_PAGE_PLOT_H
#define PBT_REPORT_PAGE_PLOT_H

#include "base/text.h"

typedef enum pbt_mark {
    PBT_MARK_NONE,
    PBT_MARK_CIRCLE,   /* base */
    PBT_MARK_TRIANGLE, /* accept */
    PBT_MARK_SQUARE,   /* resist */
    PBT_MARK_DIAMOND   /* pbt */
} pbt_mark;

/* Points in data units; those that are not finite are left out (a line has a gap there). */
typedef struct pbt_series {
    const char *style; /* CSS classes: "arm-pbt", "arm-base thin", ... */
    const char *label; /* written beside the last point; NULL: none */
    const char *name; /* what the exact values are called; NULL: the label, and with neither none are given */
    const double *x, *y; /* [n] */
    size_t n;
    bool line;
    pbt_mark mark;
    const char *const *titles; /* [n] or NULL: what a point says when pointed at */
} pbt_series;

/* Zero-initialise. A range whose two ends are equal is found from the series. */
typedef struct pbt_plot {
    const char *title, *x_title, *y_title; /* y_title stands above the axis, not beside it */
    const char *about;                     /* for who cannot see the drawing; NULL: the title */
    double width, height;                  /* CSS pixels */
    double x_range[2], y_range[2];
    double right; /* room for labels at the right, CSS pixels */
    const pbt_series *series;
    size_t n_series;
    bool diagonals; /* lines of equal mean of x and y, both 0..100 */
    double radius;  /* of points; 0: 4 */
    bool whole_x;   /* x counts something: ticks at whole numbers */
    bool cloud;     /* points that have nothing to do with each other: no crosshair over all of them */
} pbt_plot;

/* Appends <svg>...</svg>. */
void pbt_plot_draw(const pbt_plot *plot, pbt_text *out);

/* Ends and step of a round axis over [least, most] with about `wanted` ticks; the step is 1, 2 or 5 times a
 * power of ten. */
double pbt_tick_step(double least, double most, int wanted);
/* A number as short as its step allows; "−" for a minus. */
void pbt_tick_text(double value, double step, char *out, size_t size);
/* One mark at (x, y) in CSS pixels, `radius` big; `hollow` marks are outlines. */
void pbt_mark_draw(pbt_mark mark, double x, double y, double radius, const char *style, const char *title,
                   pbt_text *out);

#endif
