/*
 * The threads that share a loop. They wait for work awake for some microseconds and then asleep, and nobody
 * waits for a thread that has not begun: where the machine is busy with other things, the caller does the
 * work alone.
 */
#ifndef PBT_TENSOR_CPU_POOL_H
#define PBT_TENSOR_CPU_POOL_H

#include <stdint.h>

/* Pieces first .. last - 1 of a loop. `user` is the loop's own data; threads differ in nothing else. */
typedef void (*pbt_loop)(void *user, int64_t first, int64_t last);

/* Runs pieces 0 .. n - 1, some at a time, on at most `threads` threads, the caller among them; returns when
 * all are done. The caller alone does them where threads < 2, where another thread's loop is in work (a loop
 * inside a loop too), and where no thread can be made. */
void pbt_pool_run(int threads, int64_t n, pbt_loop loop, void *user);

#endif
