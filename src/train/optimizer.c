/*
 * AdamW over the trained arrays, and clipping by the global norm, as torch does both.
 */
#include "train/optimizer.h"

#include "base/memory.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

pbt_code pbt_optimizer_create(const pbt_ops *ops, const pbt_gradients *gradients, pbt_optimizer *optimizer,
                              pbt_error *error) {
    memset(optimizer, 0, sizeof *optimizer);
    optimizer->ops = ops;
    optimizer->parameters = pbt_gradients_parameters(gradients, &optimizer->n_parameters);
    size_t n = optimizer->n_parameters;
    optimizer->m = pbt_alloc(n, sizeof *optimizer->m);
    optimizer->v = pbt_alloc(n, sizeof *optimizer->v);
    bool ok = optimizer->m && optimizer->v;
    size_t bytes = 0;
    for (size_t i = 0; ok && i < n; i++) {
        size_t size = optimizer->parameters[i].count * sizeof(float);
        bytes += 2 * size;
        ok = (optimizer->m[i] = ops->alloc(size)) && (optimizer->v[i] = ops->alloc(size));
    }
    if (ok) return PBT_OK;
    pbt_optimizer_free(optimizer);
    return pbt_fail_memory(error, bytes, "the optimizer's moments");
}

void pbt_optimizer_free(pbt_optimizer *optimizer) {
    for (size_t i = 0; i < optimizer->n_parameters; i++) {
        if (optimizer->m && optimizer->m[i]) optimizer->ops->release(optimizer->m[i]);
        if (optimizer->v && optimizer->v[i]) optimizer->ops->release(optimizer->v[i]);
    }
    free(optimizer->m);
    free(optimizer->v);
    memset(optimizer, 0, sizeof *optimizer);
}

double pbt_optimizer_gradient_norm(const pbt_optimizer *optimizer) {
    double sum = 0;
    for (size_t i = 0; i < optimizer->n_parameters; i++)
        sum +=
            optimizer->ops->sum_of_squares(optimizer->parameters[i].gradient, optimizer->parameters[i].count);
    return sqrt(sum);
}

double pbt_clip_scale(double norm, double max_norm) {
    if (max_norm <= 0) return 1.0;
    double scale = max_norm / (norm + 1e-6);
    return scale < 1.0 ? scale : 1.0;
}

void pbt_optimizer_step(pbt_optimizer *optimizer, const pbt_train_settings *settings, double learning_rate,
                        int64_t step, double gradient_scale) {
    pbt_adamw adamw = {.learning_rate = (float)learning_rate,
                       .beta1 = (float)settings->adam_beta1,
                       .beta2 = (float)settings->adam_beta2,
                       .epsilon = (float)settings->adam_epsilon,
                       .step = step};
    for (size_t i = 0; i < optimizer->n_parameters; i++) {
        const pbt_parameter *parameter = &optimizer->parameters[i];
        adamw.weight_decay = parameter->decay ? (float)settings->weight_decay : 0.0f;
        optimizer->ops->adamw(parameter->value, optimizer->m[i], optimizer->v[i], parameter->gradient,
                              parameter->count, (float)gradient_scale, &adamw);
    }
}
