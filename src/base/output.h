/*
 * Outputs: the one way to a file or folder that a command writes. It is never what the command reads, never
 * without a name, never a folder with other files in it unless that was asked for; and while it is written,
 * no other process writes it.
 */
#ifndef PBT_BASE_OUTPUT_H
#define PBT_BASE_OUTPUT_H

#include "base/monitor.h"

/* What a command leaves in a folder. */
typedef struct pbt_output_kind {
    const char *command;      /* "dpo", as the marker has it */
    const char *lock;         /* the file that is locked, and that marks the folder as the command's */
    const char *signature;    /* a file that knows a folder without marker, of an older version; or NULL */
    const char *const *names; /* patterns (fnmatch) of what is written into it; NULL at the end */
    const char *rival; /* a file beside which the output would not be found: programs open that; or NULL */
} pbt_output_kind;
/* The lock of most kinds. */
#define PBT_OUTPUT_LOCK ".pbt-output"

/* A file or folder that the command reads. */
typedef struct pbt_output_input {
    const char *option; /* as the user knows it: "--adapter", "MODEL" */
    const char *path;   /* NULL, "-" and what does not exist are left out */
    /* Of a folder into which a command may write too: only what has these names is protected. NULL: all. */
    const char *const *names;
} pbt_output_input;

typedef struct pbt_output_request {
    const char *option, *path;   /* "--output_dir", and what was given */
    const pbt_output_kind *kind; /* NULL: a file */
    const pbt_output_input *inputs;
    size_t n_inputs;
    bool overwrite; /* --overwrite_output_dir: a folder with other files in it will do */
} pbt_output_request;

/* PBT_USAGE where the name is empty; where the output is an input, lies in one, or would replace one (files
 * are known by device and inode, through symlinks and hard links); where the folder holds files that the
 * command did not write, or the kind's rival. Changes nothing. */
pbt_code pbt_output_check(const pbt_output_request *request, pbt_error *error);

/* A folder that is being written. */
typedef struct pbt_output pbt_output;
/* Checks, makes the folder, locks it (pbt_lock_take), marks it, and removes what killed processes left of
 * unfinished files. `monitor` may be NULL. */
pbt_code pbt_output_open(const pbt_output_request *request, const pbt_monitor *monitor, pbt_output **output,
                         pbt_error *error);
/* Lets go of the folder; one in which nothing was written is as it was before. NULL does nothing. */
void pbt_output_close(pbt_output *output);

#endif
