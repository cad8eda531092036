#include "report/page/table.h"

#include "base/memory.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

pbt_code pbt_table_open(pbt_table *table, pbt_error *error, const char *title, ...) {
    *table = (pbt_table){.title = pbt_string_copy(title)};
    bool failed = !table->title;
    va_list heads;
    va_start(heads, title);
    for (const char *head; (head = va_arg(heads, const char *)) && table->n_columns < PBT_TABLE_COLUMNS;) {
        table->head[table->n_columns] = pbt_string_copy(head);
        failed = failed || !table->head[table->n_columns++];
    }
    va_end(heads);
    return failed ? pbt_fail_memory(error, strlen(title), "a table") : PBT_OK;
}

pbt_code pbt_table_note(pbt_table *table, const char *note, pbt_error *error) {
    free(table->note);
    table->note = pbt_string_copy(note);
    return table->note ? PBT_OK : pbt_fail_memory(error, strlen(note), "a table");
}

pbt_code pbt_table_row(pbt_table *table, pbt_error *error) {
    PBT_TRY(pbt_grow(table->rows, &table->capacity, table->n_rows + 1, error));
    memset(table->rows[table->n_rows++], 0, sizeof *table->rows);
    return PBT_OK;
}

pbt_code pbt_table_cell(pbt_table *table, size_t column, pbt_error *error, const char *format, ...) {
    char text[512];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    if (table->n_rows == 0 || column >= table->n_columns)
        return pbt_fail(error, PBT_FAILED, "a cell outside its table: column %zu of %zu", column,
                        table->n_columns);
    char **cell = &table->rows[table->n_rows - 1][column];
    free(*cell);
    *cell = pbt_string_copy(text);
    return *cell ? PBT_OK : pbt_fail_memory(error, sizeof text, "a table");
}

void pbt_table_free(pbt_table *table) {
    for (size_t r = 0; r < table->n_rows; r++) {
        for (size_t c = 0; c < table->n_columns; c++) free(table->rows[r][c]);
    }
    for (size_t c = 0; c < table->n_columns; c++) free(table->head[c]);
    free(table->rows);
    free(table->title);
    free(table->note);
    *table = (pbt_table){0};
}

static const char *cell_of(const pbt_table *table, size_t row, size_t column) {
    return table->rows[row][column] ? table->rows[row][column] : "";
}

static void markdown_cell(pbt_text *out, const char *text) {
    pbt_text_add(out, "| ");
    for (const char *p = text; *p; p++) {
        if (*p == '|') pbt_text_add(out, "\\");
        pbt_text_append(out, *p == '\n' ? " " : p, 1);
    }
    pbt_text_add(out, " ");
}

void pbt_table_markdown(const pbt_table *table, pbt_text *out) {
    pbt_text_addf(out, "## %s\n\n", table->title);
    for (size_t c = 0; c < table->n_columns; c++) markdown_cell(out, table->head[c]);
    pbt_text_add(out, "|\n");
    for (size_t c = 0; c < table->n_columns; c++) pbt_text_add(out, c == 0 ? "|---" : "|---:");
    pbt_text_add(out, "|\n");
    for (size_t r = 0; r < table->n_rows; r++) {
        for (size_t c = 0; c < table->n_columns; c++) markdown_cell(out, cell_of(table, r, c));
        pbt_text_add(out, "|\n");
    }
    if (table->note) pbt_text_addf(out, "\n%s\n", table->note);
    pbt_text_add(out, "\n");
}

/* Columns on the screen: code points, which for the texts of tables are one column each. */
static size_t width_of(const char *text) {
    size_t width = 0;
    for (const char *p = text; *p; p++) width += ((unsigned char)*p & 0xC0) != 0x80;
    return width;
}

static void aligned(pbt_text *out, const char *text, size_t width, bool left) {
    size_t padding = width > width_of(text) ? width - width_of(text) : 0;
    if (left) pbt_text_add(out, text);
    pbt_text_addf(out, "%*s", (int)padding, "");
    if (!left) pbt_text_add(out, text);
}

static size_t column_width(const pbt_table *table, size_t column) {
    size_t width = width_of(table->head[column]);
    for (size_t r = 0; r < table->n_rows; r++) {
        size_t w = width_of(cell_of(table, r, column));
        if (w > width) width = w;
    }
    return width;
}

/* Where the columns that fit beside the keys end; at least one does. */
static size_t last_fitting(const size_t *width, size_t keys, size_t first, size_t n, size_t columns) {
    size_t sum = 0, end = first;
    for (size_t c = 0; c < keys; c++) sum += width[c] + 2;
    while (end < n && (end == first || columns == 0 || sum + width[end] + 2 <= columns))
        sum += width[end++] + 2;
    return end;
}

/* One row (SIZE_MAX: the head) of the keys and columns first .. end. */
static void terminal_row(const pbt_table *table, size_t row, const size_t *width, size_t keys, size_t first,
                         size_t end, pbt_text *out) {
    for (size_t c = 0; c < end; c++) {
        if (c >= keys && c < first) continue;
        pbt_text_add(out, "  ");
        aligned(out, row == SIZE_MAX ? table->head[c] : cell_of(table, row, c), width[c], c < keys);
    }
    pbt_text_add(out, "\n");
}

/* Words of a note, broken so that no line is longer than `columns`. */
static void terminal_note(const char *note, size_t columns, pbt_text *out) {
    size_t at = 0;
    while (*note) {
        size_t n = strcspn(note, " "), width = 0;
        for (size_t i = 0; i < n; i++) width += ((unsigned char)note[i] & 0xC0) != 0x80;
        if (at == 0 || (columns > 0 && at + 1 + width > columns)) {
            pbt_text_add(out, at ? "\n  " : "  ");
            at = 2;
        } else {
            pbt_text_add(out, " ");
            at++;
        }
        pbt_text_append(out, note, n);
        at += width;
        note += n;
        note += strspn(note, " ");
    }
    pbt_text_add(out, "\n");
}

void pbt_table_terminal(const pbt_table *table, bool bold, size_t columns, pbt_text *out) {
    size_t width[PBT_TABLE_COLUMNS], n = table->n_columns, keys = table->n_keys ? table->n_keys : 1;
    for (size_t c = 0; c < n; c++) width[c] = column_width(table, c);
    pbt_text_addf(out, "%s%s%s\n", bold ? "\033[1m" : "", table->title, bold ? "\033[0m" : "");
    if (keys > n) keys = n;
    size_t first = keys;
    do {
        size_t end = last_fitting(width, keys, first, n, columns);
        if (first > keys) pbt_text_add(out, "\n");
        terminal_row(table, SIZE_MAX, width, keys, first, end, out);
        for (size_t r = 0; r < table->n_rows; r++) terminal_row(table, r, width, keys, first, end, out);
        first = end;
    } while (first < n);
    if (table->note) terminal_note(table->note, columns, out);
    pbt_text_add(out, "\n");
}
