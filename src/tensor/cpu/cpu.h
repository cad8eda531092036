/*
 * The CPU as a device: the table of each instruction set, and the choice among them. kernels/ is compiled
 * once for every instruction set; everything else here once.
 */
#ifndef PBT_TENSOR_CPU_CPU_H
#define PBT_TENSOR_CPU_CPU_H

#include "tensor/device.h"

/* The CPU with the kernels of an instruction set, NULL if the processor lacks it; NULL: with the best one. */
const pbt_device *pbt_device_cpu(const char *instruction_set);

#endif
