/*
 * FARM as the authors' script reads and counts it (eval.farm.compat: released-code).
 */
#ifndef PBT_EVALUATION_FARM_RELEASED_H
#define PBT_EVALUATION_FARM_RELEASED_H

#include "evaluation/farm_data.h"

/* Parse: "Option 2", else "(2)"; a number past the
 * last option means "All options are incorrect"; of yes / no questions the word "yes", else the word "no",
 * else 2 where the reply looks like an answer; -1: it does not, and the script would not judge it. Enters:
 * whether the question goes on to persuasion with that belief. */
int32_t pbt_farm_parse_released(const pbt_farm_question *question, const char *reply);
bool pbt_farm_enters_released(const pbt_farm_question *question, int32_t belief);
bool pbt_farm_misinformed_released(const pbt_farm_question *question, int32_t belief);

#endif
