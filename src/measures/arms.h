/*
 * The arms of an experiment: the base model, and what it becomes by training on one kind of pairs or on both.
 */
#ifndef PBT_MEASURES_ARMS_H
#define PBT_MEASURES_ARMS_H

#include "base/declarations.h"

PBT_BEGIN_DECLS

typedef enum pbt_arm { PBT_ARM_BASE, PBT_ARM_ACCEPT, PBT_ARM_RESIST, PBT_ARM_PBT, PBT_ARMS } pbt_arm;
/* As in files, the store and reports. */
extern const char *const pbt_arm_names[PBT_ARMS];
/* The names as choices of a setting: the arms that are trained, and all. */
#define PBT_TRAINED_ARM_CHOICES "accept|resist|pbt"
#define PBT_ARM_CHOICES         "base|" PBT_TRAINED_ARM_CHOICES
/* The arm of a name; PBT_ARMS: there is none. */
pbt_arm pbt_arm_named(const char *name);

PBT_END_DECLS

#endif
