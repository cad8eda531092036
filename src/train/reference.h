/*
 * Reference log-probabilities of a preference dataset: from its ref_chosen_logps / ref_rejected_logps
 * columns, or computed once under the policy as it is at the start and kept in reference-HASH.bin, HASH being
 * that of data, model and adapter.
 */
#ifndef PBT_TRAIN_REFERENCE_H
#define PBT_TRAIN_REFERENCE_H

#include "train/training.h"

/* Fills reference->chosen and rejected of reference->dataset: from the dataset's columns, from the folder's
 * file, or by computing them. *given: whether every number came from the dataset. Free with
 * pbt_reference_free, after an error too. */
pbt_code pbt_reference_prepare(pbt_training *training, pbt_reference *reference, uint64_t data_hash,
                               const pbt_hashes *hashes, bool *given, pbt_error *error);
void pbt_reference_free(pbt_reference *reference);

#endif
