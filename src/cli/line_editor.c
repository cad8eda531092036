#include "cli/line_editor.h"

#include "base/file.h"
#include "base/memory.h"
#include "base/text.h"
#include "cli/terminal.h"

#include <errno.h>
#include <histedit.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { HISTORY = 1000 };

struct pbt_line_editor {
    const char *prompt;
    pbt_lines *lines; /* not a person */
    EditLine *edit;   /* a person */
    History *history;
    char *line;
};

static char *prompt_of(EditLine *edit) {
    pbt_line_editor *editor = NULL;
    el_get(edit, EL_CLIENTDATA, &editor);
    return (char *)(uintptr_t)editor->prompt;
}

static pbt_code open_edit(pbt_line_editor *e, pbt_error *error) {
    HistEvent event;
    /* The prompt goes to stderr, as all that is not a result. */
    e->edit = el_init("pbt", stdin, stderr, stderr);
    e->history = history_init();
    if (!e->edit || !e->history) return pbt_fail_memory(error, 0, "a line editor");
    history(e->history, &event, H_SETSIZE, HISTORY);
    history(e->history, &event, H_SETUNIQUE, 1);
    el_set(e->edit, EL_CLIENTDATA, e);
    el_set(e->edit, EL_PROMPT, prompt_of);
    el_set(e->edit, EL_EDITOR, "emacs");
    el_set(e->edit, EL_HIST, history, e->history);
    el_set(e->edit, EL_BIND, "^R", "em-inc-search-prev", NULL);
    el_source(e->edit, NULL); /* ~/.editrc; there need not be one */
    return PBT_OK;
}

pbt_code pbt_line_editor_open(const char *prompt, const pbt_monitor *monitor, pbt_line_editor **editor,
                              pbt_error *error) {
    pbt_line_editor *e = pbt_alloc(1, sizeof *e);
    *editor = NULL;
    if (!e) return pbt_fail_memory(error, sizeof *e, "a line editor");
    *e = (pbt_line_editor){.prompt = prompt};
    pbt_code code = isatty(STDIN_FILENO) ? open_edit(e, error) : pbt_lines_open("-", &e->lines, error);
    if (e->lines) pbt_lines_watch(e->lines, monitor);
    if (code == PBT_OK)
        *editor = e;
    else
        pbt_line_editor_close(e);
    return code;
}

void pbt_line_editor_close(pbt_line_editor *e) {
    if (!e) return;
    if (e->lines) pbt_lines_close(e->lines);
    if (e->history) history_end(e->history);
    if (e->edit) el_end(e->edit);
    free(e->line);
    free(e);
}

bool pbt_line_editor_is_interactive(const pbt_line_editor *editor) {
    return editor->edit != NULL;
}

static pbt_code edited(pbt_line_editor *e, char **line, pbt_error *error) {
    int n = 0;
    HistEvent event;
    errno = 0;
    const char *typed = el_gets(e->edit, &n);
    bool given_up = pbt_terminal_was_interrupted();
    if (given_up) {
        fputs("\n", stderr);
        el_reset(e->edit);
        typed = "";
    }
    if (!typed || (n <= 0 && !given_up)) { /* Ctrl-D */
        fputs("\n", stderr);
        return PBT_OK;
    }
    free(e->line);
    e->line = pbt_string_copy(typed);
    if (!e->line) return pbt_fail_memory(error, strlen(typed), "a line");
    e->line[strcspn(e->line, "\r\n")] = '\0';
    if (e->line[0]) history(e->history, &event, H_ENTER, e->line);
    *line = e->line;
    return PBT_OK;
}

pbt_code pbt_line_editor_next(pbt_line_editor *e, char **line, pbt_error *error) {
    size_t length, number;
    *line = NULL;
    return e->edit ? edited(e, line, error) : pbt_lines_next(e->lines, line, &length, &number, error);
}
