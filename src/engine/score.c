/* Scoring: log-probabilities of given continuations, through the same passes and the same cache. */
#include "base/memory.h"
#include "engine/scheduler.h"

#include <stdlib.h>

static pbt_code prepare(const pbt_engine *engine, pbt_scoring *request, size_t index, pbt_engine_sequence *s,
                        pbt_error *error) {
    if (request->prompt_length < 1 || request->continuation_length < 0)
        return pbt_fail_request(error, PBT_USAGE, index,
                                "a prompt of %d and a continuation of %d tokens; expected 1 and 0 or more",
                                request->prompt_length, request->continuation_length);
    PBT_TRY(pbt_check_ids(engine, request->prompt, request->prompt_length, "prompt", index, error));
    PBT_TRY(pbt_check_ids(engine, request->continuation, request->continuation_length, "continuation", index,
                          error));
    if (request->continuation_length > 0 && !request->logprobs)
        return pbt_fail_request(error, PBT_USAGE, index, "there is no room for its log-probabilities");
    PBT_TRY(pbt_check_positions(engine, (int64_t)request->prompt_length + request->continuation_length, index,
                                "the prompt with its continuation", error));
    int64_t rows = (int64_t)request->prompt_length + request->continuation_length - 1;
    if (rows > engine->kv.capacity)
        return pbt_fail_request(error, PBT_USAGE, index,
                                "a prompt of %d tokens and a continuation of %d do not fit the %d rows "
                                "of the key/value cache; raise kv_rows or shorten the text",
                                request->prompt_length, request->continuation_length, engine->kv.capacity);
    *s = (pbt_engine_sequence){.scoring = request,
                               .adapter = request->adapter,
                               .prompt = request->prompt,
                               .prompt_length = request->prompt_length,
                               .continuation = request->continuation,
                               .continuation_length = request->continuation_length,
                               .index = index,
                               .limit = (int32_t)rows,
                               .need = request->prompt_length - 1,
                               .last_row = -1};
    return PBT_OK;
}

pbt_code pbt_engine_score(pbt_engine *engine, pbt_scoring *requests, size_t n, const pbt_monitor *monitor,
                          pbt_error *error) {
    return pbt_engine_score_each(engine, requests, n, NULL, monitor, error);
}

pbt_code pbt_engine_score_each(pbt_engine *engine, pbt_scoring *requests, size_t n,
                               const pbt_request_watch *watch, const pbt_monitor *monitor, pbt_error *error) {
    pbt_engine_sequence *sequences = pbt_alloc(n + 1, sizeof *sequences);
    if (!sequences) return pbt_fail_memory(error, n * sizeof *sequences, "scoring requests");
    pbt_code code = PBT_OK;
    for (size_t i = 0; code == PBT_OK && i < n; i++)
        code = prepare(engine, &requests[i], i, &sequences[i], error);
    for (size_t i = 0; code == PBT_OK && i < n; i++)
        engine->statistics.prompt_tokens += requests[i].prompt_length + requests[i].continuation_length;
    /* Nothing is decoded: as many texts at once as a pass has rows, so that choices after one prompt share
     * its row. */
    if (code == PBT_OK)
        code = pbt_schedule_run(engine, sequences, n, engine->rows, "scoring", watch, monitor, error);
    free(sequences);
    return code;
}
