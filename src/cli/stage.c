#include "cli/stage.h"

#include "evaluation/stored_trees.h"
#include "experiment/check.h"
#include "experiment/run.h"
#include "experiment/stages.h"
#include "report/report.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What a stage's command shows of the report: one key of report.json and one table, or all of it. */
typedef struct stage_result {
    const char *stage, *json_key, *table;
} stage_result;
static const stage_result results[] = {
    {"trees", "trees", "pairs"}, {"pairs", "pairs", "pairs"}, {"train", "training", "training"}};

static const stage_result *result_of(const char *stage) {
    for (size_t i = 0; i < sizeof results / sizeof *results; i++) {
        if (strcmp(results[i].stage, stage) == 0) return &results[i];
    }
    return NULL;
}

/* What a reader must know before the figures. */
static void print_notices(const pbt_cli *cli, const pbt_report *report) {
    for (size_t i = 0; i < report->n_warnings; i++)
        pbt_monitor_message(cli->monitor, 0, "%s", report->warnings[i]);
    for (size_t a = 0; a < PBT_ARMS; a++)
        if (report->missing[a])
            pbt_monitor_message(cli->monitor, 0, "no figures of %s: %s", pbt_arm_names[a],
                                report->missing[a]);
}

static pbt_code print_whole(const pbt_cli *cli, const pbt_report *report, pbt_error *error) {
    pbt_text out = {0};
    pbt_code code = pbt_report_terminal(report, cli->color, cli->columns, &out, error);
    if (code == PBT_OK) fputs(pbt_text_string(&out), stdout);
    fflush(stdout);
    pbt_text_free(&out);
    if (code == PBT_OK) print_notices(cli, report);
    return code;
}

static pbt_code print_tables(const pbt_cli *cli, const pbt_report *report, const char *only,
                             pbt_error *error) {
    pbt_text out = {0};
    pbt_table *tables;
    size_t n;
    if (!only) return print_whole(cli, report, error);
    PBT_TRY(pbt_report_tables(report, &tables, &n, error));
    for (size_t i = 0; i < n; i++) {
        if (tables[i].name && strcmp(tables[i].name, only) == 0)
            pbt_table_terminal(&tables[i], cli->color, cli->columns, &out);
    }
    pbt_tables_free(tables, n);
    fputs(pbt_text_string(&out), stdout);
    fflush(stdout);
    pbt_text_free(&out);
    return PBT_OK;
}

static pbt_code print_result(const pbt_cli *cli, const char *stage, pbt_store *store, pbt_error *error) {
    const stage_result *result = result_of(stage);
    pbt_report report;
    pbt_code code = pbt_report_read(store, &report, error);
    if (code == PBT_OK && cli->json) {
        json_t *value = pbt_report_json(&report);
        json_t *part = result ? json_incref(json_object_get(value, result->json_key)) : json_incref(value);
        json_decref(value);
        code = pbt_cli_print_json(part, error);
    } else if (code == PBT_OK) {
        code = print_tables(cli, &report, result ? result->table : NULL, error);
    }
    pbt_report_free(&report);
    return code;
}

static pbt_code print_summary(const pbt_cli *cli, const pbt_report *report, pbt_error *error) {
    pbt_table table;
    pbt_text out = {0};
    pbt_code code = pbt_summary_table(report, &table, error);
    if (code == PBT_OK) pbt_table_terminal(&table, cli->color, cli->columns, &out);
    pbt_table_free(&table);
    if (code == PBT_OK && out.failed) code = pbt_fail_memory(error, out.length, "a table");
    if (code == PBT_OK) print_notices(cli, report);
    if (code == PBT_OK) fputs(pbt_text_string(&out), stdout);
    fflush(stdout);
    pbt_text_free(&out);
    return code;
}

pbt_code pbt_cli_report_again(const pbt_cli *cli, const char *run_folder, const char *output_dir,
                              pbt_error *error) {
    pbt_store *store;
    pbt_report report;
    PBT_TRY(pbt_store_open_read(run_folder, &store, error));
    pbt_code code = pbt_report_read(store, &report, error);
    if (code == PBT_OK) code = pbt_report_write(store, &report, output_dir, error);
    pbt_report_free(&report);
    if (code == PBT_OK) code = print_result(cli, "report", store, error);
    pbt_store_close(store);
    return code;
}

pbt_code pbt_cli_run_stage(const pbt_cli *cli, const char *stage, const char *run_folder, pbt_error *error) {
    pbt_run *run;
    PBT_TRY(pbt_run_open(run_folder, NULL, cli->device, cli->monitor, &run, error));
    pbt_code code = pbt_experiment_require(&run->experiment, cli->device, false, error);
    if (code == PBT_OK) code = pbt_run_stage(run, stage, error);
    if (code == PBT_OK) code = print_result(cli, stage, run->store, error);
    pbt_run_close(run);
    return code;
}

pbt_code pbt_cli_print_summary(const pbt_cli *cli, const char *run_folder, pbt_error *error) {
    pbt_store *store;
    pbt_report report;
    PBT_TRY(pbt_store_open_read(run_folder, &store, error));
    pbt_code code = pbt_report_read(store, &report, error);
    pbt_store_close(store);
    if (code == PBT_OK)
        code = cli->json ? pbt_cli_print_json(pbt_report_json(&report), error)
                         : print_summary(cli, &report, error);
    pbt_report_free(&report);
    return code;
}
