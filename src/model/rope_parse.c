/* The settings of rotary position embedding in config.json: rope_scaling as models have long had it, or
 * rope_parameters as transformers 5 writes it. */
#include "model/rope_settings.h"

#include <math.h>
#include <string.h>

/* One reading: the object the settings stand in, and its name for errors. */
typedef struct reading {
    const json_t *object;
    const char *file, *name;
} reading;

static pbt_code number(const reading *r, const char *key, double initial, double *value, pbt_error *error) {
    *value = initial;
    if (pbt_json_has(r->object, key))
        PBT_TRY(pbt_json_number(r->object, key, r->file, r->name, value, error));
    if (!isfinite(*value))
        return pbt_fail_at(error, PBT_BAD_INPUT, r->file, r->name, "%s: expected a finite number", key);
    return PBT_OK;
}

/* A number above 0; a missing one is missed. */
static pbt_code positive(const reading *r, const char *key, double initial, double *value, pbt_error *error) {
    PBT_TRY(number(r, key, initial, value, error));
    if (*value > 0) return PBT_OK;
    return pbt_fail_at(error, PBT_BAD_INPUT, r->file, r->name, "expected a %s above 0, found %g", key,
                       *value);
}

static pbt_code rope_type(const reading *r, pbt_rope *rope, pbt_error *error) {
    static const char *const names[] = {"default", "linear", "llama3", "yarn"};
    const json_t *value = json_object_get(r->object, "rope_type");
    if (!value) value = json_object_get(r->object, "type");
    if (!value) return PBT_OK;
    const char *name = json_string_value(value);
    for (int i = 0; name && i < 4; i++)
        if (strcmp(name, names[i]) == 0) {
            rope->type = (pbt_rope_type)i;
            return PBT_OK;
        }
    return pbt_fail_at(error, PBT_BAD_INPUT, r->file, r->name,
                       "expected a rope_type of default, linear, llama3 or yarn, found \"%s\"",
                       name ? name : "no text");
}

static pbt_code refuse_partial(const json_t *raw, const reading *r, pbt_error *error) {
    double share = 1;
    const reading outer = {raw, r->file, NULL};
    PBT_TRY(number(&outer, "partial_rotary_factor", 1, &share, error));
    PBT_TRY(number(r, "partial_rotary_factor", share, &share, error));
    if (share == 1) return PBT_OK;
    return pbt_fail_at(error, PBT_BAD_INPUT, r->file, "partial_rotary_factor",
                       "expected 1 (rotary positions on whole heads), found %g", share);
}

static pbt_code refuse_nested(const reading *r, pbt_error *error) {
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)(uintptr_t)r->object, key, value) {
        if (json_is_object(value))
            return pbt_fail_at(error, PBT_BAD_INPUT, r->file, r->name,
                               "settings of their own for some layers (\"%.80s\") are not supported", key);
    }
    return PBT_OK;
}

static pbt_code original_length(const json_t *raw, const reading *r, const pbt_config *config, pbt_rope *rope,
                                pbt_error *error) {
    static const char key[] = "original_max_position_embeddings";
    const reading outer = {raw, r->file, NULL};
    double length;
    PBT_TRY(number(r, key, config->max_position_embeddings, &length, error));
    PBT_TRY(number(&outer, key, length, &length, error)); /* beside the settings it comes first (Phi 3) */
    if (!(length >= 1 && length < 1e12))
        return pbt_fail_at(error, PBT_BAD_INPUT, r->file, r->name, "expected %s of 1 or more, found %g", key,
                           length);
    rope->original_max_position_embeddings = (int64_t)length;
    return PBT_OK;
}

static pbt_code llama3(const reading *r, pbt_rope *rope, pbt_error *error) {
    PBT_TRY(positive(r, "low_freq_factor", 0, &rope->low_freq_factor, error));
    PBT_TRY(positive(r, "high_freq_factor", 0, &rope->high_freq_factor, error));
    if (rope->high_freq_factor > rope->low_freq_factor) return PBT_OK;
    return pbt_fail_at(error, PBT_BAD_INPUT, r->file, r->name,
                       "expected 0 < low_freq_factor < high_freq_factor, found %g and %g",
                       rope->low_freq_factor, rope->high_freq_factor);
}

static pbt_code yarn(const reading *r, pbt_rope *rope, pbt_error *error) {
    PBT_TRY(number(r, "attention_factor", -1, &rope->attention_factor, error));
    PBT_TRY(number(r, "beta_fast", 0, &rope->beta_fast, error));
    PBT_TRY(number(r, "beta_slow", 0, &rope->beta_slow, error));
    if (rope->beta_fast == 0) rope->beta_fast = 32; /* 0 stands for the default there */
    if (rope->beta_slow == 0) rope->beta_slow = 1;
    if (!(rope->beta_fast > 0 && rope->beta_slow > 0 && rope->theta != 1))
        return pbt_fail_at(error, PBT_BAD_INPUT, r->file, r->name,
                           "expected beta_fast and beta_slow above 0 and a rope_theta other than 1");
    PBT_TRY(number(r, "mscale", 0, &rope->mscale, error));
    PBT_TRY(number(r, "mscale_all_dim", 0, &rope->mscale_all_dim, error));
    const json_t *truncate = json_object_get(r->object, "truncate");
    rope->truncate = !json_is_boolean(truncate) || json_is_true(truncate);
    return PBT_OK;
}

static bool is_filled(const json_t *value) {
    return json_is_object(value) && json_object_size(value) > 0;
}

pbt_code pbt_rope_parse(const json_t *raw, const char *file, pbt_config *config, pbt_error *error) {
    pbt_rope *rope = &config->rope;
    const reading outer = {raw, file, NULL};
    reading r = {json_object_get(raw, "rope_scaling"), file, "rope_scaling"};
    if (!is_filled(r.object)) r = (reading){json_object_get(raw, "rope_parameters"), file, "rope_parameters"};
    *rope = (pbt_rope){.attention_factor = -1, .truncate = true};
    PBT_TRY(positive(&outer, "rope_theta", 10000, &rope->theta, error));
    PBT_TRY(positive(&r, "rope_theta", rope->theta, &rope->theta, error));
    PBT_TRY(refuse_partial(raw, &r, error));
    if (!is_filled(r.object)) return PBT_OK;
    PBT_TRY(refuse_nested(&r, error));
    PBT_TRY(rope_type(&r, rope, error));
    if (rope->type == PBT_ROPE_DEFAULT) return PBT_OK;
    if (rope->type != PBT_ROPE_LINEAR) PBT_TRY(original_length(raw, &r, config, rope, error));
    double factor = 0;
    if (rope->type == PBT_ROPE_YARN)
        factor = (double)config->max_position_embeddings / (double)rope->original_max_position_embeddings;
    PBT_TRY(positive(&r, "factor", factor, &rope->factor, error));
    if (rope->type == PBT_ROPE_LLAMA3) return llama3(&r, rope, error);
    return rope->type == PBT_ROPE_YARN ? yarn(&r, rope, error) : PBT_OK;
}
