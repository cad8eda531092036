#include "cli/data_folder.h"

#include "base/file.h"
#include "base/text.h"

#include <libgen.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* base/relative without "..", or NULL where there is no such folder; takes `relative`. */
static char *folder_at(const char *base, char *relative) {
    char *path = relative ? pbt_path_join(base, relative) : NULL;
    char *found = path ? realpath(path, NULL) : NULL;
    free(path);
    free(relative);
    return found;
}

/* A build folder has the way to its source tree in a file beside the program. */
static char *read_note(const char *program_folder) {
    char *path = pbt_path_join(program_folder, "pbt-data-folder"), *text = NULL;
    size_t length;
    if (path && pbt_file_read(path, PATH_MAX, &text, &length, NULL) == PBT_OK)
        text[strcspn(text, "\n")] = '\0';
    free(path);
    return text;
}

char *pbt_data_folder_find(void) {
    const char *given = getenv("PBT_DATA");
    if (given && given[0]) return pbt_string_copy(given);
    char program[PATH_MAX] = "";
    ssize_t length = readlink("/proc/self/exe", program, sizeof program - 1);
    const char *beside = length > 0 ? dirname(program) : ".";
    char *found = folder_at(beside, read_note(beside));
    if (!found) found = folder_at(beside, pbt_string_copy(PBT_DATA_RELATIVE));
    return found ? found : pbt_path_join(beside, PBT_DATA_RELATIVE);
}
