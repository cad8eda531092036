/*
 * A model of random numbers from a config.json's text.
 */
#ifndef PBT_TESTS_SMALL_MODEL_H
#define PBT_TESTS_SMALL_MODEL_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/json.h"
#include "device.h"
#include "model/model.h"

#include <string.h>

static inline pbt_model *small_model(const char *text, uint64_t seed) {
    pbt_error error = {0};
    json_t *raw = NULL;
    pbt_config config;
    pbt_model *model = NULL;
    pbt_code code = pbt_json_parse(text, strlen(text), "test", NULL, &raw, &error);
    if (code == PBT_OK) code = pbt_config_parse(raw, "test", &config, &error);
    if (code == PBT_OK) {
        code = pbt_model_random(&config, pbt_key_of_seed(seed), 0.3, test_device(), &model, &error);
        pbt_config_free(&config);
    }
    if (code != PBT_OK) fail_msg("%s", error.message);
    json_decref(raw);
    return model;
}

#endif
