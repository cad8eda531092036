#include "base/hub.h"

#include "base/file.h"
#include "base/text.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

enum { ID_LIMIT = 256, COMMIT_LIMIT = 128 };

/* Letters, digits, '.', '_', '-', not beginning with '.' or '-': so it can leave no folder. */
static bool is_part(const char *text, size_t n) {
    if (n == 0 || n > ID_LIMIT || text[0] == '.' || text[0] == '-') return false;
    for (size_t i = 0; i < n; i++)
        if (!isalnum((unsigned char)text[i]) && !strchr("._-", text[i])) return false;
    return true;
}

bool pbt_hub_is_id(const char *name) {
    size_t length = strcspn(name, "@"), first = strcspn(name, "/@");
    if (name[length] == '@' && !is_part(name + length + 1, strlen(name + length + 1))) return false;
    if (first == length) return is_part(name, length);
    return is_part(name, first) && is_part(name + first + 1, length - first - 1);
}

static const char *variable(const char *name) {
    const char *value = getenv(name);
    return value && *value ? value : NULL;
}

static char *cache_folder(void) {
    const char *hub = variable("HF_HUB_CACHE"), *home = variable("HF_HOME"),
               *cache = variable("XDG_CACHE_HOME"), *user = variable("HOME");
    if (!hub) hub = variable("HUGGINGFACE_HUB_CACHE"); /* its former name */
    if (hub) return pbt_string_copy(hub);
    if (home) return pbt_path_join(home, "hub");
    if (cache) return pbt_path_join(cache, "huggingface/hub");
    return pbt_path_join(user ? user : ".", ".cache/huggingface/hub");
}

/* "models--org--name" */
static char *repository_folder(const char *id) {
    size_t length = strcspn(id, "@"), first = strcspn(id, "/@");
    if (first == length) return pbt_string_format("models--%.*s", (int)length, id);
    return pbt_string_format("models--%.*s--%.*s", (int)first, id, (int)(length - first - 1), id + first + 1);
}

/* The commit that refs/REVISION holds; where there is no such file, the revision may be a commit itself. */
static pbt_code read_commit(const char *repository, const char *revision, char **commit, pbt_error *error) {
    char *path = pbt_string_format("%s/refs/%s", repository, revision);
    size_t length = 0;
    *commit = NULL;
    pbt_code code = PBT_OK;
    if (!path)
        code = pbt_fail_memory(error, strlen(repository), "a path");
    else if (!pbt_file_exists(path))
        *commit = pbt_string_copy(revision);
    else
        code = pbt_file_read(path, COMMIT_LIMIT, commit, &length, error);
    while (code == PBT_OK && length > 0 && isspace((unsigned char)(*commit)[length - 1]))
        (*commit)[--length] = 0;
    if (code == PBT_OK && *commit && !is_part(*commit, strlen(*commit)))
        code = pbt_fail_at(error, PBT_BAD_INPUT, path, NULL, "expected the name of a snapshot");
    else if (code == PBT_OK && !*commit)
        code = pbt_fail_memory(error, COMMIT_LIMIT, "a revision");
    if (code != PBT_OK) {
        free(*commit);
        *commit = NULL;
    }
    free(path);
    return code;
}

static pbt_code find_snapshot(const char *id, const char *cache, const char *repository, char **folder,
                              pbt_error *error) {
    const char *at = strchr(id, '@'), *revision = at ? at + 1 : "main", *name = strrchr(repository, '/') + 1;
    char *commit;
    PBT_TRY(pbt_path_look(repository, error));
    if (!pbt_folder_exists(repository))
        return pbt_fail_at(error, PBT_BAD_INPUT, id, NULL,
                           "there is no such folder, and no %s in the Hugging Face cache %s; give a path, or "
                           "download it (hf download %.*s)",
                           name, cache, (int)strcspn(id, "@"), id);
    PBT_TRY(read_commit(repository, revision, &commit, error));
    char *snapshot = pbt_string_format("%s/snapshots/%s", repository, commit);
    free(commit);
    if (!snapshot) return pbt_fail_memory(error, strlen(repository), "a path");
    if (pbt_folder_exists(snapshot)) {
        *folder = snapshot;
        return PBT_OK;
    }
    pbt_code code =
        pbt_fail_at(error, PBT_BAD_INPUT, id, NULL,
                    "the Hugging Face cache knows it, but revision \"%.200s\" is not there: expected "
                    "the folder %s",
                    revision, snapshot);
    free(snapshot);
    return code;
}

pbt_code pbt_hub_folder(const char *name, char **folder, pbt_error *error) {
    *folder = NULL;
    if (pbt_folder_exists(name) || (pbt_string_ends(name, ".gguf") && pbt_file_exists(name))) {
        *folder = pbt_string_copy(name);
        return *folder ? PBT_OK : pbt_fail_memory(error, strlen(name), "a path");
    }
    PBT_TRY(pbt_path_look(name, error));
    if (!pbt_hub_is_id(name))
        return pbt_fail_at(error, PBT_BAD_INPUT, name, NULL,
                           "expected a folder, a .gguf file or an id of the Hugging Face Hub, found none");
    char *cache = cache_folder(), *part = repository_folder(name);
    char *repository = cache && part ? pbt_path_join(cache, part) : NULL;
    pbt_code code = repository ? find_snapshot(name, cache, repository, folder, error)
                               : pbt_fail_memory(error, strlen(name), "a path");
    free(repository);
    free(part);
    free(cache);
    return code;
}
