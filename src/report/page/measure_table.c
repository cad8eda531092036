/* Measures of report.html as tables in the paper's layout, with the paper's models beside. */
#include "report/page/measure_table.h"

#include "report/page/html.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#define PAPER_MODEL "Llama-3.1-70B"
static const char *const paper_models[] = {"Llama-3.1-70B", "Llama-3.1-8B", "Mistral-7B"};
enum { N_PAPER_MODELS = sizeof paper_models / sizeof *paper_models };

static void number_html(double value, pbt_text *out) {
    pbt_text_addf(out, "%s%.1f", value < -0.05 ? "−" : "", fabs(value));
}

static void spread_html(const pbt_figure *f, size_t n_seeds, pbt_text *out) {
    pbt_text_add(out, "<span class=\"ci\">[");
    number_html(f->ci95[0], out);
    pbt_text_add(out, ", ");
    number_html(f->ci95[1], out);
    pbt_text_add(out, "]</span>");
    if (n_seeds < 2) return;
    pbt_text_add(out, "<span class=\"seeds\" title=\"each seed\">");
    for (size_t s = 0; s < f->n_seeds; s++) {
        if (s) pbt_text_add(out, " · ");
        if (isfinite(f->per_seed[s]))
            number_html(f->per_seed[s], out);
        else
            pbt_text_add(out, "–");
    }
    pbt_text_add(out, "</span>");
}

void pbt_figure_cell_html(const pbt_figure *f, const pbt_figure *unread, size_t n_seeds, pbt_text *out) {
    if (!f || !f->known) {
        pbt_text_add(out, "<td class=\"none\">–</td>");
        return;
    }
    pbt_text_add(out, "<td><span class=\"v\">");
    number_html(f->mean, out);
    if (n_seeds > 1) pbt_text_addf(out, "<span class=\"pm\"> ± %.1f</span>", f->std);
    pbt_text_add(out, "</span>");
    spread_html(f, n_seeds, out);
    if (unread && unread->known && unread->mean >= 0.05)
        pbt_text_addf(out,
                      "<span class=\"rate\" title=\"answers that could not be read\">%.1f%% unread</span>",
                      unread->mean);
    pbt_text_add(out, "</td>");
}

enum { MOST_COLUMNS = 12 };

/* One column of a group's table: a main measure, or a detail of the arm. */
typedef struct column {
    const char *label;  /* NULL: the paper's figure name, where only the paper has it */
    const char *figure; /* as in report.json and in paper.c */
    size_t measure;     /* SIZE_MAX: a detail */
    char detail[96];
} column;
typedef struct columns {
    const pbt_measure_group *group;
    column items[MOST_COLUMNS];
    size_t n;
} columns;

static void lower(char *text) {
    for (; *text; text++)
        if (*text >= 'A' && *text <= 'Z') *text += 32;
}

/* FARM's sets stand before their mean, as in the paper. */
static void add_farm_sets(pbt_page *page, columns *c) {
    static const char prefix[] = "farm.by_set.";
    for (size_t a = 0; a < PBT_ARMS; a++) {
        const pbt_detail_list *list = &page->report->arms[a].details;
        for (size_t i = 0; i < list->count && c->n + 2 < MOST_COLUMNS; i++) {
            const char *name = list->items[i].name;
            bool known = strncmp(name, prefix, sizeof prefix - 1) != 0;
            for (size_t k = 0; k < c->n && !known; k++) known = strcmp(c->items[k].detail, name) == 0;
            if (known) continue;
            column *added = &c->items[c->n++];
            char *figure = pbt_arena_string(page->arena, name + sizeof prefix - 1);
            if (figure) lower(figure);
            *added = (column){
                .label = name + sizeof prefix - 1, .figure = figure ? figure : "", .measure = SIZE_MAX};
            snprintf(added->detail, sizeof added->detail, "%s", name);
        }
    }
    if (c->n == 1) c->n = 0; /* one set: its rate is the mean */
}

static columns own_columns(pbt_page *page, const pbt_measure_group *g) {
    columns c = {.group = g};
    if (g == &pbt_measure_groups[PBT_GROUP_FARM]) add_farm_sets(page, &c);
    for (size_t i = 0; i < g->n && c.n < MOST_COLUMNS; i++)
        c.items[c.n++] = (column){.label = pbt_measures[g->first + i].label,
                                  .figure = pbt_measures[g->first + i].figure,
                                  .measure = g->first + i};
    return c;
}

static columns paper_columns(const pbt_measure_group *g) {
    static const char *const sets[][2] = {
        {"nq1", "NQ1"}, {"nq2", "NQ2"}, {"boolq", "BoolQ"}, {"truthfulqa", "TruthfulQA"}};
    columns c = {.group = g};
    for (size_t i = 0; i < 4 && g == &pbt_measure_groups[PBT_GROUP_FARM]; i++)
        c.items[c.n++] = (column){.label = sets[i][1], .figure = sets[i][0], .measure = SIZE_MAX};
    for (size_t i = 0; i < g->n && c.n < MOST_COLUMNS; i++) {
        const pbt_measure_info *m = &pbt_measures[g->first + i];
        if (pbt_paper_find(PAPER_MODEL, pbt_arm_names[PBT_ARM_BASE], g->key, m->figure))
            c.items[c.n++] = (column){.label = m->label, .figure = m->figure, .measure = g->first + i};
    }
    return c;
}

