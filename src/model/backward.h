/*
 * The backward pass of forward.h, and where gradients go: an adapter's matrices, or every weight of a
 * writable model.
 */
#ifndef PBT_MODEL_BACKWARD_H
#define PBT_MODEL_BACKWARD_H

#include "base/declarations.h"
#include "model/forward.h"

PBT_BEGIN_DECLS

/* Gradients for the trained thing. Exactly one of adapter (the last of pass->adapters) and full is trained.
 */
typedef struct pbt_gradients pbt_gradients;
pbt_code pbt_gradients_for_adapter(const pbt_model *model, pbt_adapter *adapter, pbt_gradients **gradients,
                                   pbt_error *error);
pbt_code pbt_gradients_for_model(pbt_model *model, pbt_gradients **gradients, pbt_error *error);
void pbt_gradients_free(pbt_gradients *gradients);
void pbt_gradients_zero(pbt_gradients *gradients);
/* The trained arrays in a fixed order (PEFT / Hugging Face names); owned by `gradients`. */
const pbt_parameter *pbt_gradients_parameters(const pbt_gradients *gradients, size_t *n);

/* Adds to the gradients those of  sum_i weight[i] * log p(target[i] | row target_row[i])  after a pbt_forward
 * with kept activations on the same pass and kv. target_row ascending. (A loss is minimised with negative
 * weights.) logprob (may be NULL): receives the log-probabilities, as pbt_logprobs. */
pbt_code pbt_backward(const pbt_pass *pass, pbt_kv *kv, pbt_activations *activations,
                      const int32_t *target_row, const int32_t *target, const float *weight, int32_t n,
                      float *logprob, pbt_gradients *gradients, pbt_error *error);

PBT_END_DECLS

#endif
