#include "cli/outputs.h"

#include "base/file.h"
#include "base/memory.h"
#include "base/text.h"
#include "experiment/run.h"
#include "train/training_output.h"

#include <fnmatch.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define TOKENIZER_NAMES PBT_TOKENIZER_FILES, PBT_GENERATION_CONFIG_FILE
#define MODEL_NAMES     "config.json", "model.safetensors", "model-*.safetensors", "model.safetensors.index.json"

#define TRAINING_NAMES                                                                                       \
    MODEL_NAMES, TOKENIZER_NAMES, "adapter_config.json", "adapter_model.safetensors", "README.md",           \
        "metrics.jsonl", "checkpoint.pbt", "checkpoint-*", "trainer_state.json", "reference-*.bin",          \
        "events.out.tfevents.*"

static const char *const model_names[] = {MODEL_NAMES, TOKENIZER_NAMES, NULL};
static const char *const tokenizer_names[] = {TOKENIZER_NAMES, NULL};
static const char *const training_names[] = {TRAINING_NAMES, NULL};
static const char *const pocket_train_names[] = {MODEL_NAMES, TOKENIZER_NAMES, "training", NULL};
static const char *const pocket_make_names[] = {"agent-a", "agent-b", NULL};

#define LOCK PBT_OUTPUT_LOCK
/* transformers, and pbt, take a folder with an adapter in it for that adapter over its own base model. */
#define ADAPTER "adapter_config.json"

const pbt_output_kind pbt_output_sft = {"sft", LOCK, "checkpoint.pbt", training_names, NULL};
const pbt_output_kind pbt_output_sft_full = {"sft", LOCK, "checkpoint.pbt", training_names, ADAPTER};
const pbt_output_kind pbt_output_dpo = {"dpo", LOCK, "checkpoint.pbt", training_names, NULL};
const pbt_output_kind pbt_output_dpo_full = {"dpo", LOCK, "checkpoint.pbt", training_names, ADAPTER};
const pbt_output_kind pbt_output_model_random = {"model random", LOCK, NULL, model_names, ADAPTER};
const pbt_output_kind pbt_output_model_merge = {"model merge", LOCK, NULL, model_names, ADAPTER};
const pbt_output_kind pbt_output_model_quantize = {"model quantize", LOCK, NULL, model_names, ADAPTER};
const pbt_output_kind pbt_output_pocket_make = {"pocket make", LOCK, "agent-a/training/checkpoint.pbt",
                                                pocket_make_names, NULL};
const pbt_output_kind pbt_output_pocket_train = {"pocket train", LOCK, "training/checkpoint.pbt",
                                                 pocket_train_names, ADAPTER};
const pbt_output_kind pbt_output_pocket_tokenizer = {"pocket tokenizer", LOCK, NULL, tokenizer_names, NULL};

#define REPORT_NAMES "report.json", "report.md", "report.html"
static const char *const report_names[] = {REPORT_NAMES, NULL};
const pbt_output_kind pbt_output_report = {"report", LOCK, NULL, report_names, NULL};

/* ---- single files among pbt's own ---- */

static const char *const marked_names[] = {LOCK, TRAINING_NAMES, REPORT_NAMES, NULL};
static const char *const weight_names[] = {MODEL_NAMES, TOKENIZER_NAMES, ADAPTER, "adapter_model.safetensors",
                                           NULL};

/* What a folder is, by a file in it. */
typedef struct folder_sign {
    const char *file, *what;
    const char *const *names; /* of the files it consists of */
} folder_sign;

static bool has_name(const char *const *names, const char *name) {
    for (; *names; names++)
        if (fnmatch(*names, name, 0) == 0) return true;
    return false;
}

static pbt_code check_sign(const char *option, const char *folder, const char *name, const folder_sign *sign,
                           pbt_error *error) {
    if (!has_name(sign->names, name)) return PBT_OK;
    char *file = pbt_path_join(folder, sign->file);
    if (!file) return pbt_fail_memory(error, strlen(folder), "a path");
    bool there = pbt_file_exists(file);
    free(file);
    if (!there) return PBT_OK;
    return pbt_fail(
        error, PBT_USAGE,
        "%s: the folder %s holds %s (it has the file %s), and %s is the name of one of its files, "
        "which is never overwritten; choose another name or another folder",
        option, folder, sign->what, sign->file, name);
}

