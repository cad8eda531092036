/* Tokenizers come with models from anywhere: any bytes in place of tokenizer.json (the first byte even) or
 * tokenizer.model (odd) give a tokenizer that encodes and decodes, or a sentence. */
#include "base/file.h"
#include "tokenizer/tokenizer.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void use(const pbt_tokenizer *tokenizer, const uint8_t *data, size_t size) {
    pbt_error error;
    pbt_ids ids = {0};
    pbt_text text = {0};
    size_t *offsets = NULL;
    const char *bytes = (const char *)data;
    if (pbt_tokenizer_encode(tokenizer, "Hello  w\xc3\xb6rld <s> 123\n\xff", 21, true, &ids, &error) ==
            PBT_OK &&
        pbt_tokenizer_encode(tokenizer, bytes, size, false, &ids, &error) == PBT_OK)
        (void)pbt_tokenizer_decode(tokenizer, ids.items, ids.count, size % 2, &text, &error);
    ids.count = 0;
    if (pbt_tokenizer_encode_offsets(tokenizer, bytes, size, &ids, &offsets, &error) == PBT_OK)
        for (size_t i = 0; i < ids.count; i++)
            if (offsets[2 * i] > offsets[2 * i + 1] || offsets[2 * i + 1] > size) abort();
    free(offsets);
    free(ids.items);
    pbt_text_free(&text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    /* Behind zero bytes, which no JSON has, stand the files beside tokenizer.json. */
    static const char *const beside[] = {"tokenizer_config.json", "special_tokens_map.json",
                                         "added_tokens.json"};
    static char folder[64], paths[2][96];
    pbt_error error;
    pbt_tokenizer *tokenizer = NULL;
    if (!*folder) {
        snprintf(folder, sizeof folder, "/dev/shm/pbt-fuzz-XXXXXX");
        if (!mkdtemp(folder)) return 0;
        snprintf(paths[0], sizeof paths[0], "%s/tokenizer.json", folder);
        snprintf(paths[1], sizeof paths[1], "%s/tokenizer.model", folder);
    }
    if (size < 2 || size > 1 << 16) return 0;
    int kind = data[0] & 1;
    unlink(paths[!kind]);
    FILE *file = fopen(paths[kind], "wb");
    if (!file) return 0;
    const uint8_t *at = data + 1, *end = data + size, *stop = kind ? NULL : memchr(at, 0, size - 1);
    fwrite(at, 1, (size_t)((stop ? stop : end) - at), file);
    fclose(file);
    for (int i = 0; i < 3; i++) {
        char path[128];
        snprintf(path, sizeof path, "%s/%s", folder, beside[i]);
        unlink(path);
        if (!stop) continue;
        at = stop + 1;
        stop = memchr(at, 0, (size_t)(end - at));
        file = fopen(path, "wb");
        if (!file) return 0;
        fwrite(at, 1, (size_t)((stop ? stop : end) - at), file);
        fclose(file);
    }
    if (pbt_tokenizer_open(folder, &tokenizer, &error) != PBT_OK) return 0;
    use(tokenizer, data, size);
    pbt_tokenizer_free(tokenizer);
    return 0;
}
