#include "base/lock.h"

#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <time.h>
#include <unistd.h>

/* The process that holds the lock of a file by /proc/locks ("1: FLOCK  ADVISORY  WRITE 123 fe:00:456 0 EOF"),
 * 0 where it is not there. */
static long holder_by_kernel(int descriptor) {
    struct stat info;
    FILE *locks = fopen("/proc/locks", "re");
    char line[256];
    long found = 0;
    if (!locks) return 0;
    while (fstat(descriptor, &info) == 0 && !found && fgets(line, sizeof line, locks)) {
        long process;
        unsigned major_number, minor_number;
        unsigned long long inode;
        if (sscanf(line, "%*[^:]: FLOCK %*s %*s %ld %x:%x:%llu", &process, &major_number, &minor_number,
                   &inode) == 4 &&
            inode == info.st_ino && makedev(major_number, minor_number) == info.st_dev)
            found = process;
    }
    fclose(locks);
    return found > 0 ? found : 0;
}

/* The process as it wrote itself into the file that it locked (output.c), 0 where it did not. */
static long holder_by_contents(int descriptor) {
    char text[512];
    ssize_t n = pread(descriptor, text, sizeof text - 1, 0);
    text[n > 0 ? n : 0] = '\0';
    const char *at = text[0] == '{' ? strstr(text, "\"process\":") : NULL;
    return at ? strtol(at + strlen("\"process\":"), NULL, 10) : 0;
}

static pbt_code fail_held(int descriptor, const char *what, pbt_error *error) {
    long process = holder_by_kernel(descriptor);
    char name[48] = "another pbt";
    if (!process) process = holder_by_contents(descriptor);
    if (process > 0) snprintf(name, sizeof name, "another pbt (process %ld)", process);
    return pbt_fail_at(error, PBT_FAILED, what, NULL, "%s is writing here; wait for it or stop it", name);
}

/* The file system or the machine has no lock to give; an empty file made for it goes again. */
static pbt_code fail_lock(int descriptor, const char *path, const char *what, pbt_error *error) {
    struct stat info;
    pbt_code code = pbt_fail_errno(error, what, "lock what is written");
    if (fstat(descriptor, &info) == 0 && info.st_size == 0) unlink(path);
    return code;
}

/* Whether `path` names the file that is open: its holder before us may have renamed or removed it. */
static bool still_named(const char *path, int descriptor) {
    struct stat named, opened;
    return lstat(path, &named) == 0 && fstat(descriptor, &opened) == 0 && named.st_dev == opened.st_dev &&
           named.st_ino == opened.st_ino;
}

pbt_code pbt_lock_take(const char *path, const char *what, const pbt_monitor *monitor, int *descriptor,
                       pbt_error *error) {
    int fd = -1;
    for (int i = 0; i < PBT_LOCK_TRIES; i++) {
        if (fd < 0) fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0666);
        if (fd < 0) /* a folder or a symlink of that name is in the way, or the place itself is closed */
            return pbt_fail_errno(error, errno == EISDIR || errno == ELOOP ? path : what, "write");
        pbt_code code = pbt_monitor_check(monitor, error);
        bool locked = code == PBT_OK && flock(fd, LOCK_EX | LOCK_NB) == 0;
        if (code == PBT_OK && !locked && errno != EWOULDBLOCK && errno != EINTR)
            code = fail_lock(fd, path, what, error);
        if (locked && still_named(path, fd)) {
            *descriptor = fd;
            return PBT_OK;
        }
        if (locked || code != PBT_OK) {
            close(fd);
            fd = -1;
        }
        if (code != PBT_OK) return code;
        if (!locked) nanosleep(&(struct timespec){.tv_nsec = PBT_LOCK_PAUSE_NS}, NULL);
    }
    pbt_code code = fd >= 0 ? fail_held(fd, what, error)
                            : pbt_fail_at(error, PBT_FAILED, what, NULL, "the lock does not stay in place");
    if (fd >= 0) close(fd);
    return code;
}
