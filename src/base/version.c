#include "base/version.h"

const char *pbt_version(void) {
    return PBT_VERSION;
}
