/*
 * What commands write, as base/output.h needs to know it: the kinds of folders, and --overwrite_output_dir.
 */
#ifndef PBT_CLI_OUTPUTS_H
#define PBT_CLI_OUTPUTS_H

#include "base/output.h"
#include "cli/command.h"

extern const pbt_output_kind pbt_output_sft, pbt_output_sft_full, pbt_output_dpo, pbt_output_dpo_full,
    pbt_output_model_random, pbt_output_model_merge, pbt_output_model_quantize, pbt_output_pocket_make,
    pbt_output_pocket_train, pbt_output_pocket_tokenizer, pbt_output_report;

/* The row of --overwrite_output_dir in an option table, of `struct_` with a field of that name. */
#define PBT_OVERWRITE_OPTION(struct_)                                                                        \
    {                                                                                                        \
        .name = "overwrite_output_dir", .type = PBT_OPTION_FLAG,                                             \
        .offset = offsetof(struct_, overwrite_output_dir),                                                   \
        .help = "write into output_dir even if it holds other files"                                         \
    }

/* pbt_output_check of a single file (request->kind is NULL); and PBT_USAGE where it would have the name of
 * one of pbt's own files in a folder that holds a run, a model, an adapter, a tokenizer or anything that a
 * command has marked as its own, whether the file is there or not. Other names in such folders are fine.
 * `folder` is the request of the folder that the same command writes, or NULL. */
pbt_code pbt_cli_check_file(const pbt_output_request *request, const pbt_output_request *folder,
                            pbt_error *error);

/* Whether `path` is this process's standard output. */
bool pbt_cli_is_stdout(const char *path);

#endif
