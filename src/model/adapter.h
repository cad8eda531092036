/*
 * LoRA adapters (Hu et al., 2022): y = W x + scaling * B (A dropout(x)), scaling = alpha / r, or alpha /
 * sqrt(r) with rslora. Files are PEFT's: adapter_config.json and adapter_model.safetensors.
 */
#ifndef PBT_MODEL_ADAPTER_H
#define PBT_MODEL_ADAPTER_H

#include "base/declarations.h"
#include "model/model.h"

PBT_BEGIN_DECLS

/* The LoRA pair of one linear layer; A == NULL where the layer is not a target. fp32. */
typedef struct pbt_lora {
    int32_t r, inputs, outputs;
    float scaling;
    float *A; /* [r, inputs] */
    float *B; /* [outputs, r] */
} pbt_lora;

typedef struct pbt_adapter_settings {
    int32_t r;      /* 16 (TRL's lora_r) */
    double alpha;   /* 32 */
    double dropout; /* 0.05 (training only) */
    bool rslora;
    bool targets[PBT_LINEARS]; /* all true = all-linear */
    const char *pattern;       /* not NULL: instead, a regular expression for whole names of modules */
} pbt_adapter_settings;

typedef struct pbt_adapter {
    pbt_adapter_settings settings;
    int32_t n_layers;
    pbt_lora (*lora)[PBT_LINEARS]; /* [n_layers] */
    char *base_model;              /* base_model_name_or_path, may be NULL */
    char *pattern;                 /* that chose the targets of a new adapter, or NULL */
    json_t *raw;                   /* adapter_config.json as read, may be NULL */
} pbt_adapter;

/* A new adapter for the model: A Kaiming-uniform(sqrt 5) = U(-1/sqrt(in), 1/sqrt(in)), B zero. */
pbt_code pbt_adapter_create(const pbt_model *model, const pbt_adapter_settings *settings, pbt_key key,
                            pbt_adapter **adapter, pbt_error *error);
/* Reads a PEFT folder, checked against the model's shapes. */
pbt_code pbt_adapter_open(const char *folder, const pbt_model *model, pbt_adapter **adapter,
                          pbt_error *error);
pbt_code pbt_adapter_save(const pbt_adapter *adapter, const char *folder, const char *base_model,
                          pbt_error *error);
pbt_code pbt_adapter_copy(const pbt_adapter *adapter, pbt_adapter **copy, pbt_error *error);
/* alpha / r, or alpha / sqrt(r) with rslora. */
float pbt_lora_scaling(double alpha, int32_t r, bool rslora);
/* Allocates A and B, zero, for a layer of the matrix's shape. */
pbt_code pbt_lora_pair_create(pbt_lora *lora, int32_t r, float scaling, const pbt_matrix *matrix,
                              pbt_error *error);
/* One adapter that does what both do together: pairs side by side, rank r + r, scaling 1 (PEFT's combination
 * "cat"). Settings for training are those of `over`. */
pbt_code pbt_adapter_stack(const pbt_adapter *under, const pbt_adapter *over, pbt_adapter **stacked,
                           pbt_error *error);
/* The highest rank of its pairs; 0 for NULL. */
int32_t pbt_adapter_rank(const pbt_adapter *adapter);
/* Copies the numbers of `from` into `to` (same shapes). */
void pbt_adapter_assign(pbt_adapter *to, const pbt_adapter *from);
/* XXH3 over names, shapes, scalings and numbers. */
uint64_t pbt_adapter_hash(const pbt_adapter *adapter);
void pbt_adapter_free(pbt_adapter *adapter);
/* Parses "all-linear" or "q_proj,k_proj" (also a list with spaces) into settings->targets; anything else with
 * a character of regular expressions becomes settings->pattern (borrowed), which, as in PEFT, must match the
 * whole name of a module ("model.layers.0.self_attn.q_proj"). An unknown name is an error with the known
 * ones, so is a pattern that is none or that asks for layers which cannot be adapted. */
pbt_code pbt_adapter_targets(const char *text, pbt_adapter_settings *settings, pbt_error *error);
/* Parameters of a new adapter for a model of this shape; a rank that is not from 1 to PBT_MOST_RANK, or
 * targets that match nothing, are PBT_USAGE. */
enum { PBT_MOST_RANK = 4096 };
pbt_code pbt_adapter_parameters(const pbt_config *config, const pbt_adapter_settings *settings, int64_t *sum,
                                pbt_error *error);
/* Whether a layer's module is a target. */
pbt_code pbt_adapter_targeted(const pbt_adapter_settings *settings, int32_t layer, int linear, bool *targeted,
                              pbt_error *error);
/* W += scaling * B A for a matrix of floats [outputs, inputs]. */
pbt_code pbt_lora_add(const pbt_ops *ops, const pbt_lora *lora, float *W, pbt_error *error);
/* Adds scaling * B A to the weights of a writable model; merge.h does it to any. */
pbt_code pbt_adapter_merge(pbt_model *model, const pbt_adapter *adapter, pbt_error *error);

PBT_END_DECLS

#endif
