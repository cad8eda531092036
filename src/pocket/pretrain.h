/* Making the pocket agents: their tokenizer, their folder, and their pretraining from nothing. */
#ifndef PBT_POCKET_PRETRAIN_H
#define PBT_POCKET_PRETRAIN_H

#include "pocket/corpus.h"
#include "train/trainer.h"

/* Tokenizer files and chat template of the world, into a folder. */
pbt_code pbt_pocket_tokenizer_make(const pbt_pocket_world *world, const char *folder, pbt_error *error);

typedef struct pbt_pretraining {
    const pbt_pocket_world *world;
    int agent; /* 0 = A, 1 = B */
    uint64_t seed;
    int64_t steps;
    int32_t batch;      /* examples a step */
    const char *output; /* the model folder; work in progress lies in OUTPUT/training */
    const pbt_device *device;
    const pbt_monitor *monitor;
} pbt_pretraining;
/* Trains from nothing, or goes on where it was interrupted, and writes the model folder. */
pbt_code pbt_pocket_pretrain(const pbt_pretraining *pretraining, pbt_error *error);

#endif
