/* Regular expressions over names of modules, as PEFT and transformers match them (Python's re). */
#ifndef PBT_MODEL_MODULE_NAME_H
#define PBT_MODEL_MODULE_NAME_H

#include "base/status.h"

#include <stdbool.h>

typedef enum pbt_pattern_kind {
    PBT_PATTERN_WHOLE,   /* the whole name: re.fullmatch(P, name) (target_modules as a string) */
    PBT_PATTERN_SUFFIX,  /* the whole name, or its end behind a dot: rank_pattern, alpha_pattern */
    PBT_PATTERN_BOUNDARY /* the beginning of the name up to a dot or its end: llm_int8_skip_modules */
} pbt_pattern_kind;

/* PBT_BAD_INPUT when the pattern is not a regular expression; `file` (may be NULL) and `where` name its
 * place. */
pbt_code pbt_module_matches(const char *pattern, pbt_pattern_kind kind, const char *name, const char *file,
                            const char *where, bool *matches, pbt_error *error);

#endif
