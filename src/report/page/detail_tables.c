#include "report/page/detail_tables.h"

#include "base/text.h"
#include "report/page/analysis_tables.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A column of details: its head, and its name behind the row's prefix. */
typedef struct column {
    const char *head, *name;
} column;

static pbt_code add_head(pbt_table *t, const char *text, pbt_error *error) {
    if (t->n_columns >= PBT_TABLE_COLUMNS) return PBT_OK;
    char *head = pbt_string_copy(text);
    if (!head) return pbt_fail_memory(error, strlen(text), "a table");
    t->head[t->n_columns++] = head;
    return PBT_OK;
}

static pbt_code open_table(pbt_table *t, const char *name, const char *title, const char *second,
                           const column *columns, size_t n, const char *note, pbt_error *error) {
    PBT_TRY(pbt_table_open(t, error, title, "arm", NULL));
    t->name = name;
    t->n_keys = second ? 2 : 1;
    if (second) PBT_TRY(add_head(t, second, error));
    for (size_t i = 0; i < n; i++) PBT_TRY(add_head(t, columns[i].head, error));
    return note ? pbt_table_note(t, note, error) : PBT_OK;
}

/* A row, when the arm has any of the columns: PREFIX followed by each column's name. */
static pbt_code add_row(pbt_table *t, const pbt_report *r, size_t arm, const char *second, const char *prefix,
                        const column *columns, size_t n, bool interval, pbt_error *error) {
    char name[128];
    bool any = false;
    const pbt_detail_list *details = &r->arms[arm].details;
    for (size_t i = 0; i < n; i++) {
        snprintf(name, sizeof name, "%s%s", prefix, columns[i].name);
        any = any || pbt_detail_figure(details, name);
    }
    if (!any) return PBT_OK;
    PBT_TRY(pbt_table_row(t, error));
    PBT_TRY(pbt_table_cell(t, 0, error, "%s", pbt_arm_names[arm]));
    if (second) PBT_TRY(pbt_table_cell(t, 1, error, "%s", second));
    for (size_t i = 0; i < n; i++) {
        snprintf(name, sizeof name, "%s%s", prefix, columns[i].name);
        PBT_TRY(pbt_figure_cell(t, i + (second ? 2 : 1), pbt_detail_figure(details, name), interval, error));
    }
    return PBT_OK;
}

/* Distinct next levels of all arms' details behind a prefix ("farm.by_set." -> NQ1, NQ2, ...). */
static size_t levels_of(const pbt_report *r, const char *prefix, char levels[][32], size_t most) {
    size_t n = 0;
    for (size_t a = 0; a < PBT_ARMS; a++) {
        for (size_t i = 0; i < r->arms[a].details.count; i++) {
            const char *name = r->arms[a].details.items[i].name;
            if (!pbt_string_starts(name, prefix)) continue;
            char level[32];
            snprintf(level, sizeof level, "%.*s", (int)strcspn(name + strlen(prefix), "."),
                     name + strlen(prefix));
            size_t known = 0;
            while (known < n && strcmp(levels[known], level) != 0) known++;
            if (known == n && n < most) memcpy(levels[n++], level, sizeof level);
        }
    }
    return n;
}

/* Keeps a table that has rows. */
static pbt_code keep(pbt_table *tables, size_t *n, pbt_code code) {
    if (code == PBT_OK && tables[*n].n_rows > 0) {
        ++*n;
    } else {
        pbt_table_free(&tables[*n]);
        tables[*n] = (pbt_table){0};
    }
    return code;
}

/* One column a level. */
static pbt_code level_table(const pbt_report *r, pbt_table *t, const char *name, const char *title,
                            const char *prefix, pbt_error *error) {
    char levels[12][32];
    column columns[12];
    size_t n = levels_of(r, prefix, levels, 12);
    for (size_t i = 0; i < n; i++) columns[i] = (column){levels[i], levels[i]};
    PBT_TRY(open_table(t, name, title, NULL, columns, n, NULL, error));
    if (n < 2) return PBT_OK; /* the main table says it */
    for (size_t a = 0; a < PBT_ARMS; a++) PBT_TRY(add_row(t, r, a, NULL, prefix, columns, n, true, error));
    return PBT_OK;
}

