/*
 * Tables: filled once, printed in several forms (terminal, Markdown; HTML fits in beside them).
 */
#ifndef PBT_REPORT_PAGE_TABLE_H
#define PBT_REPORT_PAGE_TABLE_H

#include "base/status.h"
#include "base/text.h"

enum { PBT_TABLE_COLUMNS = 16 };

typedef struct pbt_table {
    const char *name;   /* "balanced", "training", ...: what the table is about; static, may be NULL */
    char *title, *note; /* `note` may be NULL */
    char *head[PBT_TABLE_COLUMNS];
    size_t n_columns;
    size_t n_keys; /* leading columns that say which row it is, repeated where a table is cut; 0 means 1 */
    char *(*rows)[PBT_TABLE_COLUMNS]; /* [n_rows] */
    size_t n_rows, capacity;
} pbt_table;

/* Column heads are given up to a NULL. Release with pbt_table_free. */
pbt_code pbt_table_open(pbt_table *table, pbt_error *error, const char *title, ...);
pbt_code pbt_table_note(pbt_table *table, const char *note, pbt_error *error);
/* A new row of empty cells. */
pbt_code pbt_table_row(pbt_table *table, pbt_error *error);
/* Sets a cell of the last row. */
pbt_code pbt_table_cell(pbt_table *table, size_t column, pbt_error *error, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
void pbt_table_free(pbt_table *table);

void pbt_table_markdown(const pbt_table *table, pbt_text *out);
/* Aligned columns; `bold`: the title stands out on a terminal. A table wider than `columns` (0: no limit)
 * goes on below with its remaining columns, its key columns in front again. */
void pbt_table_terminal(const pbt_table *table, bool bold, size_t columns, pbt_text *out);

#endif
