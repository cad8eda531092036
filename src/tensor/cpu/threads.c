#include "tensor/cpu/threads.h"

#include "tensor/ops.h"

#include <pthread.h>
#include <sched.h>
#include <stdlib.h>

static int threads;

void pbt_threads_set(int n) {
    threads = n > 0 ? n : 0;
}

/* OMP_NUM_THREADS is what people set for every program of this kind. */
static int default_threads(void) {
    const char *wish = getenv("OMP_NUM_THREADS");
    long n = wish ? strtol(wish, NULL, 10) : 0;
    if (n > 0) return n < 1024 ? (int)n : 1024;
    cpu_set_t set;
    return sched_getaffinity(0, sizeof set, &set) == 0 ? CPU_COUNT(&set) : 1;
}

static int defaults;
static pthread_once_t defaults_once = PTHREAD_ONCE_INIT;

static void look_up_defaults(void) {
    defaults = default_threads();
}

int pbt_threads(void) {
    if (threads > 0) return threads;
    pthread_once(&defaults_once, look_up_defaults);
    return defaults;
}

int pbt_threads_for(double work) {
    return work < 262144 ? 1 : pbt_threads();
}
