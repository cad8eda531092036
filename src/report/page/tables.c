/* The tables of a report, with the paper's figures beside ours. */
#include "report/page/tables.h"

#include "base/memory.h"
#include "report/figures/paper.h"
#include "report/page/detail_tables.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PAPER_MODEL "Llama-3.1-70B"

/* One table: consecutive measures of one group. */
typedef struct outline {
    const char *title, *group, *note;
} outline;
static const outline outlines[] = {
    {"Balanced persuasion: accuracy, % (paper: Table 3)", "balanced",
     "+ → −: a right answer in the context, a misleading claim. − → +: a wrong answer, a right claim."},
    {"Balanced persuasion, contexts of both agents: accuracy, %", "balanced_mixed", NULL},
    {"\"Are you sure?\": accuracy before and after, % (paper: Table 2)", "flipflop", NULL},
    {"FARM: misinformation rate, %, lower is better (paper: Table 1)", "farm", NULL},
    {"Teams: accuracy after discussion, % (paper: Figures 3 and 4)", "team",
     "Order gap: weak first minus strong first, as a share of the base models' solo difference."},
};
enum { N_OUTLINES = sizeof outlines / sizeof *outlines, MOST_TABLES = N_OUTLINES + PBT_DETAIL_TABLES + 2 };

static bool group_known(const pbt_report *r, const char *group) {
    for (size_t a = 0; a < PBT_REPORT_ARMS; a++) {
        for (size_t m = 0; m < PBT_REPORT_MEASURES; m++) {
            if (strcmp(pbt_report_measures[m].group, group) == 0 && r->arms[a].figures[m].known) return true;
        }
    }
    return false;
}

static pbt_code figure_cell(pbt_table *t, size_t column, const pbt_figure *f, bool several,
                            pbt_error *error) {
    if (!f->known) return pbt_table_cell(t, column, error, "–");
    if (several)
        return pbt_table_cell(t, column, error, "%.1f ± %.1f [%.1f, %.1f]", f->mean, f->std, f->ci95[0],
                              f->ci95[1]);
    return pbt_table_cell(t, column, error, "%.1f [%.1f, %.1f]", f->mean, f->ci95[0], f->ci95[1]);
}

static pbt_code paper_cell(pbt_table *t, size_t column, const char *arm, const pbt_measure_name *m,
                           pbt_error *error) {
    const pbt_paper_figure *p = pbt_paper_find(PAPER_MODEL, arm, m->group, m->figure);
    if (!p) return pbt_table_cell(t, column, error, "–");
    if (isnan(p->std) || p->std == 0) return pbt_table_cell(t, column, error, "%.1f", p->mean);
    return pbt_table_cell(t, column, error, "%.1f ± %.1f", p->mean, p->std);
}

/* Adds a head; the table was opened with its first column only. */
static pbt_code add_head(pbt_table *t, const char *prefix, const char *label, pbt_error *error) {
    if (t->n_columns >= PBT_TABLE_COLUMNS) return pbt_fail(error, PBT_FAILED, "a table has too many columns");
    char *head = pbt_string_format("%s%s", prefix, label);
    if (!head) return pbt_fail_memory(error, strlen(label), "a table");
    t->head[t->n_columns++] = head;
    return PBT_OK;
}

/* The share of items with an answer that could not be read. */
static pbt_code unread_cell(pbt_table *t, size_t column, const pbt_report_arm *arm, const char *group,
                            pbt_error *error) {
    char name[64];
    snprintf(name, sizeof name, "%s.unparsed", group);
    const pbt_figure *f = pbt_detail_figure(&arm->details, name);
    if (!f || !f->known) return pbt_table_cell(t, column, error, "–");
    return pbt_table_cell(t, column, error, "%.1f", f->mean);
}

