/* What output.c and output_check.c share. */
#ifndef PBT_BASE_OUTPUT_INTERNAL_H
#define PBT_BASE_OUTPUT_INTERNAL_H

#include "base/output.h"

bool pbt_output_has_name(const char *const *names, const char *name);
/* The last part of pbt_output_check: whether the folder holds what its command did not write. */
pbt_code pbt_output_check_contents(const pbt_output_request *request, pbt_error *error);

#endif
