/*
 * The device that tests compute on.
 */
#ifndef PBT_TESTS_DEVICE_H
#define PBT_TESTS_DEVICE_H

#include "tensor/device.h"

#include <stdio.h>

/* NULL: this machine lacks it. */
static inline const pbt_device *device_named(const char *name) {
    const pbt_device *device;
    pbt_error error;
    return pbt_device_open(name, &device, &error) == PBT_OK ? device : NULL;
}

/* The operations of the CPU with "portable", "avx2" or "avx512"; NULL: this machine lacks it. */
static inline const pbt_ops *ops_named(const char *instruction_set) {
    char name[32];
    snprintf(name, sizeof name, "cpu:%s", instruction_set);
    const pbt_device *device = device_named(name);
    return device ? device->ops : NULL;
}

static inline const pbt_device *test_device(void) {
    return device_named("auto");
}

#endif
