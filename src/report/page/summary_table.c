#include "report/page/summary_table.h"

static pbt_code mean_cell(pbt_table *t, size_t column, const pbt_figure *f, pbt_error *error) {
    return f->known ? pbt_table_cell(t, column, error, "%.1f", f->mean)
                    : pbt_table_cell(t, column, error, "–");
}

static pbt_code arm_row(const pbt_figure *figures, const char *arm, pbt_table *t, pbt_error *error) {
    const pbt_figure *before = &figures[PBT_FLIPFLOP_BEFORE], *after = &figures[PBT_FLIPFLOP_AFTER];
    PBT_TRY(pbt_table_row(t, error));
    PBT_TRY(pbt_table_cell(t, 0, error, "%s", arm));
    PBT_TRY(mean_cell(t, 1, &figures[PBT_BALANCED_PLUS_MINUS], error));
    PBT_TRY(mean_cell(t, 2, &figures[PBT_BALANCED_MINUS_PLUS], error));
    PBT_TRY(mean_cell(t, 3, &figures[PBT_BALANCED_OVERALL], error));
    PBT_TRY(before->known && after->known
                ? pbt_table_cell(t, 4, error, "%.1f → %.1f", before->mean, after->mean)
                : pbt_table_cell(t, 4, error, "–"));
    return mean_cell(t, 5, &figures[PBT_FARM_MISINFORMED], error);
}

pbt_code pbt_summary_table(const pbt_report *report, pbt_table *table, pbt_error *error) {
    PBT_TRY(pbt_table_open(table, error,
                           report->n_seeds > 1 ? "Held-out questions, %, means over seeds"
                                               : "Held-out questions, %",
                           "", "+→−", "−→+", "overall", "\"Are you sure?\"", "misinformed (FARM)", NULL));
    table->name = "summary";
    for (size_t a = 0; a < PBT_ARMS; a++)
        if (report->arms[a].present)
            PBT_TRY(arm_row(report->arms[a].figures, pbt_arm_names[a], table, error));
    return PBT_OK;
}
