#include "model/gguf_weights.h"

#include "base/memory.h"
#include "base/text.h"
#include "model/gguf_config.h"

#include <stdio.h>
#include <string.h>

/* ggml's names of a layer's arrays and transformers'. */
static const struct {
    const char *ggml, *ours;
    bool query, key; /* rows of these stand in another order in files of architecture llama */
} layer_names[] = {
    {"attn_q", "self_attn.q_proj", true, false},
    {"attn_k", "self_attn.k_proj", false, true},
    {"attn_v", "self_attn.v_proj", false, false},
    {"attn_output", "self_attn.o_proj", false, false},
    {"ffn_gate", "mlp.gate_proj", false, false},
    {"ffn_up", "mlp.up_proj", false, false},
    {"ffn_down", "mlp.down_proj", false, false},
    {"attn_norm", "input_layernorm", false, false},
    {"ffn_norm", "post_attention_layernorm", false, false},
    {"attn_q_norm", "self_attn.q_norm", false, false},
    {"attn_k_norm", "self_attn.k_norm", false, false},
};

/* The name under which transformers keeps the tensor, in `name`; false: it is not one of the model's. */
static bool rename_tensor(const pbt_gguf_tensor *t, const pbt_gguf_heads *h, char *name, size_t size,
                          int32_t *interleaved) {
    static const char *const others[][2] = {{"token_embd.weight", "model.embed_tokens.weight"},
                                            {"output_norm.weight", "model.norm.weight"},
                                            {"output.weight", "lm_head.weight"}};
    unsigned layer;
    int end = 0;
    *interleaved = 0;
    for (size_t i = 0; i < 3; i++) {
        if (strcmp(t->name, others[i][0]) != 0) continue;
        snprintf(name, size, "%s", others[i][1]);
        return true;
    }
    if (sscanf(t->name, "blk.%4u.%n", &layer, &end) != 1 || end == 0) return false;
    const char *rest = t->name + end, *dot = strchr(rest, '.');
    for (size_t i = 0; dot && i < sizeof layer_names / sizeof *layer_names; i++) {
        if (strncmp(rest, layer_names[i].ggml, (size_t)(dot - rest)) != 0 ||
            strlen(layer_names[i].ggml) != (size_t)(dot - rest))
            continue;
        snprintf(name, size, "model.layers.%u.%s%s", layer, layer_names[i].ours, dot);
        if (h->interleaved)
            *interleaved = (int32_t)(layer_names[i].query ? h->query : layer_names[i].key ? h->key : 0);
        return true;
    }
    return false;
}

/* One tensor of the file as the loader of weights has it. */
static pbt_code convert(const pbt_gguf_tensor *t, const pbt_gguf_heads *h, json_t *names,
                        pbt_safetensors *file, pbt_error *error) {
    char name[192];
    int32_t interleaved;
    if (strcmp(t->name, "rope_freqs.weight") == 0) return PBT_OK; /* in the configuration */
    if (!rename_tensor(t, h, name, sizeof name, &interleaved)) snprintf(name, sizeof name, "%.190s", t->name);
    if (interleaved && t->shape[0] % (2 * interleaved) != 0)
        return pbt_fail_at(error, PBT_BAD_INPUT, file->path, t->name, "has %lld rows for %d heads",
                           (long long)t->shape[0], interleaved);
    json_t *owner = json_string(name);
    if (!owner || json_array_append_new(names, owner) != 0) return pbt_fail_memory(error, 0, "a name");
    pbt_stored_tensor *out = &file->tensors[file->n_tensors++];
    *out = (pbt_stored_tensor){.name = json_string_value(owner),
                               .dtype = t->type == PBT_BLOCK_F32    ? PBT_F32
                                        : t->type == PBT_BLOCK_F16  ? PBT_F16
                                        : t->type == PBT_BLOCK_BF16 ? PBT_BF16
                                                                    : PBT_DTYPES,
                               .blocks = t->type,
                               .interleaved_heads = interleaved,
                               .n_dimensions = t->n_dimensions,
                               .count = 1,
                               .data = t->data,
                               .bytes = t->bytes};
    snprintf(out->type, sizeof out->type, "%s", pbt_block_name(t->type));
    for (int i = 0; i < t->n_dimensions; i++) out->count *= out->shape[i] = t->shape[i];
    return PBT_OK;
}

static pbt_code convert_part(pbt_gguf_part *part, const pbt_gguf_heads *h, pbt_safetensors *file,
                             pbt_error *error) {
    *file = (pbt_safetensors){.path = pbt_string_copy(part->path),
                              .header = json_array(),
                              .tensors = pbt_alloc(part->n_tensors + 1, sizeof *file->tensors)};
    if (!file->path || !file->header || !file->tensors)
        return pbt_fail_memory(error, part->n_tensors, "tensors");
    for (size_t i = 0; i < part->n_tensors; i++)
        PBT_TRY(convert(&part->tensors[i], h, file->header, file, error));
    file->mapping = part->mapping;
    part->mapping = (pbt_mapping){0};
    return PBT_OK;
}

pbt_code pbt_gguf_weights_open(pbt_weights *weights, const char *path, pbt_error *error) {
    pbt_gguf file;
    pbt_gguf_heads h;
    PBT_TRY(pbt_gguf_open(path, &file, error));
    pbt_code code = pbt_gguf_heads_of(&file, path, &h, error);
    weights->files = code == PBT_OK ? pbt_alloc(file.n_parts, sizeof *weights->files) : NULL;
    if (code == PBT_OK && !weights->files) code = pbt_fail_memory(error, file.n_parts, "files");
    while (code == PBT_OK && weights->n_files < file.n_parts) {
        size_t i = weights->n_files++;
        code = convert_part(&file.parts[i], &h, &weights->files[i], error);
    }
    pbt_gguf_close(&file);
    return code;
}
