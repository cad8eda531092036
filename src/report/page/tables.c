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

enum { MOST_TABLES = PBT_GROUPS + PBT_DETAIL_TABLES + 2 };

static bool group_known(const pbt_report *r, const pbt_measure_group *g) {
    for (size_t a = 0; a < PBT_ARMS; a++)
        for (size_t i = 0; i < g->n; i++)
            if (r->arms[a].figures[g->first + i].known) return true;
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

static pbt_code paper_cell(pbt_table *t, size_t column, const char *arm, const pbt_measure_info *m,
                           pbt_error *error) {
    const pbt_paper_figure *p = pbt_paper_find(PAPER_MODEL, arm, m->group->key, m->figure);
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
    for (size_t a = 0; a < PBT_ARMS; a++) {
        if (!r->arms[a].present) continue;
        PBT_TRY(pbt_table_row(t, error));
        PBT_TRY(pbt_table_cell(t, 0, error, "%s", pbt_arm_names[a]));
        for (size_t i = 0; i < n; i++) {
            PBT_TRY(figure_cell(t, 1 + i, &r->arms[a].figures[first + i], r->n_seeds > 1, error));
            if (paper) PBT_TRY(paper_cell(t, 3 + n + i, pbt_arm_names[a], &pbt_measures[first + i], error));
        }
        PBT_TRY(unread_cell(t, 1 + n, &r->arms[a], pbt_measures[first].group->key, error));
        PBT_TRY(pbt_table_cell(t, 2 + n, error, "%lld", (long long)r->arms[a].figures[first + n - 1].n));
    }
    return PBT_OK;
}

static pbt_code group_table(const pbt_report *r, const pbt_measure_group *g, pbt_table *t, pbt_error *error) {
    bool paper = false;
    char title[128];
    for (size_t i = 0; i < g->n; i++)
        paper = paper || pbt_paper_find(PAPER_MODEL, pbt_arm_names[PBT_ARM_BASE], g->key,
                                        pbt_measures[g->first + i].figure);
    snprintf(title, sizeof title, g->paper ? "%s (paper: %s)" : "%s", g->title, g->paper);
    PBT_TRY(pbt_table_open(t, error, title, "arm", NULL));
    t->name = g->key;
    for (size_t i = 0; i < g->n; i++) PBT_TRY(add_head(t, "", pbt_measures[g->first + i].label, error));
    PBT_TRY(add_head(t, "", "not read", error));
    PBT_TRY(add_head(t, "", "n", error));
    for (size_t i = 0; paper && i < g->n; i++)
        PBT_TRY(add_head(t, "paper: ", pbt_measures[g->first + i].label, error));
    if (g->note) PBT_TRY(pbt_table_note(t, g->note, error));
    return group_rows(r, g->first, g->n, paper, t, error);
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
    for (size_t a = 0; a < PBT_ARMS; a++) {
        for (size_t i = 0; i < json_array_size(r->arms[a].training); i++) {
            const json_t *s = json_array_get(r->arms[a].training, i);
            PBT_TRY(pbt_table_row(t, error));
            PBT_TRY(pbt_table_cell(t, 0, error, "%s", pbt_arm_names[a]));
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
    for (size_t g = 0; g < PBT_GROUPS && code == PBT_OK; g++) {
        if (group_known(report, &pbt_measure_groups[g]))
            code = group_table(report, &pbt_measure_groups[g], &made[count++], error);
    }
    if (code == PBT_OK) code = pbt_report_detail_tables(report, made, &count, error);
    bool trained = false;
    for (size_t a = 0; a < PBT_ARMS; a++) trained = trained || json_array_size(report->arms[a].training);
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

/* Left out side by side: there are columns enough. */
static bool in_mixed(size_t measure) {
    return pbt_measures[measure].group == &pbt_measure_groups[PBT_GROUP_BALANCED_MIXED];
}

static pbt_code compare_row(const pbt_report *r, const char *name, size_t arm, pbt_table *t,
                            pbt_error *error) {
    PBT_TRY(pbt_table_row(t, error));
    PBT_TRY(pbt_table_cell(t, 0, error, "%s", name));
    PBT_TRY(pbt_table_cell(t, 1, error, "%s", pbt_arm_names[arm]));
    size_t column = 2;
    for (size_t m = 0; m < PBT_MEASURES; m++) {
        if (in_mixed(m)) continue;
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
    for (size_t m = 0; m < PBT_MEASURES; m++) {
        if (!in_mixed(m)) PBT_TRY(add_head(table, "", pbt_measures[m].label, error));
    }
    for (size_t a = 0; a < PBT_ARMS; a++) {
        for (size_t i = 0; i < n; i++) {
            if (reports[i].arms[a].present) PBT_TRY(compare_row(&reports[i], names[i], a, table, error));
        }
    }
    return PBT_OK;
}
