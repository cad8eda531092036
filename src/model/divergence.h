/* How far two models are apart on given tokens: the price of a merge or of a quantisation. */
#ifndef PBT_MODEL_DIVERGENCE_H
#define PBT_MODEL_DIVERGENCE_H

#include "model/adapter.h"

typedef struct pbt_divergence {
    int64_t tokens;           /* positions compared */
    double mean_kl, max_kl;   /* nats per token: sum_v p(v) (log p(v) - log q(v)), p of the first model */
    double top1_agreement;    /* share of positions where both find the same token likeliest */
    double max_logprob_error; /* largest |log p(next) - log q(next)| of the text's own tokens */
} pbt_divergence;

/* One side of the comparison. */
typedef struct pbt_divergence_side {
    const pbt_model *model;
    const pbt_adapter *adapter; /* or NULL */
} pbt_divergence_side;

/* Compares p and q on ids, cut into windows of at most 512 tokens that begin anew; every window after the
 * first begins with `bos` too (-1: with none). Both must have the same vocabulary. */
pbt_code pbt_divergence_measure(pbt_divergence_side p, pbt_divergence_side q, const int32_t *ids, size_t n,
                                int32_t bos, pbt_divergence *divergence, pbt_error *error);

#endif
