/* Rotary frequencies: default, linear, llama3 (Llama 3.1) and yarn (Peng et al., 2023), in transformers'
 * form. */
#include "model/rope_settings.h"

#include <math.h>

static const double TAU = 6.283185307179586;

static double llama3(const pbt_rope *rope, double frequency) {
    double wavelength = TAU / frequency, original = (double)rope->original_max_position_embeddings;
    double low = original / rope->low_freq_factor, high = original / rope->high_freq_factor;
    if (wavelength > low) return frequency / rope->factor;
    if (wavelength < high) return frequency;
    double smooth =
        (original / wavelength - rope->low_freq_factor) / (rope->high_freq_factor - rope->low_freq_factor);
    return (1 - smooth) * frequency / rope->factor + smooth * frequency;
}

/* The dimension that turns `rotations` times within the original length. */
static double yarn_dimension(const pbt_rope *rope, double rotations, int32_t dim) {
    return dim * log((double)rope->original_max_position_embeddings / (rotations * TAU)) /
           (2 * log(rope->theta));
}

static double yarn_mscale(double factor, double mscale) {
    return factor <= 1 ? 1.0 : 0.1 * mscale * log(factor) + 1.0;
}

static double yarn_attention(const pbt_rope *rope) {
    if (rope->attention_factor >= 0) return rope->attention_factor;
    if (rope->mscale != 0 && rope->mscale_all_dim != 0)
        return yarn_mscale(rope->factor, rope->mscale) / yarn_mscale(rope->factor, rope->mscale_all_dim);
    return yarn_mscale(rope->factor, 1);
}

static double yarn(const pbt_rope *rope, double frequency, int32_t i, int32_t dim) {
    double low = yarn_dimension(rope, rope->beta_fast, dim),
           high = yarn_dimension(rope, rope->beta_slow, dim);
    if (rope->truncate) {
        low = floor(low);
        high = ceil(high);
    }
    low = low > 0 ? low : 0;
    high = high < dim - 1 ? high : dim - 1;
    if (low == high) high += 0.001;
    double ramp = (i - low) / (high - low);
    ramp = ramp < 0 ? 0 : ramp > 1 ? 1 : ramp;
    return frequency / rope->factor * ramp + frequency * (1 - ramp);
}

void pbt_rope_frequencies(const pbt_config *config, double *frequency, float *attention_scaling) {
    const pbt_rope *rope = &config->rope;
    *attention_scaling = rope->type == PBT_ROPE_YARN ? (float)yarn_attention(rope) : 1.0f;
    for (int32_t i = 0; i < config->head_dim / 2; i++) {
        double f = (float)(1.0 / (float)pow(rope->theta, 2.0 * i / config->head_dim));
        if (rope->type == PBT_ROPE_LINEAR) f /= rope->factor;
        if (rope->type == PBT_ROPE_LLAMA3) f = llama3(rope, f);
        if (rope->type == PBT_ROPE_YARN) f = yarn(rope, f, i, config->head_dim);
        frequency[i] = (float)f;
    }
}
