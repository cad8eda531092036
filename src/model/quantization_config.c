#include "model/quantization_config.h"

#include <stdio.h>
#include <string.h>

static bool on(const json_t *object, const char *key) {
    return json_is_true(json_object_get(object, key));
}

static pbt_code refuse(const char *file, const char *key, const char *expected, const json_t *found,
                       pbt_error *error) {
    char where[160];
    snprintf(where, sizeof where, "quantization_config.%s", key);
    const char *text = json_string_value(found);
    return pbt_fail_at(error, PBT_BAD_INPUT, file, where, "expected %s, found \"%s\"", expected,
                       text                  ? text
                       : json_is_true(found) ? "true"
                                             : "something else");
}

pbt_code pbt_quantization_config_read(const json_t *raw, const char *file, pbt_config *config,
                                      pbt_error *error) {
    const json_t *settings = json_object_get(raw, "quantization_config");
    config->quantization = PBT_DTYPES;
    if (!settings || json_is_null(settings)) return PBT_OK;
    const json_t *method = json_object_get(settings, "quant_method"), *type, *storage;
    const char *name = json_string_value(method);
    bool eight = on(settings, "load_in_8bit"), four = on(settings, "load_in_4bit");
    if (!json_is_object(settings) || (name ? strcmp(name, "bitsandbytes") != 0 : !eight && !four))
        return refuse(file, "quant_method", "bitsandbytes, or weights that are not quantised", method, error);
    if (eight == four)
        return pbt_fail_at(error, PBT_BAD_INPUT, file, "quantization_config",
                           "expected load_in_4bit or load_in_8bit, found %s", eight ? "both" : "neither");
    if (on(settings, "llm_int8_has_fp16_weight"))
        return refuse(file, "llm_int8_has_fp16_weight", "false", json_true(), error);
    if (eight) {
        config->quantization = PBT_INT8;
        return PBT_OK;
    }
    storage = json_object_get(settings, "bnb_4bit_quant_storage");
    if (storage && (!json_is_string(storage) || strcmp(json_string_value(storage), "uint8") != 0))
        return refuse(file, "bnb_4bit_quant_storage", "uint8", storage, error);
    type = json_object_get(settings, "bnb_4bit_quant_type");
    name = type ? json_string_value(type) : "fp4"; /* transformers' default */
    if (!name || (strcmp(name, "nf4") != 0 && strcmp(name, "fp4") != 0))
        return refuse(file, "bnb_4bit_quant_type", "nf4 or fp4", type, error);
    config->quantization = name[0] == 'n' ? PBT_NF4 : PBT_FP4;
    config->nested_quantization = on(settings, "bnb_4bit_use_double_quant");
    return PBT_OK;
}

pbt_code pbt_quantization_config_set(json_t *raw, pbt_dtype dtype, bool nested, json_t *skip_modules,
                                     pbt_error *error) {
    if (dtype == PBT_DTYPES) {
        json_object_del(raw, "quantization_config");
        return PBT_OK;
    }
    json_t *skip = json_array_size(skip_modules) > 0 ? json_incref(skip_modules) : json_null();
    json_t *settings =
        json_pack("{s:s, s:b, s:b, s:s, s:b, s:s, s:s, s:b, s:b, s:o, s:f}", "quant_method", "bitsandbytes",
                  "load_in_4bit", (int)(dtype != PBT_INT8), "load_in_8bit", (int)(dtype == PBT_INT8),
                  "bnb_4bit_quant_type", dtype == PBT_NF4 ? "nf4" : "fp4", "bnb_4bit_use_double_quant",
                  (int)nested, "bnb_4bit_quant_storage", "uint8", "bnb_4bit_compute_dtype", "float32",
                  "llm_int8_enable_fp32_cpu_offload", 0, "llm_int8_has_fp16_weight", 0,
                  "llm_int8_skip_modules", skip, "llm_int8_threshold", 6.0);
    if (!settings || json_object_set_new(raw, "quantization_config", settings) != 0)
        return pbt_fail_memory(error, 0, "a configuration");
    return PBT_OK;
}
