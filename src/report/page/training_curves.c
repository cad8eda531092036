/* Training curves of report.html: a panel for each metric, a colour for each arm, a thin line for each seed.
 */
#include "report/page/training_curves.h"

#include "report/page/html.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { SFT, DPO, CHECKS, SOURCES, MOST_POINTS = 240, PANEL_WIDTH = 340, PANEL_HEIGHT = 210 };
static const char *const source_names[] = {"sft", "dpo"};

/* What was logged for one arm and seed: lists of {"step", ...}, or NULL. */
typedef struct logged {
    json_t *source[SOURCES];
} logged;

typedef struct curves {
    pbt_page *page;
    size_t n_seeds;
    logged *logs; /* [PBT_ARMS][n_seeds] */
} curves;

static const logged *log_of(const curves *c, size_t arm, size_t seed) {
    return &c->logs[arm * c->n_seeds + seed];
}

static pbt_code add_check(void *user, const char *name, json_t *value, pbt_error *error) {
    if (json_array_append(user, value) != 0) return pbt_fail_memory(error, strlen(name), "curves");
    return PBT_OK;
}

static pbt_code read_log(const curves *c, size_t arm, size_t seed, pbt_error *error) {
    logged *log = &c->logs[arm * c->n_seeds + seed];
    pbt_artefact_key key = {"train", c->page->report->seeds[seed], pbt_arm_names[arm], "metrics", ""};
    for (int s = 0; s < CHECKS; s++) {
        key.name = source_names[s];
        PBT_TRY(pbt_store_get(c->page->store, &key, &log->source[s], error));
    }
    key.kind = "check";
    log->source[CHECKS] = json_array();
    return pbt_store_each(c->page->store, &key, add_check, log->source[CHECKS], error);
}

/* ---- one line ---- */

typedef struct points {
    double *x, *y;
    size_t n;
} points;

static double field(const json_t *row, const char *key) {
    const json_t *value = json_object_get(row, key);
    return json_is_number(value) ? json_number_value(value) : NAN;
}

static bool points_alloc(pbt_page *page, size_t n, points *p) {
    *p = (points){pbt_arena_alloc(page->arena, n + 1, sizeof(double)),
                  pbt_arena_alloc(page->arena, n + 1, sizeof(double)), 0};
    return p->x && p->y;
}

/* Long logs are averaged in runs of equal length, so that no more than MOST_POINTS are drawn. */
static bool read_points(pbt_page *page, const json_t *rows, const char *key, points *p) {
    size_t count = json_array_size(rows), run = (count + MOST_POINTS - 1) / MOST_POINTS;
    if (!points_alloc(page, count < MOST_POINTS ? count : MOST_POINTS, p)) return false;
    for (size_t first = 0; first < count; first += run) {
        double x = 0, y = 0, n = 0;
        for (size_t i = first; i < count && i < first + run; i++) {
            double step = field(json_array_get(rows, i), "step"), value = field(json_array_get(rows, i), key);
            if (!isfinite(step) || !isfinite(value)) continue;
            x += step, y += value, n++;
        }
        if (n == 0) continue;
        p->x[p->n] = x / n;
        p->y[p->n++] = y / n;
    }
    return true;
}

/* ---- one panel ---- */

typedef struct panel {
    const curves *c;
    pbt_series *series;
    size_t n, capacity;
    bool failed;
} panel;

static panel panel_open(const curves *c, size_t keys) {
    size_t capacity = keys * PBT_ARMS * (c->n_seeds + 1);
    pbt_series *series = pbt_arena_alloc(c->page->arena, capacity, sizeof *series);
    return (panel){c, series, 0, capacity, !series};
}

/* `name` NULL: exact values are those of the label. */
static void add_series(panel *p, const points *line, const char *style, const char *label, const char *name,
                       pbt_mark mark) {
    if (line->n == 0 || p->failed || p->n == p->capacity) return;
    p->failed = !style;
    p->series[p->n++] = (pbt_series){.style = style,
                                     .label = label,
                                     .name = name,
                                     .x = line->x,
                                     .y = line->y,
                                     .n = line->n,
                                     .line = true,
                                     .mark = mark};
}