static const pbt_figure *figure_of(const pbt_report_arm *arm, const column *c) {
    return c->measure == SIZE_MAX ? pbt_detail_figure(&arm->details, c->detail) : &arm->figures[c->measure];
}

/* How many answers of a figure could not be read, by whichever name it is kept. */
static const pbt_figure *unread_of(const pbt_report_arm *arm, const char *group, const char *figure) {
    for (int form = 0; form < 3; form++) {
        char name[128];
        if (form == 0)
            snprintf(name, sizeof name, "%s.unparsed_%s", group, figure);
        else if (form == 1)
            snprintf(name, sizeof name, "%s.by_side.%s.unparsed", group, figure);
        else
            snprintf(name, sizeof name, "%s.unparsed", group);
        const pbt_figure *found = pbt_detail_figure(&arm->details, name);
        if (found) return found;
    }
    return NULL;
}

static void arm_head(size_t arm, pbt_text *out) {
    pbt_text_addf(out, "<tr><th scope=\"row\" class=\"%s\">%s%s</th>", pbt_arm_styles[arm], arm ? "+ " : "",
                  pbt_arm_names[arm]);
}

static void own_rows(pbt_page *page, const columns *c) {
    const pbt_report *r = page->report;
    pbt_text_addf(page->out, "<tbody><tr class=\"group\"><th colspan=\"%zu\">This run</th></tr>\n", c->n + 2);
    for (size_t a = 0; a < PBT_ARMS; a++) {
        if (!r->arms[a].present) continue;
        int64_t n = 0;
        arm_head(a, page->out);
        for (size_t i = 0; i < c->n; i++) {
            const pbt_figure *f = figure_of(&r->arms[a], &c->items[i]);
            bool main = c->items[i].measure != SIZE_MAX;
            const pbt_figure *unread =
                main ? unread_of(&r->arms[a], c->group->key, c->items[i].figure) : NULL;
            pbt_figure_cell_html(f, unread, r->n_seeds, page->out);
            if (f && f->n > n) n = f->n;
        }
        pbt_text_addf(page->out, "<td>%lld</td></tr>\n", (long long)n);
    }
    pbt_text_add(page->out, "</tbody>\n");
}

static void paper_cell(const pbt_paper_figure *p, pbt_text *out) {
    if (!p) {
        pbt_text_add(out, "<td class=\"none\">–</td>");
        return;
    }
    pbt_text_add(out, "<td><span class=\"v\">");
    number_html(p->mean, out);
    if (!isnan(p->std)) pbt_text_addf(out, "<span class=\"pm\"> ± %.1f</span>", p->std);
    pbt_text_add(out, "</span></td>");
}

static const pbt_paper_figure *paper_figure(const char *model, size_t arm, const columns *c, size_t i) {
    return pbt_paper_find(model, pbt_arm_names[arm], c->group->key, c->items[i].figure);
}

static void paper_rows(pbt_page *page, const columns *c, const char *model) {
    const pbt_paper_figure *source = paper_figure(model, 0, c, c->n - 1);
    if (!source) return;
    pbt_text_addf(page->out,
                  "<tbody><tr class=\"group\"><th colspan=\"%zu\">The paper, %s "
                  "<span class=\"source\">%s</span></th></tr>\n",
                  c->n + 1, model, source->table);
    for (size_t a = 0; a < PBT_ARMS; a++) {
        if (!paper_figure(model, a, c, c->n - 1)) continue;
        arm_head(a, page->out);
        for (size_t i = 0; i < c->n; i++) paper_cell(paper_figure(model, a, c, i), page->out);
        pbt_text_add(page->out, "</tr>\n");
    }
    pbt_text_add(page->out, "</tbody>\n");
}

static void table_open(pbt_page *page, const columns *c, const char *style, bool count) {
    pbt_text_addf(page->out,
                  "<div class=\"scroll\"><table class=\"%s\">\n<thead><tr><th scope=\"col\">arm</th>", style);
    for (size_t i = 0; i < c->n; i++) {
        pbt_text_add(page->out, "<th scope=\"col\">");
        pbt_html_add(page->out, c->items[i].label);
        pbt_text_add(page->out, "</th>");
    }
    pbt_text_add(page->out, count ? "<th scope=\"col\">n</th></tr></thead>\n" : "</tr></thead>\n");
}

void pbt_page_measure_table(pbt_page *page, const pbt_measure_group *g) {
    columns own = own_columns(page, g), paper = paper_columns(g);
    pbt_text_add(page->out, "<div class=\"beside\">\n");
    table_open(page, &own, "own", true);
    own_rows(page, &own);
    pbt_text_add(page->out, "</table></div>\n");
    if (paper.n > 0) {
        table_open(page, &paper, "paper-rows", false);
        for (size_t m = 0; m < N_PAPER_MODELS; m++) paper_rows(page, &paper, paper_models[m]);
        pbt_text_add(page->out, "</table></div>\n");
    }
    pbt_text_add(page->out, "</div>\n");
}
