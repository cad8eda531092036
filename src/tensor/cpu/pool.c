#include "tensor/cpu/pool.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

enum { MOST_THREADS = 256, SPINS = 4000 };

/* One loop at a time. `loop` to `step` are written under `lock` while no worker is inside. */
static struct {
    pthread_mutex_t owner; /* held by whoever's loop is in work */
    pthread_mutex_t lock;
    pthread_cond_t wake, left;
    int n_workers;
    int sleeping;
    int wanted;                 /* workers that may still enter */
    _Atomic uint64_t published; /* loops so far */
    _Atomic int inside;         /* workers in the loop */
    pbt_loop loop;
    void *user;
    int64_t n, step;
    _Atomic int64_t next;
} pool = {.owner = PTHREAD_MUTEX_INITIALIZER,
          .lock = PTHREAD_MUTEX_INITIALIZER,
          .wake = PTHREAD_COND_INITIALIZER,
          .left = PTHREAD_COND_INITIALIZER};

static inline void pause_briefly(void) {
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#endif
}

static void work(pbt_loop loop, void *user, int64_t n, int64_t step) {
    for (;;) {
        int64_t first = atomic_fetch_add_explicit(&pool.next, step, memory_order_relaxed);
        if (first >= n) return;
        loop(user, first, n - first < step ? n : first + step);
    }
}

/* Waits until a loop after `seen` is published: awake, then asleep. */
static void wait_for_work(uint64_t seen) {
    for (int i = 0; i < SPINS; i++) {
        if (atomic_load_explicit(&pool.published, memory_order_acquire) != seen) return;
        pause_briefly();
    }
    pthread_mutex_lock(&pool.lock);
    pool.sleeping++;
    while (atomic_load_explicit(&pool.published, memory_order_relaxed) == seen)
        pthread_cond_wait(&pool.wake, &pool.lock);
    pool.sleeping--;
    pthread_mutex_unlock(&pool.lock);
}

static void *worker(void *unused) {
    uint64_t seen = 0;
    for (;;) {
        wait_for_work(seen);
        pthread_mutex_lock(&pool.lock);
        seen = atomic_load_explicit(&pool.published, memory_order_relaxed);
        const bool enter = pool.wanted > 0;
        if (enter) {
            pool.wanted--;
            atomic_fetch_add_explicit(&pool.inside, 1, memory_order_relaxed);
        }
        pbt_loop loop = pool.loop;
        void *user = pool.user;
        int64_t n = pool.n, step = pool.step;
        pthread_mutex_unlock(&pool.lock);
        if (!enter) continue;
        work(loop, user, n, step);
        pthread_mutex_lock(&pool.lock);
        if (atomic_fetch_sub_explicit(&pool.inside, 1, memory_order_release) == 1)
            pthread_cond_signal(&pool.left);
        pthread_mutex_unlock(&pool.lock);
    }
    return unused;
}

/* A forked child has none of the threads, and none of their locks. */
static void forget_workers(void) {
    pthread_mutex_init(&pool.owner, NULL);
    pthread_mutex_init(&pool.lock, NULL);
    pthread_cond_init(&pool.wake, NULL);
    pthread_cond_init(&pool.left, NULL);
    pool.n_workers = pool.sleeping = pool.wanted = 0;
    atomic_store(&pool.inside, 0);
}

static void watch_forks(void) {
    pthread_atfork(NULL, NULL, forget_workers);
}

/* Up to n workers; fewer where the system gives no more. */
static void start_workers(int n) {
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, watch_forks);
    while (pool.n_workers < n && pool.n_workers < MOST_THREADS) {
        pthread_t thread;
        if (pthread_create(&thread, NULL, worker, NULL) != 0) return;
        pthread_detach(thread);
        pool.n_workers++;
    }
}

static void publish(int threads, int64_t n, int64_t step, pbt_loop loop, void *user) {
    pthread_mutex_lock(&pool.lock);
    pool.loop = loop;
    pool.user = user;
    pool.n = n;
    pool.step = step;
    pool.wanted = threads - 1;
    atomic_store_explicit(&pool.next, 0, memory_order_relaxed);
    atomic_fetch_add_explicit(&pool.published, 1, memory_order_release);
    const bool asleep = pool.sleeping > 0;
    pthread_mutex_unlock(&pool.lock);
    if (asleep) pthread_cond_broadcast(&pool.wake);
}

/* Nobody may enter any more; those inside are waited for. */
static void close_loop(void) {
    pthread_mutex_lock(&pool.lock);
    pool.wanted = 0;
    pthread_mutex_unlock(&pool.lock);
    for (int i = 0; i < SPINS; i++) {
        if (atomic_load_explicit(&pool.inside, memory_order_acquire) == 0) return;
        pause_briefly();
    }
    pthread_mutex_lock(&pool.lock);
    while (atomic_load_explicit(&pool.inside, memory_order_acquire) > 0)
        pthread_cond_wait(&pool.left, &pool.lock);
    pthread_mutex_unlock(&pool.lock);
}

void pbt_pool_run(int threads, int64_t n, pbt_loop loop, void *user) {
    if (threads > n) threads = (int)n;
    if (threads < 2 || pthread_mutex_trylock(&pool.owner) != 0) {
        if (n > 0) loop(user, 0, n);
        return;
    }
    start_workers(threads - 1);
    /* Pieces small enough that the last ones end together. */
    int64_t step = n / ((int64_t)threads * 4);
    step = step > 1 ? step : 1;
    publish(threads, n, step, loop, user);
    work(loop, user, n, step);
    close_loop();
    pthread_mutex_unlock(&pool.owner);
}