/* The mean of the seeds, where they were logged at the same steps. */
static bool mean_points(pbt_page *page, const points *seeds, size_t n, points *mean) {
    *mean = (points){0};
    for (size_t s = 0; s < n; s++) {
        if (seeds[s].n != seeds[0].n) return true;
        for (size_t i = 0; i < seeds[0].n; i++)
            if (seeds[s].x[i] != seeds[0].x[i]) return true;
    }
    if (n == 0) return true;
    if (!points_alloc(page, seeds[0].n, mean)) return false;
    for (size_t i = 0; i < seeds[0].n; i++) {
        mean->x[i] = seeds[0].x[i];
        for (size_t s = 0; s < n; s++) mean->y[i] += seeds[s].y[i] / (double)n;
    }
    mean->n = seeds[0].n;
    return true;
}

/* An arm's seeds thin, their mean strong; one seed alone is strong. */
static void add_arm(panel *p, int source, size_t arm, const char *key, const char *label, const char *extra,
                    pbt_mark mark) {
    pbt_page *page = p->c->page;
    points *seeds = pbt_arena_alloc(page->arena, p->c->n_seeds, sizeof *seeds), mean;
    size_t n = 0;
    if (!seeds) p->failed = true;
    for (size_t s = 0; s < p->c->n_seeds && !p->failed; s++) {
        p->failed = !read_points(page, log_of(p->c, arm, s)->source[source], key, &seeds[n]);
        if (!p->failed && seeds[n].n > 0) n++;
    }
    if (p->failed || n == 0) return;
    p->failed = !mean_points(page, seeds, n, &mean);
    const char *style = pbt_page_string(page, "%s %s", pbt_arm_styles[arm], extra);
    const char *thin = pbt_page_string(page, "%s thin", style ? style : "");
    bool together = n > 1 && mean.n > 0;
    for (size_t s = 0; s < n; s++) {
        bool named = !together && s == n - 1;
        const char *name = n > 1 && !together ? pbt_page_string(page, "%s, line %zu", label, s + 1) : NULL;
        add_series(p, &seeds[s], n > 1 ? thin : style, named ? label : NULL, name,
                   together ? PBT_MARK_NONE : mark);
    }
    if (together) add_series(p, &mean, style, label, NULL, mark);
}

static pbt_code panel_draw(panel *p, const char *title, const char *unit, const double range[2]) {
    pbt_page *page = p->c->page;
    if (p->failed) return pbt_fail_memory(page->error, 0, "a plot");
    if (p->n == 0) return PBT_OK;
    pbt_plot plot = {.title = title,
                     .y_title = unit,
                     .x_title = "step",
                     .whole_x = true,
                     .width = PANEL_WIDTH,
                     .height = PANEL_HEIGHT,
                     .right = 62,
                     .series = p->series,
                     .n_series = p->n};
    if (range) plot.y_range[0] = range[0], plot.y_range[1] = range[1];
    pbt_plot_draw(&plot, page->out);
    return PBT_OK;
}

static pbt_code arms_panel(const curves *c, int source, const char *key, const char *title,
                           const double range[2]) {
    panel p = panel_open(c, 1);
    for (size_t a = 0; a < PBT_ARMS; a++) {
        pbt_mark mark = source == CHECKS ? pbt_arm_marks[a] : PBT_MARK_NONE;
        add_arm(&p, source, a, key, pbt_arm_names[a], "", mark);
    }
    return panel_draw(&p, title, NULL, range);
}

/* Chosen and rejected of one arm. */
static pbt_code pair_panel(const curves *c, size_t arm, const char *chosen, const char *rejected,
                           const char *what) {
    panel p = panel_open(c, 2);
    add_arm(&p, DPO, arm, chosen, "chosen", "", PBT_MARK_NONE);
    add_arm(&p, DPO, arm, rejected, "rejected", "dashed", PBT_MARK_NONE);
    const char *title = pbt_page_string(c->page, "%s, %s", what, pbt_arm_names[arm]);
    if (!title) return pbt_fail_memory(c->page->error, 0, "a plot");
    return panel_draw(&p, title, NULL, NULL);
}

