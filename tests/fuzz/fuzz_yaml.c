/* Experiment files are written by people and copied from anywhere: any bytes give a tree or a sentence. */
#include "settings/yaml.h"

#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    pbt_error error;
    pbt_yaml *root = NULL;
    pbt_arena *arena = pbt_arena_create();
    if (arena && size < 1 << 16) pbt_yaml_parse((const char *)data, size, "fuzz", arena, &root, &error);
    pbt_arena_free(arena);
    return 0;
}
