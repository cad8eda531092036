/* config.json comes from anywhere: any bytes give a configuration whose sizes are sane, or a sentence. */
#include "model/config.h"
#include "model/rope_settings.h"

#include <math.h>
#include <stdint.h>
#include <stdlib.h>

static void check(const pbt_config *c) {
    double frequency[2048];
    float scaling;
    bool sane = c->n_layers >= 1 && c->n_layers <= PBT_MAX_LAYERS && c->n_heads >= 1 && c->n_kv_heads >= 1 &&
                c->n_heads % c->n_kv_heads == 0 && c->head_dim >= 2 && c->head_dim % 2 == 0 &&
                c->head_dim <= 4096 && c->hidden_size >= 1 && c->vocab_size >= 1 && c->n_eos <= PBT_MAX_EOS &&
                pbt_config_parameters(c) > 0;
    if (!sane) abort();
    for (int32_t i = 0; i < c->n_eos; i++)
        if (c->eos_token_ids[i] < 0 || c->eos_token_ids[i] >= c->vocab_size) abort();
    for (int32_t l = 0; l < c->n_layers; l++)
        if (pbt_config_window(c, l) < 0) abort();
    pbt_rope_frequencies(c, frequency, &scaling);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    pbt_error error;
    pbt_config config;
    json_t *raw = NULL;
    if (pbt_json_parse((const char *)data, size, "fuzz", NULL, &raw, &error) != PBT_OK) return 0;
    if (pbt_config_parse(raw, "fuzz", &config, &error) == PBT_OK) {
        check(&config);
        pbt_config_free(&config);
    }
    json_decref(raw);
    return 0;
}
