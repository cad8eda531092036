#include "measures/measures.h"

#include <string.h>

const pbt_evaluation_kind pbt_evaluation_kinds[PBT_EVALUATIONS] = {
    [PBT_EVALUATION_BALANCED] = {"balanced", "eval.balanced.", "Balanced test"},
    [PBT_EVALUATION_FLIPFLOP] = {"flipflop", "eval.flipflop.", "Are you sure?"},
    [PBT_EVALUATION_TEAM] = {"team", "eval.team.", "Teams"},
    [PBT_EVALUATION_FARM] = {"farm", "eval.farm.", "FARM"},
    [PBT_EVALUATION_ANSWERS] = {"answers", "eval.flip_analysis.", NULL},
    [PBT_EVALUATION_FLIPS] = {"flips", "eval.flip_analysis.", NULL},
};

const pbt_measure_group pbt_measure_groups[PBT_GROUPS] = {
    [PBT_GROUP_BALANCED] =
        {"balanced", "Balanced", "Balanced persuasion: accuracy, %", "Table 3",
         "+ → −: a right answer in the context, a misleading claim. − → +: a wrong answer, a "
         "right claim.",
         PBT_BALANCED_PLUS_MINUS, 3},
    [PBT_GROUP_BALANCED_MIXED] = {"balanced_mixed", "Balanced, both agents",
                                  "Balanced persuasion, contexts of both agents: accuracy, %", NULL, NULL,
                                  PBT_BALANCED_MIXED_PLUS_MINUS, 3},
    [PBT_GROUP_FLIPFLOP] = {"flipflop", "\"Are you sure?\"",
                            "\"Are you sure?\": accuracy before and after, %", "Table 2", NULL,
                            PBT_FLIPFLOP_BEFORE, 3},
    [PBT_GROUP_FARM] = {"farm", "FARM", "FARM: misinformation rate, %, lower is better", "Table 1", NULL,
                        PBT_FARM_MISINFORMED, 1},
    [PBT_GROUP_TEAM] = {"team", "Teams", "Teams: accuracy after discussion, %", "Figures 3 and 4",
                        "Order gap: weak first minus strong first, as a share of the base models' solo "
                        "difference.",
                        PBT_TEAM_STRONG_FIRST, 5},
};

#define PLUS_MINUS "+ → −"
#define MINUS_PLUS "− → +"
#define GROUP(id)  &pbt_measure_groups[PBT_GROUP_##id]

const pbt_measure_info pbt_measures[PBT_MEASURES] = {
    [PBT_BALANCED_PLUS_MINUS] = {GROUP(BALANCED), "plus_minus", "balanced.plus_minus", PLUS_MINUS,
                                 PLUS_MINUS ": keeps its right answer, %", "%", PBT_HIGHER, 0},
    [PBT_BALANCED_MINUS_PLUS] = {GROUP(BALANCED), "minus_plus", "balanced.minus_plus", MINUS_PLUS,
                                 MINUS_PLUS ": takes the right answer, %", "%", PBT_HIGHER, 0},
    [PBT_BALANCED_OVERALL] = {GROUP(BALANCED), "overall", "balanced.overall", "overall", "overall: right, %",
                              "%", PBT_HIGHER, 0},
    [PBT_BALANCED_MIXED_PLUS_MINUS] = {GROUP(BALANCED_MIXED), "plus_minus", "balanced_mixed.plus_minus",
                                       PLUS_MINUS, PLUS_MINUS, "%", PBT_HIGHER, 0},
    [PBT_BALANCED_MIXED_MINUS_PLUS] = {GROUP(BALANCED_MIXED), "minus_plus", "balanced_mixed.minus_plus",
                                       MINUS_PLUS, MINUS_PLUS, "%", PBT_HIGHER, 0},
    [PBT_BALANCED_MIXED_OVERALL] = {GROUP(BALANCED_MIXED), "overall", "balanced_mixed.overall", "overall",
                                    "overall", "%", PBT_HIGHER, 0},
    [PBT_FLIPFLOP_BEFORE] = {GROUP(FLIPFLOP), "before", "flipflop.before", "before",
                             "before: right at first, %", "%", PBT_HIGHER, 0},
    [PBT_FLIPFLOP_AFTER] = {GROUP(FLIPFLOP), "after", "flipflop.after", "after", "after: right in the end, %",
                            "%", PBT_HIGHER, 0},
    [PBT_FLIPFLOP_DIFFERENCE] = {GROUP(FLIPFLOP), "difference", "flipflop.difference", "difference",
                                 "difference, points", " points", PBT_HIGHER, -1},
    [PBT_FARM_MISINFORMED] = {GROUP(FARM), "misinformed", "farm.misinformed", "misinformed",
                              "misinformed, % (lower is better)", "%", PBT_LOWER, 0},
    [PBT_TEAM_STRONG_FIRST] = {GROUP(TEAM), "strong_first", "team.strong_first", "strong first",
                               "strong agent first: right, %", "%", PBT_HIGHER, 0},
    [PBT_TEAM_WEAK_FIRST] = {GROUP(TEAM), "weak_first", "team.weak_first", "weak first",
                             "weak agent first: right, %", "%", PBT_HIGHER, 0},
    [PBT_TEAM_ORDER_GAP] = {GROUP(TEAM), "order_gap", "team.order_gap", "order gap",
                            "order gap, % of the solo difference", "%", PBT_NEARER_0, -1},
    [PBT_TEAM_SOLO_STRONG] = {GROUP(TEAM), "solo_strong", "team.solo_strong", "solo strong",
                              "strong agent alone: right, %", "%", PBT_HIGHER, 0},
    [PBT_TEAM_SOLO_WEAK] = {GROUP(TEAM), "solo_weak", "team.solo_weak", "solo weak",
                            "weak agent alone: right, %", "%", PBT_HIGHER, 0},
};

const pbt_measure_group *pbt_measure_group_named(const char *key) {
    for (size_t g = 0; g < PBT_GROUPS; g++)
        if (strcmp(pbt_measure_groups[g].key, key) == 0) return &pbt_measure_groups[g];
    return NULL;
}

pbt_measure_id pbt_measure_named(const char *key) {
    int m = 0;
    while (m < PBT_MEASURES && strcmp(pbt_measures[m].key, key) != 0) m++;
    return (pbt_measure_id)m;
}

const char *const pbt_side_names[2] = {"minus_plus", "plus_minus"};

pbt_measure_id pbt_balanced_measure(bool mixed, bool plus_minus) {
    pbt_group_id group = mixed ? PBT_GROUP_BALANCED_MIXED : PBT_GROUP_BALANCED;
    return pbt_measure_groups[group].first + (plus_minus ? 0 : 1);
}

pbt_measure_id pbt_balanced_overall(bool mixed) {
    return mixed ? PBT_BALANCED_MIXED_OVERALL : PBT_BALANCED_OVERALL;
}
