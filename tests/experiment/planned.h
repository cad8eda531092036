/*
 * A small experiment on the embedded models, planned and run.
 */
#ifndef PBT_TESTS_EXPERIMENT_PLANNED_H
#define PBT_TESTS_EXPERIMENT_PLANNED_H

#include "device.h"
#include "folder.h"
#include "plan/plan.h"

#define OK(call)                                                                                             \
    do {                                                                                                     \
        if ((call) != PBT_OK) fail_msg("%s", problem.message);                                               \
    } while (0)

static const char experiment_file[] = "experiments/smoke.yaml";
static const char *const changes[] = {
    "questions.max_train=20", "questions.max_dev=16", "questions.max_test=12", "arms=[pbt]",
    "pairs.max_pairs=16",     "engine.kv_rows=1024",  "engine.max_batch=8",    "trees.chunk=16",
    "show.debates=0",         "sft.logging_steps=1",  "dpo.logging_steps=1"};
enum { CHANGES = sizeof changes / sizeof *changes };

/* The plan of it, too. */
static void plan_it(pbt_experiment *experiment, pbt_plan *plan) {
    OK(pbt_experiment_read(experiment_file, ".", changes, CHANGES, experiment, &problem));
    OK(pbt_plan_make(experiment, test_device(), plan, &problem));
}

#endif
