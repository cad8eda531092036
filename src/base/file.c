#include "base/file.h"

#include "base/hash.h"
#include "base/memory.h"
#include "base/text.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

pbt_code pbt_fail_errno(pbt_error *error, const char *path, const char *doing) {
    int number = errno;
    pbt_code code = number == ENOENT || number == EACCES || number == ENOTDIR || number == EISDIR
                        ? PBT_BAD_INPUT
                        : PBT_FAILED;
    return pbt_fail_at(error, code, path, NULL, "cannot %s: %s", doing, strerror(number));
}

/* Opens a regular file for reading and finds its size. */
static pbt_code open_regular(const char *path, int *descriptor, size_t *size, pbt_error *error) {
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return pbt_fail_errno(error, path, "open");
    struct stat info;
    if (fstat(fd, &info) != 0) {
        close(fd);
        return pbt_fail_errno(error, path, "look at");
    }
    if (!S_ISREG(info.st_mode)) {
        close(fd);
        return pbt_fail_at(error, PBT_BAD_INPUT, path, NULL, "expected a regular file, found %s",
                           S_ISDIR(info.st_mode) ? "a folder" : "something else");
    }
    *descriptor = fd;
    *size = (size_t)info.st_size;
    return PBT_OK;
}

pbt_code pbt_file_read(const char *path, size_t limit, char **data, size_t *length, pbt_error *error) {
    int fd;
    size_t size;
    PBT_TRY(open_regular(path, &fd, &size, error));
    if (size > limit) {
        close(fd);
        return pbt_fail_at(error, PBT_BAD_INPUT, path, NULL, "the file has %zu bytes, expected at most %zu",
                           size, limit);
    }
    char *bytes = malloc(size + 1);
    if (!bytes) {
        close(fd);
        return pbt_fail_memory(error, size + 1, path);
    }
    size_t got = 0;
    while (got < size) {
        ssize_t n = read(fd, bytes + got, size - got);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) {
            free(bytes);
            pbt_code code = pbt_fail_errno(error, path, "read");
            close(fd);
            return code;
        }
        if (n == 0) break;
        got += (size_t)n;
    }
    close(fd);
    bytes[got] = '\0';
    *data = bytes;
    *length = got;
    return PBT_OK;
}

pbt_code pbt_file_map(const char *path, pbt_mapping *mapping, pbt_error *error) {
    int fd;
    size_t size;
    PBT_TRY(open_regular(path, &fd, &size, error));
    *mapping = (pbt_mapping){.data = (const unsigned char *)"", .length = size};
    if (size > 0) {
        void *data = mmap(NULL, size, PROT_READ, MAP_PRIVATE, fd, 0);
        if (data == MAP_FAILED) {
            pbt_code code = pbt_fail_errno(error, path, "map");
            close(fd);
            return code;
        }
        mapping->data = data;
    }
    close(fd);
    return PBT_OK;
}

void pbt_file_unmap(pbt_mapping *mapping) {
    if (mapping->length > 0) munmap((void *)(uintptr_t)mapping->data, mapping->length);
    *mapping = (pbt_mapping){0};
}

void pbt_file_forget(const void *data, size_t length) {
    const uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE),
                    first = ((uintptr_t)data + page - 1) / page * page,
                    last = ((uintptr_t)data + length) / page * page;
    if (last > first) madvise((void *)first, last - first, MADV_DONTNEED);
}

struct pbt_lines {
    int descriptor;
    char *path, *buffer;
    size_t capacity, start, scanned,
        end; /* start..end-1 is read and not given out; no line ends before scanned */
    size_t number;
    bool ended;
    const pbt_monitor *monitor; /* asked while nothing comes; may be NULL */
};

enum {
    LINE_LIMIT = 64 << 20,
    READ_SIZE = 1 << 16,
    PATIENCE = 150 /* milliseconds until the wish to stop is looked for */
};

pbt_code pbt_lines_open(const char *path, pbt_lines **lines, pbt_error *error) {
    bool standard = strcmp(path, "-") == 0;
    if (!standard && pbt_folder_exists(path))
        return pbt_fail_at(error, PBT_BAD_INPUT, path, NULL, "expected a file, found a folder");
    pbt_lines *l = pbt_alloc(1, sizeof *l);
    if (!l) return pbt_fail_memory(error, sizeof *l, path);
    l->path = pbt_string_copy(standard ? "standard input" : path);
    l->descriptor = standard ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC);
    if (l->descriptor < 0 || !l->path) {
        pbt_code code =
            l->path ? pbt_fail_errno(error, path, "open") : pbt_fail_memory(error, strlen(path), "a path");
        pbt_lines_close(l);
        return code;
    }
    *lines = l;
    return PBT_OK;
}

void pbt_lines_watch(pbt_lines *lines, const pbt_monitor *monitor) {
    lines->monitor = monitor;
}

