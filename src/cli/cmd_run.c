/*
 * pbt run: all stages of an experiment.
 */
#include "base/hub.h"
#include "cli/outputs.h"
#include "cli/stage.h"
#include "experiment/check.h"
#include "experiment/run.h"
#include "experiment/stages.h"
#include "plan/plan.h"

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct run_options {
    const char *output_dir;
    pbt_strings set;
    bool accept_changes, markdown, dry_run, list_settings, overwrite_output_dir;
} run_options;

static pbt_code print_plan(const pbt_cli *cli, const pbt_experiment *experiment, pbt_error *error) {
    pbt_plan plan;
    PBT_TRY(pbt_experiment_require(experiment, cli->device, true, error));
    PBT_TRY(pbt_plan_make(experiment, cli->device, &plan, error));
    PBT_TRY(pbt_plan_measure(experiment, &plan, error));
    if (cli->json) return pbt_cli_print_json(pbt_plan_json(&plan, experiment), error);
    pbt_text text = {0};
    pbt_plan_text(&plan, experiment, &text);
    fputs(pbt_text_string(&text), stdout);
    pbt_text_free(&text);
    return PBT_OK;
}

/* `pbt run --list_settings`: every key of an experiment file, with type, default and meaning. */
static void print_cell(const char *text) {
    for (; *text; text++) printf(*text == '|' ? "\\|" : "%c", *text);
}

/* The table of docs/EXPERIMENTS.md. */
static void print_markdown(void) {
    printf(
        "| key | type | default | what it means | redone from, when it changes |\n|---|---|---|---|---|\n");
    for (size_t i = 0; i < pbt_settings_count(); i++) {
        pbt_setting_help s = pbt_settings_describe(i);
        printf("| `%s` | ", s.key);
        print_cell(s.choices ? s.choices : s.type);
        printf(s.initial ? " | `%s` | " : s.required ? " | required | " : " | none | ", s.initial);
        print_cell(s.help);
        printf(" | %s |\n", s.free ? "nothing (may change at any time)" : s.redone);
    }
}

static pbt_code print_settings(const pbt_cli *cli, pbt_error *error) {
    json_t *list = json_array();
    for (size_t i = 0; i < pbt_settings_count(); i++) {
        pbt_setting_help s = pbt_settings_describe(i);
        if (cli->json)
            json_array_append_new(list,
                                  json_pack("{s:s, s:s, s:s?, s:s?, s:b, s:s, s:s}", "key", s.key, "type",
                                            s.type, "default", s.initial, "choices", s.choices, "required",
                                            (int)s.required, "help", s.help, "redone_from", s.redone));
        else
            printf("%-34s %s%s%s%s%s\n", s.key, s.help, s.choices ? " (" : "", s.choices ? s.choices : "",
                   s.choices ? ")" : "", s.required ? " [required]" : "");
        if (!cli->json && s.initial) printf("%-34s default: %s\n", "", s.initial);
    }
    if (cli->json) return pbt_cli_print_json(list, error);
    json_decref(list);
    return PBT_OK;
}

/* Holds the folder of the run against everything the experiment reads. */
static pbt_code check_output(const pbt_experiment *e, const char *file, const char *output_dir,
                             bool overwrite, pbt_error *error) {
    const char *models[] = {e->agents[0].model, e->agents[1].model, pbt_experiment_model_of(e, e->extractor),
                            pbt_experiment_model_of(e, e->filter)};
    enum { MODELS = sizeof models / sizeof *models };
    char *folders[MODELS] = {NULL};
    pbt_output_input inputs[] = {{"agents.a.model", NULL, NULL},
                                 {"agents.b.model", NULL, NULL},
                                 {"agents.extractor", NULL, NULL},
                                 {"agents.filter", NULL, NULL},
                                 {"EXPERIMENT", file, NULL},
                                 {"prompts", e->prompts, NULL},
                                 {"questions.file", e->questions.file, NULL},
                                 {"questions.train", e->questions.part_file[0], NULL},
                                 {"questions.dev", e->questions.part_file[1], NULL},
                                 {"questions.test", e->questions.part_file[2], NULL},
                                 {"eval.farm.data", e->farm.data, NULL}};
    for (int i = 0; i < MODELS; i++) {
        /* A model that is not there is told of where it is opened. */
        if (models[i] && pbt_hub_folder(models[i], &folders[i], NULL) == PBT_OK) inputs[i].path = folders[i];
    }
    const pbt_output_request request = {
        "--output_dir", output_dir, &pbt_output_run, inputs, sizeof inputs / sizeof *inputs, overwrite};
    pbt_code code = pbt_output_check(&request, error);
    for (int i = 0; i < MODELS; i++) free(folders[i]);
    return code;
}

static pbt_code run_experiment(const pbt_cli *cli, pbt_experiment *experiment, const char *output_dir,
                               bool accept, pbt_error *error) {
    pbt_run *run;
    PBT_TRY(pbt_experiment_require(experiment, cli->device, false, error));
    PBT_TRY(accept ? pbt_run_open_changed(output_dir, experiment, cli->device, cli->monitor, &run, error)
                   : pbt_run_open(output_dir, experiment, cli->device, cli->monitor, &run, error));
    pbt_code code = pbt_run_all(run, error);
    pbt_run_close(run);
    if (code == PBT_INTERRUPTED)
        return pbt_fail(error, PBT_INTERRUPTED,
                        "interrupted; what was finished is saved in %s, and the same command continues",
                        output_dir);
    if (code == PBT_OK) code = pbt_cli_print_summary(cli, output_dir, error);
    if (code == PBT_OK)
        pbt_monitor_message(
            cli->monitor, 1,
            "wrote %s/report.html, report.md and report.json; pbt report %s prints all tables", output_dir,
            output_dir);
    return code;
}

