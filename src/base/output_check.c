/* Whether an output may be written: not over what is read, not among other files. */
#include "base/output.h"

#include "base/file.h"
#include "base/json.h"
#include "base/memory.h"
#include "base/output_internal.h"
#include "base/text.h"

#include <dirent.h>
#include <errno.h>
#include <fnmatch.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

bool pbt_output_has_name(const char *const *names, const char *name) {
    for (; names && *names; names++)
        if (fnmatch(*names, name, 0) == 0) return true;
    return false;
}

/* ---- what is read ---- */

typedef struct identity {
    dev_t device;
    ino_t inode;
    const pbt_output_input *input;
    bool itself; /* the input; else a file in it */
} identity;

typedef struct identities {
    identity *items;
    size_t count, capacity;
} identities;

static bool is(const identity *known, const struct stat *info) {
    return known->device == info->st_dev && known->inode == info->st_ino;
}

static pbt_code add(identities *list, const struct stat *info, const pbt_output_input *input, bool itself,
                    pbt_error *error) {
    /* A terminal is read and written at once, and loses nothing by it. */
    if (S_ISCHR(info->st_mode) || S_ISSOCK(info->st_mode)) return PBT_OK;
    pbt_code code = pbt_grow(list->items, &list->capacity, list->count + 1, error);
    if (code == PBT_OK) list->items[list->count++] = (identity){info->st_dev, info->st_ino, input, itself};
    return code;
}

/* The input, and the files in it: symlinks in a folder lead to files that are inputs as well. */
static pbt_code add_input(identities *list, const pbt_output_input *input, pbt_error *error) {
    struct stat info;
    if (!input->path || !*input->path || strcmp(input->path, "-") == 0 || stat(input->path, &info) != 0)
        return PBT_OK;
    PBT_TRY(add(list, &info, input, true, error));
    DIR *listing = S_ISDIR(info.st_mode) ? opendir(input->path) : NULL;
    pbt_code code = PBT_OK;
    for (const struct dirent *entry; listing && code == PBT_OK && (entry = readdir(listing));) {
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0) continue;
        if (input->names && !pbt_output_has_name(input->names, entry->d_name)) continue;
        char *path = pbt_path_join(input->path, entry->d_name);
        if (!path) code = pbt_fail_memory(error, strlen(input->path), "a path");
        if (path && stat(path, &info) == 0) code = add(list, &info, input, false, error);
        free(path);
    }
    if (listing) closedir(listing);
    return code;
}

/* ---- the output among it ---- */

static pbt_code refuse(const pbt_output_request *request, const char *how, const pbt_output_input *input,
                       pbt_error *error) {
    return pbt_fail(error, PBT_USAGE, "%s %s: %s %s (%s); an input is never overwritten: choose another %s",
                    request->option, request->path, how, input->option, input->path,
                    request->kind ? "folder" : "file");
}

/* The name of the part of `path` that stands after its first `length` bytes, at most 255 bytes of it. */
static void part_after(const char *path, size_t length, char name[256]) {
    const char *part = path + length;
    while (*part == '/') part++;
    size_t n = strcspn(part, "/");
    if (n > 255) n = 255;
    memcpy(name, part, n);
    name[n] = '\0';
}

/* Holds `path`, resolved, and every folder above it against the inputs. */
static pbt_code check_place(const pbt_output_request *request, const char *path, const char *how,
                            const identities *inputs, pbt_error *error) {
    char *at = path ? pbt_string_copy(path) : NULL;
    if (!at) return pbt_fail_memory(error, 0, "a path");
    pbt_code code = PBT_OK;
    size_t whole = strlen(at);
    for (size_t length = whole; code == PBT_OK && length > 0;) {
        struct stat info;
        char below[256];
        at[length] = '\0';
        bool exists = stat(at, &info) == 0;
        part_after(path, length, below);
        for (size_t i = 0; exists && code == PBT_OK && i < inputs->count; i++) {
            const identity *known = &inputs->items[i];
            if (!is(known, &info)) continue;
            if (length == whole)
                code = refuse(request,
                              how             ? how
                              : known->itself ? "is"
                                              : "is a file of",
                              known->input, error);
            else if (known->itself && !known->input->names)
                code = refuse(request, "lies in the folder of", known->input, error);
            else if (known->itself && pbt_output_has_name(known->input->names, below))
                code = refuse(request, "has the name of a file of", known->input, error);
        }
        while (length > 0 && at[length - 1] != '/') length--;
        if (length <= 1 && at[1] == '\0') break; /* the root was looked at */
        if (length > 1) length--;
    }
    free(at);
    return code;
}

