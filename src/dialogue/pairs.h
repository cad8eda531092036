/*
 * Preference pairs from scored trees (paper, section 3.1): siblings compared, kinds, reasons for every drop,
 * arms.
 */
#ifndef PBT_DIALOGUE_PAIRS_H
#define PBT_DIALOGUE_PAIRS_H

#include "base/declarations.h"
#include "dialogue/tree.h"
#include "measures/arms.h"

PBT_BEGIN_DECLS

typedef enum pbt_pair_kind { PBT_RESIST, PBT_ACCEPT } pbt_pair_kind;
/* Why a candidate (two siblings) became no pair; PBT_KEPT: it became one. */
typedef enum pbt_reason {
    PBT_KEPT,
    PBT_EQUAL_SCORE,
    PBT_SMALL_MARGIN,
    PBT_UNEQUAL_CHILDREN,
    PBT_SAME_ANSWER,
    PBT_NO_ANSWER,
    PBT_FILTER_SAME,
    PBT_NO_DISAGREEMENT,
    PBT_NO_KIND,
    PBT_DUPLICATE,
    PBT_OTHER_LISTENER,
    PBT_EQUAL_TEXT,
    PBT_EMPTY_TEXT,
    PBT_REASONS
} pbt_reason;
extern const char *const pbt_reason_names[PBT_REASONS];        /* "kept", "equal_score", ... */
extern const char *const pbt_reason_descriptions[PBT_REASONS]; /* a sentence each */

typedef struct pbt_pair {
    pbt_pair_kind kind;
    const pbt_tree *tree;
    int32_t parent, chosen, rejected; /* node ids */
} pbt_pair;

typedef struct pbt_pair_rules {
    double min_relative_margin; /* (chosen - rejected) / chosen must be at least this: 0.25 */
    bool unequal_children;      /* may siblings with different numbers of children be compared: true */
    bool require_disagreement;  /* where both have a verdict, one must agree and the other disagree */
    bool drop_duplicates;       /* of pairs with equal prompt and responses, keep the first: false */
    pbt_agent *filter;          /* NULL: by normalised equality and aliases only */
    const pbt_prompts *prompts; /* for the filter */
} pbt_pair_rules;

/* Two siblings that became no pair, the one with the higher score first. */
typedef struct pbt_drop {
    const pbt_tree *tree;
    int32_t better, other; /* node ids */
    pbt_reason reason;     /* never PBT_KEPT */
} pbt_drop;

typedef struct pbt_pair_list {
    pbt_pair *items;
    size_t count, capacity;
    pbt_drop *drops;
    size_t n_drops, drop_capacity;
    int64_t reasons[PBT_REASONS];
    int64_t kinds[2][2]; /* [kind][speaker] */
} pbt_pair_list;
/* 0.25, unequal children compared (the paper's Figure 2 is such a pair: one branch ends by agreement, the
 * other goes on), disagreement required, no filter. */
pbt_pair_rules pbt_pair_rules_default(void);

/* Scores the trees and collects every pair of kind resist or accept. Trees must outlive the list. */
pbt_code pbt_pairs_collect(pbt_tree *trees, size_t n, const pbt_pair_rules *rules, pbt_pair_list *pairs,
                           const pbt_monitor *monitor, pbt_error *error);
/* Drops the pairs whose listener (the speaker of the two responses) is not `speaker`. */
pbt_code pbt_pairs_keep_listener(pbt_pair_list *pairs, int speaker, pbt_error *error);
void pbt_pair_list_free(pbt_pair_list *pairs);

/* TRL's conversational preference row, re-rendered under the STANDARD prompt (interface: "Pair JSONL"). */
pbt_code pbt_pair_to_json(const pbt_pair *pair, const pbt_prompts *prompts, json_t **row, pbt_error *error);

/* Seeded choice of an arm's pairs: at most `cap` per (question, listener, kind) (0 = no cap), `n` in all,
 * half of each kind for pbt; the same n for every arm, at most what the scarcest arm has (pbt_arm_size).
 * Indices into items. */
pbt_code pbt_arm_size(const pbt_pair_list *pairs, int32_t cap, size_t wanted, pbt_key key, size_t *size,
                      pbt_error *error);
pbt_code pbt_arm_select(const pbt_pair_list *pairs, pbt_arm arm, int32_t cap, size_t n, pbt_key key,
                        uint32_t **index, size_t *count, pbt_error *error);

PBT_END_DECLS

#endif
