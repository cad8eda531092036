/*
 * TRL's lists loss_type and loss_weights: names, parsing, checks.
 */
#include "train/trainer.h"

#include <math.h>
#include <string.h>

static const char *const names[PBT_LOSS_TYPES] = {"sigmoid",  "ipo",      "hinge",        "robust",
                                                  "apo_zero", "apo_down", "sigmoid_norm", "sft"};

const char *pbt_loss_type_name(pbt_loss_type loss_type) {
    return names[loss_type];
}

pbt_code pbt_loss_type_parse(const char *text, pbt_loss_type *loss_type, pbt_error *error) {
    for (int i = 0; i < PBT_LOSS_TYPES; i++)
        if (strcmp(text, names[i]) == 0) {
            *loss_type = (pbt_loss_type)i;
            return PBT_OK;
        }
    return pbt_fail(error, PBT_USAGE,
                    "loss_type is '%.60s'; known are sigmoid, ipo, hinge, robust, apo_zero, apo_down, "
                    "sigmoid_norm and sft",
                    text);
}

pbt_loss_mix pbt_loss_mix_of(pbt_loss_type loss_type) {
    return (pbt_loss_mix){.n = 1, .types = {loss_type}};
}

pbt_code pbt_loss_mix_set_types(pbt_loss_mix *mix, const char *const *given, size_t n, pbt_error *error) {
    if (n == 0 || n > PBT_LOSS_TYPES)
        return pbt_fail(error, PBT_USAGE, "loss_type has %zu names; expected 1 to %d", n, PBT_LOSS_TYPES);
    for (size_t i = 0; i < n; i++) {
        PBT_TRY(pbt_loss_type_parse(given[i], &mix->types[i], error));
        for (size_t j = 0; j < i; j++)
            if (mix->types[j] == mix->types[i])
                return pbt_fail(error, PBT_USAGE, "loss_type names %s twice", names[mix->types[i]]);
    }
    mix->n = (int32_t)n;
    return PBT_OK;
}

pbt_code pbt_loss_mix_set_weights(pbt_loss_mix *mix, const double *weights, size_t n, pbt_error *error) {
    if (n > PBT_LOSS_TYPES)
        return pbt_fail(error, PBT_USAGE, "loss_weights has %zu numbers; at most %d are possible", n,
                        PBT_LOSS_TYPES);
    for (size_t i = 0; i < n; i++) {
        if (!isfinite(weights[i]))
            return pbt_fail(error, PBT_USAGE, "weight %zu of loss_weights is not a finite number", i + 1);
        mix->weights[i] = weights[i];
    }
    mix->n_weights = (int32_t)n;
    return PBT_OK;
}

pbt_code pbt_loss_mix_check(const pbt_loss_mix *mix, pbt_error *error) {
    if (mix->n < 1 || mix->n > PBT_LOSS_TYPES)
        return pbt_fail(error, PBT_USAGE, "loss_type has %d names; expected 1 to %d", mix->n, PBT_LOSS_TYPES);
    if (mix->n_weights == 0 || mix->n_weights == mix->n) return PBT_OK;
    return pbt_fail(error, PBT_USAGE,
                    "loss_type names %d losses, but loss_weights has %d numbers; give one for each loss",
                    mix->n, mix->n_weights);
}

void pbt_loss_mix_text(const pbt_loss_mix *mix, pbt_text *text) {
    for (int32_t i = 0; i < mix->n; i++) pbt_text_addf(text, "%s%s", i > 0 ? "," : "", names[mix->types[i]]);
    for (int32_t i = 0; i < mix->n_weights; i++)
        pbt_text_addf(text, "%s%g", i > 0 ? ", " : " (", mix->weights[i]);
    if (mix->n_weights > 0) pbt_text_add(text, ")");
}
