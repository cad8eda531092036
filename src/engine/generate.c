/* Generation: checks of requests, and their way through the scheduler. */
#include "base/memory.h"
#include "engine/scheduler.h"

#include <math.h>
#include <stdlib.h>

pbt_code pbt_sampling_check(const pbt_sampling *s, pbt_error *error) {
    if (!(s->temperature >= 0 && s->temperature <= PBT_MOST_TEMPERATURE))
        return pbt_fail(error, PBT_USAGE, "temperature is %.15g; expected a number from 0 (greedy) to %.15g",
                        s->temperature, PBT_MOST_TEMPERATURE);
    if (s->temperature > 0 && !(s->top_p > 0 && s->top_p <= 1))
        return pbt_fail(error, PBT_USAGE, "top_p is %g; expected 0 < top_p <= 1", s->top_p);
    if (s->top_k < 0) return pbt_fail(error, PBT_USAGE, "top_k is %d; expected 0 (off) or more", s->top_k);
    if (s->max_new_tokens < 0 || s->min_new_tokens < 0)
        return pbt_fail(error, PBT_USAGE, "max_new_tokens is %d and min_new_tokens %d; expected 0 or more",
                        s->max_new_tokens, s->min_new_tokens);
    if (s->n_stop_ids < 0) return pbt_fail(error, PBT_USAGE, "n_stop_ids is %d", s->n_stop_ids);
    return PBT_OK;
}

static pbt_code prepare(const pbt_engine *engine, pbt_generation *request, size_t index,
                        pbt_engine_sequence *s, pbt_error *error) {
    const int32_t after = request->sampling.max_new_tokens;
    pbt_error reason;
    if (pbt_sampling_check(&request->sampling, &reason) != PBT_OK)
        return pbt_fail_request(error, PBT_USAGE, index, "%s", reason.message);
    if (request->prompt_length < 1)
        return pbt_fail_request(error, PBT_USAGE, index, "a prompt has at least one token");
    PBT_TRY(pbt_check_ids(engine, request->prompt, request->prompt_length, "prompt", index, error));
    PBT_TRY(pbt_check_positions(engine, (int64_t)request->prompt_length + (after > 0), index,
                                after > 0 ? "the prompt with one new token" : "the prompt", error));
    /* The last token needs no row. */
    int64_t rows = (int64_t)request->prompt_length + after - 1,
            most = pbt_config_positions(&engine->model->config);
    if ((rows < most ? rows : most) > engine->kv.capacity)
        return pbt_fail_request(error, PBT_USAGE, index,
                                "a prompt of %d tokens and up to %d new ones do not fit the %d rows of "
                                "the key/value cache; raise kv_rows or lower max_new_tokens",
                                request->prompt_length, after, engine->kv.capacity);
    *s = (pbt_engine_sequence){.generation = request,
                               .adapter = request->adapter,
                               .prompt = request->prompt,
                               .prompt_length = request->prompt_length,
                               .index = index,
                               .limit = request->prompt_length,
                               .need = request->prompt_length - 1,
                               .last_row = -1};
    return after == 0 ? pbt_engine_sequence_finish(s, error) : PBT_OK;
}

pbt_code pbt_engine_generate(pbt_engine *engine, pbt_generation *requests, size_t n,
                             const pbt_monitor *monitor, pbt_error *error) {
    return pbt_engine_generate_each(engine, requests, n, NULL, monitor, error);
}

pbt_code pbt_engine_generate_each(pbt_engine *engine, pbt_generation *requests, size_t n,
                                  const pbt_request_watch *watch, const pbt_monitor *monitor,
                                  pbt_error *error) {
    for (size_t i = 0; i < n; i++) {
        requests[i].ids = NULL;
        requests[i].n_ids = 0;
        requests[i].finished = false;
    }
    pbt_engine_sequence *sequences = pbt_alloc(n + 1, sizeof *sequences);
    if (!sequences) return pbt_fail_memory(error, n * sizeof *sequences, "generation requests");
    pbt_code code = PBT_OK;
    for (size_t i = 0; code == PBT_OK && i < n; i++)
        code = prepare(engine, &requests[i], i, &sequences[i], error);
    for (size_t i = 0; code == PBT_OK && i < n; i++)
        engine->statistics.prompt_tokens += requests[i].prompt_length;
    if (code == PBT_OK)
        code = pbt_schedule_run(engine, sequences, n, engine->options.max_batch, "generating", watch, monitor,
                                error);
    free(sequences);
    for (size_t i = 0; code != PBT_OK && i < n; i++) {
        free(requests[i].ids);
        requests[i].ids = NULL;
        requests[i].n_ids = 0;
        requests[i].finished = false;
    }
    return code;
}
