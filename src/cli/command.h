/*
 * Commands: one table of options drives parsing, --help, and the record of what a run was asked to do.
 */
#ifndef PBT_CLI_COMMAND_H
#define PBT_CLI_COMMAND_H

#include "base/json.h"
#include "base/monitor.h"
#include "tensor/device.h"

typedef enum pbt_option_type {
    PBT_OPTION_FLAG,    /* bool: --name, --name true|false, --no_name */
    PBT_OPTION_INTEGER, /* int64_t */
    PBT_OPTION_NUMBER,  /* double */
    PBT_OPTION_STRING,  /* const char *, NULL when absent */
    PBT_OPTION_LIST     /* pbt_strings: may be given several times */
} pbt_option_type;

typedef struct pbt_strings {
    const char **items;
    size_t count;
} pbt_strings;

/* One option. `name` is written lora_r; --lora_r and --lora-r both parse, with "=" or a space. */
typedef struct pbt_option {
    const char *name;
    char letter; /* short form, or 0 */
    pbt_option_type type;
    size_t offset;          /* of the field in the command's settings struct */
    const char *value_name; /* "DIR", "N"; NULL for flags */
    const char *initial;    /* default as text, parsed like a given value; NULL: zero / false / NULL */
    const char *help;
    const char *choices; /* "a|b|c", or NULL */
} pbt_option;

/* What every command gets: how to talk to the person. stdout is for results, stderr for everything else. */
typedef struct pbt_cli {
    bool json, quiet, verbose,
        color;      /* color: of stderr and, for results, of stdout; NO_COLOR and pipes switch it off */
    size_t columns; /* of the terminal that stdout is; 0: it is none, so there is no limit */
    const pbt_device *device;   /* that models are opened on (--device) */
    const pbt_monitor *monitor; /* progress bars with ETA, Ctrl-C; hand it to the library */
    const char *data_folder;    /* where prompts/, experiments/, pocket/ lie (source tree or installed) */
} pbt_cli;

typedef struct pbt_command {
    const char *name;    /* "generate", or "model inspect" for a sub-command */
    const char *summary; /* one line of `pbt --help` */
    const char *usage;   /* "MODEL [--adapter A] < requests.jsonl" */
    const char *details; /* paragraphs of `pbt NAME --help`, with an example */
    const pbt_option *options;
    size_t n_options;
    size_t settings_size;
    int least_arguments, most_arguments; /* positional; most -1: any number */
    pbt_code (*run)(const pbt_cli *cli, const void *settings, int n_arguments, char **arguments,
                    pbt_error *error);
} pbt_command;

/* Every command file defines one (or a few) of these; main.c lists them. */

/* Prints one JSON value and a newline to stdout (and flushes); takes the reference. */
pbt_code pbt_cli_print_json(json_t *value, pbt_error *error);

#endif
