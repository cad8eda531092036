#include "tensor/device.h"

#include "tensor/cpu/cpu.h"

#include <string.h>

pbt_code pbt_device_open(const char *name, const pbt_device **device, pbt_error *error) {
    static const char prefix[] = "cpu:";
    *device = NULL;
    if (strcmp(name, "auto") == 0 || strcmp(name, "cpu") == 0) {
        *device = pbt_device_cpu(NULL);
        return PBT_OK;
    }
    if (strncmp(name, prefix, sizeof prefix - 1) == 0) *device = pbt_device_cpu(name + sizeof prefix - 1);
    if (*device) return PBT_OK;
    return pbt_fail(
        error, PBT_USAGE,
        "there is no device \"%.40s\" on this machine; expected auto, cpu, or cpu:SET with SET one of "
        "avx512, avx2 and portable, as far as the processor has them",
        name);
}
