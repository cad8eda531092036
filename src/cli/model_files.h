/* What commands that open or write model folders have in common. */
#ifndef PBT_CLI_MODEL_FILES_H
#define PBT_CLI_MODEL_FILES_H

#include "cli/command.h"
#include "model/adapter.h"

/* "float32", "float16", "bfloat16", and with `all` also "nf4", "fp4", "int8"; "auto" gives PBT_DTYPES.
 * `option` names it in the error. */
pbt_code pbt_cli_dtype(const char *option, const char *name, bool all, pbt_dtype *dtype, pbt_error *error);
/* The type that --load_in_4bit with --bnb_4bit_quant_type, --load_in_8bit and --dtype ask for. */
pbt_code pbt_cli_load_dtype(bool load_in_4bit, const char *bnb_4bit_quant_type, bool load_in_8bit,
                            const char *dtype, pbt_dtype *result, pbt_error *error);
/* A message when the adapter says that it was made for another model. */
void pbt_cli_warn_base(const pbt_cli *cli, const pbt_adapter *adapter, const pbt_model *model);

#endif