static pbt_code group_rows(const pbt_report *r, size_t first, size_t n, bool paper, pbt_table *t,
                           pbt_error *error) {
    for (size_t a = 0; a < PBT_REPORT_ARMS; a++) {
        if (!r->arms[a].present) continue;
        PBT_TRY(pbt_table_row(t, error));
        PBT_TRY(pbt_table_cell(t, 0, error, "%s", pbt_report_arms[a]));
        for (size_t i = 0; i < n; i++) {
            PBT_TRY(figure_cell(t, 1 + i, &r->arms[a].figures[first + i], r->n_seeds > 1, error));
            if (paper)
                PBT_TRY(paper_cell(t, 3 + n + i, pbt_report_arms[a], &pbt_report_measures[first + i], error));
        }
        PBT_TRY(unread_cell(t, 1 + n, &r->arms[a], pbt_report_measures[first].group, error));
        PBT_TRY(pbt_table_cell(t, 2 + n, error, "%lld", (long long)r->arms[a].figures[first + n - 1].n));
    }
    return PBT_OK;
}

static pbt_code group_table(const pbt_report *r, const outline *o, pbt_table *t, pbt_error *error) {
    size_t first = 0, n = 0;
    bool paper = false;
    while (strcmp(pbt_report_measures[first].group, o->group) != 0) first++;
    while (first + n < PBT_REPORT_MEASURES && strcmp(pbt_report_measures[first + n].group, o->group) == 0) {
        paper = paper || pbt_paper_find(PAPER_MODEL, "base", o->group, pbt_report_measures[first + n].figure);
        n++;
    }
    PBT_TRY(pbt_table_open(t, error, o->title, "arm", NULL));
    t->name = o->group;
    for (size_t i = 0; i < n; i++) PBT_TRY(add_head(t, "", pbt_report_measures[first + i].label, error));
    PBT_TRY(add_head(t, "", "not read", error));
    PBT_TRY(add_head(t, "", "n", error));
    for (size_t i = 0; paper && i < n; i++)
        PBT_TRY(add_head(t, "paper: ", pbt_report_measures[first + i].label, error));
    if (o->note) PBT_TRY(pbt_table_note(t, o->note, error));
    return group_rows(r, first, n, paper, t, error);
}

static double number_of(const json_t *object, const char *key) {
    const json_t *value = json_object_get(object, key);
    return json_is_number(value) ? json_number_value(value) : NAN;
}

static pbt_code training_table(const pbt_report *r, pbt_table *t, pbt_error *error) {
    PBT_TRY(pbt_table_open(t, error, "Training", "arm", "seed", "pairs", "resist", "accept", "SFT loss",
                           "DPO loss", "kept step", "dev + → −", "dev − → +", NULL));
    t->name = "training";
    t->n_keys = 2;
    for (size_t a = 0; a < PBT_REPORT_ARMS; a++) {
        for (size_t i = 0; i < json_array_size(r->arms[a].training); i++) {
            const json_t *s = json_array_get(r->arms[a].training, i);
            PBT_TRY(pbt_table_row(t, error));
            PBT_TRY(pbt_table_cell(t, 0, error, "%s", pbt_report_arms[a]));
            PBT_TRY(pbt_table_cell(t, 1, error, "%.0f", number_of(s, "seed")));
            PBT_TRY(pbt_table_cell(t, 2, error, "%.0f", number_of(s, "pairs")));
            PBT_TRY(pbt_table_cell(t, 3, error, "%.0f", number_of(s, "resist")));
            PBT_TRY(pbt_table_cell(t, 4, error, "%.0f", number_of(s, "accept")));
            PBT_TRY(pbt_table_cell(t, 5, error, "%.3f", number_of(s, "sft_loss")));
            PBT_TRY(pbt_table_cell(t, 6, error, "%.3f", number_of(s, "dpo_loss")));
            PBT_TRY(pbt_table_cell(t, 7, error, "%.0f of %.0f", number_of(s, "kept_step"),
                                   number_of(s, "steps")));
            PBT_TRY(pbt_table_cell(t, 8, error, "%.1f", number_of(s, "dev_plus_minus")));
            PBT_TRY(pbt_table_cell(t, 9, error, "%.1f", number_of(s, "dev_minus_plus")));
        }
    }
    return PBT_OK;
}

