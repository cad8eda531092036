/*
 * Around the declarations of every public header (include/pbt/pbt.h and what it includes): C linkage in C++,
 * and exported by the shared library, whose other symbols stay hidden.
 */
#ifndef PBT_BASE_DECLARATIONS_H
#define PBT_BASE_DECLARATIONS_H

#ifdef __cplusplus
#define PBT_BEGIN_DECLS                                                                                      \
    extern "C" {                                                                                             \
    _Pragma("GCC visibility push(default)")
#define PBT_END_DECLS                                                                                        \
    _Pragma("GCC visibility pop")                                                                            \
    }
#else
#define PBT_BEGIN_DECLS _Pragma("GCC visibility push(default)")
#define PBT_END_DECLS   _Pragma("GCC visibility pop")
#endif

#endif
