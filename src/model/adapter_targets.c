/* Which linear layers a new adapter is put on. */
#include "model/adapter.h"
#include "model/module_name.h"

#include <stdio.h>
#include <string.h>

/* Modules that PEFT would adapt too, where a pattern names them. */
static pbt_code check_pattern(const char *pattern, pbt_error *error) {
    static const char *const others[] = {"lm_head", "model.embed_tokens"};
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        bool matches;
        PBT_TRY(pbt_module_matches(pattern, PBT_PATTERN_WHOLE, others[i], NULL, "target_modules", &matches,
                                   error));
        if (matches)
            return pbt_fail(error, PBT_USAGE,
                            "target_modules: \"%.200s\" matches %s too, which cannot be adapted; expected a "
                            "regular expression of linear layers in the blocks",
                            pattern, others[i]);
    }
    return PBT_OK;
}

static int linear_named(const char *name, size_t length) {
    int linear = 0;
    while (linear < PBT_LINEARS && (strlen(pbt_linear_names[linear]) != length ||
                                    strncmp(pbt_linear_names[linear], name, length) != 0))
        linear++;
    return linear;
}

pbt_code pbt_adapter_targets(const char *text, pbt_adapter_settings *settings, pbt_error *error) {
    bool *targets = settings->targets, any = false;
    settings->pattern = NULL;
    for (int i = 0; i < PBT_LINEARS; i++) targets[i] = strcmp(text, "all-linear") == 0;
    if (targets[0]) return PBT_OK;
    if (strpbrk(text, "\\.*+?^$|()[]{}")) {
        PBT_TRY(check_pattern(text, error));
        settings->pattern = text;
        return PBT_OK;
    }
    for (const char *at = text; *at;) {
        size_t length = strcspn(at, ", \t");
        int linear = linear_named(at, length);
        if (length > 0 && linear == PBT_LINEARS)
            return pbt_fail(
                error, PBT_USAGE,
                "target_modules: no linear layer is named \"%.*s\"; known are all-linear, q_proj, "
                "k_proj, v_proj, o_proj, gate_proj, up_proj, down_proj, and regular expressions",
                (int)(length < 100 ? length : 100), at);
        if (length > 0) any = targets[linear] = true;
        at += length;
        while (*at == ',' || *at == ' ' || *at == '\t') at++;
    }
    if (any) return PBT_OK;
    return pbt_fail(error, PBT_USAGE, "target_modules: expected names of linear layers, found none");
}

pbt_code pbt_adapter_targeted(const pbt_adapter_settings *settings, int32_t layer, int linear, bool *targeted,
                              pbt_error *error) {
    char name[96];
    *targeted = settings->targets[linear];
    if (!settings->pattern) return PBT_OK;
    snprintf(name, sizeof name, "model.layers.%d.%s", layer, pbt_linear_paths[linear]);
    return pbt_module_matches(settings->pattern, PBT_PATTERN_WHOLE, name, NULL, "target_modules", targeted,
                              error);
}

pbt_code pbt_adapter_parameters(const pbt_config *c, const pbt_adapter_settings *settings, int64_t *sum,
                                pbt_error *error) {
    int64_t D = c->hidden_size, F = c->intermediate_size, H = (int64_t)c->n_heads * c->head_dim,
            G = (int64_t)c->n_kv_heads * c->head_dim;
    const int64_t inputs[] = {D, D, D, H, D, D, F}, outputs[] = {H, G, G, D, F, F, D};
    *sum = 0;
    if (settings->r < 1 || settings->r > PBT_MOST_RANK)
        return pbt_fail(error, PBT_USAGE, "lora_r: expected 1 to %d, found %d", PBT_MOST_RANK, settings->r);
    for (int32_t layer = 0; layer < c->n_layers; layer++)
        for (int l = 0; l < PBT_LINEARS; l++) {
            bool targeted;
            PBT_TRY(pbt_adapter_targeted(settings, layer, l, &targeted, error));
            if (targeted) *sum += settings->r * (inputs[l] + outputs[l]);
        }
    if (*sum > 0) return PBT_OK;
    return pbt_fail(error, PBT_USAGE, "lora_target_modules: \"%.200s\" matches no linear layer of the model",
                    settings->pattern ? settings->pattern : "");
}
