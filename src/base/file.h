/*
 * Files: bounded reading, mapping, line-by-line reading, and writing that is all or nothing.
 */
#ifndef PBT_BASE_FILE_H
#define PBT_BASE_FILE_H

#include "base/declarations.h"
#include "base/monitor.h"
#include "base/status.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

PBT_BEGIN_DECLS

/* Reads a whole file of at most `limit` bytes into *data (malloc'ed, NUL after the last byte; caller frees).
 */
pbt_code pbt_file_read(const char *path, size_t limit, char **data, size_t *length, pbt_error *error);

/* A read-only mapping of a file; unmap with pbt_file_unmap. An empty file gives data "" and length 0. */
typedef struct pbt_mapping {
    const unsigned char *data;
    size_t length;
} pbt_mapping;
pbt_code pbt_file_map(const char *path, pbt_mapping *mapping, pbt_error *error);
void pbt_file_unmap(pbt_mapping *mapping);
/* Gives back the memory of a part of a mapping; it is read again when it is next needed. */
void pbt_file_forget(const void *data, size_t length);

/* Writes `path` so that it holds the old bytes or all of the new ones, whatever happens: a temporary file in
 * the same folder, fsync, rename, fsync of the folder. A symlink stays one, and what it points to is
 * replaced. A file keeps its permissions; one that may not be written is not replaced. What is no regular
 * file (a FIFO, a device, /dev/stdout) is written through. An empty path is PBT_USAGE. */
pbt_code pbt_file_write(const char *path, const void *data, size_t length, pbt_error *error);

/* What the name of an unfinished file ends in. */
#define PBT_TEMPORARY ".pbt.tmp"

/* The same in pieces: open, write (any number of times), then commit or abandon (which frees `writer`). From
 * open to the end the file is locked: another process that opens it for writing waits some seconds and then
 * fails. The temporary file of a process that was killed is taken over by the next one. */
typedef struct pbt_file_writer pbt_file_writer;
pbt_code pbt_file_writer_open(const char *path, pbt_file_writer **writer, pbt_error *error);
pbt_code pbt_file_writer_write(pbt_file_writer *writer, const void *data, size_t length, pbt_error *error);
pbt_code pbt_file_writer_commit(pbt_file_writer *writer, pbt_error *error);
void pbt_file_writer_abandon(pbt_file_writer *writer);

/* Lines of a text file or of standard input (path "-"), without their line ends and without a byte order mark
 * before the first; a line longer than 64 MiB is
 * an error. `line` is valid until the next call; *line = NULL at the end. `number` counts from 1. */
typedef struct pbt_lines pbt_lines;
pbt_code pbt_lines_open(const char *path, pbt_lines **lines, pbt_error *error);
/* From now on pbt_lines_next, before it reads and while it waits, returns PBT_INTERRUPTED when `monitor`
 * (borrowed, may be NULL) asks to stop. */
void pbt_lines_watch(pbt_lines *lines, const pbt_monitor *monitor);
pbt_code pbt_lines_next(pbt_lines *lines, char **line, size_t *length, size_t *number, pbt_error *error);
/* Waits up to that long for a whole line, or the end; *ready: pbt_lines_next will not wait. Ends the life of
 * the line given before. */
pbt_code pbt_lines_wait(pbt_lines *lines, int milliseconds, bool *ready, pbt_error *error);
void pbt_lines_close(pbt_lines *lines);

/* PBT_OK where something is there or nothing is; else why that cannot be told: a folder on the way may not be
 * entered, say. Before a sentence that says that something is missing. */
pbt_code pbt_path_look(const char *path, pbt_error *error);
bool pbt_file_exists(const char *path);
bool pbt_folder_exists(const char *path);
/* mkdir -p, on disk when it returns; what exists must be a folder. */
pbt_code pbt_folder_make(const char *path, pbt_error *error);
/* fsync of a folder: its entries, new and renamed, are on disk. */
pbt_code pbt_folder_sync(const char *path, pbt_error *error);
/* Removes a folder of files; what cannot be removed stays, and so do files whose name begins with a dot. */
void pbt_folder_remove(const char *path);
/* "folder/name", malloc'ed; NULL when memory is out. */
char *pbt_path_join(const char *folder, const char *name);
/* What `path` stands for once symlinks are followed and "." and ".." are gone, as an absolute path; its last
 * parts need not exist (a symlink may point to nothing yet). Malloc'ed; NULL with errno set. */
char *pbt_path_resolve(const char *path);
/* The descriptor of this process that `path` stands for (/dev/stdout, /dev/fd/3, a symlink to one), or -1. */
int pbt_path_descriptor(const char *path);
/* The sentence for errno, "PATH: cannot DOING: reason"; returns PBT_BAD_INPUT where the path is to blame. */
pbt_code pbt_fail_errno(pbt_error *error, const char *path, const char *doing);
/* pbt_hash of a file's bytes. */
pbt_code pbt_file_hash(const char *path, uint64_t *hash, pbt_error *error);

PBT_END_DECLS

#endif
