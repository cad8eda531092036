/*
 * Answers read out of what was said: extraction by a model with the few-shot prompt (paper, Figure 8), and
 * the rules around it.
 */
#ifndef PBT_DIALOGUE_ANSWER_H
#define PBT_DIALOGUE_ANSWER_H

#include "base/declarations.h"
#include "dialogue/tree.h"

PBT_BEGIN_DECLS

/* What the extractor's words mean. */
typedef struct pbt_reading {
    char *answer; /* malloc'ed, parentheses and closing full stop cut; NULL: none */
    pbt_verdict verdict;
    char *raw; /* malloc'ed: the extractor's text */
} pbt_reading;
/* "Final answer: X (Y)." -> X; Agree / Disagree / NONE in any case and dress ("**Agree**!", "- Agree", "The
 * answer is: X", quotes, brackets) -> verdict or nothing (rules only). */
pbt_code pbt_answer_parse(const char *raw, pbt_reading *reading, pbt_error *error);
/* Asks the extractor about all texts at once (equal texts are asked once). questions may hold NULLs for
 * prompts that do not show the question. */
pbt_code pbt_answers_extract(pbt_agent *extractor, const pbt_prompts *prompts,
                             const pbt_question *const *questions, const char *const *texts, size_t n,
                             int32_t max_tokens, pbt_reading *readings, const pbt_monitor *monitor,
                             pbt_error *error);
/* What the extractor is asked about a text: the prompt set's extract.txt, filled, as messages in `arena`.
 * `question` may be NULL. */
struct pbt_arena;
pbt_code pbt_extract_messages(const pbt_prompts *prompts, const char *question, const char *text,
                              struct pbt_arena *arena, pbt_message **messages, size_t *n_messages,
                              pbt_error *error);
void pbt_readings_clear(pbt_reading *readings, size_t n);
/* The normalised answer held after a turn (malloc'ed or NULL), from a reading and the two answers held before
 * it. An answer of which normalisation leaves nothing ("The A") is held only where the question (may be NULL)
 * accepts such a one, as in TriviaQA's exact match. */
char *pbt_answer_held(const pbt_question *question, const pbt_reading *reading, const char *own_before,
                      const char *other_before);
/* Cuts an unfinished last sentence; a text without any sentence end is kept whole. malloc'ed. */
char *pbt_trim_unfinished(const char *text);

PBT_END_DECLS

#endif