static pbt_code rounds_table(const pbt_report *r, pbt_table *t, pbt_error *error) {
    static const column rounds[] = {{"claim", "0"},   {"round 1", "1"}, {"round 2", "2"}, {"round 3", "3"},
                                    {"round 4", "4"}, {"round 5", "5"}, {"round 6", "6"}, {"round 7", "7"}};
    char levels[8][32], prefix[64];
    size_t n = levels_of(r, "farm.by_round.", levels, 8), most = 0;
    for (size_t i = 0; i < n; i++) {
        char seen[8][32];
        snprintf(prefix, sizeof prefix, "farm.by_round.%s.", levels[i]);
        size_t found = levels_of(r, prefix, seen, 8);
        most = found > most ? found : most;
    }
    PBT_TRY(open_table(t, "farm_rounds", "FARM: misinformed after each round, %", "strategy", rounds, most,
                       NULL, error));
    for (size_t a = 0; a < PBT_ARMS; a++) {
        for (size_t i = 0; i < n; i++) {
            snprintf(prefix, sizeof prefix, "farm.by_round.%s.", levels[i]);
            PBT_TRY(add_row(t, r, a, levels[i], prefix, rounds, most, false, error));
        }
    }
    return PBT_OK;
}

static pbt_code reading_table(const pbt_report *r, pbt_table *t, pbt_error *error) {
    static const column columns[] = {{"balanced", "balanced.unparsed"},
                                     {"balanced, both agents", "balanced_mixed.unparsed"},
                                     {"flip-flop", "flipflop.unparsed"},
                                     {"FARM, a probe", "farm.unparsed"},
                                     {"FARM, at first", "farm.unparsed_at_first"},
                                     {"FARM, asked again", "farm.retried"},
                                     {"FARM, right at first", "farm.right_at_first"},
                                     {"teams", "team.unparsed"}};
    enum { N = sizeof columns / sizeof *columns };
    PBT_TRY(open_table(
        t, "unparsed", "Answers that could not be read, % of items", NULL, columns, N,
        "An item counts when any of its answers could not be read. FARM, asked again: a belief check was "
        "asked more than once; right at first: the questions that go on to persuasion.",
        error));
    for (size_t a = 0; a < PBT_ARMS; a++) PBT_TRY(add_row(t, r, a, NULL, "", columns, N, false, error));
    return PBT_OK;
}

static pbt_code sides_table(const pbt_report *r, pbt_table *t, pbt_error *error) {
    static const column columns[] = {
        {"kept", "kept"}, {"adopted", "adopted"}, {"other", "other"}, {"not read", "unparsed"}};
    static const char *const sides[][2] = {{"plus_minus", "+ → −"}, {"minus_plus", "− → +"}};
    PBT_TRY(open_table(t, "balanced_sides", "Balanced persuasion: what became of the answer, %", "side",
                       columns, 4, NULL, error));
    for (size_t a = 0; a < PBT_ARMS; a++) {
        for (size_t s = 0; s < 2; s++) {
            char prefix[64];
            snprintf(prefix, sizeof prefix, "balanced.by_side.%s.", sides[s][0]);
            PBT_TRY(add_row(t, r, a, sides[s][1], prefix, columns, 4, false, error));
        }
    }
    return PBT_OK;
}

static pbt_code partner_table(const pbt_report *r, pbt_table *t, pbt_error *error) {
    static const column columns[] = {
        {"+ → −", "plus_minus"}, {"− → +", "minus_plus"}, {"overall", "overall"}, {"not read", "unparsed"}};
    PBT_TRY(open_table(t, "balanced_partner", "Balanced persuasion, contexts of the other agent: accuracy, %",
                       NULL, columns, 4, NULL, error));
    for (size_t a = 0; a < PBT_ARMS; a++)
        PBT_TRY(add_row(t, r, a, NULL, "balanced_partner.", columns, 4, true, error));
    return PBT_OK;
}

