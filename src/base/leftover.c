#include "base/leftover.h"

#include "base/text.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

/* The process that "NAME.PID.tmp" belongs to; 0: it is not such a file of `name`. */
static long writer_of(const char *entry, const char *name) {
    size_t length = strlen(name);
    if (strncmp(entry, name, length) != 0 || entry[length] != '.') return 0;
    char *end;
    long process = strtol(entry + length + 1, &end, 10);
    return process > 0 && strcmp(end, ".tmp") == 0 ? process : 0;
}

static bool unlocked(int folder, const char *entry) {
    int fd = openat(folder, entry, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0) return false;
    bool free_now = flock(fd, LOCK_EX | LOCK_NB) == 0;
    close(fd);
    return free_now;
}

void pbt_leftovers_remove(const char *path) {
    const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;
    char *folder = slash ? pbt_string_format("%.*s/", (int)(slash - path), path) : pbt_string_copy(".");
    DIR *entries = folder ? opendir(folder) : NULL;
    const struct dirent *entry;
    while (entries && (entry = readdir(entries)) != NULL) {
        long process = writer_of(entry->d_name, name);
        if (process > 0 && kill((pid_t)process, 0) != 0 && errno == ESRCH &&
            unlocked(dirfd(entries), entry->d_name))
            unlinkat(dirfd(entries), entry->d_name, 0);
    }
    if (entries) closedir(entries);
    free(folder);
}
