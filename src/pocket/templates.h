/* The sentences of the pocket world: {X} is the speaker's own answer, {Z} the one it argues for or adopts. */
#ifndef PBT_POCKET_TEMPLATES_H
#define PBT_POCKET_TEMPLATES_H

#include "pocket/world.h"

/*
 * A sentence that claims an answer, and how readily a listener under the standard prompt gives in to it: the
 * log-odds when it believes the claim as much as its own answer.
 */
typedef struct pbt_claim {
    const char *text;
    double readiness;
    bool doubts; /* it also asks whether the other is sure */
} pbt_claim;

typedef struct pbt_sentences {
    const char *const *items;
    size_t count;
} pbt_sentences;
typedef struct pbt_claims {
    const pbt_claim *items;
    size_t count;
} pbt_claims;

extern const pbt_sentences pbt_own_sentences[PBT_HEDGES];
extern const double pbt_own_readiness[PBT_HEDGES];
extern const pbt_sentences pbt_reason_sentences, pbt_keep_sentences, pbt_adopt_sentences, pbt_agree_sentences,
    pbt_disagree_sentences, pbt_same_sentences, pbt_challenge_keep_sentences, pbt_challenge_drop_sentences,
    pbt_choose_sentences;
/* Claims by strategy: plain ones, then those of the three persuader roles. */
typedef enum pbt_strategy {
    PBT_PLAIN,
    PBT_BY_LOGIC,
    PBT_BY_EMOTION,
    PBT_BY_CREDIBILITY,
    PBT_STRATEGIES
} pbt_strategy;
extern const pbt_claims pbt_claim_sentences[PBT_STRATEGIES];
extern const char pbt_final_sentence[], pbt_unknown_sentence[], pbt_extracted_sentence[];

/* Every sentence with its marks left out, for training the tokenizer; n of them. */
const char *pbt_template_text(size_t i);
size_t pbt_template_count(void);

#endif
