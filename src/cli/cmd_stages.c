/*
 * pbt trees, train, eval: one stage of a run (pairs lives in cmd_pairs.c, report in cmd_report.c).
 */
#include "cli/outputs.h"
#include "cli/stage.h"
#include "evaluation/stored_trees.h"
#include "experiment/stages.h"

#include <stddef.h>

typedef struct trees_options {
    const char *output;
} trees_options;

static pbt_code run_trees(const pbt_cli *cli, const void *settings, int n_arguments, char **arguments,
                          pbt_error *error) {
    (void)n_arguments;
    const trees_options *o = settings;
    const pbt_output_input run_folder = {"RUN", arguments[0], pbt_output_run.names};
    const pbt_output_request request = {"--output", o->output, NULL, &run_folder, 1, false};
    if (o->output) PBT_TRY(pbt_cli_check_file(&request, NULL, error));
    /* Standard output is for the table or for the trees. */
    bool beside = o->output && pbt_cli_is_stdout(o->output);
    if (!beside) PBT_TRY(pbt_cli_run_stage(cli, "trees", arguments[0], error));
    if (!o->output) return PBT_OK;
    pbt_run *run;
    PBT_TRY(pbt_run_open(arguments[0], NULL, cli->device, cli->monitor, &run, error));
    pbt_code code = beside ? pbt_run_stage(run, "trees", error) : PBT_OK;
    if (code == PBT_OK) code = pbt_trees_export(&run->context, o->output, error);
    pbt_run_close(run);
    return code;
}

static pbt_code run_train(const pbt_cli *cli, const void *settings, int n_arguments, char **arguments,
                          pbt_error *error) {
    (void)settings, (void)n_arguments;
    return pbt_cli_run_stage(cli, "train", arguments[0], error);
}

static pbt_code run_eval(const pbt_cli *cli, const void *settings, int n_arguments, char **arguments,
                         pbt_error *error) {
    (void)settings, (void)n_arguments;
    return pbt_cli_run_stage(cli, "eval", arguments[0], error);
}

static const pbt_option trees_table[] = {
    {"output", 0, PBT_OPTION_STRING, offsetof(trees_options, output), "FILE", NULL,
     "also write the train trees of all seeds as JSONL", NULL},
};

const pbt_command pbt_command_trees = {
    .name = "trees",
    .summary = "Grow the debates of a run",
    .usage = "RUN [--output TREES.jsonl]",
    .details = "Stage 1. Two agents debate every question under changing roles; their answers are extracted "
               "from what they say. "
               "RUN is the folder of a run that pbt run has begun.\n\n"
               "Example:\n  pbt trees runs/pocket --output trees.jsonl",
    .options = trees_table,
    .n_options = sizeof trees_table / sizeof *trees_table,
    .settings_size = sizeof(trees_options),
    .least_arguments = 1,
    .most_arguments = 1,
    .run = run_trees,
};

const pbt_command pbt_command_train = {
    .name = "train",
    .summary = "Train the arms of a run",
    .usage = "RUN",
    .details = "Stage 3. SFT, then DPO, for every arm; the checkpoint that does best on the dev questions is "
               "kept as "
               "RUN/seed-N/ARM/adapter (a PEFT folder).\n\n"
               "Example:\n  pbt train runs/pocket",
    .least_arguments = 1,
    .most_arguments = 1,
    .run = run_train,
};

const pbt_command pbt_command_eval = {
    .name = "eval",
    .summary = "Test the base model and the arms of a run on held-out questions",
    .usage = "RUN",
    .details =
        "Stage 4. Balanced persuasion, \"Are you sure?\", and whatever else the experiment enables.\n\n"
        "Example:\n  pbt eval runs/pocket",
    .least_arguments = 1,
    .most_arguments = 1,
    .run = run_eval,
};
