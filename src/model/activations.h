/* Buffers of a pass (forward.h); shared by the forward and the backward pass. */
#ifndef PBT_MODEL_ACTIVATIONS_H
#define PBT_MODEL_ACTIVATIONS_H

#include "model/forward.h"

/* What one layer leaves behind. [T, ...] each. */
typedef struct pbt_layer_activations {
    float *input;             /* [D] residual stream before the layer */
    float *norm1, *inv1;      /* [D], [1] */
    float *q;                 /* [H*E] after norm and RoPE */
    float *q_raw, *k_raw;     /* before the head norms (qwen3) */
    float *inv_q, *inv_k;     /* [H], [G] */
    float *attention, *stats; /* [H*E], [H*2] */
    float *middle;            /* [D] residual stream between the halves */
    float *norm2, *inv2;      /* [D], [1] */
    float *gate, *up, *act;   /* [F] */
    float *low[PBT_LINEARS];  /* [r] of the last adapter: scaling * A dropout(x) */
} pbt_layer_activations;

/* Gradients on their way back. */
typedef struct pbt_backward_buffers {
    float *stream, *norm;   /* [T, D] */
    float *attention, *q;   /* [T, H*E] */
    float *k, *v;           /* [T, G*E] */
    float *act, *gate, *up; /* [T, F] */
    float *low, *dropped;   /* [T, r], [T, widest input] */
    float *kv_k, *kv_v;     /* [kv_capacity, G*E] */
    int32_t kv_capacity;
} pbt_backward_buffers;

struct pbt_activations {
    const pbt_ops *ops;
    int32_t rows, rank;
    bool keep;
    int32_t n_layers;
    pbt_layer_activations *layers; /* all the same buffers unless kept */
    float *stream;                 /* [T, D] after the last layer */
    float *hidden, *inv;           /* [T, D], [T] */
    float *k, *v;                  /* [T, G*E] of the layer in work */
    float *low, *dropped;          /* [T, r], [T, widest input] of the layer in work */
    pbt_backward_buffers back;
    float *memory;
};

/* Rows of logits computed at a time. */
int32_t pbt_logit_rows(const pbt_config *config);
/* u = the input of the LoRA pair: x, or dropped copies of it in `buffer`. */
const float *pbt_lora_input(const pbt_pass *pass, int32_t layer, int linear, bool last, const float *x,
                            int32_t width, float *buffer);

#endif
