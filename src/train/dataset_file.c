/* A JSONL file read row by row; what a row means is the affair of trl_rows.c. */
#include "base/file.h"
#include "train/dataset.h"

#include <stdio.h>

static bool blank(const char *line, size_t length) {
    for (size_t i = 0; i < length; i++)
        if (line[i] != ' ' && line[i] != '\t' && line[i] != '\r') return false;
    return true;
}

pbt_code pbt_dataset_read(const char *path, const pbt_tokenizer *tokenizer, const pbt_chat_template *chat,
                          bool preference, int32_t max_length, pbt_dataset *dataset, pbt_error *error) {
    pbt_lines *lines;
    size_t before = dataset->count;
    PBT_TRY(pbt_lines_open(path, &lines, error));
    pbt_code code;
    for (;;) {
        char *line;
        size_t length, number;
        char where[32];
        json_t *row = NULL;
        code = pbt_lines_next(lines, &line, &length, &number, error);
        if (code != PBT_OK || !line) break;
        if (blank(line, length)) continue;
        snprintf(where, sizeof where, "line %zu", number);
        code = pbt_json_parse_row(line, length, path, where, &row, error);
        size_t count = dataset->count;
        if (code == PBT_OK)
            code = pbt_dataset_add(dataset, tokenizer, chat, row, preference, max_length, path, where, error);
        if (code == PBT_OK && dataset->count > count) dataset->items[count].line = number;
        json_decref(row);
        if (code != PBT_OK) break;
    }
    pbt_lines_close(lines);
    if (code == PBT_OK && dataset->count == before)
        return pbt_fail_at(error, PBT_BAD_INPUT, path, NULL,
                           dataset->dropped_long > 0
                               ? "all %zu examples are longer than max_length (%d tokens); raise max_length"
                               : "the file has no examples (%zu rows, max_length %d)",
                           dataset->dropped_long, max_length);
    return code;
}
