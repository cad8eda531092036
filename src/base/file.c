#include "base/file.h"

#include "base/hash.h"
#include "base/memory.h"
#include "base/text.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
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
    FILE *stream;
    char *path, *line;
    size_t capacity, number;
};

enum { LINE_LIMIT = 64 << 20 };

pbt_code pbt_lines_open(const char *path, pbt_lines **lines, pbt_error *error) {
    bool standard = strcmp(path, "-") == 0;
    if (!standard && pbt_folder_exists(path))
        return pbt_fail_at(error, PBT_BAD_INPUT, path, NULL, "expected a file, found a folder");
    pbt_lines *l = pbt_alloc(1, sizeof *l);
    if (!l) return pbt_fail_memory(error, sizeof *l, path);
    l->path = pbt_string_copy(standard ? "standard input" : path);
    l->stream = standard ? stdin : fopen(path, "re");
    if (!l->stream || !l->path) {
        pbt_code code =
            l->path ? pbt_fail_errno(error, path, "open") : pbt_fail_memory(error, strlen(path), "a path");
        pbt_lines_close(l);
        return code;
    }
    *lines = l;
    return PBT_OK;
}

pbt_code pbt_lines_next(pbt_lines *lines, char **line, size_t *length, size_t *number, pbt_error *error) {
    size_t used = 0;
    int c = EOF;
    *line = NULL;
    while ((c = getc_unlocked(lines->stream)) != EOF && c != '\n') {
        if (used >= LINE_LIMIT)
            return pbt_fail_at(error, PBT_BAD_INPUT, lines->path, NULL, "line %zu is longer than %d bytes",
                               lines->number + 1, LINE_LIMIT);
        PBT_TRY(pbt_grow(lines->line, &lines->capacity, used + 2, error));
        lines->line[used++] = (char)c;
    }
    if (c == EOF && ferror(lines->stream)) return pbt_fail_errno(error, lines->path, "read");
    if (c == EOF && used == 0) return PBT_OK;
    if (used == 0 && !lines->line) {
        PBT_TRY(pbt_grow(lines->line, &lines->capacity, 2, error));
    }
    if (used > 0 && lines->line[used - 1] == '\r') used--;
    lines->line[used] = '\0';
    size_t mark = lines->number == 0 ? pbt_byte_order_mark(lines->line, used) : 0;
    *line = lines->line + mark;
    if (length) *length = used - mark;
    lines->number++;
    if (number) *number = lines->number;
    return PBT_OK;
}

void pbt_lines_close(pbt_lines *lines) {
    if (!lines) return;
    if (lines->stream && lines->stream != stdin) fclose(lines->stream);
    free(lines->path);
    free(lines->line);
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
