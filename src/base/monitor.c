#include "base/monitor.h"

#include <stdarg.h>
#include <stdio.h>
#include <time.h>

void pbt_monitor_progress(const pbt_monitor *monitor, const char *task, const char *unit, double done,
                          double total, const char *note) {
    if (monitor && monitor->progress) monitor->progress(monitor->user, task, unit, done, total, note);
}

void pbt_monitor_message(const pbt_monitor *monitor, int level, const char *format, ...) {
    if (!monitor || !monitor->message) return;
    char line[2048];
    va_list args;
    va_start(args, format);
    vsnprintf(line, sizeof line, format, args);
    va_end(args);
    monitor->message(monitor->user, level, line);
}

pbt_code pbt_monitor_check(const pbt_monitor *monitor, pbt_error *error) {
    if (monitor && monitor->stopped && monitor->stopped(monitor->user))
        return pbt_fail(error, PBT_INTERRUPTED, "interrupted");
    return PBT_OK;
}

double pbt_seconds(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}