/* `path` is resolved. A run has folders of its own ("seed-1"), so that it may lie further up. */
static pbt_code check_signs(const char *option, char *path, pbt_error *error) {
    const folder_sign run[] = {{pbt_output_run.signature, "a run", pbt_output_run.names},
                               {pbt_output_run.lock, "a run", pbt_output_run.names}};
    static const folder_sign other[] = {{LOCK, "what a pbt command wrote", marked_names},
                                        {"checkpoint.pbt", "a training run", training_names},
                                        {ADAPTER, "an adapter", weight_names},
                                        {"config.json", "a model", weight_names},
                                        {"tokenizer.json", "a tokenizer", weight_names}};
    bool beside = true;
    pbt_code code = PBT_OK;
    for (char *slash; code == PBT_OK && (slash = strrchr(path, '/')) != NULL; beside = false) {
        const char *name = slash + 1, *folder = slash == path ? "/" : path;
        *slash = '\0';
        for (size_t i = 0; code == PBT_OK && i < sizeof run / sizeof *run; i++)
            code = check_sign(option, folder, name, &run[i], error);
        for (size_t i = 0; beside && code == PBT_OK && i < sizeof other / sizeof *other; i++)
            code = check_sign(option, folder, name, &other[i], error);
    }
    return code;
}

/* The folder need not exist yet: the command makes it. */
static pbt_code check_own(const pbt_output_request *request, const char *path,
                          const pbt_output_request *folder, pbt_error *error) {
    char *own = folder && folder->path && *folder->path ? pbt_path_resolve(folder->path) : NULL;
    size_t length = own ? strlen(own) : 0;
    bool inside = length > 1 && strncmp(path, own, length) == 0 && path[length] == '/';
    free(own);
    char *name = inside ? pbt_string_copy(path + length + 1) : NULL;
    if (!name) return inside ? pbt_fail_memory(error, strlen(path), "a path") : PBT_OK;
    name[strcspn(name, "/")] = '\0';
    pbt_code code = PBT_OK;
    if (has_name(folder->kind->names, name) || strcmp(name, folder->kind->lock) == 0)
        code = pbt_fail(error, PBT_USAGE,
                        "%s %s: has the name of a file that pbt %s itself writes into %s %s (%s); choose "
                        "another name or another folder",
                        request->option, request->path, folder->kind->command, folder->option, folder->path,
                        name);
    free(name);
    return code;
}

/* `path` with its folder resolved, but a symlink at its end as it is; malloc'ed. */
static char *resolve_folder(const char *path) {
    const char *slash = strrchr(path, '/');
    char *given = slash ? pbt_string_format("%.*s/", (int)(slash - path), path) : pbt_string_copy(".");
    char *folder = given ? pbt_path_resolve(given) : NULL;
    char *resolved = folder ? pbt_path_join(folder, slash ? slash + 1 : path) : NULL;
    free(given);
    free(folder);
    return resolved;
}

pbt_code pbt_cli_check_file(const pbt_output_request *request, const pbt_output_request *folder,
                            pbt_error *error) {
    PBT_TRY(pbt_output_check(request, error));
    /* Where the bytes go, and the name they are found under. */
    char *paths[] = {pbt_path_resolve(request->path), resolve_folder(request->path)};
    char *option = pbt_string_format("%s %s", request->option, request->path);
    bool found = paths[0] && paths[1] && option;
    pbt_code code = found ? PBT_OK : pbt_fail_errno(error, request->path, "write");
    for (int i = 0; found && i < 2 && code == PBT_OK; i++) {
        code = check_own(request, paths[i], folder, error);
        if (code == PBT_OK) code = check_signs(option, paths[i], error);
    }
    for (int i = 0; i < 2; i++) free(paths[i]);
    free(option);
    return code;
}

bool pbt_cli_is_stdout(const char *path) {
    return pbt_path_descriptor(path) == STDOUT_FILENO;
}
