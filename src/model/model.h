/*
 * The immutable model: configuration and weights, shared by every session. Opening maps the safetensors files
 * and checks every tensor's name, dtype and shape against the configuration. For full-parameter training the
 * weights are held as private fp32 copies (`writable`).
 */
#ifndef PBT_MODEL_MODEL_H
#define PBT_MODEL_MODEL_H

#include "base/declarations.h"
#include "base/monitor.h"
#include "model/config.h"
#include "tensor/device.h"

PBT_BEGIN_DECLS

/* The linear layers of a block, in the order of PEFT's usual lists; the index is used by adapters too. */
typedef enum pbt_linear {
    PBT_Q_PROJ,    /* [H*E, D] */
    PBT_K_PROJ,    /* [G*E, D] */
    PBT_V_PROJ,    /* [G*E, D] */
    PBT_O_PROJ,    /* [D, H*E] */
    PBT_GATE_PROJ, /* [F, D] */
    PBT_UP_PROJ,   /* [F, D] */
    PBT_DOWN_PROJ, /* [D, F] */
    PBT_LINEARS
} pbt_linear;
/* "q_proj" ... "down_proj", and "self_attn.q_proj" ... "mlp.down_proj". */
extern const char *const pbt_linear_names[PBT_LINEARS];
extern const char *const pbt_linear_paths[PBT_LINEARS];

typedef struct pbt_layer {
    pbt_matrix linear[PBT_LINEARS];
    const float *linear_bias[PBT_LINEARS]; /* [rows] or NULL */
    const float *input_norm;               /* [D] */
    const float *post_attention_norm;      /* [D] */
    const float *q_norm, *k_norm;          /* [E] or NULL (qwen3) */
} pbt_layer;

typedef struct pbt_model {
    pbt_config config;
    const pbt_device *device; /* NULL: a model without weights */
    const pbt_ops *ops;       /* the device's */
    pbt_matrix embedding;     /* [V, D] */
    pbt_matrix output;        /* [V, D]; the same data as embedding when tied */
    const float *final_norm;  /* [D] */
    pbt_layer *layers;        /* [n_layers] */
    double *rope_frequency;   /* [E/2] angle per position of each pair */
    float rope_attention_scaling;
    uint64_t hash; /* XXH3 of the weight files' bytes, lazily computed: use pbt_model_hash */
    char *path;
    struct pbt_weights *weights; /* owns mappings and copies */
} pbt_model;

typedef struct pbt_model_options {
    pbt_dtype dtype; /* PBT_F32, PBT_F16, PBT_BF16: convert to it; PBT_DTYPES: keep as stored; NF4/FP4/INT8:
                        quantise the linear layers of the blocks at load and keep the rest as stored.
                        Weights stored in 4 or 8 bits stay so under every dtype. */
    bool nested_quantization;        /* quantise the scales of 4-bit blocks too */
    pbt_dtype load_dtype;            /* F16, BF16: what is quantised is rounded to it first; F32: as stored */
    const char *const *skip_modules; /* as llm_int8_skip_modules: names that are not quantised */
    size_t n_skip_modules;
    bool writable; /* private fp32 weights that training may change; quantised ones (stored so, or by dtype)
                      are given back as floats */
    bool prepare;  /* pack the linear layers where memory allows it: frozen weights are then packed once
                      instead  of in every pass */
    bool training; /* the backward pass will read the weights as stored, beside packed ones */
} pbt_model_options;

/* The type in which a folder's first linear layer is stored (NF4, FP4, INT8: bitsandbytes' form, as
 * config.json says), from the files' headers; config->torch_dtype where there are no weights. */
pbt_dtype pbt_model_stored_dtype(const char *folder, const pbt_config *config);
/* `path`: a folder. Free with pbt_model_free. */
pbt_code pbt_model_open(const char *path, const pbt_model_options *options, const pbt_device *device,
                        pbt_model **model, pbt_error *error);
/* A model of random weights: matrices N(0, std), norms 1, biases 0, from `key`. writable. */
pbt_code pbt_model_random(const pbt_config *config, pbt_key key, double std, const pbt_device *device,
                          pbt_model **model, pbt_error *error);
/* Writes config.json and model.safetensors (sharded above 5 GB) in `dtype` (F32, F16, BF16), atomically file
 * by file. Tokenizer files are the caller's affair. */
pbt_code pbt_model_save(const pbt_model *model, const char *folder, pbt_dtype dtype, pbt_error *error);
/* The same, with shards of at most max_shard_size bytes (0: 5 GB; a larger array makes a shard of its own).
 */
pbt_code pbt_model_save_sharded(const pbt_model *model, const char *folder, pbt_dtype dtype,
                                int64_t max_shard_size, pbt_error *error);
/* What pbt_model_random and then pbt_model_save write, without ever holding the weights: for any size. */
pbt_code pbt_model_random_save(const pbt_config *config, pbt_key key, double std, const char *folder,
                               pbt_dtype dtype, int64_t max_shard_size, pbt_error *error);
/* Hash of all weights as stored (names, dtypes, shapes, bytes). */
pbt_code pbt_model_hash(pbt_model *model, uint64_t *hash, pbt_error *error);
void pbt_model_free(pbt_model *model);

/* One trainable array. `decay`: whether weight decay applies (matrices yes, norms and biases no). */
typedef struct pbt_parameter {
    char name[128];
    float *value;
    float *gradient;
    size_t count;
    bool decay;
} pbt_parameter;

PBT_END_DECLS

#endif
