/*
 * Lines typed by a person: edited with the keys of libedit (emacs or vi, as ~/.editrc says), with the history
 * of the session; from a pipe or file they are read as they come.
 */
#ifndef PBT_CLI_LINE_EDITOR_H
#define PBT_CLI_LINE_EDITOR_H

#include "base/monitor.h"
#include "base/status.h"

#include <stdbool.h>
#include <stddef.h>

typedef struct pbt_line_editor pbt_line_editor;

/* Reads standard input. `prompt` is shown where a person types, and must live as long as the editor.
 * `monitor` (borrowed) can stop the wait for a line of a pipe. */
pbt_code pbt_line_editor_open(const char *prompt, const pbt_monitor *monitor, pbt_line_editor **editor,
                              pbt_error *error);
void pbt_line_editor_close(pbt_line_editor *editor);
/* Whether a person types. */
bool pbt_line_editor_is_interactive(const pbt_line_editor *editor);
/* The next line without its end, valid until the next call; NULL at the end of input. A line that is given up
 * with Ctrl-C is empty. */
pbt_code pbt_line_editor_next(pbt_line_editor *editor, char **line, pbt_error *error);

#endif
