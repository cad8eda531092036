/*
 * What the pocket agents are shown: short dialogues made from (seed, agent, step, index), so that any of them
 * can be made again. They are rendered by the same functions as debates and evaluations.
 */
#ifndef PBT_POCKET_CORPUS_H
#define PBT_POCKET_CORPUS_H

#include "pocket/templates.h"

enum { PBT_POCKET_TURNS = 12, PBT_POCKET_TEXT = 320 };

/* Stages of pretraining: first copying of foreign names, then everything, then more choices between two. */
typedef enum pbt_pocket_stage { PBT_COPYING, PBT_EVERYTHING, PBT_CHOOSING } pbt_pocket_stage;
pbt_pocket_stage pbt_pocket_stage_of(int64_t step, int64_t steps);

typedef enum pbt_example_kind {
    PBT_ANSWERING,
    PBT_DIALOGUE,
    PBT_CHOICE,
    PBT_CHALLENGE,
    PBT_EXTRACTION,
    PBT_EXAMPLE_KINDS
} pbt_example_kind;
extern const char *const pbt_example_kind_names[PBT_EXAMPLE_KINDS];

/* Turns of the agent (speaker 0) and its partner (1); only turns marked `learn` carry loss. */
typedef struct pbt_pocket_example {
    pbt_example_kind kind;
    const pbt_question *question;
    const char *opening; /* the first user message as a template: a role prompt, choose.txt, extract.txt */
    const char *first, *second; /* values of {first} and {second} in it, or NULL */
    char text[PBT_POCKET_TURNS][PBT_POCKET_TEXT];
    int speaker[PBT_POCKET_TURNS];
    bool learn[PBT_POCKET_TURNS];
    size_t n_turns;
} pbt_pocket_example;

void pbt_pocket_example_make(const pbt_pocket_world *world, int agent, pbt_pocket_stage stage, pbt_key key,
                             pbt_pocket_example *example);
/* The chat before turn `turn`, in `arena`. */
pbt_code pbt_pocket_example_view(const pbt_pocket_world *world, const pbt_pocket_example *example,
                                 size_t turn, struct pbt_arena *arena, pbt_message **messages, size_t *n,
                                 pbt_error *error);

#endif
