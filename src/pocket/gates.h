/*
 * Gates: what the pocket agents must be able to do, and how they must behave, before an experiment with them
 * is worth running. Measured on the questions handed over, which must not be test questions.
 */
#ifndef PBT_POCKET_GATES_H
#define PBT_POCKET_GATES_H

#include "agent/agent.h"
#include "pocket/world.h"

typedef struct pbt_pocket_gate {
    const char *name;
    double value;       /* percent, or points for a drop */
    double least, most; /* what is asked for; NAN: nothing */
    int64_t n;          /* cases behind it */
} pbt_pocket_gate;
enum { PBT_POCKET_GATES = 32 };
typedef struct pbt_pocket_gates {
    pbt_pocket_gate items[PBT_POCKET_GATES];
    size_t count;
} pbt_pocket_gates;
bool pbt_pocket_gate_passed(const pbt_pocket_gate *gate);

typedef struct pbt_pocket_trial {
    const pbt_pocket_world *world;
    pbt_agent *agents[2];    /* A, B; B also reads answers */
    const size_t *questions; /* places in world->questions */
    size_t n_questions;
    pbt_key key;
    const pbt_monitor *monitor;
} pbt_pocket_trial;
pbt_code pbt_pocket_gates_measure(const pbt_pocket_trial *trial, pbt_pocket_gates *gates, pbt_error *error);

#endif
