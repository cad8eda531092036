/*
 * How many steps, at which learning rate, over which examples: transformers' Trainer and its schedules, as
 * pure functions of (settings, number of examples, step), so that nothing of it has to be saved.
 */
#ifndef PBT_TRAIN_LEARNING_SCHEDULE_H
#define PBT_TRAIN_LEARNING_SCHEDULE_H

#include "train/training.h"

pbt_epoch_plan pbt_epoch_plan_of(const pbt_train_settings *settings, size_t n_examples);
/* Warm-up steps: a number >= 1 as it is, a smaller one as a share of all steps, rounded up. */
int64_t pbt_warmup_steps(const pbt_train_settings *settings, int64_t total_steps);
/* The learning rate of optimizer step `step`, counted from 0. */
double pbt_learning_rate(const pbt_train_settings *settings, int64_t total_steps, int64_t step);
/* The epoch that stands in the log after `step` optimizer steps. */
double pbt_epoch_after(const pbt_train_settings *settings, size_t n_examples, int64_t step);
/* Order of an epoch's examples: as they stand, or shuffled by (seed, epoch); with group_trees those of one
 * group then stand together. group: pbt_example_groups, needed for that only. order: n_examples entries. */
pbt_code pbt_epoch_order(const pbt_train_settings *settings, int64_t epoch, const uint32_t *group,
                         uint32_t *order, size_t n_examples, pbt_error *error);
/* Numbers the groups of the examples 0, 1, ...: group[i] < count. An example without one is its own. */
pbt_code pbt_example_groups(const pbt_dataset *dataset, uint32_t *group, pbt_error *error);

#endif
