/* The choice of instruction set. */
#include "tensor/cpu/cpu.h"

#include "base/memory.h"
#include "tensor/cpu/instruction_sets.h"

#include <string.h>

#define CPU_DEVICE(set)                                                                                      \
    {                                                                                                        \
        .name = "cpu", .instruction_set = #set, .ops = &pbt_ops_##set,                                       \
        .memory_physical = pbt_memory_physical, .memory_available = pbt_memory_available,                    \
        .draw_weights = pbt_##set##_draw_weights, .peak = pbt_##set##_peak                                   \
    }

static const pbt_device portable = CPU_DEVICE(portable);

const pbt_device *pbt_device_cpu(const char *wanted) {
#ifdef PBT_CPU_X86
    static const pbt_device avx2_device = CPU_DEVICE(avx2), avx512_device = CPU_DEVICE(avx512);
    bool avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
    bool avx512 = avx2 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                  __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
    if (avx512 && (!wanted || strcmp(wanted, "avx512") == 0)) return &avx512_device;
    if (avx2 && (!wanted || strcmp(wanted, "avx2") == 0)) return &avx2_device;
#endif
    return !wanted || strcmp(wanted, "portable") == 0 ? &portable : NULL;
}
