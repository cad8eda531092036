/*
 * One stage of a run from the command line: `pbt trees|pairs|train|eval|report RUN`.
 */
#ifndef PBT_CLI_STAGE_H
#define PBT_CLI_STAGE_H

#include "cli/command.h"

/* Runs `stage` ("trees", "pairs", "train", "eval") of the run in the folder; what is finished
 * already is not done again. Prints the stage's result (tables, or one JSON value with --json) on stdout. */
pbt_code pbt_cli_run_stage(const pbt_cli *cli, const char *stage, const char *run_folder, pbt_error *error);

/* Reports a run from its store alone, without models, and writes the report's files into `output_dir`. The
 * run's own folder is only read. */
pbt_code pbt_cli_report_again(const pbt_cli *cli, const char *run_folder, const char *output_dir,
                              pbt_error *error);

/* Prints the main figures of a run, an arm a row (with --json: report.json). */
pbt_code pbt_cli_print_summary(const pbt_cli *cli, const char *run_folder, pbt_error *error);

#endif
