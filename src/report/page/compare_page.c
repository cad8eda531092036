/* Several runs side by side, for a file: a table and drawings for each group of measures. */
#include "report/page/compare_page.h"

#include "base/memory.h"
#include "report/page/html.h"
#include "report/page/measure_table.h"
#include "report/page/page_head.h"
#include "report/page/table.h"

#include <stdio.h>
#include <stdlib.h>

/* The runs that are compared. A run is called by a letter where there is little room. */
typedef struct comparison {
    const pbt_report *reports;
    const char *const *names;
    size_t n;
    pbt_text *out;
} comparison;

static const char *letter(size_t run, char text[16]) {
    if (run < 26)
        text[0] = (char)('A' + run), text[1] = 0;
    else
        snprintf(text, 16, "%u", (unsigned)run + 1);
    return text;
}

static bool group_known(const comparison *c, const pbt_measure_group *g) {
    for (size_t r = 0; r < c->n; r++)
        for (size_t a = 0; a < PBT_ARMS; a++)
            for (size_t i = 0; i < g->n; i++)
                if (c->reports[r].arms[a].figures[g->first + i].known) return true;
    return false;
}

/* ---- Markdown ---- */

static pbt_code markdown_figure(pbt_table *t, size_t column, const pbt_figure *f, size_t n_seeds,
                                pbt_error *error) {
    if (!f->known) return pbt_table_cell(t, column, error, "–");
    if (n_seeds > 1)
        return pbt_table_cell(t, column, error, "%.1f ± %.1f [%.1f, %.1f]", f->mean, f->std, f->ci95[0],
                              f->ci95[1]);
    return pbt_table_cell(t, column, error, "%.1f [%.1f, %.1f]", f->mean, f->ci95[0], f->ci95[1]);
}

static pbt_code fill_table(const comparison *c, const pbt_measure_group *g, pbt_table *t, pbt_error *error) {
    for (size_t i = 0; i < g->n; i++) {
        t->head[t->n_columns] = pbt_string_copy(pbt_measures[g->first + i].label);
        if (!t->head[t->n_columns++]) return pbt_fail_memory(error, 0, "a table");
    }
    for (size_t a = 0; a < PBT_ARMS; a++)
        for (size_t r = 0; r < c->n; r++) {
            if (!c->reports[r].arms[a].present) continue;
            PBT_TRY(pbt_table_row(t, error));
            PBT_TRY(pbt_table_cell(t, 0, error, "%s", pbt_arm_names[a]));
            PBT_TRY(pbt_table_cell(t, 1, error, "%s", c->names[r]));
            for (size_t i = 0; i < g->n; i++)
                PBT_TRY(markdown_figure(t, 2 + i, &c->reports[r].arms[a].figures[g->first + i],
                                        c->reports[r].n_seeds, error));
        }
    return PBT_OK;
}

pbt_code pbt_compare_markdown(const pbt_report *reports, const char *const *names, size_t n, pbt_text *out,
                              pbt_error *error) {
    comparison c = {reports, names, n, out};
    pbt_code code = PBT_OK;
    pbt_text_add(out, "# Runs side by side\n\n");
    for (size_t i = 0; i < PBT_GROUPS && code == PBT_OK; i++) {
        const pbt_measure_group *g = &pbt_measure_groups[i];
        if (!group_known(&c, g)) continue;
        pbt_table t;
        code = pbt_table_open(&t, error, g->title, "arm", "run", NULL);
        if (code == PBT_OK) code = fill_table(&c, g, &t, error);
        if (code == PBT_OK) pbt_table_markdown(&t, out);
        pbt_table_free(&t);
    }
    if (code == PBT_OK && out->failed) code = pbt_fail_memory(error, out->length, "a comparison");
    return code;
}

/* ---- HTML ---- */

static void html_runs(const comparison *c) {
    pbt_text_add(c->out,
                 "<div class=\"scroll\"><table class=\"text\">\n<thead><tr><th scope=\"col\"></th><th "
                 "scope=\"col\">run</th>"
                 "<th scope=\"col\">experiment</th><th scope=\"col\">seeds</th></tr></thead>\n<tbody>\n");
    for (size_t r = 0; r < c->n; r++) {
        char text[16];
        pbt_text_addf(c->out, "<tr><th scope=\"row\">%s</th><td>", letter(r, text));
        pbt_html_add(c->out, c->names[r]);
        pbt_text_add(c->out, "</td><td>");
        pbt_html_add(c->out, c->reports[r].experiment);
        pbt_text_add(c->out, "</td><td>");
        for (size_t s = 0; s < c->reports[r].n_seeds; s++)
            pbt_text_addf(c->out, "%s%lld", s ? ", " : "", (long long)c->reports[r].seeds[s]);
        pbt_text_add(c->out, "</td></tr>\n");
    }
    pbt_text_add(c->out, "</tbody></table></div>\n");
}

