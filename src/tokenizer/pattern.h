/*
 * Patterns: regular expressions in the dialect of tokenizers (Oniguruma, Ruby syntax, UTF-8), searched with
 * PCRE2. The two agree on what pre-tokenizers use; constructs they read differently are rewritten or refused.
 */
#ifndef PBT_TOKENIZER_PATTERN_H
#define PBT_TOKENIZER_PATTERN_H

#include "tokenizer/pipeline.h"

/* A regular expression as tokenizers reads it (Oniguruma's Ruby syntax), refused where PCRE2 would differ. */
pbt_code pbt_pattern_compile(const char *source, const char *file, const char *where, pbt_pattern **pattern,
                             pbt_error *error);
pbt_code pbt_pattern_literal(const char *text, size_t length, pbt_pattern **pattern, pbt_error *error);
void pbt_pattern_free(pbt_pattern *pattern);
/* Begins a search; the match data of an earlier search with the same struct is used again. */
pbt_code pbt_search_begin(pbt_search *search, const pbt_pattern *pattern, const char *subject, size_t length,
                          pbt_error *error);
pbt_code pbt_search_next(pbt_search *search, bool *found, pbt_error *error);
void pbt_search_free(pbt_search *search);

#endif
