/*
 * The next token of every sequence that a pass brought to its end.
 */
#ifndef PBT_ENGINE_DRAW_H
#define PBT_ENGINE_DRAW_H

#include "engine/sequence.h"

/* Draws a token for every sequence that is ready after a pass, and writes the results of those that end */
pbt_code pbt_generate_step(pbt_engine *engine, pbt_engine_sequence **active, size_t n, pbt_error *error);

#endif