/* What became of every two siblings that could have been compared. */
static pbt_code pairs_table(const pbt_report *r, pbt_table *t, pbt_error *error) {
    PBT_TRY(pbt_table_open(t, error, "Trees and pairs", "what", NULL));
    t->name = "pairs";
    for (size_t s = 0; s < r->n_seeds; s++) {
        char label[32];
        snprintf(label, sizeof label, "seed %lld", (long long)r->seeds[s]);
        if (t->n_columns < PBT_TABLE_COLUMNS) PBT_TRY(add_head(t, "", label, error));
    }
    const json_t *const sources[] = {r->trees, r->reasons};
    for (size_t k = 0; k < 2; k++) {
        const char *name;
        json_t *value;
        json_object_foreach(json_array_get(sources[k], 0), name, value) {
            PBT_TRY(pbt_table_row(t, error));
            PBT_TRY(pbt_table_cell(t, 0, error, "%s", name));
            for (size_t s = 0; s + 1 < t->n_columns; s++)
                PBT_TRY(
                    pbt_table_cell(t, 1 + s, error, "%.0f", number_of(json_array_get(sources[k], s), name)));
        }
    }
    return PBT_OK;
}

pbt_code pbt_report_tables(const pbt_report *report, pbt_table **tables, size_t *n, pbt_error *error) {
    pbt_table *made = pbt_alloc(MOST_TABLES, sizeof *made);
    size_t count = 0;
    pbt_code code = made ? PBT_OK : pbt_fail_memory(error, MOST_TABLES * sizeof *made, "tables");
    for (size_t o = 0; o < N_OUTLINES && code == PBT_OK; o++) {
        if (group_known(report, outlines[o].group))
            code = group_table(report, &outlines[o], &made[count++], error);
    }
    if (code == PBT_OK) code = pbt_report_detail_tables(report, made, &count, error);
    bool trained = false;
    for (size_t a = 0; a < PBT_REPORT_ARMS; a++)
        trained = trained || json_array_size(report->arms[a].training);
    if (code == PBT_OK && trained) code = training_table(report, &made[count++], error);
    if (code == PBT_OK && json_array_size(report->trees)) code = pairs_table(report, &made[count++], error);
    if (code != PBT_OK) {
        pbt_tables_free(made, count);
        return code;
    }
    *tables = made;
    *n = count;
    return PBT_OK;
}

void pbt_tables_free(pbt_table *tables, size_t n) {
    for (size_t i = 0; i < n; i++) pbt_table_free(&tables[i]);
    free(tables);
}

static pbt_code compare_row(const pbt_report *r, const char *name, size_t arm, pbt_table *t,
                            pbt_error *error) {
    PBT_TRY(pbt_table_row(t, error));
    PBT_TRY(pbt_table_cell(t, 0, error, "%s", name));
    PBT_TRY(pbt_table_cell(t, 1, error, "%s", pbt_report_arms[arm]));
    size_t column = 2;
    for (size_t m = 0; m < PBT_REPORT_MEASURES; m++) {
        if (strcmp(pbt_report_measures[m].group, "balanced_mixed") == 0) continue;
        const pbt_figure *f = &r->arms[arm].figures[m];
        if (f->known)
            PBT_TRY(pbt_table_cell(t, column, error, "%.1f", f->mean));
        else
            PBT_TRY(pbt_table_cell(t, column, error, "–"));
        column++;
    }
    return PBT_OK;
}

pbt_code pbt_compare_table(const pbt_report *reports, const char *const *names, size_t n, pbt_table *table,
                           pbt_error *error) {
    PBT_TRY(pbt_table_open(table, error, "Runs side by side: means over seeds, %", "run", "arm", NULL));
    table->n_keys = 2;
    for (size_t m = 0; m < PBT_REPORT_MEASURES; m++) {
        if (strcmp(pbt_report_measures[m].group, "balanced_mixed") != 0)
            PBT_TRY(add_head(table, "", pbt_report_measures[m].label, error));
    }
    for (size_t a = 0; a < PBT_REPORT_ARMS; a++) {
        for (size_t i = 0; i < n; i++) {
            if (reports[i].arms[a].present) PBT_TRY(compare_row(&reports[i], names[i], a, table, error));
        }
    }
    return PBT_OK;
}
