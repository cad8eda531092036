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

/* The output layer's (logits.c). V: the vocabulary. */
typedef struct pbt_logit_buffers {
    float *logits;  /* [capacity, V] */
    float *sums;    /* [capacity] their log-sum-exp */
    int32_t *rows;  /* [capacity] the rows of the pass they belong to, ascending */
    float *hidden;  /* [pbt_logit_rows, D] gathered hidden states, or their gradients */
    int32_t *local; /* [local_capacity] of every target of a block: its row within the block */
    size_t local_capacity;
    int32_t capacity;
    int32_t kept; /* rows that are those of the last pass, for the backward pass to take; 0: none */
} pbt_logit_buffers;

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
    pbt_logit_buffers output;
    float *memory;
};

/* Rows of logits computed at a time. */
int32_t pbt_logit_rows(const pbt_config *config);
/* Makes room for logits of `rows` rows and for a block of `targets` targets. */
pbt_code pbt_logit_reserve(const pbt_model *model, pbt_activations *activations, int32_t rows,
                           int32_t targets, pbt_error *error);
/* Gives the logits back (not what is small). */
void pbt_logit_free(pbt_activations *activations);
/* The distinct rows of targets 0 .. at most `most` of them, and of every target the place of its row among
 * them; returns how many targets they cover. target_row ascending. */
int32_t pbt_logit_block(const int32_t *target_row, int32_t n, int32_t most, int32_t *rows, int32_t *local,
                        int32_t *n_rows);
/* Whether the logits of exactly these targets' rows are at hand since the last pass. */
bool pbt_logits_kept(const pbt_activations *activations, const int32_t *target_row, int32_t n);
/* u = the input of the LoRA pair: x, or dropped copies of it in `buffer`. */
const float *pbt_lora_input(const pbt_pass *pass, int32_t layer, int linear, bool last, const float *x,
                            int32_t width, float *buffer);

#endif
