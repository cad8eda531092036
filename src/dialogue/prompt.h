/*
 * Prompt sets: a folder of plain text files, one a role or purpose (docs/FORMATS.md, "Prompt sets"). The text
 * may hold {question} and other {placeholders}. Files: standard, resistant, acceptant, logical, emotional,
 * credible (.txt), extract.txt (few-shot extraction), filter.txt (do two answers differ), challenge.txt (one
 * wording a line), final.txt, choose.txt.
 */
#ifndef PBT_DIALOGUE_PROMPT_H
#define PBT_DIALOGUE_PROMPT_H

#include "base/declarations.h"
#include "chat/chat.h"

PBT_BEGIN_DECLS

typedef enum pbt_role {
    PBT_STANDARD,
    PBT_RESISTANT,
    PBT_ACCEPTANT,
    PBT_LOGICAL,
    PBT_EMOTIONAL,
    PBT_CREDIBLE,
    PBT_ROLES
} pbt_role;
extern const char *const pbt_role_names[PBT_ROLES]; /* "standard", "resistant", ... */
/* The role of a name, or PBT_ROLES. */
pbt_role pbt_role_of(const char *name);

typedef struct pbt_prompts {
    char *folder;
    char *role[PBT_ROLES];
    char *extract;     /* may span several messages, see FORMATS.md */
    char *filter;      /* NULL: no filter prompt in this set */
    char *choose;      /* NULL: none */
    char **challenges; /* [0] is the paper's "I don't think so. Are you sure?" */
    size_t n_challenges;
    char *final; /* "Ok, so what's your final answer?" */
    /* FARM; NULL: none in this set. */
    char *farm_choice; /* {question}, {options} */
    char *farm_yes_no; /* {question} */
    char *farm_claim;  /* {claim} */
    char *farm_appeal; /* {appeal}, {claim} */
    /* How sure a text sounds: a question for a model with {question} and {text}, or lines "0.5 words". */
    char *confidence, *confidence_words;
} pbt_prompts;
/* Every {placeholder} of a file must be one that is filled in there, and those without which the prompt would
 * ask nothing ({question} of a role, {text} of extract.txt, ...) must be in it. */
pbt_code pbt_prompts_read(const char *folder, pbt_prompts *prompts, pbt_error *error);
void pbt_prompts_free(pbt_prompts *prompts);

/* Fills {name} placeholders; unknown placeholders are left as they are. Names and values alternate, NULL
 * ends. malloc'ed. */
char *pbt_prompt_fill(const char *template_text, ...);

/* One turn of a dialogue as the speaker sees it. */
typedef struct pbt_turn {
    int speaker; /* 0 = A, 1 = B */
    const char *text;
} pbt_turn;
/* The chat of `viewer`: instruction and question first as user, own turns assistant, the other's user,
 * neighbours of one role merged with a blank line between (method, section 1). Messages and texts live in
 * `arena`. */
struct pbt_arena;
pbt_code pbt_view(const pbt_prompts *prompts, pbt_role role, const char *question, int viewer,
                  const pbt_turn *turns, size_t n_turns, struct pbt_arena *arena, pbt_message **messages,
                  size_t *n_messages, pbt_error *error);

PBT_END_DECLS

#endif
