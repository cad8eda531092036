/*
 * What the machine has: cores, instruction sets, memory, and a quick measure of its fp32 peak of a device.
 */
#ifndef PBT_CLI_MACHINE_H
#define PBT_CLI_MACHINE_H

#include "base/json.h"
#include "tensor/device.h"

typedef struct pbt_machine {
    char processor[128];        /* name, or "" */
    int cores;                  /* that this process may use */
    bool avx2_fma, avx512;      /* there are kernels for them and the processor has them */
    double memory, memory_free; /* bytes */
    double
        peak; /* fp32 operations a second of one core, fused multiply-add counted as two; 0: not measured */
} pbt_machine;

/* Takes about a tenth of a second. */
void pbt_machine_look(const pbt_device *device, pbt_machine *machine);

#endif
