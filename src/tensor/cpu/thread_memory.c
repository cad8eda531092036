#include "tensor/cpu/thread_memory.h"

#include "base/memory.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

static _Thread_local pbt_scratch scratch;

pbt_scratch *pbt_scratch_of_thread(void) {
    return &scratch;
}

/* Memory of one thread. */
typedef struct thread_memory {
    void *pieces[PBT_MEMORY_USES];
    size_t bytes[PBT_MEMORY_USES];
} thread_memory;

static pthread_key_t memory_key;
static pthread_once_t memory_once = PTHREAD_ONCE_INIT;
static bool memory_key_made;

static void free_thread_memory(void *memory) {
    thread_memory *m = memory;
    for (int i = 0; i < PBT_MEMORY_USES; i++) free(m->pieces[i]);
    free(m);
}

static void make_memory_key(void) {
    memory_key_made = pthread_key_create(&memory_key, free_thread_memory) == 0;
}

void *pbt_thread_memory(pbt_memory_use use, size_t bytes) {
    pthread_once(&memory_once, make_memory_key);
    if (!memory_key_made) return NULL;
    thread_memory *m = pthread_getspecific(memory_key);
    if (!m) {
        m = pbt_alloc(1, sizeof *m);
        if (!m || pthread_setspecific(memory_key, m) != 0) {
            free(m);
            return NULL;
        }
    }
    if (bytes <= m->bytes[use] && m->pieces[use]) return m->pieces[use];
    free(m->pieces[use]);
    bytes += bytes / 2; /* texts grow token by token */
    m->pieces[use] = pbt_alloc_aligned(bytes, 1);
    m->bytes[use] = m->pieces[use] ? bytes : 0;
    return m->pieces[use];
}

void *pbt_cpu_alloc(size_t bytes) {
    return pbt_alloc_aligned(bytes, 1);
}

void pbt_cpu_release(void *memory) {
    free(memory);
}

void pbt_cpu_copy(void *to, const void *from, size_t bytes) {
    if (bytes > 0) memcpy(to, from, bytes);
}
