/*
 * The program: lists the commands, runs one, and turns what it returns into an exit code and a sentence. Each
 * command lives in its own cmd_*.c.
 */
#include "base/text.h"
#include "cli/data_folder.h"
#include "cli/help.h"
#include "cli/parse.h"
#include "cli/print.h"
#include "cli/terminal.h"
#include "tensor/device.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define COMMANDS(X)                                                                                          \
    X(run)                                                                                                   \
    X(trees)                                                                                                 \
    X(pairs)                                                                                                 \
    X(train)                                                                                                 \
    X(eval)                                                                                                  \
    X(report)                                                                                                \
    X(compare)                                                                                               \
    X(sft)                                                                                                   \
    X(dpo)                                                                                                   \
    X(generate)                                                                                              \
    X(score)                                                                                                 \
    X(tokens)                                                                                                \
    X(chat)                                                                                                  \
    X(model_inspect)                                                                                         \
    X(model_random)                                                                                          \
    X(model_merge)                                                                                           \
    X(model_quantize)                                                                                        \
    X(stats)                                                                                                 \
    X(pocket)                                                                                                \
    X(doctor)
#define DECLARE(name) extern const pbt_command pbt_command_##name;
#define LIST(name)    &pbt_command_##name,
COMMANDS(DECLARE)
static const pbt_command *const commands[] = {COMMANDS(LIST)};
enum { N_COMMANDS = sizeof commands / sizeof *commands };

pbt_code pbt_cli_print_json(json_t *value, pbt_error *error) {
    char *line = value ? pbt_json_line(value) : NULL;
    json_decref(value);
    if (!line) return pbt_fail(error, PBT_FAILED, "out of memory for a line of JSON");
    bool written = puts(line) >= 0 && fflush(stdout) == 0;
    free(line);
    if (!written) return pbt_fail(error, PBT_FAILED, "cannot write to standard output");
    return PBT_OK;
}

static void print_error(const pbt_error *error, bool json) {
    const char *line_break = strchr(error->message, '\n');
    int length = line_break ? (int)(line_break - error->message) : (int)strlen(error->message);
    fprintf(stderr, "pbt: error: %.*s\n", length, error->message);
    if (!json) return;
    json_t *value = json_pack("{s:{s:s, s:s, s:s, s:s}}", "error", "kind", pbt_code_name(error->code),
                              "message", error->message, "file", error->file, "where", error->where);
    /* A message may carry bytes of a broken file that are not UTF-8; the kind still goes out. */
    if (!value)
        value = json_pack("{s:{s:s, s:s, s:s, s:s}}", "error", "kind", pbt_code_name(error->code), "message",
                          "see standard error", "file", "", "where", "");
    pbt_cli_print_json(value, NULL);
}

static pbt_code print_help(const pbt_parsed *parsed) {
    pbt_text out = {0};
    /* A pager shows the page in the terminal that stderr still is. */
    size_t columns = pbt_terminal_columns(STDOUT_FILENO);
    const pbt_help_style style = {columns ? columns : pbt_terminal_columns(STDERR_FILENO),
                                  pbt_terminal_color(STDOUT_FILENO)};
    if (parsed->command)
        pbt_help_command(parsed->command, &style, &out);
    else
        pbt_help_overview(commands, N_COMMANDS, parsed->group, &style, &out);
    fputs(pbt_text_string(&out), stdout);
    pbt_text_free(&out);
    return PBT_OK;
}

static pbt_code print_page(const char *format, pbt_error *error) {
    const pbt_command_list list = {commands, N_COMMANDS};
    pbt_text out = {0};
    if (strcmp(format, "man") == 0) pbt_print_manual(&list, &out);
    if (strcmp(format, "bash") == 0) pbt_print_bash(&list, &out);
    if (strcmp(format, "zsh") == 0) pbt_print_zsh(&list, &out);
    if (strcmp(format, "fish") == 0) pbt_print_fish(&list, &out);
    bool failed = out.failed;
    if (!failed) fputs(pbt_text_string(&out), stdout);
    pbt_text_free(&out);
    return failed ? pbt_fail_memory(error, 0, "a page") : PBT_OK;
}

static pbt_code run_command(const pbt_parsed *parsed, const char *data_folder, pbt_error *error) {
    if (parsed->global.help) return print_help(parsed);
    if (parsed->global.version) {
        puts("pbt " PBT_VERSION);
        return PBT_OK;
    }
    if (parsed->global.print) return print_page(parsed->global.print, error);
    if (!parsed->command && parsed->group)
        return pbt_fail(error, PBT_USAGE, "\"%s\" needs a second word; see pbt %s --help", parsed->group,
                        parsed->group);
    if (!parsed->command) return pbt_fail(error, PBT_USAGE, "no command was given; see pbt --help");
    if (parsed->global.threads > 0) pbt_threads_set((int)parsed->global.threads);
    const pbt_device *device;
    PBT_TRY(pbt_device_open(parsed->global.device, &device, error));
    pbt_terminal terminal;
    pbt_terminal_open(&terminal, parsed->global.quiet, parsed->global.verbose);
    pbt_terminal_catch_signals();
    pbt_cli cli = {.json = parsed->global.json,
                   .quiet = parsed->global.quiet,
                   .verbose = parsed->global.verbose,
                   .color = terminal.color && pbt_terminal_color(STDOUT_FILENO),
                   .columns = pbt_terminal_columns(STDOUT_FILENO),
                   .device = device,
                   .monitor = &terminal.monitor,
                   .data_folder = data_folder};
    pbt_code code =
        parsed->command->run(&cli, parsed->settings, parsed->n_arguments, parsed->arguments, error);
    pbt_terminal_close(&terminal);
    return code;
}

/* --json counts for errors of the command line itself too. */
static bool wants_json(int argc, char **argv) {
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--json") == 0) return true;
        if (strcmp(argv[i], "--") == 0) return false;
    }
    return false;
}

int main(int argc, char **argv) {
    pbt_error error = {0};
    pbt_parsed parsed;
    char *data_folder = pbt_data_folder_find();
    pbt_code code = pbt_command_line_parse(commands, N_COMMANDS, data_folder, argc, argv, &parsed, &error);
    bool json = wants_json(argc, argv);
    if (code == PBT_OK) code = run_command(&parsed, data_folder, &error);
    if (code == PBT_OK && (fflush(stdout) != 0 || ferror(stdout)))
        code = pbt_fail(&error, PBT_FAILED, "cannot write to standard output");
    if (code != PBT_OK) {
        if (!error.message[0])
            pbt_error_set(&error, code, "the command failed without saying why; please report this");
        error.code = code;
        print_error(&error, json);
    }
    pbt_parsed_free(&parsed);
    free(data_folder);
    return code;
}
