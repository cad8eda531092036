/*
 * pbt report: tables of a run, again, from its store alone. pbt compare: several runs side by side.
 */
#include "base/file.h"
#include "base/memory.h"
#include "cli/outputs.h"
#include "cli/stage.h"
#include "experiment/run.h"
#include "report/report.h"

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

typedef struct report_settings {
    const char *output_dir;
    bool overwrite_output_dir;
} report_settings;
static const pbt_option report_options[] = {
    {"output_dir", 'o', PBT_OPTION_STRING, offsetof(report_settings, output_dir), "DIR", NULL,
     "folder of report.json, report.md and report.html; RUN when not given", NULL},
    PBT_OVERWRITE_OPTION(report_settings),
};

static pbt_code run_report(const pbt_cli *cli, const void *settings, int n_arguments, char **arguments,
                           pbt_error *error) {
    (void)n_arguments;
    const report_settings *s = settings;
    if (!s->output_dir) return pbt_cli_report_again(cli, arguments[0], arguments[0], error);
    const pbt_output_input input = {"RUN", arguments[0], pbt_output_run.names};
    const pbt_output_request request = {"--output_dir",         s->output_dir, &pbt_output_report, &input, 1,
                                        s->overwrite_output_dir};
    pbt_output *output;
    PBT_TRY(pbt_output_open(&request, cli->monitor, &output, error));
    pbt_code code = pbt_cli_report_again(cli, arguments[0], s->output_dir, error);
    pbt_output_close(output);
    return code;
}

static pbt_code read_one(const char *folder, pbt_report *report, pbt_error *error) {
    pbt_store *store;
    PBT_TRY(pbt_store_open_read(folder, &store, error));
    pbt_code code = pbt_report_read(store, report, error);
    pbt_store_close(store);
    return code;
}

typedef struct compare_settings {
    const char *output;
} compare_settings;
static const pbt_option compare_options[] = {
    {"output", 'o', PBT_OPTION_STRING, offsetof(compare_settings, output), "FILE.html|FILE.md", NULL,
     "write the comparison to a file, with intervals; as HTML also with plots", NULL},
};

static pbt_code print_comparison(const pbt_cli *cli, const pbt_report *reports, char **names, size_t n,
                                 pbt_error *error) {
    const char *const *labels = (const char *const *)names;
    if (cli->json) return pbt_cli_print_json(pbt_compare_json(reports, labels, n), error);
    pbt_table table;
    pbt_text text = {0};
    pbt_code code = pbt_compare_table(reports, labels, n, &table, error);
    if (code == PBT_OK) {
        pbt_table_terminal(&table, cli->color, cli->columns, &text);
        fputs(pbt_text_string(&text), stdout);
        fflush(stdout);
    }
    pbt_text_free(&text);
    pbt_table_free(&table);
    return code;
}

static pbt_code write_comparison(const pbt_cli *cli, const pbt_report *reports, char **names, size_t n,
                                 const char *path, pbt_error *error) {
    const char *const *labels = (const char *const *)names;
    pbt_text text = {0};
    bool html = pbt_string_ends(path, ".html");
    pbt_code code = html ? pbt_compare_html(reports, labels, n, &text, error)
                         : pbt_compare_markdown(reports, labels, n, &text, error);
    if (code == PBT_OK) code = pbt_file_write(path, pbt_text_string(&text), text.length, error);
    pbt_text_free(&text);
    if (code == PBT_OK) pbt_monitor_message(cli->monitor, 1, "wrote %s", path);
    return code;
}

/* The file may lie in the folder of a run, but not take the name of what the run left. */
static pbt_code check_output(const char *output, char **runs, size_t n, pbt_error *error) {
    pbt_output_input *inputs = pbt_alloc(n, sizeof *inputs);
    if (!inputs) return pbt_fail_memory(error, n * sizeof *inputs, "a list of runs");
    for (size_t i = 0; i < n; i++) inputs[i] = (pbt_output_input){"RUN", runs[i], pbt_output_run.names};
    const pbt_output_request request = {"--output", output, NULL, inputs, n, false};
    pbt_code code = pbt_cli_check_file(&request, NULL, error);
    free(inputs);
    return code;
}

static pbt_code run_compare(const pbt_cli *cli, const void *settings, int n_arguments, char **arguments,
                            pbt_error *error) {
    const char *output = ((const compare_settings *)settings)->output;
    if (output) PBT_TRY(check_output(output, arguments, (size_t)n_arguments, error));
    if (output && !pbt_string_ends(output, ".html") && !pbt_string_ends(output, ".md"))
        return pbt_fail(error, PBT_USAGE, "--output %s: expected a name that ends in .html or .md", output);
    size_t n = (size_t)n_arguments;
    pbt_report *reports = pbt_alloc(n, sizeof *reports);
    if (!reports) return pbt_fail_memory(error, n * sizeof *reports, "reports");
    pbt_code code = PBT_OK;
    for (size_t i = 0; i < n && code == PBT_OK; i++) code = read_one(arguments[i], &reports[i], error);
    if (code == PBT_OK) code = print_comparison(cli, reports, arguments, n, error);
    if (code == PBT_OK && output) code = write_comparison(cli, reports, arguments, n, output, error);
    for (size_t i = 0; i < n; i++) pbt_report_free(&reports[i]);
    free(reports);
    return code;
}

const pbt_command pbt_command_report = {
    .name = "report",
    .summary = "Print and write the report of a run",
    .usage = "RUN [--output_dir DIR]",
    .details =
        "Reads only the run's store (RUN/run.sqlite): no model, no question file. Writes RUN/report.json, "
        "RUN/report.md and RUN/report.html (one file to open in a browser: tables, plots, training curves, "
        "and the debates to browse) and prints the tables, with the paper's figures beside ours.\n\n"
        "The run itself is only read: with --output_dir it may lie on read-only media.\n\n"
        "Examples:\n  pbt report runs/pocket\n  pbt report /media/cdrom/pocket --output_dir pocket-report",
    .options = report_options,
    .n_options = sizeof report_options / sizeof *report_options,
    .settings_size = sizeof(report_settings),
    .least_arguments = 1,
    .most_arguments = 1,
    .run = run_report,
};

const pbt_command pbt_command_compare = {
    .name = "compare",
    .summary = "Compare runs side by side",
    .usage = "RUN RUN... [--output FILE.html|FILE.md]",
    .details = "One row for each run and arm; on a narrow terminal a table continues below. --json prints "
               "the complete reports.\n\nExamples:\n  pbt compare runs/pocket runs/beta\n"
               "  pbt compare runs/* --output comparison.html",
    .options = compare_options,
    .n_options = sizeof compare_options / sizeof *compare_options,
    .settings_size = sizeof(compare_settings),
    .least_arguments = 1,
    .most_arguments = -1,
    .run = run_compare,
};
