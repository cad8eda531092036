/*
 * What `pbt --help` and `pbt COMMAND --help` print, made from the command and option tables.
 */
#ifndef PBT_CLI_HELP_H
#define PBT_CLI_HELP_H

#include "base/text.h"
#include "cli/command.h"

/* Where the page is read. columns 0: not in a terminal. */
typedef struct pbt_help_style {
    size_t columns;
    bool color;
} pbt_help_style;

/* The list of commands; of one group ("model") only, when `group` is not NULL. */
void pbt_help_overview(const pbt_command *const *commands, size_t n, const char *group,
                       const pbt_help_style *style, pbt_text *out);
void pbt_help_command(const pbt_command *command, const pbt_help_style *style, pbt_text *out);

/* The help of one option, with its choices and its default. */
void pbt_help_option(const pbt_option *option, pbt_text *out);
/* Options that share their help (old names that are still accepted) stand together in one paragraph: whether
 * option `index` is the first of its own, and how many there are. */
bool pbt_help_first(const pbt_command *command, size_t index, size_t *same);

#endif
