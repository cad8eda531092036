/* Folders that are being written: locked, marked, rid of unfinished files. */
#include "base/output.h"

#include "base/file.h"
#include "base/json.h"
#include "base/leftover.h"
#include "base/lock.h"
#include "base/memory.h"
#include "base/output_internal.h"
#include "base/text.h"

#include <dirent.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct pbt_output {
    char *folder, *lock_path;
    int lock;
    bool made; /* the folder was not there before */
};

/* Says in the locked file whose folder this is, and which process holds it. */
static pbt_code mark(const pbt_output *output, const pbt_output_kind *kind, pbt_error *error) {
    json_t *marker = json_pack("{s:s, s:s, s:I}", "command", kind->command, "program", "pbt " PBT_VERSION,
                               "process", (json_int_t)getpid());
    char *line = marker ? pbt_json_line(marker) : NULL;
    json_decref(marker);
    if (!line) return pbt_fail_memory(error, 128, "a marker");
    size_t length = strlen(line);
    line[length] = '\n'; /* in place of the NUL */
    pbt_code code = PBT_OK;
    if (pwrite(output->lock, line, length + 1, 0) != (ssize_t)length + 1 ||
        ftruncate(output->lock, (off_t)length + 1) != 0 || fsync(output->lock) != 0)
        code = pbt_fail_errno(error, output->lock_path, "write");
    free(line);
    return code == PBT_OK ? pbt_folder_sync(output->folder, error) : code;
}

static pbt_code open_folder(pbt_output *output, const pbt_output_request *request, const pbt_monitor *monitor,
                            pbt_error *error) {
    output->made = !pbt_folder_exists(request->path);
    PBT_TRY(pbt_folder_make(request->path, error));
    PBT_TRY(pbt_lock_take(output->lock_path, request->path, monitor, &output->lock, error));
    /* Once more: another process may have held the folder in between. */
    PBT_TRY(pbt_output_check_contents(request, error));
    PBT_TRY(mark(output, request->kind, error));
    pbt_leftovers_remove(output->folder);
    return PBT_OK;
}

pbt_code pbt_output_open(const pbt_output_request *request, const pbt_monitor *monitor, pbt_output **output,
                         pbt_error *error) {
    PBT_TRY(pbt_output_check(request, error));
    pbt_output *o = pbt_alloc(1, sizeof *o);
    if (!o) return pbt_fail_memory(error, sizeof *o, "an output");
    *o = (pbt_output){.folder = pbt_string_copy(request->path),
                      .lock_path = pbt_path_join(request->path, request->kind->lock),
                      .lock = -1};
    pbt_code code = o->folder && o->lock_path ? open_folder(o, request, monitor, error)
                                              : pbt_fail_memory(error, strlen(request->path), "a path");
    if (code == PBT_OK)
        *output = o;
    else
        pbt_output_close(o);
    return code;
}

static bool holds_only_lock(const pbt_output *output) {
    const char *lock = strrchr(output->lock_path, '/') + 1;
    DIR *listing = opendir(output->folder);
    bool only = listing != NULL;
    for (const struct dirent *entry; only && (entry = readdir(listing));)
        only = strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0 ||
               strcmp(entry->d_name, lock) == 0;
    if (listing) closedir(listing);
    return only;
}

void pbt_output_close(pbt_output *output) {
    if (!output) return;
    if (output->lock >= 0) {
        /* Removed while it is held: whoever waits for it sees that its name is gone. */
        if (holds_only_lock(output)) unlink(output->lock_path);
        close(output->lock);
    }
    if (output->made && output->folder) rmdir(output->folder); /* where it is empty */
    free(output->folder);
    free(output->lock_path);
    free(output);
}
