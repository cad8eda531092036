#include "cli/terminal.h"

#include "base/text.h"

#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

static volatile sig_atomic_t stop_asked;

static void note_signal(int number) {
    (void)number;
    stop_asked = 1;
}

void pbt_terminal_keep_signals(void) {
    struct sigaction action = {0};
    action.sa_handler = note_signal;
    sigemptyset(&action.sa_mask);
    action.sa_flags = 0; /* a line that is being typed is given up */
    sigaction(SIGINT, &action, NULL);
}

bool pbt_terminal_was_interrupted(void) {
    bool was = stop_asked != 0;
    stop_asked = 0;
    return was;
}

static void on_signal(int number) {
    if (stop_asked) {
        signal(number, SIG_DFL);
        raise(number);
        return;
    }
    stop_asked = 1;
    static const char text[] = "\npbt: stopping at the next safe point (again: stop at once)\n";
    ssize_t written = write(STDERR_FILENO, text, sizeof text - 1);
    (void)written;
}

void pbt_terminal_catch_signals(void) {
    struct sigaction action = {0};
    action.sa_handler = on_signal;
    sigemptyset(&action.sa_mask);
    action.sa_flags = SA_RESTART;
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
}

static bool stopped(void *user) {
    (void)user;
    return stop_asked != 0;
}

bool pbt_terminal_color(int descriptor) {
    const char *no_color = getenv("NO_COLOR"), *term = getenv("TERM");
    if (no_color && no_color[0]) return false;
    return isatty(descriptor) && !(term && strcmp(term, "dumb") == 0);
}

void pbt_duration(double seconds, char *out, size_t size) {
    if (!(seconds >= 0) || seconds > 1e8) {
        snprintf(out, size, "?");
        return;
    }
    long s = lround(seconds);
    if (s < 60)
        snprintf(out, size, "%ld s", s);
    else if (s < 3600)
        snprintf(out, size, "%ld:%02ld", s / 60, s % 60);
    else
        snprintf(out, size, "%ld:%02ld:%02ld", s / 3600, s / 60 % 60, s % 60);
}

static void clear_line(pbt_terminal *t) {
    if (t->drawn) fputs("\r\033[K", stderr);
    t->drawn = false;
}

/* "[=======>      ]" in UTF-8 blocks where the terminal shows them. */
static void draw_bar(pbt_text *line, double share, int width) {
    int full = (int)(share * width);
    pbt_text_add(line, "[");
    for (int i = 0; i < width; i++) pbt_text_add(line, i < full ? "=" : i == full ? ">" : " ");
    pbt_text_add(line, "] ");
}

static void compose(const pbt_terminal *t, pbt_text *line, const char *unit, double done, double total,
                    const char *note, double now) {
    double share = total > 0 ? fmin(done / total, 1) : 0, spent = now - t->started;
    char time[32];
    pbt_text_addf(line, "%-14s ", t->task);
    if (t->bars && t->columns >= 80) draw_bar(line, share, 24);
    if (total > 0)
        pbt_text_addf(line, "%.0f/%.0f %s, %3.0f%%", done, total, unit, 100 * share);
    else
        pbt_text_addf(line, "%.0f %s", done, unit);
    if (done >= total && total > 0) {
        pbt_duration(spent, time, sizeof time);
        pbt_text_addf(line, ", took %s", time);
    } else if (total > 0 && done > t->first_done && spent > 1) {
        pbt_duration(spent * (total - done) / (done - t->first_done), time, sizeof time);
        pbt_text_addf(line, ", %s left", time);
    }
    if (note && note[0]) pbt_text_addf(line, "  %s", note);
}

static void progress(void *user, const char *task, const char *unit, double done, double total,
                     const char *note) {
    pbt_terminal *t = user;
    if (t->quiet) return;
    double now = pbt_seconds();
    bool changed = strcmp(t->task, task) != 0;
    if (changed) {
        pbt_terminal_close(t);
        snprintf(t->task, sizeof t->task, "%s", task);
        t->started = now;
        t->first_done = done;
        t->shown = t->bars ? 0 : now;
        t->closed = false;
    }
    bool finished = total > 0 && done >= total;
    if (t->closed || (!finished && now - t->shown < (t->bars ? 0.1 : 10.0))) return;
    t->shown = now;
    pbt_text line = {0};
    compose(t, &line, unit, done, total, note, now);
    size_t limit = t->bars && t->columns > 1 ? (size_t)t->columns - 1 : line.length;
    clear_line(t);
    fprintf(stderr, "%.*s", (int)(line.length < limit ? line.length : limit), pbt_text_string(&line));
    t->drawn = t->bars && !finished;
    if (!t->drawn) fputc('\n', stderr);
    t->closed = finished;
    fflush(stderr);
    pbt_text_free(&line);
}

/* Right and wrong marks of the debates in green and red. */
static void print_coloured(const char *line) {
    for (const char *p = line; *p;) {
        bool right = pbt_string_starts(p, "\u2713"), wrong = pbt_string_starts(p, "\u2717");
        if (right || wrong) {
            fprintf(stderr, "\033[%sm%.3s\033[0m", right ? "32" : "31", p);
            p += 3;
        } else {
            fputc(*p++, stderr);
        }
    }
}

static void message(void *user, int level, const char *line) {
    pbt_terminal *t = user;
    if ((level == 1 && t->quiet) || (level >= 2 && (!t->verbose || t->quiet))) return;
    clear_line(t);
    if (level <= 0) fputs(t->color ? "\033[33mwarning:\033[0m " : "warning: ", stderr);
    if (t->color)
        print_coloured(line);
    else
        fputs(line, stderr);
    fputc('\n', stderr);
    fflush(stderr);
}

size_t pbt_terminal_columns(int descriptor) {
    struct winsize size;
    bool terminal = isatty(descriptor) && ioctl(descriptor, TIOCGWINSZ, &size) == 0;
    return terminal ? size.ws_col : 0;
}

void pbt_terminal_open(pbt_terminal *terminal, bool quiet, bool verbose) {
    *terminal = (pbt_terminal){.quiet = quiet, .verbose = verbose, .columns = 80};
    terminal->color = pbt_terminal_color(STDERR_FILENO);
    terminal->bars = isatty(STDERR_FILENO);
    struct winsize size;
    if (ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0) terminal->columns = size.ws_col;
    terminal->monitor =
        (pbt_monitor){.user = terminal, .progress = progress, .message = message, .stopped = stopped};
}

void pbt_terminal_close(pbt_terminal *terminal) {
    if (terminal->drawn) fputc('\n', stderr);
    terminal->drawn = false;
    terminal->task[0] = '\0';
}
