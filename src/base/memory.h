/*
 * Memory: overflow-checked allocation and an arena for many small things that die together.
 */
#ifndef PBT_BASE_MEMORY_H
#define PBT_BASE_MEMORY_H

#include "base/declarations.h"
#include "base/status.h"

#include <stddef.h>

PBT_BEGIN_DECLS

/* count * size bytes, zeroed; NULL when the product overflows or memory is out. Free with free(). */
void *pbt_alloc(size_t count, size_t size);

/* As pbt_alloc, aligned to 64 bytes (vector kernels). Free with free(). */
void *pbt_alloc_aligned(size_t count, size_t size);

/* pbt_grow(array, &capacity, need, error): makes room for at least `need` elements in a growing array.
 * Doubles; the array and its capacity change together or not at all. PBT_FAILED when memory is out. A macro,
 * so that the array keeps its own type: a pointer of another type must not be written through a `void **`.
 * `array`, `capacity` and `need` are evaluated more than once. */
#define pbt_grow(array, capacity, need, error)                                                               \
    ((array) = pbt_array_grown((array), (capacity), (need), sizeof *(array), (error)),                       \
     *(capacity) >= (need) ? PBT_OK : PBT_FAILED)
/* What pbt_grow calls: the array, moved or not; on failure `*capacity` stays below `need`. */
void *pbt_array_grown(void *items, size_t *capacity, size_t need, size_t size, pbt_error *error);

/* Bytes the machine can still give without swapping (MemAvailable); 0 where that is not known. */
double pbt_memory_available(void);

/* Bytes of memory the machine has; 0 where that is not known. */
double pbt_memory_physical(void);

/* An arena hands out memory that is freed all at once. Owner: whoever created it. */
typedef struct pbt_arena pbt_arena;
pbt_arena *pbt_arena_create(void);
void pbt_arena_free(pbt_arena *arena);
/* Zeroed, 16-byte aligned; NULL when memory is out. */
void *pbt_arena_alloc(pbt_arena *arena, size_t count, size_t size);
/* A NUL-terminated copy of `length` bytes; NULL when memory is out. */
char *pbt_arena_copy(pbt_arena *arena, const char *text, size_t length);
char *pbt_arena_string(pbt_arena *arena, const char *text);

PBT_END_DECLS

#endif
