#include "base/memory.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

void *pbt_alloc(size_t count, size_t size) {
    size_t bytes;
    /* Asked of calloc, a sanitizer would end the program. */
    if (__builtin_mul_overflow(count, size, &bytes) || bytes > PTRDIFF_MAX) return NULL;
    return calloc(count ? count : 1, size ? size : 1);
}

void *pbt_alloc_aligned(size_t count, size_t size) {
    size_t bytes;
    if (__builtin_mul_overflow(count, size, &bytes) || bytes > SIZE_MAX - 64) return NULL;
    bytes = bytes ? (bytes + 63) & ~(size_t)63 : 64;
    void *memory = aligned_alloc(64, bytes);
    if (memory) memset(memory, 0, bytes);
    return memory;
}

void *pbt_array_grown(void *items, size_t *capacity, size_t need, size_t size, pbt_error *error) {
    if (need <= *capacity) return items;
    size_t wanted = *capacity ? *capacity : 8, bytes;
    while (wanted < need && wanted <= SIZE_MAX / 2) wanted *= 2;
    if (wanted < need || __builtin_mul_overflow(wanted, size, &bytes)) {
        pbt_error_set_memory(error, SIZE_MAX, "a growing array");
        return items;
    }
    void *grown = realloc(items, bytes);
    if (!grown) {
        pbt_error_set_memory(error, bytes, "a growing array");
        return items;
    }
    *capacity = wanted;
    return grown;
}

typedef struct block {
    struct block *next;
    size_t used, size;
    _Alignas(16) unsigned char bytes[];
} block;

struct pbt_arena {
    block *head;
};

pbt_arena *pbt_arena_create(void) {
    return pbt_alloc(1, sizeof(pbt_arena));
}

void pbt_arena_free(pbt_arena *arena) {
    if (!arena) return;
    for (block *b = arena->head; b;) {
        block *next = b->next;
        free(b);
        b = next;
    }
    free(arena);
}

void *pbt_arena_alloc(pbt_arena *arena, size_t count, size_t size) {
    size_t bytes;
    if (__builtin_mul_overflow(count, size, &bytes) || bytes > SIZE_MAX / 2) return NULL;
    bytes = (bytes + 15) & ~(size_t)15;
    if (!arena->head || arena->head->size - arena->head->used < bytes) {
        size_t room = bytes > 65536 ? bytes : 65536;
        block *fresh = malloc(sizeof *fresh + room);
        if (!fresh) return NULL;
        *fresh = (block){.next = arena->head, .size = room};
        arena->head = fresh;
    }
    void *memory = arena->head->bytes + arena->head->used;
    arena->head->used += bytes;
    return memset(memory, 0, bytes);
}

char *pbt_arena_copy(pbt_arena *arena, const char *text, size_t length) {
    char *copy = length < SIZE_MAX ? pbt_arena_alloc(arena, length + 1, 1) : NULL;
    if (copy) memcpy(copy, text, length);
    return copy;
}

char *pbt_arena_string(pbt_arena *arena, const char *text) {
    return pbt_arena_copy(arena, text, strlen(text));
}

double pbt_memory_physical(void) {
    double pages = (double)sysconf(_SC_PHYS_PAGES), size = (double)sysconf(_SC_PAGESIZE);
    return pages > 0 && size > 0 ? pages * size : 0;
}

double pbt_memory_available(void) {
    char line[256];
    double kilobytes = 0;
    FILE *file = fopen("/proc/meminfo", "re");
    while (file && fgets(line, sizeof line, file)) {
        if (sscanf(line, "MemAvailable: %lf", &kilobytes) == 1) break;
    }
    if (file) fclose(file);
    return 1024 * kilobytes;
}
