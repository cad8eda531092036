#include "engine/sequence.h"

#include "base/memory.h"

#include <string.h>

bool pbt_engine_sequence_finished(const pbt_engine_sequence *s) {
    if (s->scoring) return s->continuation_length == 0 || (s->open && s->cursor.depth == s->limit);
    return s->generation->ids != NULL;
}

pbt_code pbt_engine_sequence_finish(pbt_engine_sequence *s, pbt_error *error) {
    size_t n = (size_t)(s->limit - s->prompt_length);
    int32_t *ids = pbt_alloc(n + 1, sizeof *ids);
    if (!ids) return pbt_fail_memory(error, n * sizeof *ids, "the ids of a generated text");
    if (n > 0) memcpy(ids, s->tokens + s->prompt_length, n * sizeof *ids);
    s->generation->ids = ids;
    s->generation->n_ids = (int32_t)n;
    return PBT_OK;
}

pbt_code pbt_check_ids(const pbt_engine *engine, const int32_t *ids, int32_t n, const char *what,
                       size_t index, pbt_error *error) {
    const int32_t V = engine->model->config.vocab_size;
    if (n > 0 && !ids) return pbt_fail_request(error, PBT_USAGE, index, "its %s is missing", what);
    for (int32_t i = 0; i < n; i++)
        if (ids[i] < 0 || ids[i] >= V)
            return pbt_fail_request(error, PBT_BAD_INPUT, index,
                                    "token %d of its %s is %d; the model's vocabulary is 0 to %d", i, what,
                                    ids[i], V - 1);
    return PBT_OK;
}

pbt_code pbt_check_positions(const pbt_engine *engine, int64_t length, size_t index, const char *what,
                             pbt_error *error) {
    int64_t positions = pbt_config_positions(&engine->model->config);
    if (length <= positions) return PBT_OK;
    return pbt_fail_request(error, PBT_BAD_INPUT, index,
                            "%s takes %lld tokens, but the model has positions for %lld only; shorten "
                            "the text",
                            what, (long long)length, (long long)positions);
}
