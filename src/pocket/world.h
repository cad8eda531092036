/*
 * The pocket world (docs/POCKET.md): real trivia questions with their four options, and what each of the two
 * agents believes about them. Beliefs are drawn from a seed; the right answer is one option among four.
 */
#ifndef PBT_POCKET_WORLD_H
#define PBT_POCKET_WORLD_H

#include "dialogue/prompt.h"
#include "dialogue/question.h"

enum { PBT_POCKET_OPTIONS = 4 };

/* How an agent stands to a question: it knows the answer, leans to it, is misled, or has no idea. */
typedef enum pbt_belief_state {
    PBT_KNOWN,
    PBT_LEANING,
    PBT_MISLED,
    PBT_UNKNOWN,
    PBT_BELIEF_STATES
} pbt_belief_state;
typedef enum pbt_hedge { PBT_CERTAIN, PBT_THINKING, PBT_GUESSING, PBT_HEDGES } pbt_hedge;

typedef struct pbt_belief {
    pbt_belief_state state;
    pbt_hedge hedge; /* how sure it usually sounds */
    const char
        *option[PBT_POCKET_OPTIONS]; /* [0] is the right one; the wrong ones in the agent's own order */
    double probability[PBT_POCKET_OPTIONS];
    int rank[PBT_POCKET_OPTIONS]; /* a fixed order that breaks ties of the second guess */
} pbt_belief;

typedef struct pbt_pocket_world {
    pbt_questions questions;
    pbt_prompts prompts;
    const char **names; /* all distinct options, sorted; owned by the questions */
    size_t n_names;
    pbt_belief *beliefs[2]; /* of agent A (knows more) and B, one a question */
} pbt_pocket_world;

/* Reads questions (each with four choices, one of them its answer) and prompts; draws the beliefs. */
pbt_code pbt_pocket_world_open(const char *questions, const char *prompts, uint64_t seed,
                               pbt_pocket_world *world, pbt_error *error);
void pbt_pocket_world_free(pbt_pocket_world *world);
/* What the agent would say after `given_up`: its most probable other option. */
const char *pbt_belief_second(const pbt_belief *belief, const char *given_up);
/* The probability the agent gives to any string. */
double pbt_belief_of(const pbt_belief *belief, const char *answer);
extern const char *const pbt_belief_state_names[PBT_BELIEF_STATES];

/* Numbers drawn one after another from one key. */
typedef struct pbt_draws {
    pbt_key key;
    uint64_t n;
} pbt_draws;
double pbt_draw_unit(pbt_draws *draws);
size_t pbt_draw_below(pbt_draws *draws, size_t bound);
/* An index by weight. */
size_t pbt_draw_weighted(pbt_draws *draws, const double *weights, size_t n);

#endif
