/*
 * Numbers in memory: element types, weight matrices, and the layout of rows that attend to each other.
 * Activations are always fp32, row-major, one row a token. Weights are matrices of any dtype below.
 */
#ifndef PBT_TENSOR_TENSOR_H
#define PBT_TENSOR_TENSOR_H

#include "base/declarations.h"
#include "base/status.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

PBT_BEGIN_DECLS

typedef enum pbt_dtype { PBT_F32 = 0, PBT_F16, PBT_BF16, PBT_NF4, PBT_FP4, PBT_INT8, PBT_DTYPES } pbt_dtype;

/* "float32", "float16", "bfloat16", "nf4", "fp4", "int8" (transformers' and bitsandbytes' names). */
const char *pbt_dtype_name(pbt_dtype dtype);
/* Bits an element takes, without scales: 32, 16, 16, 4, 4, 8. */
int pbt_dtype_bits(pbt_dtype dtype);
float pbt_f16_to_f32(uint16_t half);
uint16_t pbt_f32_to_f16(float value); /* round to nearest even, as IEEE 754 */
float pbt_bf16_to_f32(uint16_t half);
uint16_t pbt_f32_to_bf16(float value); /* round to nearest even; NaN stays NaN */

/* The values of the sixteen codes of the 4-bit types (bitsandbytes): element = code value * absmax. */
extern const float pbt_nf4_codes[16];
extern const float pbt_fp4_codes[16];

/* Scales of a quantised matrix (bitsandbytes). 4 bits: one absmax per `block` consecutive elements of the
 * row-major matrix, element = code's value * absmax; the absmax itself may be quantised ("nested"): absmax[i]
 * = nested_map[nested[i]] * nested_absmax[i / 256] + offset (quantize.h). PBT_INT8 has one absmax a row
 * instead: element = (q * absmax) * (1/127). Does not own its memory. */
typedef struct pbt_quantization {
    int32_t block;              /* 64; a power of two from 32 to 4096 */
    const float *absmax;        /* [ceil(rows*cols / block)], or [rows] of int8; NULL when nested */
    const uint8_t *nested;      /* [ceil(rows*cols / block)] or NULL */
    const float *nested_map;    /* [256] */
    const float *nested_absmax; /* [ceil(ceil(rows*cols / block) / 256)] */
    float offset;
} pbt_quantization;

/* A weight matrix [rows = outputs][cols = inputs], row-major, as y = x * W^T. Does not own its memory. */
typedef struct pbt_matrix {
    pbt_dtype dtype;
    int32_t rows, cols;
    const void *data; /* rows*cols elements; 4-bit: two a byte, first in the high nibble */
    const pbt_quantization *quantization; /* NULL for 32- and 16-bit */
    void *prepared; /* the device's own form (packed panels), or NULL; see ops.h prepare */
} pbt_matrix;

/*
 * Rows that attend to each other. A segment is a run of rows with consecutive positions, stored side by side
 * in a KV buffer. It continues its parent after the parent's first `parent_rows` rows, so that a prompt
 * shared by many continuations is one segment with many children: generation shares it as a KV prefix,
 * training as a token trie. Row i of a segment sees, in order of position: what its parent's row
 * parent_rows-1 sees (that row included), then rows 0..i of its own segment. Parents stand before children.
 */
typedef struct pbt_segment {
    int32_t parent;      /* index of the parent segment, or -1 */
    int32_t parent_rows; /* how many of the parent's own rows come before this one; 0 when parent is -1 */
    int32_t kv_row;      /* first row of this segment in the KV buffers */
    int32_t length;      /* rows it has (those of the current pass included) */
    int32_t position;    /* position of its row 0 = parent's position + parent_rows, or 0 */
} pbt_segment;

/* Which rows of the current pass belong where: rows row .. row+length-1 are rows first .. of the segment. */
typedef struct pbt_span {
    int32_t segment;
    int32_t first;
    int32_t row;
    int32_t length;
} pbt_span;

typedef struct pbt_layout {
    const pbt_segment *segments;
    int32_t n_segments;
    const pbt_span *spans; /* in order of `row`, covering every row of the pass once */
    int32_t n_spans;
    int32_t n_rows;
} pbt_layout;

/* Checks every index, length and position of a layout against `kv_rows` rows of KV buffer. PBT_USAGE if
 * wrong. */
pbt_code pbt_layout_check(const pbt_layout *layout, int32_t kv_rows, pbt_error *error);

PBT_END_DECLS

#endif
