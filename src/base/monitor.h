/*
 * How long work talks to whoever started it: progress, messages, samples, and the wish to stop. The library
 * calls these hooks and never prints. Every hook may be NULL, and the monitor itself may be NULL: use the
 * functions below.
 */
#ifndef PBT_BASE_MONITOR_H
#define PBT_BASE_MONITOR_H

#include "base/declarations.h"
#include "base/status.h"

#include <stdbool.h>
#include <stddef.h>

PBT_BEGIN_DECLS

typedef struct pbt_monitor {
    void *user; /* handed to every hook */
    /* `done` of `total` units ("nodes", "steps", "items"); `note` is a short extra ("loss 0.412") or NULL. */
    void (*progress)(void *user, const char *task, const char *unit, double done, double total,
                     const char *note);
    /* `done` of `total` requests of the batch that an agent works at, for whoever put the batch together and
     * counts in greater units; handed `batch_user`. */
    void (*batch)(void *batch_user, size_t done, size_t total);
    void *batch_user;
    /* One line for the log; level 0 = warning, 1 = normal, 2 = verbose. */
    void (*message)(void *user, int level, const char *line);
    /* True when the work should stop at the next safe point (it then returns PBT_INTERRUPTED). */
    bool (*stopped)(void *user);
} pbt_monitor;

void pbt_monitor_progress(const pbt_monitor *monitor, const char *task, const char *unit, double done,
                          double total, const char *note);
void pbt_monitor_message(const pbt_monitor *monitor, int level, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* PBT_INTERRUPTED with its sentence when a stop was asked for, else PBT_OK. */
pbt_code pbt_monitor_check(const pbt_monitor *monitor, pbt_error *error);

/* Seconds on a clock that only goes forward. */
double pbt_seconds(void);

PBT_END_DECLS

#endif
