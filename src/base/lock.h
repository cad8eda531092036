/*
 * Locks: a file that one process at a time may hold (flock(2)). The kernel lets go of it when its holder
 * ends, in whatever way.
 */
#ifndef PBT_BASE_LOCK_H
#define PBT_BASE_LOCK_H

#include "base/monitor.h"

/* How often a lock that another process holds is tried, and the pause between: a killed process may take a
 * moment to be gone, and short work a moment to be finished. */
enum { PBT_LOCK_TRIES = 100, PBT_LOCK_PAUSE_NS = 50000000 };

/* Opens `path`, making it where it is missing, and locks it. Held by another process after all tries: fails
 * with "another pbt (process N) is writing WHAT", the number where it can be found; any other failure is told
 * with its own reason. *descriptor: the locked file, to be closed, which `path` still names; its contents are
 * left alone. `monitor` may be NULL. */
pbt_code pbt_lock_take(const char *path, const char *what, const pbt_monitor *monitor, int *descriptor,
                       pbt_error *error);

#endif
