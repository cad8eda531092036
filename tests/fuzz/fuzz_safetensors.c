/* Weight files come from anywhere: any bytes give tensors that lie inside them, or a sentence. */
#include "model/safetensors.h"

#include <stdint.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    pbt_error error;
    pbt_safetensors file;
    if (pbt_safetensors_parse(data, size, "fuzz", &file, &error) != PBT_OK) return 0;
    for (size_t i = 0; i < file.n_tensors; i++) {
        const pbt_stored_tensor *t = &file.tensors[i];
        if (t->data < data || t->data + t->bytes > data + size) abort();
        if (t->dtype == PBT_DTYPES || t->count == 0 || t->count > 4096) continue;
        float values[4096];
        pbt_stored_to_floats(t->data, t->dtype, t->count, values);
    }
    pbt_safetensors_close(&file);
    return 0;
}
