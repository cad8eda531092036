/*
 * safetensors files: 8 bytes of header length, a JSON header {"name": {"dtype", "shape", "data_offsets"}},
 * then the numbers, little endian. Everything in the header is checked before it is believed.
 */
#ifndef PBT_MODEL_SAFETENSORS_H
#define PBT_MODEL_SAFETENSORS_H

#include "base/file.h"
#include "base/json.h"
#include "gguf/blocks.h"
#include "tensor/tensor.h"

enum { PBT_TENSOR_MAX_DIMENSIONS = 8 };

typedef struct pbt_stored_tensor {
    const char *name; /* owned by the file */
    char type[16];    /* "F32", "BF16", "U8", ... as written */
    pbt_dtype dtype;  /* PBT_DTYPES when it is none of F32, F16, BF16 */
    int n_dimensions;
    int64_t shape[PBT_TENSOR_MAX_DIMENSIONS];
    int64_t count;             /* elements */
    pbt_block_type blocks;     /* dtype PBT_DTYPES and not PBT_BLOCK_F32: blocks of a GGUF file */
    int32_t interleaved_heads; /* rows of q and k in GGUF files of architecture llama: of so many heads, each
                                  with the rows of its two halves in turn; 0: in order */
    const unsigned char *data;
    size_t bytes;
    bool used; /* by the model that was made of the file */
} pbt_stored_tensor;

typedef struct pbt_safetensors {
    char *path;
    pbt_mapping mapping;
    json_t *header;
    pbt_stored_tensor *tensors; /* in the order of their data */
    size_t n_tensors;
} pbt_safetensors;

pbt_code pbt_safetensors_open(const char *path, pbt_safetensors *file, pbt_error *error);
/* From bytes in memory, which must outlive it; `path` names them in errors. */
pbt_code pbt_safetensors_parse(const unsigned char *data, size_t length, const char *path,
                               pbt_safetensors *file, pbt_error *error);
void pbt_safetensors_close(pbt_safetensors *file);
/* NULL when there is none. */
const pbt_stored_tensor *pbt_safetensors_find(const pbt_safetensors *file, const char *name);
/* Converts `count` elements of F32, F16 or BF16 to floats. */
void pbt_stored_to_floats(const void *data, pbt_dtype dtype, int64_t count, float *to);
/* Whether its numbers can be had as floats, and whether they lie in `data` as they are. */
bool pbt_stored_is_readable(const pbt_stored_tensor *tensor);
bool pbt_stored_is_plain(const pbt_stored_tensor *tensor);
/* Rows first .. first + n - 1 (elements of a vector) as floats, in transformers' order. */
void pbt_stored_rows(const pbt_stored_tensor *tensor, int64_t first, int64_t n, float *to);
/* "[3072, 192]" */
void pbt_shape_text(const int64_t *shape, int n, char *text, size_t size);

/* Writing: a list of arrays under their names, floats stored as `dtype`. Atomic. */
typedef struct pbt_tensor_out {
    const char *name;
    int n_dimensions; /* 0 to 2 */
    int64_t shape[2];
    const void *data;
    pbt_dtype dtype;  /* of data */
    const char *type; /* "U8", "I8", "F32": data is written as it is; NULL: floats, converted */
    /* data NULL: elements first .. first + n - 1 are asked for while writing, so that no tensor is held
     * whole. */
    void (*fill)(const struct pbt_tensor_out *tensor, int64_t first, int64_t n, float *to);
    const void *user;
} pbt_tensor_out;
/* Bytes it takes in a file of `dtype`. */
int64_t pbt_tensor_out_bytes(const pbt_tensor_out *tensor, pbt_dtype dtype);
pbt_code pbt_safetensors_write(const char *path, const pbt_tensor_out *tensors, size_t n, pbt_dtype dtype,
                               pbt_error *error);

#endif
