/* How many numbers and bytes a model of a configuration has. */
#include "model/config.h"

int64_t pbt_config_weight_bytes(const pbt_config *c, pbt_dtype dtype) {
    int64_t D = c->hidden_size, Q = (int64_t)c->n_heads * c->head_dim,
            K = (int64_t)c->n_kv_heads * c->head_dim;
    int64_t linear = c->n_layers * (2 * D * Q + 2 * D * K + 3 * D * c->intermediate_size);
    int64_t bits = pbt_dtype_bits(dtype), others = pbt_config_parameters(c) - linear, scales = 0;
    if (bits == 4) scales = linear / 64 * 4;
    if (bits == 8)
        scales = (int64_t)c->n_layers * (2 * Q + 2 * K + 2 * (int64_t)c->intermediate_size + D) * 4;
    return linear * bits / 8 + scales + others * (bits < 16 ? 16 : bits) / 8;
}

int64_t pbt_config_parameters(const pbt_config *c) {
    int64_t D = c->hidden_size, Q = (int64_t)c->n_heads * c->head_dim,
            K = (int64_t)c->n_kv_heads * c->head_dim, F = c->intermediate_size;
    int64_t layer = D * Q * 2 + D * K * 2 + D * F * 3 + 2 * D;
    if (c->attention_bias) layer += Q + 2 * K;
    if (c->output_bias) layer += D;
    if (c->mlp_bias) layer += 2 * F + D;
    if (c->qk_norm) layer += 2 * (int64_t)c->head_dim;
    return layer * c->n_layers + D + D * c->vocab_size * (c->tie_word_embeddings ? 1 : 2);
}

/* A matrix in panels of sixteen outputs. */
static int64_t packed_matrix(int64_t rows, int64_t cols, int64_t bits) {
    int64_t count = (rows + 15) / 16 * 16, bytes = count * cols * bits / 8;
    if (bits == 4) bytes += count * (cols / 64) * (int64_t)sizeof(float);
    if (bits == 8) bytes += count * (int64_t)sizeof(float);
    return bytes;
}

int64_t pbt_config_packed_bytes(const pbt_config *c, pbt_dtype dtype) {
    int64_t D = c->hidden_size, Q = (int64_t)c->n_heads * c->head_dim,
            K = (int64_t)c->n_kv_heads * c->head_dim, F = c->intermediate_size, bits = pbt_dtype_bits(dtype);
    int64_t layer = packed_matrix(Q, D, bits) + 2 * packed_matrix(K, D, bits) + packed_matrix(D, Q, bits) +
                    2 * packed_matrix(F, D, bits) + packed_matrix(D, F, bits);
    return c->n_layers * layer + packed_matrix(c->vocab_size, D, bits < 16 ? 16 : bits);
}
