/* Where the backward pass adds gradients (backward.h). */
#ifndef PBT_MODEL_GRADIENTS_H
#define PBT_MODEL_GRADIENTS_H

#include "model/backward.h"

/* Gradients of one layer's weights; NULL where not trained. */
typedef struct pbt_layer_gradients {
    float *linear[PBT_LINEARS], *bias[PBT_LINEARS];
    float *input_norm, *post_attention_norm, *q_norm, *k_norm;
    float *A[PBT_LINEARS], *B[PBT_LINEARS];
} pbt_layer_gradients;

struct pbt_gradients {
    const pbt_ops *ops;
    const pbt_adapter *adapter; /* NULL: the model itself is trained */
    pbt_parameter *parameters;
    size_t n;
    float *memory;
    size_t floats;
    pbt_layer_gradients *layers;
    float *embedding, *output, *final_norm; /* output == embedding when tied */
};

#endif
