#include "model/weights.h"

#include "base/memory.h"
#include "base/text.h"
#include "model/rope_settings.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *const pbt_linear_names[PBT_LINEARS] = {"q_proj",    "k_proj",  "v_proj",   "o_proj",
                                                   "gate_proj", "up_proj", "down_proj"};
const char *const pbt_linear_paths[PBT_LINEARS] = {"self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj",
                                                   "self_attn.o_proj", "mlp.gate_proj",    "mlp.up_proj",
                                                   "mlp.down_proj"};

static void linear_shape(const pbt_config *c, int linear, int64_t *rows, int64_t *cols) {
    int64_t D = c->hidden_size, Q = (int64_t)c->n_heads * c->head_dim,
            K = (int64_t)c->n_kv_heads * c->head_dim, F = c->intermediate_size;
    const int64_t shapes[PBT_LINEARS][2] = {{Q, D}, {K, D}, {K, D}, {D, Q}, {F, D}, {F, D}, {D, F}};
    *rows = shapes[linear][0];
    *cols = shapes[linear][1];
}

static bool has_bias(const pbt_config *c, int linear) {
    if (linear <= PBT_V_PROJ) return c->attention_bias;
    return linear == PBT_O_PROJ ? c->output_bias : c->mlp_bias;
}

static void add_matrix(pbt_slot *slots, size_t *n, pbt_matrix *matrix, int64_t rows, int64_t cols) {
    slots[*n].matrix = matrix;
    slots[*n].rows = rows;
    slots[(*n)++].cols = cols;
}

static void add_vector(pbt_slot *slots, size_t *n, const float **vector, int64_t rows) {
    slots[*n].vector = vector;
    slots[(*n)++].rows = rows;
}

static void name_slot(pbt_slot *slot, int32_t layer, const char *path, const char *kind) {
    snprintf(slot->name, sizeof slot->name, "model.layers.%d.%s.%s", layer, path, kind);
}

static void layer_slots(pbt_model *model, int32_t l, pbt_slot *slots, size_t *n) {
    const pbt_config *c = &model->config;
    pbt_layer *layer = &model->layers[l];
    for (int i = 0; i < PBT_LINEARS; i++) {
        int64_t rows, cols;
        linear_shape(c, i, &rows, &cols);
        name_slot(&slots[*n], l, pbt_linear_paths[i], "weight");
        add_matrix(slots, n, &layer->linear[i], rows, cols);
        if (!has_bias(c, i)) continue;
        name_slot(&slots[*n], l, pbt_linear_paths[i], "bias");
        add_vector(slots, n, &layer->linear_bias[i], rows);
    }
    if (c->qk_norm) {
        name_slot(&slots[*n], l, "self_attn.q_norm", "weight");
        add_vector(slots, n, &layer->q_norm, c->head_dim);
        name_slot(&slots[*n], l, "self_attn.k_norm", "weight");
        add_vector(slots, n, &layer->k_norm, c->head_dim);
    }
    name_slot(&slots[*n], l, "input_layernorm", "weight");
    add_vector(slots, n, &layer->input_norm, c->hidden_size);
    name_slot(&slots[*n], l, "post_attention_layernorm", "weight");
    add_vector(slots, n, &layer->post_attention_norm, c->hidden_size);
}

pbt_code pbt_model_slots(pbt_model *model, pbt_slot **slots, size_t *n, pbt_error *error) {
    const pbt_config *c = &model->config;
    *n = 0;
    *slots = pbt_alloc((size_t)c->n_layers * (2 * PBT_LINEARS + 4) + 3, sizeof **slots);
    if (!*slots) return pbt_fail_memory(error, 0, "a list of weights");
    snprintf((*slots)[*n].name, sizeof(*slots)->name, "model.embed_tokens.weight");
    add_matrix(*slots, n, &model->embedding, c->vocab_size, c->hidden_size);
    for (int32_t l = 0; l < c->n_layers; l++) layer_slots(model, l, *slots, n);
    snprintf((*slots)[*n].name, sizeof(*slots)->name, "model.norm.weight");
    add_vector(*slots, n, &model->final_norm, c->hidden_size);
    if (c->tie_word_embeddings) return PBT_OK;
    snprintf((*slots)[*n].name, sizeof(*slots)->name, "lm_head.weight");
    add_matrix(*slots, n, &model->output, c->vocab_size, c->hidden_size);
    return PBT_OK;
}

pbt_code pbt_model_empty(pbt_config *config, const char *path, const pbt_device *device, pbt_model **model,
                         pbt_error *error) {
    pbt_model *m = pbt_alloc(1, sizeof *m);
    *model = NULL;
    if (!m) {
        pbt_config_free(config);
        return pbt_fail_memory(error, sizeof *m, "a model");
    }
    m->config = *config;
    config->raw = NULL;
    m->device = device;
    m->ops = device ? device->ops : NULL;
    m->path = pbt_string_copy(path);
    m->layers = pbt_alloc((size_t)m->config.n_layers, sizeof *m->layers);
    m->rope_frequency = pbt_alloc((size_t)m->config.head_dim / 2, sizeof *m->rope_frequency);
    m->weights = pbt_alloc(1, sizeof *m->weights);
    if (!m->path || !m->layers || !m->rope_frequency || !m->weights) {
        pbt_model_free(m);
        return pbt_fail_memory(error, sizeof *m, "a model");
    }
    pbt_rope_frequencies(&m->config, m->rope_frequency, &m->rope_attention_scaling);
    *model = m;
    return PBT_OK;
}

void *pbt_weights_alloc(pbt_model *model, size_t bytes, pbt_error *error) {
    pbt_weights *w = model->weights;
    pbt_code code = pbt_grow(w->owned, &w->capacity, w->n_owned + 1, error);
    if (code != PBT_OK) return NULL;
    void *memory = model->ops->alloc(bytes);
    if (memory)
        w->owned[w->n_owned++] = memory;
    else
        pbt_error_set_memory(error, bytes, "weights");
    return memory;
}

void pbt_model_free(pbt_model *model) {
    if (!model) return;
    pbt_weights *w = model->weights;
    if (model->ops) {
        for (int32_t l = 0; model->layers && l < model->config.n_layers; l++)
            for (int i = 0; i < PBT_LINEARS; i++) model->ops->unprepare(&model->layers[l].linear[i]);
        if (model->output.prepared) model->ops->unprepare(&model->output);
        for (size_t i = 0; w && i < w->n_owned; i++) model->ops->release(w->owned[i]);
    }
    for (size_t i = 0; w && i < w->n_files; i++) pbt_safetensors_close(&w->files[i]);
    if (w) {
        free(w->owned);
        free(w->files);
        free(w->places);
    }
    free(w);
    pbt_config_free(&model->config);
    free(model->layers);
    free(model->rope_frequency);
    free(model->path);
    free(model);
}
