/*
 * Quantising weights as bitsandbytes does (Dettmers et al., QLoRA 2023, and LLM.int8() 2022), to the byte of
 * its CPU code: blocks of 4-bit codes, 8-bit codes for their scales ("nested", "double quantisation"), and
 * rows of int8. How such weights read back is in tensor.h.
 */
#ifndef PBT_TENSOR_QUANTIZE_H
#define PBT_TENSOR_QUANTIZE_H

#include "tensor/tensor.h"

enum {
    PBT_QUANTIZED_BLOCK = 64, /* elements that share a scale: bitsandbytes' default */
    PBT_NESTED_BLOCK = 256    /* scales that share a scale */
};

/* Quantises `count` finite values in blocks of `block` to NF4 or FP4: codes (ceil(count/2) bytes, the first
 * element in the high half) and absmax (ceil(count/block)). A matrix may be cut at multiples of an even
 * `block` into calls; only its very last block may be short, and an odd count is filled up with a zero. */
void pbt_quantize_4bit(pbt_dtype dtype, const float *values, int64_t count, int32_t block, uint8_t *codes,
                       float *absmax);

/* Quantises `count` scales: offset = their mean, summed in the order of PyTorch's sum on one thread with 8
 * lanes; scales - offset in blocks of 256 to the 8-bit dynamic map, by bitsandbytes' table of 65536 steps.
 * codes: count bytes; nested_absmax: ceil(count/256). `scales` is overwritten. */
void pbt_quantize_nested(float *scales, int64_t count, uint8_t *codes, float *nested_absmax, float *offset);

/* The 8-bit dynamic map in ascending order (Dettmers, 8-Bit Approximations, 2015). */
void pbt_dynamic_map(float map[256]);

/* One row: absmax of the values rounded to float16, and round(value * (1 / absmax * 127)), ties to even;
 * zeros where the absmax is zero. The values must be finite as float16. */
void pbt_quantize_int8(const float *values, int64_t count, int8_t *codes, float *absmax);

/* The scale of block `i` of a blockwise quantised matrix. */
static inline float pbt_block_absmax(const pbt_quantization *q, int64_t i) {
    if (!q->nested) return q->absmax[i];
    float scaled = q->nested_map[q->nested[i]] * q->nested_absmax[i / PBT_NESTED_BLOCK];
    return scaled + q->offset; /* rounded twice: contraction is off (CMakeLists.txt) */
}

#endif
