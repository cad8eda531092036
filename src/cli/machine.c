#include "cli/machine.h"

#include "base/memory.h"
#include "base/monitor.h"

#include <sched.h>
#include <stdio.h>
#include <string.h>

static double measure_peak(const pbt_device *device) {
    if (!device->peak) return 0;
    float seed = 0.5F;
    double best = 0, end = pbt_seconds() + 0.1;
    while (pbt_seconds() < end) {
        double start = pbt_seconds(), done = device->peak(&seed), spent = pbt_seconds() - start;
        if (spent > 0 && done / spent > best) best = done / spent;
    }
    return best;
}

static void read_processor(char *out, size_t size) {
    char line[512];
    FILE *file = fopen("/proc/cpuinfo", "re");
    while (file && fgets(line, sizeof line, file)) {
        const char *value = strchr(line, ':');
        if (strncmp(line, "model name", 10) != 0 || !value) continue;
        snprintf(out, size, "%.*s", (int)strcspn(value + 2, "\n"), value + 2);
        break;
    }
    if (file) fclose(file);
}

static bool has(const char *device) {
    const pbt_device *found;
    pbt_error none;
    return pbt_device_open(device, &found, &none) == PBT_OK;
}

void pbt_machine_look(const pbt_device *device, pbt_machine *machine) {
    cpu_set_t set;
    *machine = (pbt_machine){0};
    read_processor(machine->processor, sizeof machine->processor);
    machine->cores = sched_getaffinity(0, sizeof set, &set) == 0 ? CPU_COUNT(&set) : 1;
    machine->memory = pbt_memory_physical();
    machine->memory_free = pbt_memory_available();
    machine->avx2_fma = has("cpu:avx2");
    machine->avx512 = has("cpu:avx512");
    machine->peak = measure_peak(device);
}