/* RUN as given, else runs/NAME: a name that leads out of runs, or to it, is none for a folder. */
static pbt_code name_folder(const pbt_experiment *e, const char *output_dir, char **folder,
                            pbt_error *error) {
    const char *part = e->name;
    for (bool more = !output_dir; more;) {
        size_t length = strcspn(part, "/");
        bool dots = length <= 2 && strspn(part, ".") >= length; /* "", ".", ".." */
        if (dots)
            return pbt_fail(
                error, PBT_USAGE,
                "the experiment's name \"%.200s\" does not name a folder in runs; give --output_dir",
                e->name);
        more = part[length] == '/';
        part += length + more;
    }
    *folder = output_dir ? pbt_string_copy(output_dir) : pbt_string_format("runs/%s", e->name);
    return *folder ? PBT_OK : pbt_fail_memory(error, 64, "a path");
}

static pbt_code run(const pbt_cli *cli, const void *settings, int n_arguments, char **arguments,
                    pbt_error *error) {
    const run_options *o = settings;
    pbt_experiment experiment;
    if (o->list_settings && o->markdown) {
        print_markdown();
        return PBT_OK;
    }
    if (o->list_settings) return print_settings(cli, error);
    if (n_arguments != 1)
        return pbt_fail(error, PBT_USAGE,
                        "pbt run: which experiment? usage: pbt run EXPERIMENT.yaml [options]");
    PBT_TRY(
        pbt_experiment_read(arguments[0], cli->data_folder, o->set.items, o->set.count, &experiment, error));
    char *folder = NULL;
    pbt_code code = name_folder(&experiment, o->output_dir, &folder, error);
    if (code == PBT_OK)
        code = check_output(&experiment, arguments[0], folder, o->overwrite_output_dir, error);
    if (code == PBT_OK)
        code = o->dry_run ? print_plan(cli, &experiment, error)
                          : run_experiment(cli, &experiment, folder, o->accept_changes, error);
    pbt_experiment_free(&experiment);
    free(folder);
    return code;
}

static const pbt_option options[] = {
    {"output_dir", 'o', PBT_OPTION_STRING, offsetof(run_options, output_dir), "RUN", NULL,
     "folder of the run; runs/NAME when not given", NULL},
    {"set", 0, PBT_OPTION_LIST, offsetof(run_options, set), "KEY=VALUE", NULL,
     "changes a setting of the experiment, e.g. --set dpo.beta=0.2 --set seeds=[1]", NULL},
    {.name = "overwrite_output_dir",
     .type = PBT_OPTION_FLAG,
     .offset = offsetof(run_options, overwrite_output_dir),
     .help = "begin the run even in a folder that holds other files; an existing run continues as usual"},
    {.name = "accept_changes",
     .type = PBT_OPTION_FLAG,
     .offset = offsetof(run_options, accept_changes),
     .help = "continue although the experiment has changed: redo what the change affects, keep the rest"},
    {"dry_run", 0, PBT_OPTION_FLAG, offsetof(run_options, dry_run), NULL, NULL,
     "print the plan of work, memory and time, and stop", NULL},
    {"list_settings", 0, PBT_OPTION_FLAG, offsetof(run_options, list_settings), NULL, NULL,
     "print every key an experiment file may have", NULL},
    {.name = "markdown",
     .type = PBT_OPTION_FLAG,
     .offset = offsetof(run_options, markdown),
     .help = "with --list_settings: as the table of docs/EXPERIMENTS.md"},
};

const pbt_command pbt_command_run = {
    .name = "run",
    .summary = "Run an experiment: trees, pairs, training, evaluation, report",
    .usage = "EXPERIMENT.yaml [--output_dir RUN] [--set KEY=VALUE]... [--dry-run]",
    .details =
        "Lets two models debate the train questions, makes preference pairs from the debates, trains each "
        "arm "
        "(accept, resist, pbt) with SFT and DPO, tests the base model and every arm on held-out questions, "
        "and "
        "writes report.html, report.md and report.json into the run's folder. Prints the main figures, one "
        "row per arm; pbt report RUN prints all tables.\n\n"
        "After an interruption, by Ctrl-C or otherwise, the same command continues where it stopped and ends "
        "with the same results. A run whose experiment has changed is refused, naming what differs and what "
        "would have to be redone; --accept_changes redoes it and keeps everything else. Seeds, arms and "
        "evaluations can be added to a finished run directly.\n\n"
        "Examples:\n  pbt run pbt:experiments/smoke.yaml --output_dir runs/smoke\n"
        "  pbt run pbt:experiments/pocket.yaml --dry-run\n"
        "  pbt run pbt:experiments/pocket.yaml --set seeds=[1] --set dpo.beta=0.2 -o runs/beta\n"
        "  pbt run pbt:experiments/pocket.yaml --set dpo.beta=0.2 -o runs/pocket --accept_changes\n"
        "  pbt run --list_settings",
    .options = options,
    .n_options = sizeof options / sizeof *options,
    .settings_size = sizeof(run_options),
    .least_arguments = 0,
    .most_arguments = 1,
    .run = run,
};
