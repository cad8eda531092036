/* What a path stands for, existing or not. */
#include "base/file.h"
#include "base/text.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { MOST_LINKS = 40 };

/* The target of a symlink, seen from where `path` is seen from; NULL where it is none. */
static char *follow(const char *path) {
    char target[PATH_MAX];
    ssize_t n = readlink(path, target, sizeof target - 1);
    if (n <= 0) return NULL;
    target[n] = '\0';
    const char *slash = strrchr(path, '/');
    if (target[0] == '/' || !slash) return pbt_string_copy(target);
    return pbt_string_format("%.*s%s", (int)(slash - path + 1), path, target);
}

static char *resolve(const char *path, int links) {
    char *whole = realpath(path, NULL), *next;
    size_t length = strlen(path);
    if (whole || errno != ENOENT || length == 0) return whole;
    while (length > 1 && path[length - 1] == '/') length--;
    char *plain = pbt_string_format("%.*s", (int)length, path);
    if (!plain) return NULL;
    if (links < MOST_LINKS && (next = follow(plain)) != NULL) {
        free(plain);
        whole = resolve(next, links + 1);
        free(next);
        return whole;
    }
    char *slash = strrchr(plain, '/');
    const char *name = slash ? slash + 1 : plain;
    char *parent = !slash           ? resolve(".", links)
                   : slash == plain ? pbt_string_copy("/")
                                    : (*slash = '\0', resolve(plain, links));
    if (parent && strcmp(name, "..") == 0) {
        char *up = strrchr(parent, '/');
        if (up) up[up == parent] = '\0';
        whole = parent;
    } else if (parent && strcmp(name, ".") == 0) {
        whole = parent;
    } else if (parent) {
        whole = pbt_path_join(parent, name);
        free(parent);
    }
    free(plain);
    return whole;
}

pbt_code pbt_path_look(const char *path, pbt_error *error) {
    struct stat info;
    if (stat(path, &info) == 0 || errno == ENOENT || errno == ENOTDIR) return PBT_OK;
    return pbt_fail_errno(error, path, "look at");
}

char *pbt_path_resolve(const char *path) {
    return resolve(path, 0);
}

/* "/dev/stdout", "/dev/fd/1", "/proc/self/fd/1", and the same with the number of this process. */
static int descriptor_of(const char *path) {
    static const char *const standard[] = {"/dev/stdin", "/dev/stdout", "/dev/stderr"};
    char own[48];
    snprintf(own, sizeof own, "/proc/%ld/fd/", (long)getpid());
    const char *folders[] = {"/dev/fd/", "/proc/self/fd/", own};
    for (int i = 0; i < 3; i++)
        if (strcmp(path, standard[i]) == 0) return i;
    for (int i = 0; i < 3; i++) {
        const char *number = path + strlen(folders[i]);
        if (!pbt_string_starts(path, folders[i]) || !*number || strspn(number, "0123456789") > 6) continue;
        if (number[strspn(number, "0123456789")] == '\0') return atoi(number);
    }
    return -1;
}

int pbt_path_descriptor(const char *path) {
    char *at = pbt_string_copy(path), *next;
    int descriptor = at ? descriptor_of(at) : -1;
    for (int links = 0; at && descriptor < 0 && links < MOST_LINKS && (next = follow(at)) != NULL; links++) {
        free(at);
        at = next;
        descriptor = descriptor_of(at);
    }
    free(at);
    return descriptor;
}
