/*
 * `pbt --print FORMAT`: the manual page and the completions of shells, made from the command and option
 * tables. The build runs it for what is installed (cmake/PbtManual.cmake).
 */
#ifndef PBT_CLI_PRINT_H
#define PBT_CLI_PRINT_H

#include "base/text.h"
#include "cli/command.h"

typedef struct pbt_command_list {
    const pbt_command *const *items;
    size_t n;
} pbt_command_list;

void pbt_print_manual(const pbt_command_list *commands, pbt_text *out);
void pbt_print_bash(const pbt_command_list *commands, pbt_text *out);
void pbt_print_zsh(const pbt_command_list *commands, pbt_text *out);
void pbt_print_fish(const pbt_command_list *commands, pbt_text *out);

#endif
