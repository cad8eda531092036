/*
 * AdamW over the trained arrays, and clipping by the global norm, as torch does both.
 */
#ifndef PBT_TRAIN_OPTIMIZER_H
#define PBT_TRAIN_OPTIMIZER_H

#include "train/training.h"

pbt_code pbt_optimizer_create(const pbt_ops *ops, const pbt_gradients *gradients, pbt_optimizer *optimizer,
                              pbt_error *error);
void pbt_optimizer_free(pbt_optimizer *optimizer);
/* The 2-norm of all gradients. */
double pbt_optimizer_gradient_norm(const pbt_optimizer *optimizer);
/* torch's clip_grad_norm_: what gradients are multiplied by; max_norm 0 switches clipping off. */
double pbt_clip_scale(double norm, double max_norm);
void pbt_optimizer_step(pbt_optimizer *optimizer, const pbt_train_settings *settings, double learning_rate,
                        int64_t step, double gradient_scale);

#endif
