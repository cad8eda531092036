/*
 * What a person sees of a run while it goes on: debates as they happen.
 */
#ifndef PBT_EXPERIMENT_SHOW_H
#define PBT_EXPERIMENT_SHOW_H

#include "experiment/run.h"

/* Shows one path through a scored tree as messages; false (and nothing shown) where there was no debate
 * because both agreed at once. */
bool pbt_show_debate(const pbt_tree *tree, const pbt_monitor *monitor);

#endif