/* ---- the section ---- */

typedef struct arms_metric {
    int source;
    const char *key, *title;
    bool percent, share;
} arms_metric;
static const arms_metric sft_metrics[] = {{SFT, "loss", "Loss", false, false},
                                          {SFT, "learning_rate", "Learning rate", false, false},
                                          {SFT, "grad_norm", "Gradient norm", false, false}};
static const arms_metric dpo_metrics[] = {{DPO, "loss", "Loss", false, false},
                                          {DPO, "rewards/margins", "Reward margin", false, false},
                                          {DPO, "rewards/accuracies", "Reward accuracy", false, true},
                                          {DPO, "learning_rate", "Learning rate", false, false},
                                          {DPO, "grad_norm", "Gradient norm", false, false}};
static const arms_metric dev_metrics[] = {
    {CHECKS, "plus_minus", "Dev + → −: keeps its right answer, %", true, false},
    {CHECKS, "minus_plus", "Dev − → +: takes the right answer, %", true, false}};

static pbt_code draw_metrics(const curves *c, const arms_metric *metrics, size_t n) {
    static const double percent[2] = {0, 100}, share[2] = {0, 1};
    for (size_t i = 0; i < n; i++)
        PBT_TRY(arms_panel(c, metrics[i].source, metrics[i].key, metrics[i].title,
                           metrics[i].percent ? percent
                           : metrics[i].share ? share
                                              : NULL));
    return PBT_OK;
}

static bool any_logged(const curves *c, int source) {
    for (size_t i = 0; i < PBT_ARMS * c->n_seeds; i++)
        if (json_array_size(c->logs[i].source[source]) > 0) return true;
    return false;
}

static pbt_code draw_all(const curves *c) {
    pbt_text *out = c->page->out;
    if (any_logged(c, SFT)) {
        pbt_text_add(out, "<h3>Supervised finetuning on the chosen responses</h3>\n<div class=\"panels\">\n");
        PBT_TRY(draw_metrics(c, sft_metrics, sizeof sft_metrics / sizeof *sft_metrics));
        pbt_text_add(out, "</div>\n");
    }
    if (any_logged(c, DPO)) {
        pbt_text_add(out, "<h3>Preference training (DPO)</h3>\n<div class=\"panels\">\n");
        PBT_TRY(draw_metrics(c, dpo_metrics, sizeof dpo_metrics / sizeof *dpo_metrics));
        pbt_text_add(out, "</div>\n<div class=\"panels\">\n");
        for (size_t a = 0; a < PBT_ARMS; a++)
            PBT_TRY(pair_panel(c, a, "logps/chosen", "logps/rejected", "Log-probability of the response"));
        pbt_text_add(out, "</div>\n<div class=\"panels\">\n");
        for (size_t a = 0; a < PBT_ARMS; a++)
            PBT_TRY(pair_panel(c, a, "rewards/chosen", "rewards/rejected", "Reward"));
        pbt_text_add(out, "</div>\n");
    }
    if (any_logged(c, CHECKS)) {
        pbt_text_add(out, "<h3>Dev evaluations</h3>\n<div class=\"panels\">\n");
        PBT_TRY(draw_metrics(c, dev_metrics, sizeof dev_metrics / sizeof *dev_metrics));
        pbt_text_add(out, "</div>\n");
    }
    return PBT_OK;
}

pbt_code pbt_page_training(pbt_page *page) {
    size_t n = page->report->n_seeds;
    curves c = {page, n, pbt_alloc(PBT_ARMS * n + 1, sizeof(logged))};
    if (!c.logs) return pbt_fail_memory(page->error, n, "curves");
    pbt_code code = PBT_OK;
    for (size_t a = 0; a < PBT_ARMS; a++)
        for (size_t s = 0; s < n && code == PBT_OK; s++) code = read_log(&c, a, s, page->error);
    if (code == PBT_OK) code = draw_all(&c);
    for (size_t i = 0; i < PBT_ARMS * n; i++)
        for (int s = 0; s < SOURCES; s++) json_decref(c.logs[i].source[s]);
    free(c.logs);
    return code;
}
