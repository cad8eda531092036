#include "train/export.h"

#include "base/file.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static pbt_code write_row(pbt_file_writer *writer, json_t *row, double chosen, double rejected,
                          pbt_error *error) {
    json_object_set_new(row, "ref_chosen_logps", json_real(chosen));
    json_object_set_new(row, "ref_rejected_logps", json_real(rejected));
    char *line = pbt_json_line(row);
    if (!line) return pbt_fail_memory(error, 1024, "a row");
    size_t length = strlen(line);
    line[length] = '\n';
    pbt_code code = pbt_file_writer_write(writer, line, length + 1, error);
    free(line);
    return code;
}

static pbt_code write_rows(pbt_lines *lines, const char *input, const pbt_dataset *dataset,
                           const double *chosen, const double *rejected, pbt_file_writer *writer,
                           pbt_error *error) {
    size_t next = 0;
    for (;;) {
        char *line, where[32];
        size_t length, number;
        PBT_TRY(pbt_lines_next(lines, &line, &length, &number, error));
        if (!line) break;
        if (next == dataset->count || dataset->items[next].line != number) continue;
        json_t *row;
        snprintf(where, sizeof where, "line %zu", number);
        PBT_TRY(pbt_json_parse_row(line, length, input, where, &row, error));
        pbt_code code = write_row(writer, row, chosen[next], rejected[next], error);
        json_decref(row);
        if (code != PBT_OK) return code;
        next++;
    }
    if (next == dataset->count) return PBT_OK;
    return pbt_fail_at(error, PBT_BAD_INPUT, input, NULL,
                       "the file has changed since it was read: example %zu of %zu is missing", next + 1,
                       dataset->count);
}

pbt_code pbt_dataset_export_reference(const char *input, const pbt_dataset *dataset, const double *chosen,
                                      const double *rejected, const char *output, pbt_error *error) {
    pbt_lines *lines;
    pbt_file_writer *writer = NULL;
    PBT_TRY(pbt_lines_open(input, &lines, error));
    pbt_code code = pbt_file_writer_open(output, &writer, error);
    if (code == PBT_OK) {
        code = write_rows(lines, input, dataset, chosen, rejected, writer, error);
        if (code == PBT_OK)
            code = pbt_file_writer_commit(writer, error);
        else
            pbt_file_writer_abandon(writer);
    }
    pbt_lines_close(lines);
    return code;
}
