/* The arrays of a model under their Hugging Face names, and what owns their memory. */
#ifndef PBT_MODEL_WEIGHTS_H
#define PBT_MODEL_WEIGHTS_H

#include "model/model.h"
#include "model/safetensors.h"

/* One array of a model: a matrix, or a vector of `rows` floats. */
typedef struct pbt_slot {
    char name[128];
    pbt_matrix *matrix;
    const float **vector;
    int64_t rows, cols; /* cols 0: a vector */
} pbt_slot;

/* Where a tensor lies. */
typedef struct pbt_place {
    pbt_stored_tensor *tensor;
    const char *file; /* its path */
} pbt_place;

typedef struct pbt_weights {
    pbt_safetensors *files;
    size_t n_files;
    pbt_place *places; /* of all tensors of all files, by name */
    size_t n_places;
    void **owned;
    size_t n_owned, capacity;
    bool writable;
} pbt_weights;

/* All arrays of the model in a fixed order (embedding, layers, final norm, output unless tied), malloc'ed. */
pbt_code pbt_model_slots(pbt_model *model, pbt_slot **slots, size_t *n, pbt_error *error);
/* An empty model of the configuration (taken over), with frequencies; no weights yet; `device` may be NULL
 * where there will be none. */
pbt_code pbt_model_empty(pbt_config *config, const char *path, const pbt_device *device, pbt_model **model,
                         pbt_error *error);
/* Opens FOLDER/model.safetensors, or the shards that model.safetensors.index.json names; the index must tell
 * the truth, and no tensor may lie in two files. */
pbt_code pbt_weights_open(pbt_weights *weights, const char *folder, pbt_error *error);
/* Whether `data` lies in a mapped file. */
bool pbt_weights_mapped(const pbt_weights *weights, const void *data);
/* A stored tensor by its name, marked as used; NULL when there is none. *file (may be NULL): the file's path.
 */
const pbt_stored_tensor *pbt_weights_find(pbt_weights *weights, const char *name, const char **file);
/* Memory owned by the model. */
void *pbt_weights_alloc(pbt_model *model, size_t bytes, pbt_error *error);

#endif
