/*
 * ggml's element types: plain numbers, and blocks of quantised ones with their scales. Dequantised to the bit
 * as gguf-py does it: every product and sum rounded by itself, in single precision.
 */
#ifndef PBT_GGUF_BLOCKS_H
#define PBT_GGUF_BLOCKS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Numbered as in GGUF files. */
typedef enum pbt_block_type {
    PBT_BLOCK_F32 = 0,
    PBT_BLOCK_F16 = 1,
    PBT_BLOCK_Q4_0 = 2,
    PBT_BLOCK_Q4_1 = 3,
    PBT_BLOCK_Q5_0 = 6,
    PBT_BLOCK_Q5_1 = 7,
    PBT_BLOCK_Q8_0 = 8,
    PBT_BLOCK_Q2_K = 10,
    PBT_BLOCK_Q3_K = 11,
    PBT_BLOCK_Q4_K = 12,
    PBT_BLOCK_Q5_K = 13,
    PBT_BLOCK_Q6_K = 14,
    PBT_BLOCK_IQ4_NL = 20,
    PBT_BLOCK_IQ4_XS = 23,
    PBT_BLOCK_BF16 = 30,
    PBT_BLOCK_TYPES = 64
} pbt_block_type;

/* "Q4_K"; for types that are not read, their name where ggml has one, else NULL. */
const char *pbt_block_name(int type);
/* Whether blocks of the type are read. */
bool pbt_block_is_known(int type);
/* Elements and bytes of one block; 1 element for plain numbers, 0 for types that are not known. */
int32_t pbt_block_elements(int type);
int32_t pbt_block_bytes(int type);
/* n elements (a multiple of the block's) to floats. */
void pbt_block_floats(pbt_block_type type, const unsigned char *data, int64_t n, float *to);

#endif
