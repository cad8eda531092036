/* Writing that is all or nothing, and folders. */
#include "base/file.h"
#include "base/lock.h"
#include "base/memory.h"
#include "base/text.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- folders ---- */

pbt_code pbt_folder_sync(const char *path, pbt_error *error) {
    int fd = open(*path ? path : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    /* A folder that may be written but not listed cannot be opened, nor synced. */
    if (fd < 0) return errno == EACCES ? PBT_OK : pbt_fail_errno(error, path, "open the folder");
    bool synced = fsync(fd) == 0 || errno == EINVAL || errno == ENOTSUP || errno == EROFS;
    pbt_code code = synced ? PBT_OK : pbt_fail_errno(error, path, "flush the folder");
    close(fd);
    return code;
}

/* The folder that holds `path`. */
static pbt_code sync_parent(const char *path, pbt_error *error) {
    size_t length = strlen(path);
    while (length > 1 && path[length - 1] == '/') length--;
    while (length > 0 && path[length - 1] != '/') length--;
    char *parent = length > 0 ? pbt_string_format("%.*s", (int)length, path) : pbt_string_copy(".");
    if (!parent) return pbt_fail_memory(error, length, "a path");
    pbt_code code = pbt_folder_sync(parent, error);
    free(parent);
    return code;
}

static pbt_code make_one(const char *path, pbt_error *error) {
    struct stat info;
    if (mkdir(path, 0777) == 0) return sync_parent(path, error);
    int number = errno; /* why it was not made, not why it is not there */
    if (stat(path, &info) == 0) {
        if (S_ISDIR(info.st_mode)) return PBT_OK;
        return pbt_fail_at(error, PBT_BAD_INPUT, path, NULL, "expected a folder, found %s",
                           S_ISREG(info.st_mode) ? "a file" : "something else");
    }
    if (number == EEXIST && lstat(path, &info) == 0 && S_ISLNK(info.st_mode))
        return pbt_fail_at(error, PBT_BAD_INPUT, path, NULL,
                           "expected a folder, found a symlink that leads nowhere");
    errno = number;
    return pbt_fail_errno(error, path, "make the folder");
}

pbt_code pbt_folder_make(const char *path, pbt_error *error) {
    if (!*path) return pbt_fail(error, PBT_USAGE, "the name of the folder to write to is empty");
    char *copy = pbt_string_copy(path);
    if (!copy) return pbt_fail_memory(error, strlen(path), "a path");
    pbt_code code = PBT_OK;
    for (char *p = copy; code == PBT_OK; p++) {
        if (*p != '/' && *p != '\0') continue;
        char kept = *p;
        *p = '\0';
        if (p != copy) code = make_one(copy, error);
        *p = kept;
        if (kept == '\0') break;
    }
    free(copy);
    return code;
}

/* ---- files ---- */

struct pbt_file_writer {
    int fd;
    char *path;               /* as it was given */
    char *target, *temporary; /* what is replaced, and what by; NULL: written through */
};

static pbt_code open_through(pbt_file_writer *w, int descriptor, pbt_error *error) {
    w->fd = descriptor >= 0 ? fcntl(descriptor, F_DUPFD_CLOEXEC, 0)
                            : open(w->path, O_WRONLY | O_NOCTTY | O_CLOEXEC);
    return w->fd >= 0 ? PBT_OK : pbt_fail_errno(error, w->path, "write");
}

static pbt_code open_temporary(pbt_file_writer *w, const struct stat *before, pbt_error *error) {
    w->target = pbt_path_resolve(w->path);
    if (!w->target) return pbt_fail_errno(error, w->path, "write");
    if (before && faccessat(AT_FDCWD, w->target, W_OK, AT_EACCESS) != 0)
        return pbt_fail_errno(error, w->path, "write");
    char *temporary = pbt_string_format("%s" PBT_TEMPORARY, w->target);
    if (!temporary) return pbt_fail_memory(error, strlen(w->target), "a path");
    pbt_code code = pbt_lock_take(temporary, w->path, NULL, &w->fd, error);
    if (code != PBT_OK) {
        free(temporary);
        return code;
    }
    w->temporary = temporary; /* ours now, with whatever a killed process left in it */
    if (ftruncate(w->fd, 0) != 0) return pbt_fail_errno(error, w->path, "write");
    /* To another owner only where the system lets us; the file is written all the same. */
    if (before && fchown(w->fd, before->st_uid, before->st_gid) != 0) errno = 0;
    if (before && fchmod(w->fd, before->st_mode & 07777) != 0)
        return pbt_fail_errno(error, w->path, "keep the permissions of");
    return PBT_OK;
}

pbt_code pbt_file_writer_open(const char *path, pbt_file_writer **writer, pbt_error *error) {
    if (!*path) return pbt_fail(error, PBT_USAGE, "the name of the file to write to is empty");
    pbt_file_writer *w = pbt_alloc(1, sizeof *w);
    if (!w) return pbt_fail_memory(error, sizeof *w, path);
    w->fd = -1;
    w->path = pbt_string_copy(path);
    struct stat info;
    bool exists = stat(path, &info) == 0;
    int descriptor = pbt_path_descriptor(path);
    pbt_code code;
    if (!w->path)
        code = pbt_fail_memory(error, strlen(path), "a path");
    else if (exists && S_ISDIR(info.st_mode))
        code = pbt_fail_at(error, PBT_BAD_INPUT, path, NULL, "expected the name of a file, found a folder");
    else if (descriptor >= 0 || (exists && !S_ISREG(info.st_mode)))
        code = open_through(w, descriptor, error);
    else
        code = open_temporary(w, exists ? &info : NULL, error);
    if (code == PBT_OK)
        *writer = w;
    else
        pbt_file_writer_abandon(w);
    return code;
}

pbt_code pbt_file_writer_write(pbt_file_writer *writer, const void *data, size_t length, pbt_error *error) {
    for (size_t done = 0; done < length;) {
        ssize_t n = write(writer->fd, (const char *)data + done, length - done);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return pbt_fail_errno(error, writer->path, "write");
        done += (size_t)n;
    }
    return PBT_OK;
}

pbt_code pbt_file_writer_commit(pbt_file_writer *writer, pbt_error *error) {
    pbt_code code = PBT_OK;
    bool through = !writer->temporary;
    /* Pipes and terminals have nothing to flush. */
    if (fsync(writer->fd) != 0 && !(through && (errno == EINVAL || errno == ENOTSUP || errno == EROFS)))
        code = pbt_fail_errno(error, writer->path, "flush");
    if (code == PBT_OK && !through) {
        if (rename(writer->temporary, writer->target) != 0) {
            code = pbt_fail_errno(error, writer->path, "rename the finished file to");
        } else {
            free(writer->temporary);
            writer->temporary = NULL;
            code = sync_parent(writer->target, error);
        }
    }
    pbt_file_writer_abandon(writer);
    return code;
}

void pbt_file_writer_abandon(pbt_file_writer *writer) {
    if (!writer) return;
    if (writer->temporary) unlink(writer->temporary);
    if (writer->fd >= 0) close(writer->fd);
    free(writer->path);
    free(writer->target);
    free(writer->temporary);
    free(writer);
}

pbt_code pbt_file_write(const char *path, const void *data, size_t length, pbt_error *error) {
    pbt_file_writer *writer;
    PBT_TRY(pbt_file_writer_open(path, &writer, error));
    pbt_code code = pbt_file_writer_write(writer, data, length, error);
    if (code == PBT_OK) return pbt_file_writer_commit(writer, error);
    pbt_file_writer_abandon(writer);
    return code;
}
