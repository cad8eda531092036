/* LoRA pairs in memory: making, copying, hashing, merging. PEFT's files: adapter_file.c. */
#include "model/adapter.h"

#include "base/file.h"
#include "base/hash.h"
#include "base/memory.h"
#include "base/text.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static pbt_code empty(const pbt_adapter_settings *settings, int32_t n_layers, pbt_adapter **adapter,
                      pbt_error *error) {
    *adapter = pbt_alloc(1, sizeof **adapter);
    if (!*adapter) return pbt_fail_memory(error, sizeof **adapter, "an adapter");
    (*adapter)->settings = *settings;
    (*adapter)->n_layers = n_layers;
    (*adapter)->lora = pbt_alloc((size_t)n_layers, sizeof *(*adapter)->lora);
    if (!(*adapter)->lora) {
        pbt_adapter_free(*adapter);
        *adapter = NULL;
        return pbt_fail_memory(error, 0, "an adapter");
    }
    return PBT_OK;
}

pbt_code pbt_lora_pair_create(pbt_lora *lora, int32_t r, float scaling, const pbt_matrix *matrix,
                              pbt_error *error) {
    lora->r = r;
    lora->inputs = matrix->cols;
    lora->outputs = matrix->rows;
    lora->scaling = scaling;
    lora->A = pbt_alloc_aligned((size_t)r * (size_t)matrix->cols, sizeof(float));
    lora->B = pbt_alloc_aligned((size_t)r * (size_t)matrix->rows, sizeof(float));
    return lora->A && lora->B ? PBT_OK
                              : pbt_fail_memory(error, (size_t)r * (size_t)matrix->cols * 4, "an adapter");
}

float pbt_lora_scaling(double alpha, int32_t r, bool rslora) {
    return (float)(alpha / (rslora ? sqrt((double)r) : (double)r));
}

static pbt_code fill(const pbt_model *model, pbt_key key, pbt_adapter *adapter, pbt_error *error) {
    pbt_adapter_settings *s = &adapter->settings;
    for (int32_t l = 0; l < adapter->n_layers; l++)
        for (int i = 0; i < PBT_LINEARS; i++) {
            bool targeted;
            PBT_TRY(pbt_adapter_targeted(s, l, i, &targeted, error));
            if (!targeted) continue;
            s->targets[i] = true;
            const pbt_matrix *matrix = &model->layers[l].linear[i];
            pbt_lora *lora = &adapter->lora[l][i];
            PBT_TRY(
                pbt_lora_pair_create(lora, s->r, pbt_lora_scaling(s->alpha, s->r, s->rslora), matrix, error));
            pbt_key own = pbt_key_child(pbt_key_child(key, (uint64_t)l), (uint64_t)i);
            double bound = 1.0 / sqrt((double)matrix->cols);
            for (int64_t n = (int64_t)s->r * matrix->cols, j = 0; j < n; j++)
                lora->A[j] = (float)((2 * pbt_random_unit(own, (uint64_t)j) - 1) * bound);
        }
    return PBT_OK;
}

pbt_code pbt_adapter_create(const pbt_model *model, const pbt_adapter_settings *settings, pbt_key key,
                            pbt_adapter **adapter, pbt_error *error) {
    *adapter = NULL;
    int64_t parameters;
    PBT_TRY(pbt_adapter_parameters(&model->config, settings, &parameters, error));
    PBT_TRY(empty(settings, model->config.n_layers, adapter, error));
    pbt_code code = PBT_OK;
    if (settings->pattern && !((*adapter)->pattern = pbt_string_copy(settings->pattern)))
        code = pbt_fail_memory(error, strlen(settings->pattern), "a pattern");
    (*adapter)->settings.pattern = (*adapter)->pattern;
    if (code == PBT_OK) code = fill(model, key, *adapter, error);
    if (code != PBT_OK) {
        pbt_adapter_free(*adapter);
        *adapter = NULL;
    }
    return code;
}

int32_t pbt_adapter_rank(const pbt_adapter *adapter) {
    int32_t rank = 0;
    for (int32_t l = 0; adapter && l < adapter->n_layers; l++)
        for (int i = 0; i < PBT_LINEARS; i++)
            if (adapter->lora[l][i].r > rank) rank = adapter->lora[l][i].r;
    return rank;
}

/* Floats of A (0) or B (1). */
static size_t floats_of(const pbt_lora *lora, int which) {
    return (size_t)lora->r * (size_t)(which == 0 ? lora->inputs : lora->outputs);
}

pbt_code pbt_adapter_copy(const pbt_adapter *adapter, pbt_adapter **copy, pbt_error *error) {
    PBT_TRY(empty(&adapter->settings, adapter->n_layers, copy, error));
    pbt_code code = PBT_OK;
    for (int32_t l = 0; l < adapter->n_layers; l++)
        for (int i = 0; code == PBT_OK && i < PBT_LINEARS; i++) {
            const pbt_lora *from = &adapter->lora[l][i];
            pbt_matrix shape = {.rows = from->outputs, .cols = from->inputs};
            if (from->A)
                code = pbt_lora_pair_create(&(*copy)->lora[l][i], from->r, from->scaling, &shape, error);
        }
    if (code == PBT_OK && adapter->base_model &&
        !((*copy)->base_model = pbt_string_copy(adapter->base_model)))
        code = pbt_fail_memory(error, 0, "a name");
    if (code != PBT_OK) {
        pbt_adapter_free(*copy);
        *copy = NULL;
        return code;
    }
    if (code == PBT_OK && adapter->pattern && !((*copy)->pattern = pbt_string_copy(adapter->pattern)))
        code = pbt_fail_memory(error, 0, "a name");
    (*copy)->settings.pattern = (*copy)->pattern;
    if (code != PBT_OK) {
        pbt_adapter_free(*copy);
        *copy = NULL;
        return code;
    }
    (*copy)->raw = json_incref(adapter->raw);
    pbt_adapter_assign(*copy, adapter);
    return PBT_OK;
}

