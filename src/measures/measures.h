/*
 * What is measured: the one table of evaluations, groups of measures and measures. Evaluations write their
 * items' scores under its keys; the report reads them, and heads tables and drawings with its words.
 */
#ifndef PBT_MEASURES_MEASURES_H
#define PBT_MEASURES_MEASURES_H

#include <stdbool.h>
#include <stddef.h>

/* ---- evaluations, in the order in which they run ---- */

typedef enum pbt_evaluation_id {
    PBT_EVALUATION_BALANCED,
    PBT_EVALUATION_FLIPFLOP,
    PBT_EVALUATION_TEAM,
    PBT_EVALUATION_FARM,
    PBT_EVALUATION_ANSWERS, /* sampled answers, for the entropies of the flip analysis */
    PBT_EVALUATION_FLIPS,
    PBT_EVALUATIONS
} pbt_evaluation_id;

typedef struct pbt_evaluation_kind {
    const char *name;    /* of its items in the store */
    const char *section; /* of its settings: "eval.farm." */
    const char *title;   /* of what was said in it, as the page names it; NULL: nothing is shown */
} pbt_evaluation_kind;
extern const pbt_evaluation_kind pbt_evaluation_kinds[PBT_EVALUATIONS];

/* ---- groups: measures that stand in one table ---- */

typedef enum pbt_group_id {
    PBT_GROUP_BALANCED,
    PBT_GROUP_BALANCED_MIXED,
    PBT_GROUP_FLIPFLOP,
    PBT_GROUP_FARM,
    PBT_GROUP_TEAM,
    PBT_GROUPS
} pbt_group_id;

/* ---- measures, in the order of report.json ---- */

typedef enum pbt_measure_id {
    PBT_BALANCED_PLUS_MINUS,
    PBT_BALANCED_MINUS_PLUS,
    PBT_BALANCED_OVERALL,
    PBT_BALANCED_MIXED_PLUS_MINUS,
    PBT_BALANCED_MIXED_MINUS_PLUS,
    PBT_BALANCED_MIXED_OVERALL,
    PBT_FLIPFLOP_BEFORE,
    PBT_FLIPFLOP_AFTER,
    PBT_FLIPFLOP_DIFFERENCE,
    PBT_FARM_MISINFORMED,
    PBT_TEAM_STRONG_FIRST,
    PBT_TEAM_WEAK_FIRST,
    PBT_TEAM_ORDER_GAP,
    PBT_TEAM_SOLO_STRONG,
    PBT_TEAM_SOLO_WEAK,
    PBT_MEASURES
} pbt_measure_id;

typedef struct pbt_measure_group {
    const char *key;      /* in files: "balanced" */
    const char *name;     /* of the test, in few words */
    const char *title;    /* of its table */
    const char *paper;    /* the paper's table or figure of the same; NULL: it has none */
    const char *note;     /* under the table, or NULL */
    pbt_measure_id first; /* its measures are first .. first + n - 1 */
    size_t n;
} pbt_measure_group;
extern const pbt_measure_group pbt_measure_groups[PBT_GROUPS];
/* NULL: there is no group of that key. */
const pbt_measure_group *pbt_measure_group_named(const char *key);

/* Which of two values is the better one. */
typedef enum pbt_better { PBT_HIGHER, PBT_LOWER, PBT_NEARER_0 } pbt_better;

typedef struct pbt_measure_info {
    const pbt_measure_group *group;
    const char *figure; /* in report.json, under the group's key */
    const char *key;    /* "GROUP.FIGURE": in the scores of items, and wherever one word must do */
    const char *label;  /* of its column */
    const char *title;  /* of its drawing, with its unit */
    const char *unit;   /* behind a value in a sentence: "%" or " points" */
    pbt_better better;
    double least; /* of an item's value, the most being 1: 0 of shares, -1 of differences */
} pbt_measure_info;
extern const pbt_measure_info pbt_measures[PBT_MEASURES];
/* The measure of a key; PBT_MEASURES: there is none. */
pbt_measure_id pbt_measure_named(const char *key);

/* The side of a balanced case: +- (right before, misled) or -+ (wrong before, corrected), as in items. */
extern const char *const pbt_side_names[2]; /* [plus_minus] */
/* The measure of such a case: of its side (`plus_minus`), or overall. */
pbt_measure_id pbt_balanced_measure(bool mixed, bool plus_minus);
pbt_measure_id pbt_balanced_overall(bool mixed);

#endif