/* An input in the output's folder, under a name that is written there. */
static pbt_code check_inside(const pbt_output_request *request, const pbt_output_input *input,
                             const struct stat *folder, pbt_error *error) {
    struct stat info;
    char *path = input->path && *input->path ? realpath(input->path, NULL) : NULL;
    pbt_code code = PBT_OK;
    for (size_t length = path ? strlen(path) : 0; code == PBT_OK && length > 1;) {
        size_t end = length;
        while (length > 1 && path[length - 1] != '/') length--;
        char name[256], kept = path[length];
        part_after(path, length, name);
        path[length] = '\0';
        bool here = stat(path, &info) == 0 && info.st_dev == folder->st_dev && info.st_ino == folder->st_ino;
        path[length] = kept;
        if (here && pbt_output_has_name(request->kind->names, name))
            code = refuse(request, "would be written over", input, error);
        if (here) break;
        length = length > 1 ? length - 1 : 0;
        if (length < end) path[length] = '\0';
    }
    free(path);
    return code;
}

/* Files of the folder that are written and lead elsewhere. */
static pbt_code check_entries(const pbt_output_request *request, const identities *inputs, pbt_error *error) {
    DIR *listing = opendir(request->path);
    pbt_code code = PBT_OK;
    for (const struct dirent *entry; listing && code == PBT_OK && (entry = readdir(listing));) {
        if (!pbt_output_has_name(request->kind->names, entry->d_name)) continue;
        char *path = pbt_path_join(request->path, entry->d_name);
        char *resolved = path ? pbt_path_resolve(path) : NULL;
        if (resolved) code = check_place(request, resolved, "holds a file that is", inputs, error);
        free(path);
        free(resolved);
    }
    if (listing) closedir(listing);
    return code;
}

static pbt_code check_inputs(const pbt_output_request *request, pbt_error *error) {
    identities inputs = {0};
    struct stat info;
    char *resolved = pbt_path_resolve(request->path);
    pbt_code code = resolved ? PBT_OK : pbt_fail_errno(error, request->path, "write");
    for (size_t i = 0; code == PBT_OK && i < request->n_inputs; i++)
        code = add_input(&inputs, &request->inputs[i], error);
    if (code == PBT_OK) code = check_place(request, resolved, NULL, &inputs, error);
    bool folder = request->kind && stat(request->path, &info) == 0;
    for (size_t i = 0; folder && code == PBT_OK && i < request->n_inputs; i++)
        code = check_inside(request, &request->inputs[i], &info, error);
    if (folder && code == PBT_OK) code = check_entries(request, &inputs, error);
    free(inputs.items);
    free(resolved);
    return code;
}

/* ---- what else is there ---- */

/* The command that marked the folder, malloc'ed; NULL where there is no marker. */
static char *marked_by(const pbt_output_request *request) {
    json_t *marker = NULL;
    char *path = pbt_path_join(request->path, request->kind->lock), *command = NULL;
    if (path && pbt_file_exists(path) && pbt_json_read(path, 4096, &marker, NULL) == PBT_OK) {
        const char *text = json_string_value(json_object_get(marker, "command"));
        command = text ? pbt_string_copy(text) : NULL;
    }
    json_decref(marker);
    free(path);
    return command;
}