/* A read that waits is restarted behind a signal, and poll is not. */
static pbt_code await_bytes(const pbt_lines *l, pbt_error *error) {
    struct pollfd one = {.fd = l->descriptor, .events = POLLIN};
    int ready;
    if (!l->monitor) return PBT_OK;
    do {
        PBT_TRY(pbt_monitor_check(l->monitor, error)); /* also where there is always more */
        ready = poll(&one, 1, PATIENCE);
    } while (ready == 0 || (ready < 0 && errno == EINTR));
    return PBT_OK;
}

/* Reads once into the buffer; waits where nothing has come yet. */
static pbt_code read_more(pbt_lines *l, pbt_error *error) {
    if (l->start > 0) {
        memmove(l->buffer, l->buffer + l->start, l->end - l->start);
        l->scanned -= l->start;
        l->end -= l->start;
        l->start = 0;
    }
    if (l->end >= LINE_LIMIT)
        return pbt_fail_at(error, PBT_BAD_INPUT, l->path, NULL, "line %zu is longer than %d bytes",
                           l->number + 1, LINE_LIMIT);
    PBT_TRY(pbt_grow(l->buffer, &l->capacity, l->end + READ_SIZE + 1, error));
    PBT_TRY(await_bytes(l, error));
    ssize_t n;
    while ((n = read(l->descriptor, l->buffer + l->end, READ_SIZE)) < 0 && errno == EINTR) continue;
    if (n < 0) return pbt_fail_errno(error, l->path, "read");
    l->ended = n == 0;
    l->end += (size_t)n;
    return PBT_OK;
}

/* Whether the end of a line is in the buffer; *at: where. */
static bool line_end(pbt_lines *l, size_t *at) {
    char *found = l->scanned < l->end ? memchr(l->buffer + l->scanned, '\n', l->end - l->scanned) : NULL;
    l->scanned = found ? (size_t)(found - l->buffer) : l->end;
    *at = l->scanned;
    return found != NULL;
}

pbt_code pbt_lines_next(pbt_lines *lines, char **line, size_t *length, size_t *number, pbt_error *error) {
    size_t at;
    bool found;
    *line = NULL;
    while (!(found = line_end(lines, &at)) && !lines->ended) PBT_TRY(read_more(lines, error));
    if (!found && lines->start == lines->end) return PBT_OK;
    size_t used = at - lines->start, mark;
    char *text = lines->buffer + lines->start;
    lines->start = lines->scanned = found ? at + 1 : at;
    if (used > 0 && text[used - 1] == '\r') used--;
    text[used] = '\0';
    mark = lines->number == 0 ? pbt_byte_order_mark(text, used) : 0;
    *line = text + mark;
    if (length) *length = used - mark;
    lines->number++;
    if (number) *number = lines->number;
    return PBT_OK;
}

pbt_code pbt_lines_wait(pbt_lines *lines, int milliseconds, bool *ready, pbt_error *error) {
    size_t at;
    while (!(*ready = line_end(lines, &at) || lines->ended)) {
        struct pollfd one = {.fd = lines->descriptor, .events = POLLIN};
        if (poll(&one, 1, milliseconds) <= 0) return PBT_OK; /* nothing came, or a signal did */
        PBT_TRY(read_more(lines, error));
    }
    return PBT_OK;
}

void pbt_lines_close(pbt_lines *lines) {
    if (!lines) return;
    if (lines->descriptor > STDIN_FILENO) close(lines->descriptor);
    free(lines->path);
    free(lines->buffer);
    free(lines);
}

bool pbt_file_exists(const char *path) {
    struct stat info;
    return stat(path, &info) == 0 && S_ISREG(info.st_mode);
}

bool pbt_folder_exists(const char *path) {
    struct stat info;
    return stat(path, &info) == 0 && S_ISDIR(info.st_mode);
}

void pbt_folder_remove(const char *path) {
    DIR *listing = opendir(path);
    if (!listing) return;
    for (const struct dirent *entry; (entry = readdir(listing));) {
        char *file = entry->d_name[0] == '.' ? NULL : pbt_path_join(path, entry->d_name);
        if (file) unlink(file);
        free(file);
    }
    closedir(listing);
    rmdir(path);
}

char *pbt_path_join(const char *folder, const char *name) {
    size_t n = strlen(folder);
    /* No folder is this folder, not the root of the file system. */
    return pbt_string_format("%s%s%s", folder, n == 0 || folder[n - 1] == '/' ? "" : "/", name);
}

pbt_code pbt_file_hash(const char *path, uint64_t *hash, pbt_error *error) {
    pbt_mapping mapping;
    PBT_TRY(pbt_file_map(path, &mapping, error));
    *hash = pbt_hash(mapping.data, mapping.length, 0);
    pbt_file_unmap(&mapping);
    return PBT_OK;
}
