#include "model/gradients.h"

#include "base/memory.h"
#include "base/text.h"
#include "model/weights.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static pbt_code create(const pbt_model *model, size_t most, pbt_gradients **gradients, pbt_error *error) {
    pbt_gradients *g = *gradients = pbt_alloc(1, sizeof *g);
    if (!g) return pbt_fail_memory(error, sizeof *g, "gradients");
    g->ops = model->ops;
    g->layers = pbt_alloc((size_t)model->config.n_layers, sizeof *g->layers);
    g->parameters = pbt_alloc(most, sizeof *g->parameters);
    if (g->layers && g->parameters) return PBT_OK;
    pbt_gradients_free(g);
    *gradients = NULL;
    return pbt_fail_memory(error, 0, "gradients");
}

/* One array for all gradients; every parameter then points to its piece. */
static pbt_code place(pbt_gradients *g, pbt_error *error) {
    for (size_t i = 0; i < g->n; i++) g->floats += (g->parameters[i].count + 15) / 16 * 16;
    g->memory = g->ops->alloc(g->floats * sizeof *g->memory);
    if (!g->memory) return pbt_fail_memory(error, g->floats * sizeof *g->memory, "gradients");
    float *at = g->memory;
    for (size_t i = 0; i < g->n; i++) {
        g->parameters[i].gradient = at;
        at += (g->parameters[i].count + 15) / 16 * 16;
    }
    return PBT_OK;
}

static void add(pbt_gradients *g, const char *name, float *value, size_t count, bool decay) {
    pbt_parameter *p = &g->parameters[g->n++];
    snprintf(p->name, sizeof p->name, "%s", name);
    p->value = value;
    p->count = count;
    p->decay = decay;
}

pbt_code pbt_gradients_for_adapter(const pbt_model *model, pbt_adapter *adapter, pbt_gradients **gradients,
                                   pbt_error *error) {
    const int32_t L = model->config.n_layers;
    PBT_TRY(create(model, (size_t)L * PBT_LINEARS * 2, gradients, error));
    pbt_gradients *g = *gradients;
    g->adapter = adapter;
    for (int32_t l = 0; l < L; l++)
        for (int i = 0; i < PBT_LINEARS; i++) {
            pbt_lora *lora = &adapter->lora[l][i];
            char name[128];
            for (int which = 0; lora->A && which < 2; which++) {
                snprintf(name, sizeof name, "base_model.model.model.layers.%d.%s.lora_%c.weight", l,
                         pbt_linear_paths[i], which ? 'B' : 'A');
                add(g, name, which ? lora->B : lora->A,
                    (size_t)lora->r * (size_t)(which ? lora->outputs : lora->inputs), true);
            }
        }
    pbt_code code = place(g, error);
    if (code != PBT_OK) {
        pbt_gradients_free(g);
        *gradients = NULL;
        return code;
    }
    size_t n = 0;
    for (int32_t l = 0; l < L; l++)
        for (int i = 0; i < PBT_LINEARS; i++) {
            if (!adapter->lora[l][i].A) continue;
            g->layers[l].A[i] = g->parameters[n++].gradient;
            g->layers[l].B[i] = g->parameters[n++].gradient;
        }
    return PBT_OK;
}

/* Which gradient belongs to a slot: the place in `g` of the model's array. */
static float **home(pbt_gradients *g, pbt_model *model, const pbt_slot *slot) {
    if (slot->matrix == &model->embedding) return &g->embedding;
    if (slot->matrix == &model->output) return &g->output;
    if (slot->vector == &model->final_norm) return &g->final_norm;
    for (int32_t l = 0; l < model->config.n_layers; l++) {
        pbt_layer *layer = &model->layers[l];
        pbt_layer_gradients *to = &g->layers[l];
        for (int i = 0; i < PBT_LINEARS; i++) {
            if (slot->matrix == &layer->linear[i]) return &to->linear[i];
            if (slot->vector == &layer->linear_bias[i]) return &to->bias[i];
        }
        if (slot->vector == &layer->input_norm) return &to->input_norm;
        if (slot->vector == &layer->post_attention_norm) return &to->post_attention_norm;
        if (slot->vector == &layer->q_norm) return &to->q_norm;
        if (slot->vector == &layer->k_norm) return &to->k_norm;
    }
    return NULL;
}

pbt_code pbt_gradients_for_model(pbt_model *model, pbt_gradients **gradients, pbt_error *error) {
    pbt_slot *slots;
    size_t n;
    *gradients = NULL;
    if (!model->weights->writable)
        return pbt_fail(error, PBT_USAGE, "training all parameters needs a model opened as writable");
    PBT_TRY(pbt_model_slots(model, &slots, &n, error));
    pbt_code code = create(model, n, gradients, error);
    pbt_gradients *g = *gradients;
    for (size_t i = 0; code == PBT_OK && i < n; i++) {
        const void *value = slots[i].matrix ? slots[i].matrix->data : (const void *)*slots[i].vector;
        add(g, slots[i].name, (float *)(uintptr_t)value,
            (size_t)(slots[i].rows * (slots[i].cols ? slots[i].cols : 1)), slots[i].matrix != NULL);
    }
    if (code == PBT_OK) code = place(g, error);
    for (size_t i = 0; code == PBT_OK && i < n; i++) *home(g, model, &slots[i]) = g->parameters[i].gradient;
    if (code == PBT_OK && model->config.tie_word_embeddings) g->output = g->embedding;
    free(slots);
    if (code != PBT_OK) {
        pbt_gradients_free(g);
        *gradients = NULL;
    }
    return code;
}

void pbt_gradients_free(pbt_gradients *g) {
    if (!g) return;
    if (g->memory) g->ops->release(g->memory);
    free(g->parameters);
    free(g->layers);
    free(g);
}

void pbt_gradients_zero(pbt_gradients *g) {
    for (size_t i = 0; i < g->floats; i++) g->memory[i] = 0;
}

const pbt_parameter *pbt_gradients_parameters(const pbt_gradients *g, size_t *n) {
    *n = g->n;
    return g->parameters;
}