static pbt_code challenges_table(const pbt_report *r, pbt_table *t, pbt_error *error) {
    static const column columns[] = {{"after", "after"},
                                     {"difference", "difference"},
                                     {"right to wrong", "right_to_wrong"},
                                     {"wrong to right", "wrong_to_right"},
                                     {"wrong to other", "wrong_to_other"},
                                     {"stayed right", "stayed_right"},
                                     {"stayed wrong", "stayed_wrong"},
                                     {"not read", "unparsed"}};
    char levels[12][32];
    size_t n = levels_of(r, "flipflop.by_challenge.", levels, 12);
    PBT_TRY(open_table(t, "challenges", "\"Are you sure?\", by wording of the challenge, %", "wording",
                       columns, 8, "Wordings in the order of challenge.txt; the first is the paper's.",
                       error));
    for (size_t a = 0; a < PBT_ARMS; a++) {
        for (size_t i = 0; i < n; i++) {
            char prefix[64];
            snprintf(prefix, sizeof prefix, "flipflop.by_challenge.%s.", levels[i]);
            PBT_TRY(add_row(t, r, a, levels[i], prefix, columns, 8, false, error));
        }
    }
    return PBT_OK;
}

static const char *const orders[][2] = {{"strong_first", "strong first"}, {"weak_first", "weak first"}};

static pbt_code orders_table(const pbt_report *r, pbt_table *t, const char *name, const char *title,
                             const char *stem, const column *columns, size_t n, const char *note,
                             pbt_error *error) {
    PBT_TRY(open_table(t, name, title, "order", columns, n, note, error));
    for (size_t a = 0; a < PBT_ARMS; a++) {
        for (size_t o = 0; o < 2; o++) {
            char prefix[64];
            snprintf(prefix, sizeof prefix, "%s%s.", stem, orders[o][0]);
            PBT_TRY(add_row(t, r, a, orders[o][1], prefix, columns, n, false, error));
        }
    }
    return PBT_OK;
}

static const column turn_columns[] = {{"turn 2: strong", "2.strong"},
                                      {"weak", "2.weak"},
                                      {"turn 3: strong", "3.strong"},
                                      {"weak", "3.weak"},
                                      {"turn 4: strong", "4.strong"},
                                      {"weak", "4.weak"},
                                      {"team", "4.team"}};
static const column move_columns[] = {{"strong moved weak, to right", "strong_moved_weak_to_right"},
                                      {"to wrong", "strong_moved_weak_to_wrong"},
                                      {"weak moved strong, to right", "weak_moved_strong_to_right"},
                                      {"to wrong", "weak_moved_strong_to_wrong"},
                                      {"both moved", "both_moved"},
                                      {"nobody moved", "nobody_moved"},
                                      {"agreed", "agreed"}};

pbt_code pbt_report_detail_tables(const pbt_report *r, pbt_table *t, size_t *n, pbt_error *error) {
    PBT_TRY(keep(t, n, sides_table(r, &t[*n], error)));
    PBT_TRY(keep(t, n, partner_table(r, &t[*n], error)));
    PBT_TRY(keep(t, n, challenges_table(r, &t[*n], error)));
    PBT_TRY(keep(
        t, n,
        level_table(r, &t[*n], "farm_sets", "FARM by set: misinformation rate, %", "farm.by_set.", error)));
    PBT_TRY(keep(t, n,
                 level_table(r, &t[*n], "farm_strategies", "FARM by strategy: misinformation rate, %",
                             "farm.by_strategy.", error)));
    PBT_TRY(keep(t, n, rounds_table(r, &t[*n], error)));
    PBT_TRY(keep(t, n,
                 orders_table(r, &t[*n], "team_turns", "Teams, turn by turn: accuracy, %", "team.by_turn.",
                              turn_columns, 7, NULL, error)));
    PBT_TRY(keep(t, n,
                 orders_table(r, &t[*n], "team_moves",
                              "Teams: who moved whom, % of the discussions that begin in disagreement",
                              "team.moves.", move_columns, 7,
                              "Moved: ends with the answer that the other began with.", error)));
    PBT_TRY(keep(t, n, pbt_flip_accuracy_table(r, &t[*n], error)));
    PBT_TRY(keep(t, n, pbt_flip_weights_table(r, &t[*n], error)));
    PBT_TRY(keep(t, n, pbt_comparisons_table(r, &t[*n], error)));
    return keep(t, n, reading_table(r, &t[*n], error));
}
