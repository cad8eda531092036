/*
 * YAML: one bounded document as a tree with line numbers. Aliases are resolved; merge keys, cycles, several
 * documents and depth beyond 16 are refused.
 */
#ifndef PBT_SETTINGS_YAML_H
#define PBT_SETTINGS_YAML_H

#include "base/memory.h"

#include <stdbool.h>

typedef enum pbt_yaml_kind { PBT_YAML_SCALAR, PBT_YAML_SEQUENCE, PBT_YAML_MAPPING } pbt_yaml_kind;

/* A node; children of a mapping alternate key and value. Lives in the arena it was read into. */
typedef struct pbt_yaml {
    pbt_yaml_kind kind;
    const char *text; /* of a scalar */
    bool plain;       /* scalar without quotes: null, true and numbers have their meaning */
    size_t line;      /* from 1 */
    struct pbt_yaml **children;
    size_t n_children;
} pbt_yaml;

/* `file` names the text in errors. An empty document gives an empty mapping. */
pbt_code pbt_yaml_parse(const char *text, size_t length, const char *file, pbt_arena *arena, pbt_yaml **root,
                        pbt_error *error);
/* null, ~ or nothing at all. */
bool pbt_yaml_is_null(const pbt_yaml *node);

#endif
