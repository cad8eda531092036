/*
 * What is logged: sums over the logging interval, and a line of metrics.jsonl.
 */
#ifndef PBT_TRAIN_METRICS_H
#define PBT_TRAIN_METRICS_H

#include "train/training.h"

void pbt_metric_sums_add(pbt_metric_sums *sums, const pbt_metrics *metrics);
/* The line to log: means over the interval, the rest as `last` has it; starts the next interval. */
pbt_metrics pbt_metric_sums_take(pbt_metric_sums *sums, const pbt_metrics *last);
/* A line of metrics.jsonl; keys in their documented order. NULL when memory is out. */
json_t *pbt_metrics_line(const pbt_metrics *metrics, pbt_objective objective);

#endif
