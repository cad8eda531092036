#include "cli/machine.h"

#include "base/memory.h"
#include "base/monitor.h"

#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

typedef float lanes8 __attribute__((vector_size(32)));
typedef float lanes16 __attribute__((vector_size(64)));
enum { CHAINS = 12, ROUNDS = 20000 };

/* Twelve independent chains of multiply-adds hide the latency; returns the operations done. */
#define PEAK_BODY(vector)                                                                                    \
    vector x[CHAINS], a, b;                                                                                  \
    memset(x, 0, sizeof x);                                                                                  \
    memset(&a, 0, sizeof a);                                                                                 \
    b = a + *seed;                                                                                           \
    a = a + 0.999F;                                                                                          \
    for (int r = 0; r < ROUNDS; r++) {                                                                       \
        for (int c = 0; c < CHAINS; c++) x[c] = x[c] * a + b;                                                \
    }                                                                                                        \
    vector sum = x[0];                                                                                       \
    for (int c = 1; c < CHAINS; c++) sum += x[c];                                                            \
    *seed = sum[0] * 1e-9F;                                                                                  \
    return 2.0 * ROUNDS * CHAINS * (double)(sizeof(vector) / sizeof(float))

static double peak_portable(float *seed) {
    float x[CHAINS] = {0};
    for (int r = 0; r < ROUNDS; r++) {
        for (int c = 0; c < CHAINS; c++) x[c] = x[c] * 0.999F + *seed;
    }
    for (int c = 0; c < CHAINS; c++) *seed += x[c] * 1e-9F;
    return 2.0 * ROUNDS * CHAINS;
}

#if defined(__x86_64__)
__attribute__((target("avx2,fma"), optimize("fp-contract=fast"))) static double peak_avx2(float *seed) {
    PEAK_BODY(lanes8);
}
__attribute__((target("avx512f"), optimize("fp-contract=fast"))) static double peak_avx512(float *seed) {
    PEAK_BODY(lanes16);
}
#endif

static double measure(double (*body)(float *)) {
    float seed = 0.5F;
    double best = 0, end = pbt_seconds() + 0.1;
    while (pbt_seconds() < end) {
        double start = pbt_seconds(), done = body(&seed), spent = pbt_seconds() - start;
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

void pbt_machine_look(pbt_machine *machine) {
    cpu_set_t set;
    *machine = (pbt_machine){0};
    read_processor(machine->processor, sizeof machine->processor);
    machine->cores = sched_getaffinity(0, sizeof set, &set) == 0 ? CPU_COUNT(&set) : 1;
    machine->memory = (double)sysconf(_SC_PHYS_PAGES) * (double)sysconf(_SC_PAGESIZE);
    machine->memory_free = pbt_memory_available();
    double (*body)(float *) = peak_portable;
#if defined(__x86_64__)
    machine->avx2_fma = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
    machine->avx512 = __builtin_cpu_supports("avx512f");
    if (machine->avx2_fma) body = peak_avx2;
    if (machine->avx512) body = peak_avx512;
#endif
    machine->peak = measure(body);
}
