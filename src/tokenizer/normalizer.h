/*
 * Unicode normalization (NFC, NFD, NFKC, NFKD) and lower case, on pieces. utf8proc gives the decompositions
 * and compositions; the ordering of combining marks is done here, in n log n, since hostile text holds long
 * runs of them.
 */
#ifndef PBT_TOKENIZER_NORMALIZER_H
#define PBT_TOKENIZER_NORMALIZER_H

#include "tokenizer/pipeline.h"

pbt_code pbt_step_unicode(const pbt_step *step, const pbt_pieces *in, pbt_pieces *out, pbt_error *error);
pbt_code pbt_step_lowercase(const pbt_pieces *in, pbt_pieces *out, pbt_error *error);

#endif
