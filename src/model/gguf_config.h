/*
 * The metadata of a GGUF model file as the config.json it was made of. Architectures llama (which mistral's
 * models carry too), qwen2 and qwen3.
 */
#ifndef PBT_MODEL_GGUF_CONFIG_H
#define PBT_MODEL_GGUF_CONFIG_H

#include "base/json.h"
#include "gguf/gguf.h"

/* The config.json that transformers would have for the file; caller: json_decref. Architectures and settings
 * that are not known are refused by name. */
pbt_code pbt_gguf_config_json(const char *path, json_t **config, pbt_error *error);

/* Heads of queries and of keys; interleaved: their rows stand in another order than transformers'
 * (architecture llama: of every head the rows of its two halves in turn). */
typedef struct pbt_gguf_heads {
    bool interleaved;
    int64_t query, key;
} pbt_gguf_heads;
pbt_code pbt_gguf_heads_of(const pbt_gguf *file, const char *path, pbt_gguf_heads *heads, pbt_error *error);

#endif