/* Whether one of the inputs is this file or lies in this folder. */
static bool holds_input(const pbt_output_request *request, const char *path) {
    char *folder = realpath(path, NULL);
    bool holds = false;
    for (size_t i = 0; folder && !holds && i < request->n_inputs; i++) {
        const char *given = request->inputs[i].path;
        char *input = given && *given ? realpath(given, NULL) : NULL;
        size_t n = strlen(folder);
        holds = input && strncmp(input, folder, n) == 0 && (input[n] == '\0' || input[n] == '/');
        free(input);
    }
    free(folder);
    return holds;
}

static bool is_foreign(const pbt_output_request *request, const char *name) {
    if (strcmp(name, ".") == 0 || strcmp(name, "..") == 0 || strcmp(name, request->kind->lock) == 0)
        return false;
    if (pbt_string_ends(name, PBT_TEMPORARY)) return false;
    char *path = pbt_path_join(request->path, name);
    bool foreign = !path || !holds_input(request, path);
    free(path);
    return foreign;
}

static bool has_signature(const pbt_output_request *request) {
    const char *signature = request->kind->signature;
    char *path = signature ? pbt_path_join(request->path, signature) : NULL;
    bool has = path && pbt_file_exists(path);
    free(path);
    return has;
}

pbt_code pbt_output_check_contents(const pbt_output_request *request, pbt_error *error) {
    enum { SHOWN = 3 };
    const char *own = request->kind->command;
    struct dirent **entries = NULL;
    if (request->overwrite || !pbt_folder_exists(request->path)) return PBT_OK;
    char *command = marked_by(request);
    bool ours = command && strcmp(command, own) == 0;
    pbt_code code = PBT_OK;
    if (command && !ours)
        code = pbt_fail(error, PBT_USAGE,
                        "%s %s: holds what pbt %s wrote; choose another folder, or give "
                        "--overwrite_output_dir to write pbt %s's files over it",
                        request->option, request->path, command, own);
    free(command);
    if (code != PBT_OK || ours || has_signature(request)) return code;
    int n = scandir(request->path, &entries, NULL, alphasort), foreign = 0;
    pbt_text names = {0};
    if (n < 0) return pbt_fail_errno(error, request->path, "list the folder");
    for (int i = 0; i < n; i++) {
        if (is_foreign(request, entries[i]->d_name) && foreign++ < SHOWN)
            pbt_text_addf(&names, "%s%s", foreign > 1 ? ", " : "", entries[i]->d_name);
        free(entries[i]);
    }
    free(entries);
    if (foreign)
        code = pbt_fail(error, PBT_USAGE,
                        "%s %s: holds files that pbt %s did not write (%s%s); choose another folder, or give "
                        "--overwrite_output_dir to write among them",
                        request->option, request->path, own, pbt_text_string(&names),
                        foreign > SHOWN ? ", ..." : "");
    pbt_text_free(&names);
    return code;
}

static pbt_code check_rival(const pbt_output_request *request, pbt_error *error) {
    const char *rival = request->kind->rival;
    char *path = rival ? pbt_path_join(request->path, rival) : NULL;
    bool there = path && pbt_file_exists(path);
    free(path);
    if (!there) return PBT_OK;
    return pbt_fail(
        error, PBT_USAGE,
        "%s %s: holds %s, which programs would open instead of what pbt %s writes; choose another "
        "folder",
        request->option, request->path, rival, request->kind->command);
}

pbt_code pbt_output_check(const pbt_output_request *request, pbt_error *error) {
    struct stat info;
    if (!request->path || !*request->path)
        return pbt_fail(error, PBT_USAGE, "%s is empty; expected the name of a %s", request->option,
                        request->kind ? "folder" : "file");
    PBT_TRY(check_inputs(request, error));
    if (!request->kind) return PBT_OK;
    if (stat(request->path, &info) == 0 && !S_ISDIR(info.st_mode))
        return pbt_fail(error, PBT_USAGE, "%s %s: expected a folder, found %s", request->option,
                        request->path, S_ISREG(info.st_mode) ? "a file" : "something else");
    PBT_TRY(pbt_output_check_contents(request, error));
    return check_rival(request, error);
}
