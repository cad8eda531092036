#include "measures/arms.h"

#include <string.h>

const char *const pbt_arm_names[PBT_ARMS] = {
    [PBT_ARM_BASE] = "base", [PBT_ARM_ACCEPT] = "accept", [PBT_ARM_RESIST] = "resist", [PBT_ARM_PBT] = "pbt"};

pbt_arm pbt_arm_named(const char *name) {
    int arm = 0;
    while (arm < PBT_ARMS && strcmp(pbt_arm_names[arm], name) != 0) arm++;
    return (pbt_arm)arm;
}