/* A of both, one below the other; B side by side, with their scalings. */
static pbt_code stack_pair(const pbt_lora *const parts[2], pbt_lora *to, pbt_error *error) {
    const pbt_lora *shape = parts[0]->A ? parts[0] : parts[1];
    pbt_matrix matrix = {.rows = shape->outputs, .cols = shape->inputs};
    int32_t r = (parts[0]->A ? parts[0]->r : 0) + (parts[1]->A ? parts[1]->r : 0), first = 0;
    PBT_TRY(pbt_lora_pair_create(to, r, 1.0f, &matrix, error));
    for (int p = 0; p < 2; p++) {
        const pbt_lora *part = parts[p];
        if (!part->A) continue;
        memcpy(to->A + (int64_t)first * to->inputs, part->A, floats_of(part, 0) * sizeof(float));
        for (int32_t n = 0; n < to->outputs; n++)
            for (int32_t i = 0; i < part->r; i++)
                to->B[(int64_t)n * r + first + i] = part->B[(int64_t)n * part->r + i] * part->scaling;
        first += part->r;
    }
    return PBT_OK;
}

pbt_code pbt_adapter_stack(const pbt_adapter *under, const pbt_adapter *over, pbt_adapter **stacked,
                           pbt_error *error) {
    pbt_adapter_settings settings = over->settings;
    settings.rslora = false;
    settings.pattern = NULL;
    *stacked = NULL;
    if (under->n_layers != over->n_layers)
        return pbt_fail(error, PBT_USAGE, "adapters of %d and %d layers cannot be stacked", under->n_layers,
                        over->n_layers);
    PBT_TRY(empty(&settings, over->n_layers, stacked, error));
    pbt_code code = PBT_OK;
    for (int32_t l = 0; l < over->n_layers; l++)
        for (int i = 0; code == PBT_OK && i < PBT_LINEARS; i++) {
            const pbt_lora *const parts[2] = {&under->lora[l][i], &over->lora[l][i]};
            if (!parts[0]->A && !parts[1]->A) continue;
            (*stacked)->settings.targets[i] = true;
            code = stack_pair(parts, &(*stacked)->lora[l][i], error);
        }
    (*stacked)->settings.r = pbt_adapter_rank(*stacked);
    (*stacked)->settings.alpha = (*stacked)->settings.r;
    if (code == PBT_OK) return PBT_OK;
    pbt_adapter_free(*stacked);
    *stacked = NULL;
    return code;
}

void pbt_adapter_assign(pbt_adapter *to, const pbt_adapter *from) {
    for (int32_t l = 0; l < from->n_layers; l++)
        for (int i = 0; i < PBT_LINEARS; i++) {
            const pbt_lora *a = &from->lora[l][i];
            if (!a->A) continue;
            memcpy(to->lora[l][i].A, a->A, floats_of(a, 0) * sizeof(float));
            memcpy(to->lora[l][i].B, a->B, floats_of(a, 1) * sizeof(float));
        }
}

uint64_t pbt_adapter_hash(const pbt_adapter *adapter) {
    uint64_t h = 0;
    for (int32_t l = 0; l < adapter->n_layers; l++)
        for (int i = 0; i < PBT_LINEARS; i++) {
            const pbt_lora *lora = &adapter->lora[l][i];
            if (!lora->A) continue;
            const int32_t place[5] = {l, i, lora->r, lora->inputs, lora->outputs};
            h = pbt_hash(place, sizeof place, h);
            h = pbt_hash(&lora->scaling, sizeof lora->scaling, h);
            h = pbt_hash(lora->A, floats_of(lora, 0) * sizeof(float), h);
            h = pbt_hash(lora->B, floats_of(lora, 1) * sizeof(float), h);
        }
    return h;
}

void pbt_adapter_free(pbt_adapter *adapter) {
    if (!adapter) return;
    for (int32_t l = 0; adapter->lora && l < adapter->n_layers; l++)
        for (int i = 0; i < PBT_LINEARS; i++) {
            free(adapter->lora[l][i].A);
            free(adapter->lora[l][i].B);
        }
    free(adapter->lora);
    free(adapter->base_model);
    free(adapter->pattern);
    json_decref(adapter->raw);
    free(adapter);
}

pbt_code pbt_adapter_merge(pbt_model *model, const pbt_adapter *adapter, pbt_error *error) {
    for (int32_t l = 0; l < adapter->n_layers; l++)
        for (int i = 0; i < PBT_LINEARS; i++) {
            const pbt_lora *lora = &adapter->lora[l][i];
            pbt_matrix *W = &model->layers[l].linear[i];
            if (!lora->A) continue;
            if (W->dtype != PBT_F32 || W->prepared)
                return pbt_fail(error, PBT_USAGE, "merging needs a model opened as writable float32");
            PBT_TRY(pbt_lora_add(model->ops, lora, (float *)(uintptr_t)W->data, error));
        }
    return PBT_OK;
}
