#include "cli/model_files.h"

#include "model/adapter_folder.h"

#include <string.h>

pbt_code pbt_cli_dtype(const char *option, const char *name, bool all, pbt_dtype *dtype, pbt_error *error) {
    for (int d = PBT_F32; d <= (all ? PBT_INT8 : PBT_BF16); d++)
        if (strcmp(pbt_dtype_name((pbt_dtype)d), name) == 0) {
            *dtype = (pbt_dtype)d;
            return PBT_OK;
        }
    *dtype = PBT_DTYPES;
    if (strcmp(name, "auto") == 0) return PBT_OK;
    return pbt_fail(error, PBT_USAGE, "--%s %s: expected auto, float32, float16%s", option, name,
                    all ? ", bfloat16, nf4, fp4 or int8" : " or bfloat16");
}

pbt_code pbt_cli_load_dtype(bool load_in_4bit, const char *bnb_4bit_quant_type, bool load_in_8bit,
                            const char *dtype, pbt_dtype *result, pbt_error *error) {
    if (load_in_4bit && load_in_8bit)
        return pbt_fail(error, PBT_USAGE, "--load_in_4bit and --load_in_8bit cannot both be");
    if (load_in_8bit) {
        *result = PBT_INT8;
        return PBT_OK;
    }
    if (load_in_4bit) return pbt_cli_dtype("bnb_4bit_quant_type", bnb_4bit_quant_type, true, result, error);
    return pbt_cli_dtype("dtype", dtype, false, result, error);
}

void pbt_cli_warn_base(const pbt_cli *cli, const pbt_adapter *adapter, const pbt_model *model) {
    char text[700];
    pbt_adapter_base_warning(adapter, model, text, sizeof text);
    if (*text) pbt_monitor_message(cli->monitor, 0, "%s", text);
}
