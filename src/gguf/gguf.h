/*
 * GGUF files (ggml's container, versions 2 and 3, little endian): metadata under dotted keys, then tensors at
 * aligned offsets. A file may be split in parts named ...-00001-of-0000N.gguf. Everything is checked against
 * the bytes that are there before it is believed; strings and tensors stay in the mapping.
 */
#ifndef PBT_GGUF_GGUF_H
#define PBT_GGUF_GGUF_H

#include "base/file.h"
#include "gguf/blocks.h"

enum { PBT_GGUF_MAX_DIMENSIONS = 4 };

typedef enum pbt_gguf_kind {
    PBT_GGUF_U8,
    PBT_GGUF_I8,
    PBT_GGUF_U16,
    PBT_GGUF_I16,
    PBT_GGUF_U32,
    PBT_GGUF_I32,
    PBT_GGUF_F32,
    PBT_GGUF_BOOL,
    PBT_GGUF_STRING,
    PBT_GGUF_ARRAY,
    PBT_GGUF_U64,
    PBT_GGUF_I64,
    PBT_GGUF_F64,
    PBT_GGUF_KINDS
} pbt_gguf_kind;

/* Bytes in the file; not NUL-terminated. */
typedef struct pbt_gguf_string {
    const char *bytes;
    size_t length;
} pbt_gguf_string;

typedef struct pbt_gguf_value {
    pbt_gguf_string key;
    pbt_gguf_kind kind; /* of the elements, where it is an array */
    bool array;
    uint64_t count;            /* 1, or the elements of the array */
    const unsigned char *data; /* the first element */
    size_t bytes;              /* of all elements */
} pbt_gguf_value;

typedef struct pbt_gguf_tensor {
    char *name; /* owned by the file, NUL-terminated */
    pbt_block_type type;
    int n_dimensions;
    int64_t
        shape[PBT_GGUF_MAX_DIMENSIONS]; /* rows first, as everywhere else: [V, D]; the file has it reversed */
    const unsigned char *data;
    size_t bytes;
} pbt_gguf_tensor;

/* One part. */
typedef struct pbt_gguf_part {
    char *path;
    pbt_mapping mapping;
    pbt_gguf_value *values;
    size_t n_values;
    pbt_gguf_tensor *tensors;
    size_t n_tensors;
} pbt_gguf_part;

typedef struct pbt_gguf {
    pbt_gguf_part *parts; /* metadata is the first one's */
    size_t n_parts;
} pbt_gguf;

/* Whether a path names a GGUF file: it ends with ".gguf" and is no folder. */
bool pbt_gguf_is(const char *path);
/* Opens the file, and the other parts of a split one by the first. Free with pbt_gguf_close. PBT_BAD_INPUT
 * with the place for anything that is not as the format says. */
pbt_code pbt_gguf_open(const char *path, pbt_gguf *file, pbt_error *error);
/* One part from bytes in memory, which must outlive it; `path` names them in errors. */
pbt_code pbt_gguf_parse(const unsigned char *data, size_t length, const char *path, pbt_gguf_part *part,
                        pbt_error *error);
void pbt_gguf_part_close(pbt_gguf_part *part);
void pbt_gguf_close(pbt_gguf *file);

/* A value of the first part by its key; NULL when there is none. */
const pbt_gguf_value *pbt_gguf_find(const pbt_gguf *file, const char *key);
/* Numbers and truth values of any width, element `index` of arrays. False where the value is NULL, of another
 * kind, or out of range. */
bool pbt_gguf_integer(const pbt_gguf_value *value, uint64_t index, int64_t *out);
bool pbt_gguf_number(const pbt_gguf_value *value, uint64_t index, double *out);
/* The string of a value that is one; false otherwise. */
bool pbt_gguf_text(const pbt_gguf_value *value, pbt_gguf_string *out);
/* Walks over an array of strings: *at begins as value->data; returns false at the end. */
bool pbt_gguf_next_string(const pbt_gguf_value *value, const unsigned char **at, pbt_gguf_string *out);
/* A copy with a NUL behind it, malloc'ed; NULL when memory is out or it holds a NUL itself. */
char *pbt_gguf_copy(pbt_gguf_string string);

#endif
