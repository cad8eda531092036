#include "tensor/cpu/panels.h"

#include "base/memory.h"
#include "tensor/quantize.h"

#include <stdlib.h>

static void pack_panel_32(float *panel, const pbt_matrix *matrix, int32_t first) {
    const float *data = matrix->data;
    int32_t n = matrix->rows - first < PBT_PANEL ? matrix->rows - first : PBT_PANEL;
    for (int32_t i = 0; i < n; i++) {
        const float *row = data + (int64_t)(first + i) * matrix->cols;
        for (int32_t k = 0; k < matrix->cols; k++) panel[(int64_t)k * PBT_PANEL + i] = row[k];
    }
}

static void pack_panel_16(uint16_t *panel, const pbt_matrix *matrix, int32_t first) {
    const uint16_t *data = matrix->data;
    int32_t n = matrix->rows - first < PBT_PANEL ? matrix->rows - first : PBT_PANEL;
    for (int32_t i = 0; i < n; i++) {
        const uint16_t *row = data + (int64_t)(first + i) * matrix->cols;
        for (int32_t k = 0; k < matrix->cols; k++) panel[(int64_t)k * PBT_PANEL + i] = row[k];
    }
}

static void pack_panel_8(int8_t *panel, const pbt_matrix *matrix, int32_t first, float *scales) {
    const int8_t *data = matrix->data;
    for (int32_t i = 0; i < PBT_PANEL && first + i < matrix->rows; i++) {
        const int8_t *row = data + (int64_t)(first + i) * matrix->cols;
        for (int32_t k = 0; k < matrix->cols; k++) panel[(int64_t)k * PBT_PANEL + i] = row[k];
        scales[i] = matrix->quantization->absmax[first + i];
    }
}

static void pack_panel_4(uint8_t *panel, const pbt_matrix *matrix, int32_t first, float *scales) {
    const uint8_t *data = matrix->data;
    const int32_t cols = matrix->cols, blocks = cols / matrix->quantization->block;
    for (int32_t i = 0; i < PBT_PANEL && first + i < matrix->rows; i++) {
        const uint8_t *row = data + (int64_t)(first + i) * cols / 2;
        const int shift = i < 8 ? 0 : 4;
        for (int32_t k = 0; k < cols; k++) {
            unsigned code = k % 2 == 0 ? row[k / 2] >> 4 : row[k / 2] & 15;
            panel[(int64_t)k * 8 + i % 8] |= (uint8_t)(code << shift);
        }
        for (int32_t j = 0; j < blocks; j++)
            scales[(int64_t)j * PBT_PANEL + i] =
                pbt_block_absmax(matrix->quantization, (int64_t)(first + i) * blocks + j);
    }
}

static void pack_panel(void *panel, const pbt_matrix *matrix, int32_t first, float *scales) {
    switch (pbt_dtype_bits(matrix->dtype)) {
    case 32:
        pack_panel_32(panel, matrix, first);
        break;
    case 16:
        pack_panel_16(panel, matrix, first);
        break;
    case 8:
        pack_panel_8(panel, matrix, first, scales);
        break;
    default:
        pack_panel_4(panel, matrix, first, scales);
    }
}

pbt_code pbt_cpu_prepare(pbt_matrix *matrix, pbt_error *error) {
    pbt_cpu_unprepare(matrix);
    const int bits = pbt_dtype_bits(matrix->dtype);
    const int32_t block = bits == 4 ? matrix->quantization->block : bits == 8 ? matrix->cols : 0;
    if (matrix->rows <= 0 || matrix->cols <= 0) return PBT_OK;
    if (bits == 4 && matrix->cols % block != 0) return PBT_OK; /* blocks that reach into the next row */
    size_t count = ((size_t)matrix->rows + PBT_PANEL - 1) / PBT_PANEL, cols = (size_t)matrix->cols, bytes;
    size_t panel = cols * PBT_PANEL * (size_t)bits / 8,
           scales = block > 0 ? cols / (size_t)block * PBT_PANEL : 0;
    if (__builtin_mul_overflow(count, panel + scales * sizeof(float), &bytes) ||
        __builtin_add_overflow(bytes, sizeof(pbt_panels), &bytes))
        return pbt_fail_memory(error, SIZE_MAX, "packed weights");
    pbt_panels *panels = pbt_alloc_aligned(bytes, 1);
    if (!panels) return pbt_fail_memory(error, bytes, "packed weights");
    float *scale = (float *)(void *)(panels->data + count * panel);
    panels->dtype = matrix->dtype;
    panels->block = block;
    panels->scales = scales > 0 ? scale : NULL;
    for (size_t p = 0; p < count; p++)
        pack_panel(panels->data + p * panel, matrix, (int32_t)p * PBT_PANEL, scale + p * scales);
    matrix->prepared = panels;
    return PBT_OK;
}

void pbt_cpu_unprepare(pbt_matrix *matrix) {
    free(matrix->prepared);
    matrix->prepared = NULL;
}