/* A row for each arm and run: arms together, so that runs stand below each other. */
static pbt_code html_dots(const comparison *c, size_t measure, pbt_error *error) {
    size_t most = c->n * PBT_ARMS, count = 0;
    pbt_dots_row *rows = pbt_alloc(most + 1, sizeof *rows);
    char(*labels)[32] = pbt_alloc(most + 1, sizeof *labels);
    pbt_code code = rows && labels ? PBT_OK : pbt_fail_memory(error, most * sizeof *rows, "a drawing");
    for (size_t i = 0; i < most && code == PBT_OK; i++) {
        size_t a = i / c->n, r = i % c->n;
        char text[16];
        const pbt_figure *f = &c->reports[r].arms[a].figures[measure];
        if (!f->known) continue;
        snprintf(labels[count], sizeof *labels, "%s %s", pbt_arm_names[a], letter(r, text));
        rows[count] = (pbt_dots_row){labels[count], pbt_arm_styles[a], pbt_arm_marks[a], f, NULL};
        count++;
    }
    if (code == PBT_OK && count > 0) pbt_dots_draw(pbt_measures[measure].title, rows, count, c->out);
    free(rows);
    free(labels);
    return code;
}

static void html_table(const comparison *c, const pbt_measure_group *g) {
    pbt_text_add(
        c->out,
        "<div class=\"scroll\"><table>\n<thead><tr><th scope=\"col\">arm</th><th scope=\"col\">run</th>");
    for (size_t i = 0; i < g->n; i++)
        pbt_text_addf(c->out, "<th scope=\"col\">%s</th>", pbt_measures[g->first + i].label);
    pbt_text_add(c->out, "</tr></thead>\n<tbody>\n");
    for (size_t a = 0; a < PBT_ARMS; a++)
        for (size_t r = 0; r < c->n; r++) {
            char text[16];
            if (!c->reports[r].arms[a].present) continue;
            pbt_text_addf(c->out, "<tr><th scope=\"row\" class=\"%s\">%s</th><td>%s</td>", pbt_arm_styles[a],
                          pbt_arm_names[a], letter(r, text));
            for (size_t i = 0; i < g->n; i++)
                pbt_figure_cell_html(&c->reports[r].arms[a].figures[g->first + i], NULL,
                                     c->reports[r].n_seeds, c->out);
            pbt_text_add(c->out, "</tr>\n");
        }
    pbt_text_add(c->out, "</tbody></table></div>\n");
}

static pbt_code html_group(const comparison *c, const pbt_measure_group *g, pbt_error *error) {
    pbt_text_addf(c->out, "<section id=\"%s\">\n<h2>", g->key);
    pbt_html_add(c->out, g->title);
    pbt_text_add(c->out, "</h2>\n<div class=\"panels\">\n");
    for (size_t i = 0; i < g->n; i++) PBT_TRY(html_dots(c, g->first + i, error));
    pbt_text_add(c->out, "</div>\n");
    html_table(c, g);
    pbt_text_add(c->out, "</section>\n");
    return PBT_OK;
}

pbt_code pbt_compare_html(const pbt_report *reports, const char *const *names, size_t n, pbt_text *out,
                          pbt_error *error) {
    comparison c = {reports, names, n, out};
    pbt_page_head(out, "Runs side by side – pbt", NULL);
    pbt_text_add(out, "<header class=\"top\"><p class=\"kicker\">Persuasion-balanced training</p>\n"
                      "<h1>Runs side by side</h1></header>\n<main>\n");
    html_runs(&c);
    for (size_t i = 0; i < PBT_GROUPS; i++)
        if (group_known(&c, &pbt_measure_groups[i])) PBT_TRY(html_group(&c, &pbt_measure_groups[i], error));
    pbt_text_add(
        out,
        "</main>\n<footer><p>Percent; brackets hold 95% intervals over questions. Where a run has several "
        "seeds: mean ± standard deviation over seeds, and the seeds one by one.</p></footer>\n"
        "</body>\n</html>\n");
    return out->failed ? pbt_fail_memory(error, out->length, "a comparison") : PBT_OK;
}
