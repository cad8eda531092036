/*
 * The person at the terminal: progress bars with an estimate of the time left, messages, Ctrl-C.
 * Everything goes to stderr; stdout belongs to results.
 */
#ifndef PBT_CLI_TERMINAL_H
#define PBT_CLI_TERMINAL_H

#include "base/monitor.h"

typedef struct pbt_terminal {
    bool quiet, verbose, color;
    bool bars;   /* stderr is a terminal: one line is redrawn; else a plain line now and then */
    bool drawn;  /* a bar stands on the current line */
    int columns; /* of the terminal */
    char task[64];
    double started, first_done, shown; /* seconds; `first_done`: what was done when the task was first seen */
    bool closed;                       /* the task's last line was printed */
    pbt_monitor monitor;
} pbt_terminal;

/* Fills the terminal and its monitor; `terminal` must stay where it is. */
void pbt_terminal_open(pbt_terminal *terminal, bool quiet, bool verbose);
/* Ends a bar that stands on the line. */
void pbt_terminal_close(pbt_terminal *terminal);
/* From now on the first Ctrl-C (or SIGTERM) asks the work to stop, the second ends the program. */
void pbt_terminal_catch_signals(void);
/* For commands that go on after Ctrl-C: it is noted, says nothing, and never ends the program. */
void pbt_terminal_keep_signals(void);
/* Whether Ctrl-C was pressed since the last call. */
bool pbt_terminal_was_interrupted(void);
/* Whether colour may be written to the stream (a terminal, and NO_COLOR is not set). */
bool pbt_terminal_color(int descriptor);
/* Columns of the terminal that a descriptor is; 0 when it is none. */
size_t pbt_terminal_columns(int descriptor);
/* "1:02:03", "4:05", "7 s". */
void pbt_duration(double seconds, char *out, size_t size);

#endif
