/*
 * A model's shape and settings, read from a Hugging Face config.json. Unknown keys are kept and written back.
 */
#ifndef PBT_MODEL_CONFIG_H
#define PBT_MODEL_CONFIG_H

#include "base/declarations.h"
#include "base/json.h"
#include "tensor/tensor.h"

PBT_BEGIN_DECLS

enum { PBT_MAX_LAYERS = 512, PBT_MAX_EOS = 16 };

typedef enum pbt_architecture { PBT_LLAMA, PBT_MISTRAL, PBT_QWEN2, PBT_QWEN3 } pbt_architecture;
typedef enum pbt_rope_type {
    PBT_ROPE_DEFAULT,
    PBT_ROPE_LINEAR,
    PBT_ROPE_LLAMA3,
    PBT_ROPE_YARN
} pbt_rope_type;

typedef struct pbt_rope {
    pbt_rope_type type;
    double theta;
    double factor;                                 /* linear, llama3, yarn */
    double low_freq_factor, high_freq_factor;      /* llama3 */
    int64_t original_max_position_embeddings;      /* llama3, yarn */
    double attention_factor, beta_fast, beta_slow; /* yarn; attention_factor < 0: derived */
    double mscale, mscale_all_dim;                 /* yarn; 0: not given */
    bool truncate;                                 /* yarn */
} pbt_rope;

/* Field names are config.json's, except n_* for counts. */
typedef struct pbt_config {
    pbt_architecture architecture;
    int32_t hidden_size;       /* D */
    int32_t intermediate_size; /* F */
    int32_t n_layers, n_heads, n_kv_heads;
    int32_t head_dim;   /* E; explicit, or hidden_size / n_heads */
    int32_t vocab_size; /* V */
    int32_t max_position_embeddings;
    double rms_norm_eps;
    pbt_rope rope;
    bool tie_word_embeddings;
    bool attention_bias; /* biases on q, k, v (qwen2: always) and, for llama, o */
    bool output_bias;    /* bias on o_proj too */
    bool mlp_bias;
    bool qk_norm;                        /* qwen3: RMSNorm per head on q and k before RoPE */
    int32_t sliding_window;              /* 0 = none; else pbt_config_window says on which layers */
    bool full_attention[PBT_MAX_LAYERS]; /* layers that see everything although there is a window */
    int32_t bos_token_id;                /* -1 = none */
    int32_t pad_token_id;                /* -1 = none */
    int32_t eos_token_ids[PBT_MAX_EOS];  /* from generation_config.json where present, else config.json */
    int32_t n_eos;
    char torch_dtype[16];   /* as stored: "float32", "bfloat16", ... */
    pbt_dtype quantization; /* PBT_NF4, PBT_FP4, PBT_INT8: bitsandbytes' stored form; PBT_DTYPES: none */
    bool nested_quantization;
    json_t *raw; /* the whole config.json; owned */
} pbt_config;

/* Reads FOLDER/config.json (and generation_config.json's eos_token_id where there); refuses unknown
 * architectures, RoPE types, activations and quantisation methods by name. Free with pbt_config_free. */
pbt_code pbt_config_read(const char *folder, pbt_config *config, pbt_error *error);
/* From an already parsed config.json; `file` names it in errors. Takes a reference to `raw`. */
pbt_code pbt_config_parse(json_t *raw, const char *file, pbt_config *config, pbt_error *error);
void pbt_config_free(pbt_config *config);
/* Positions that a row of `layer` sees, itself included; 0 = all before it. */
int32_t pbt_config_window(const pbt_config *config, int32_t layer);
/* Positions the model is made for: max_position_embeddings, or with a RoPE that stretches them (linear, yarn)
 * what they are stretched to where that is more. */
int64_t pbt_config_positions(const pbt_config *config);
/* Floats of the parameters: all of them, and those of linear layers in the blocks. */
int64_t pbt_config_parameters(const pbt_config *config);
/* Bytes of the weights with linear layers in `dtype` (4 bits and int8 with their scales). What is never
 * quantised, embeddings and norms, is held in 16 bits beside quantised layers. */
int64_t pbt_config_weight_bytes(const pbt_config *config, pbt_dtype dtype);

/* Bytes of the packed copies of linear layers and output that a model opened for fast inference has beside
 * its weights (tensor/cpu/panels.h). */
int64_t pbt_config_packed_bytes(const pbt_config *config, pbt_dtype dtype);

PBT_END_DECLS

#endif
