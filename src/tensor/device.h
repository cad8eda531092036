/*
 * A device: where a model's numbers lie and what computes with them. A program opens one (the command line in
 * main.c) and hands it down; models keep it, and everything made of a model uses the model's. Nothing above
 * tensor/ asks which one it is: another device is another `pbt_device`, known to devices.c alone.
 */
#ifndef PBT_TENSOR_DEVICE_H
#define PBT_TENSOR_DEVICE_H

#include "base/declarations.h"
#include "tensor/ops.h"

PBT_BEGIN_DECLS

typedef struct pbt_device {
    const char *name;            /* "cpu" */
    const char *instruction_set; /* its kernels: of the CPU "avx512", "avx2" or "portable" */
    const pbt_ops *ops;
    /* Bytes of memory it has, and can still give; 0 where that is not known. */
    double (*memory_physical)(void);
    double (*memory_available)(void);
    /* weights[i] = exp((logits[i] - most) / temperature), the weights of a draw (draw_weight.h), from logits
     * in the host's memory: logits come to the host a row at a time. */
    void (*draw_weights)(double *weights, const float *logits, int32_t n, double most, double temperature);
    /* Multiplies and adds on registers for some hundred microseconds; returns the fp32 operations done (a
     * multiply-add is two). *seed is read and written so that nothing is left out. NULL: cannot be measured
     * so. */
    double (*peak)(float *seed);
} pbt_device;

/* "auto": the best there is; "cpu": the CPU with the best instruction set it has; "cpu:avx512", "cpu:avx2",
 * "cpu:portable": with that one. All give the same bits. PBT_USAGE where there is no device of that name or
 * this machine lacks the instruction set. A device is never freed. */
pbt_code pbt_device_open(const char *name, const pbt_device **device, pbt_error *error);

PBT_END_DECLS

#endif
