#include "base/leftover.h"

#include "base/file.h"
#include "base/output_internal.h"
#include "base/text.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

/* Folders in folders that are looked into: RUN/seed-1/pbt/checks/step-20. */
enum { DEEPEST = 5 };

/* The name of an unfinished file of versions that had the process's number in it, "metrics.jsonl.123.tmp", of
 * a process that is gone. */
static bool is_old_temporary(const char *name) {
    static const char *const patterns[] = {
        "*.safetensors.[0-9]*.tmp", "*.json.[0-9]*.tmp", "*.jsonl.[0-9]*.tmp", "*.bin.[0-9]*.tmp",
        "*.pbt.[0-9]*.tmp",         "*.md.[0-9]*.tmp",   "*.html.[0-9]*.tmp",  NULL};
    if (!pbt_output_has_name(patterns, name)) return false;
    size_t at = strlen(name) - strlen(".tmp");
    while (name[at - 1] != '.') at--;
    char *end;
    long process = strtol(name + at, &end, 10);
    return strcmp(end, ".tmp") == 0 && process > 0 && kill((pid_t)process, 0) != 0 && errno == ESRCH;
}

/* One that nobody is writing. */
static bool is_left_over(const char *path, const char *name) {
    if (is_old_temporary(name)) return true;
    if (!pbt_string_ends(name, PBT_TEMPORARY)) return false;
    int fd = open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    bool left = fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) == 0;
    if (fd >= 0) close(fd);
    return left;
}

static void clean(const char *folder, int depth) {
    DIR *listing = opendir(folder);
    struct stat info;
    for (const struct dirent *entry; listing && (entry = readdir(listing));) {
        const char *name = entry->d_name;
        char *path = name[0] == '.' ? NULL : pbt_path_join(folder, name);
        if (path && lstat(path, &info) == 0) {
            if (S_ISDIR(info.st_mode) && depth < DEEPEST)
                clean(path, depth + 1);
            else if (S_ISREG(info.st_mode) && is_left_over(path, name))
                unlink(path);
        }
        free(path);
    }
    if (listing) closedir(listing);
}

void pbt_leftovers_remove(const char *folder) {
    clean(folder, 0);
}
