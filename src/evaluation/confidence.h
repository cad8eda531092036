/*
 * Perceived confidence: how sure a turn sounds, from 0 to 1 (paper, section 5, after Stengel-Eskin et al.,
 * 2024). With a prompt set's confidence.txt a model is asked, and the figure is P(Yes) / (P(Yes) + P(No)) of
 * its reply; else confidence_words.txt is a rule: the first line whose words stand in the text decides.
 */
#ifndef PBT_EVALUATION_CONFIDENCE_H
#define PBT_EVALUATION_CONFIDENCE_H

#include "evaluation/context.h"

typedef struct pbt_said {
    const char *question, *text;
} pbt_said;

/* Whether the prompt set says how; reads the rule through once. */
pbt_code pbt_confidence_check(const pbt_prompts *prompts, pbt_error *error);
/* sure[i] of said[i]; `judge` is asked where a model is asked at all. */
pbt_code pbt_confidence_judge(const pbt_evaluation_context *context, pbt_agent *judge, const pbt_said *said,
                              size_t n, double *sure, pbt_error *error);
/* By the rule alone; 0.5 where no line fits. Errors name the line. */
pbt_code pbt_confidence_by_words(const char *rule, const char *text, double *sure, pbt_error *error);

#endif
