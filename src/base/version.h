/* The version of the library that is running, for programs that link it. */
#ifndef PBT_BASE_VERSION_H
#define PBT_BASE_VERSION_H

#include "base/declarations.h"

PBT_BEGIN_DECLS

/* "0.1.0". Until 1.0, versions that differ in the second number are not compatible. */
const char *pbt_version(void);

PBT_END_DECLS

#endif
