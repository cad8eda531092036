/*
 * The run store: everything a run learned, in RUN/run.sqlite (WAL, one writer). A finished run can be
 * reported again without any model. Artefacts are JSON documents keyed by (stage, seed, arm, name), so that
 * plain SQL can inspect them: SELECT json_extract(value, '$.answer') FROM artefact WHERE stage = 'trees'.
 */
#ifndef PBT_STORE_STORE_H
#define PBT_STORE_STORE_H

#include "base/declarations.h"
#include "base/json.h"

PBT_BEGIN_DECLS

typedef struct pbt_store pbt_store;

/* Opens RUN/run.sqlite, creating folder and schema when `create`. Refuses newer schemas and other programs'
 * files. */
pbt_code pbt_store_open(const char *run_folder, bool create, pbt_store **store, pbt_error *error);
/* Opens an existing store for reading only. Nothing is written, beside it neither: it may lie on read-only
 * media, and be written by another process meanwhile. */
pbt_code pbt_store_open_read(const char *run_folder, pbt_store **store, pbt_error *error);
void pbt_store_close(pbt_store *store);
pbt_code pbt_store_begin(pbt_store *store, pbt_error *error);
pbt_code pbt_store_commit(pbt_store *store, pbt_error *error);
void pbt_store_rollback(pbt_store *store);

/* Where an artefact lives. `arm` and `name` are "" when they do not apply; `position` orders a listing. */
typedef struct pbt_artefact_key {
    const char *stage; /* "trees", "pairs", "train", "eval", "plan" */
    int64_t seed;
    const char *arm;
    const char *kind; /* "tree", "pair", "metrics", "item", "summary", "done" ... */
    const char *name; /* unique within the above */
} pbt_artefact_key;
/* Inserts or replaces; checksum kept beside. */
pbt_code pbt_store_put(pbt_store *store, const pbt_artefact_key *key, const json_t *value, pbt_error *error);
/* *value = NULL when absent; caller: json_decref. A wrong checksum is an error that names the key. */
pbt_code pbt_store_get(pbt_store *store, const pbt_artefact_key *key, json_t **value, pbt_error *error);
pbt_code pbt_store_has(pbt_store *store, const pbt_artefact_key *key, bool *has, pbt_error *error);
/* How many artefacts of stage/seed/arm/kind there are. */
pbt_code pbt_store_count(pbt_store *store, const pbt_artefact_key *key_without_name, int64_t *count,
                         pbt_error *error);
/* All artefacts of stage/seed/arm/kind in order of first insertion. The visitor must not write to the store.
 */
typedef pbt_code (*pbt_store_visitor)(void *user, const char *name, json_t *value, pbt_error *error);
pbt_code pbt_store_each(pbt_store *store, const pbt_artefact_key *key_without_name, pbt_store_visitor visitor,
                        void *user, pbt_error *error);
/* Deletes the artefacts of all seeds with this stage, arm, kind and name; NULL: any. */
pbt_code pbt_store_delete(pbt_store *store, const char *stage, const char *arm, const char *kind,
                          const char *name, pbt_error *error);
/* Deletes a stage's artefacts (of one seed; all seeds when seed < 0). */
pbt_code pbt_store_clear(pbt_store *store, const char *stage, int64_t seed, pbt_error *error);

PBT_END_DECLS

#endif
