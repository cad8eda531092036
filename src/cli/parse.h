/*
 * The option table at work: arguments to a command's settings, and settings back to a record.
 */
#ifndef PBT_CLI_PARSE_H
#define PBT_CLI_PARSE_H

#include "base/memory.h"
#include "cli/command.h"

/* What every command understands besides its own options. */
typedef struct pbt_global_settings {
    bool json, quiet, verbose, help, version;
    const char *print; /* "man", "bash", "zsh", "fish", or NULL */
    int64_t threads;   /* 0: all cores */
    const char *device;
} pbt_global_settings;
extern const pbt_option pbt_global_options[];
extern const size_t pbt_n_global_options;

/* A parsed command line. Everything points into `arena` or into argv. */
typedef struct pbt_parsed {
    const pbt_command *command; /* NULL: none was named */
    const char *group;          /* "model" where only the first word of sub-commands was given, else NULL */
    pbt_global_settings global;
    void *settings; /* command->settings_size bytes; NULL without a command */
    char **arguments;
    int n_arguments;
    pbt_arena *arena;
} pbt_parsed;

/* Reads argv[1..]. `data_folder` resolves values written pbt:PATH to files that come with the program.
 * Unknown commands and options are PBT_USAGE with the nearest known name. With --help or --version missing
 * arguments are no error. Release with pbt_parsed_free, after an error too. */
pbt_code pbt_command_line_parse(const pbt_command *const *commands, size_t n_commands,
                                const char *data_folder, int argc, char **argv, pbt_parsed *parsed,
                                pbt_error *error);
void pbt_parsed_free(pbt_parsed *parsed);

/* {"option": value, ...} in the order of the table; new reference, NULL when memory is out. */
json_t *pbt_settings_record(const pbt_command *command, const void *settings);

#endif
