/*
 * How many threads an operation uses.
 */
#ifndef PBT_TENSOR_CPU_THREADS_H
#define PBT_TENSOR_CPU_THREADS_H

/* Threads worth using for `work` multiplications or so: starting them costs some microseconds. */
int pbt_threads_for(double work);

#endif
