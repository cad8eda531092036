/*
 * Characters that normalize otherwise since Unicode 9, whose tables tokenizers has: to it they have no
 * combining class, decomposition or composition. Found by comparing the two over all characters
 * (utf8proc 2.8, Unicode 15); what a still newer utf8proc adds would be missing here.
 */
#ifndef PBT_TOKENIZER_UNICODE9_H
#define PBT_TOKENIZER_UNICODE9_H

#include "tokenizer/pipeline.h"

/* Whether tokenizers' tables of normalization do not know the character, but ours do. */
bool pbt_is_newer_than_unicode9(uint32_t character);

#endif
