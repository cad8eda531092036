/*
 * Matrices that do not change, packed for the product: 16 outputs side by side.
 */
#ifndef PBT_TENSOR_CPU_PANELS_H
#define PBT_TENSOR_CPU_PANELS_H

#include "tensor/tensor.h"

/* A panel is 16 outputs side by side: panel[k][16], zero where the matrix has no such output. */
enum { PBT_PANEL = 16 };

/* The packed form of a matrix: panels one after the other, [panels][cols][16] elements of 32 or 16 bits,
 * 8-bit codes, or 4-bit codes: eight bytes for every input, byte i holds output i in its low half and output
 * i + 8 in its high half. Codes have scales behind them: [panels][cols / block][16] for 4 bits, [panels][16]
 * for 8 bits (block = cols). */
typedef struct pbt_panels {
    pbt_dtype dtype;
    int32_t block;       /* inputs that share a scale */
    const float *scales; /* NULL for 32 and 16 bits */
    _Alignas(64) unsigned char data[];
} pbt_panels;

pbt_code pbt_cpu_prepare(pbt_matrix *matrix, pbt_error *error);
void pbt_cpu_unprepare(pbt_matrix *matrix);

#endif
