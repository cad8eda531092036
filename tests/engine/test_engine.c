/*
 * The engine against the plain way, bit by bit: whatever is shared, batched, cached, evicted or sent back,
 * the texts and log-probabilities are those of every request alone.
 */
#include "engine/fixture.h"

enum { MANY = 48 };

static pbt_model *model;
static prompts asked;

static pbt_sampling sampling_of(int i) {
    pbt_sampling s = {.temperature = i % 3 ? 0.7 + 0.2 * (i % 4) : 0,
                      .top_k = i % 5 == 1 ? 6 : 0,
                      .top_p = i % 4 == 1 ? 0.8 : 1,
                      .max_new_tokens = 1 + i % 17,
                      .min_new_tokens = i % 6};
    return s;
}

static void fill(pbt_generation *requests, const pbt_adapter *const *adapters, size_t n_adapters) {
    for (int i = 0; i < MANY; i++)
        requests[i] = (pbt_generation){.prompt = asked.ids[i],
                                       .prompt_length = asked.length[i],
                                       .adapter = n_adapters ? adapters[(size_t)i % n_adapters] : NULL,
                                       .sampling = sampling_of(i),
                                       .key = pbt_key_child(pbt_key_of_seed(8), (uint64_t)(i / 2))};
}

static void release(pbt_generation *requests, int n) {
    for (int i = 0; i < n; i++) free(requests[i].ids);
}

static void check(const pbt_model *of, const pbt_generation *request) {
    int32_t ids[LONGEST], n = plain_generate(of, request, ids);
    assert_int_equal(request->n_ids, n);
    assert_memory_equal(request->ids, ids, (size_t)n * sizeof *ids);
    assert_int_equal(request->finished, stops(of, &request->sampling, ids[n - 1]));
}

/* Two rounds, so that the second finds the first one's prefixes. */
static void generate_and_check(int32_t kv_rows, int32_t batch, int32_t prefill_rows, bool share,
                               const pbt_adapter *const *adapters, size_t n_adapters) {
    pbt_engine *engine = fixture_engine(model, kv_rows, batch, prefill_rows, share);
    for (int round = 0; round < 2; round++) {
        pbt_generation requests[MANY];
        fill(requests, adapters, n_adapters);
        assert_ok(pbt_engine_generate(engine, requests, MANY, NULL, error));
        for (int i = 0; i < MANY; i++) check(model, &requests[i]);
        release(requests, MANY);
    }
    pbt_engine_free(engine);
}

/* Every request is told of once, when it is done, and may lose its ids then. */
typedef struct watching {
    pbt_generation *requests;
    int seen[MANY], calls, most;
} watching;

static pbt_code note_done(void *user, size_t index, pbt_error *error) {
    watching *w = user;
    if (w->calls == w->most) return pbt_fail(error, PBT_FAILED, "enough");
    w->calls++;
    w->seen[index]++;
    check(model, &w->requests[index]);
    free(w->requests[index].ids);
    w->requests[index].ids = NULL;
    return PBT_OK;
}

static void each_is_told_of(void **state) {
    (void)state;
    pbt_engine *engine = fixture_engine(model, 0, 5, 0, true);
    pbt_generation requests[MANY];
    watching w = {.requests = requests, .most = MANY};
    const pbt_request_watch watch = {note_done, &w};
    pbt_error stopped = {0};
    fill(requests, NULL, 0);
    assert_ok(pbt_engine_generate_each(engine, requests, MANY, &watch, NULL, error));
    for (int i = 0; i < MANY; i++) assert_int_equal(w.seen[i], 1);
    /* An error of the watcher ends the work; the engine can go on after it. */
    w = (watching){.requests = requests, .most = 3};
    fill(requests, NULL, 0);
    assert_int_equal(pbt_engine_generate_each(engine, requests, MANY, &watch, NULL, &stopped), PBT_FAILED);
    assert_string_equal(stopped.message, "enough");
    for (int i = 0; i < MANY; i++) assert_null(requests[i].ids);
    fill(requests, NULL, 0);
    assert_ok(pbt_engine_generate(engine, requests, MANY, NULL, error));
    for (int i = 0; i < MANY; i++) check(model, &requests[i]);
    release(requests, MANY);
    pbt_engine_free(engine);
}

static void one_and_many(void **state) {
    (void)state;
    generate_and_check(0, 0, 0, true, NULL, 0);
    generate_and_check(0, 1, 0, true, NULL, 0);
    generate_and_check(0, 7, 5, true, NULL, 0);
}

static void without_sharing(void **state) {
    (void)state;
    generate_and_check(0, 0, 0, false, NULL, 0);
    generate_and_check(200, 9, 16, false, NULL, 0);
}

static int32_t most_rows(void) {
    int32_t most = 0;
    for (int i = 0; i < MANY; i++) {
        int32_t rows = asked.length[i] + sampling_of(i).max_new_tokens - 1;
        if (rows > most) most = rows;
    }
    return most;
}

/* Barely room for the longest text alone: leaves are dropped, texts go back to wait. */
static void tiny_cache(void **state) {
    (void)state;
    generate_and_check(most_rows(), 0, 0, true, NULL, 0);
    generate_and_check(most_rows() + 3, 16, 7, true, NULL, 0);
    generate_and_check(2 * most_rows(), 16, 0, true, NULL, 0);
    generate_and_check(most_rows(), 16, 7, false, NULL, 0);
}

static void several_adapters(void **state) {
    (void)state;
    pbt_adapter *a = fixture_adapter(model, 21, 2), *b = fixture_adapter(model, 22, 5);
    const pbt_adapter *adapters[] = {a, NULL, b};
    generate_and_check(0, 0, 0, true, adapters, 3);
    generate_and_check(most_rows(), 4, 6, true, adapters, 3);
    pbt_adapter_free(a);
    pbt_adapter_free(b);
}

static void sliding_window(void **state) {
    (void)state;
    pbt_model *other = fixture_model(4, true);
    assert_int_equal(other->config.sliding_window, 9);
    pbt_engine *engine = fixture_engine(other, 0, 0, 0, true);
    pbt_generation requests[MANY];
    fill(requests, NULL, 0);
    assert_ok(pbt_engine_generate(engine, requests, MANY, NULL, error));
    for (int i = 0; i < MANY; i++) check(other, &requests[i]);
    release(requests, MANY);
    pbt_engine_free(engine);
    pbt_model_free(other);
}

/* A changed adapter must be forgotten; then its new numbers count. */
static void forget(void **state) {
    (void)state;
    pbt_adapter *a = fixture_adapter(model, 21, 2), *b = fixture_adapter(model, 22, 2);
    pbt_engine *engine = fixture_engine(model, 0, 0, 0, true);
    for (int round = 0; round < 2; round++) {
        pbt_generation request = {.prompt = asked.ids[9],
                                  .prompt_length = asked.length[9],
                                  .adapter = a,
                                  .sampling = pbt_sampling_greedy(12)};
        assert_ok(pbt_engine_generate(engine, &request, 1, NULL, error));
        check(model, &request);
        release(&request, 1);
        pbt_adapter_assign(a, b);
        pbt_engine_forget(engine, a);
    }
    pbt_engine_forget(engine, NULL);
    pbt_engine_free(engine);
    pbt_adapter_free(a);
    pbt_adapter_free(b);
}

/* Token 3 is the likeliest nowhere for long; with it as a stop, and impossible before the fourth token. */
static void stops_and_minimum(void **state) {
    (void)state;
    pbt_engine *engine = fixture_engine(model, 0, 0, 0, true);
    pbt_generation free_run = {
        .prompt = asked.ids[5], .prompt_length = asked.length[5], .sampling = pbt_sampling_greedy(10)};
    int32_t none = -1;
    free_run.sampling.stop_ids = &none;
    assert_ok(pbt_engine_generate(engine, &free_run, 1, NULL, error));
    assert_int_equal(free_run.n_ids, 10);
    assert_false(free_run.finished);
    int32_t stop[] = {free_run.ids[0]};
    pbt_generation stopped = free_run, later = free_run;
    stopped.sampling.stop_ids = later.sampling.stop_ids = stop;
    stopped.sampling.n_stop_ids = later.sampling.n_stop_ids = 1;
    later.sampling.min_new_tokens = 3;
    assert_ok(pbt_engine_generate(engine, &stopped, 1, NULL, error));
    assert_int_equal(stopped.n_ids, 1);
    assert_int_equal(stopped.ids[0], stop[0]);
    assert_true(stopped.finished);
    assert_ok(pbt_engine_generate(engine, &later, 1, NULL, error));
    assert_true(later.n_ids >= 4);
    for (int i = 0; i < 3; i++) assert_int_not_equal(later.ids[i], stop[0]);
    check(model, &later);
    release(&free_run, 1);
    release(&stopped, 1);
    release(&later, 1);
    pbt_engine_free(engine);
}

/* By hand: prompts a b c, a b d and a b c again. Rows: a b c d, and on the second call c again for its hidden
 * state (d's too). */
static void counts(void **state) {
    (void)state;
    const int32_t abc[] = {5, 6, 7}, abd[] = {5, 6, 8};
    const int32_t *texts[] = {abc, abd, abc};
    pbt_engine *engine = fixture_engine(model, 0, 0, 0, true);
    for (int round = 0; round < 2; round++) {
        pbt_generation requests[3];
        for (int i = 0; i < 3; i++)
            requests[i] =
                (pbt_generation){.prompt = texts[i], .prompt_length = 3, .sampling = pbt_sampling_greedy(1)};
        assert_ok(pbt_engine_generate(engine, requests, 3, NULL, error));
        release(requests, 3);
        pbt_engine_statistics s = pbt_engine_statistics_get(engine);
        assert_int_equal(s.prompt_tokens, 9 * (round + 1));
        assert_int_equal(s.computed_tokens, round == 0 ? 4 : 6);
        assert_int_equal(s.new_tokens, 3 * (round + 1));
        assert_int_equal(s.prefill_passes, round + 1);
        assert_int_equal(s.decode_passes, 0);
    }
    pbt_engine_free(engine);
    engine = fixture_engine(model, 0, 0, 0, false);
    pbt_generation request = {.prompt = abc, .prompt_length = 3, .sampling = pbt_sampling_greedy(5)};
    request.sampling.min_new_tokens = 5;
    assert_ok(pbt_engine_generate(engine, &request, 1, NULL, error));
    release(&request, 1);
    assert_int_equal(pbt_engine_statistics_get(engine).decode_passes, 4);
    assert_int_equal(pbt_engine_statistics_get(engine).computed_tokens, 3);
    pbt_engine_free(engine);
}

/* ---- scoring ---- */

static void score_and_check(pbt_engine *engine, const pbt_adapter *adapter) {
    static float found[MANY][LONGEST];
    pbt_scoring requests[MANY];
    for (int i = 0; i < MANY; i++) {
        int32_t cut = 1 + i * 7 % asked.length[i];
        requests[i] = (pbt_scoring){.prompt = asked.ids[i],
                                    .prompt_length = cut,
                                    .continuation = asked.ids[i] + cut,
                                    .continuation_length = asked.length[i] - cut,
                                    .adapter = i % 2 ? adapter : NULL,
                                    .logprobs = found[i]};
    }
    assert_ok(pbt_engine_score(engine, requests, MANY, NULL, error));
    for (int i = 0; i < MANY; i++) {
        float expected[LONGEST];
        int32_t n = requests[i].continuation_length;
        plain_pass(model, requests[i].adapter, asked.ids[i], asked.length[i], NULL, requests[i].prompt_length,
                   expected);
        assert_memory_equal(found[i], expected, (size_t)n * sizeof(float));
    }
}

static void scoring(void **state) {
    (void)state;
    static const int32_t settings[][4] = {
        {0, 0, 0, true}, {0, 3, 4, true}, {60, 0, 0, true}, {0, 0, 0, false}};
    pbt_adapter *adapter = fixture_adapter(model, 23, 3);
    for (size_t i = 0; i < sizeof settings / sizeof *settings; i++) {
        const int32_t *s = settings[i];
        pbt_engine *engine = fixture_engine(model, s[0] ? most_rows() : 0, s[1], s[2], s[3]);
        score_and_check(engine, adapter);
        score_and_check(engine, adapter);
        pbt_engine_free(engine);
    }
    pbt_adapter_free(adapter);
}

/* Forty choices after one prompt: its rows, and nothing more. */
static void choices(void **state) {
    (void)state;
    pbt_engine *engine = fixture_engine(model, 0, 4, 0, true);
    pbt_scoring requests[VOCABULARY];
    int32_t ids[VOCABULARY];
    float logprobs[VOCABULARY];
    double sum = 0;
    for (int32_t i = 0; i < VOCABULARY; i++) {
        ids[i] = i;
        requests[i] = (pbt_scoring){.prompt = asked.ids[7],
                                    .prompt_length = asked.length[7],
                                    .continuation = &ids[i],
                                    .continuation_length = 1,
                                    .logprobs = &logprobs[i]};
    }
    assert_ok(pbt_engine_score(engine, requests, VOCABULARY, NULL, error));
    for (int i = 0; i < VOCABULARY; i++) sum += exp((double)logprobs[i]);
    assert_true(fabs(sum - 1) < 1e-5);
    assert_int_equal(pbt_engine_statistics_get(engine).computed_tokens, asked.length[7]);
    pbt_engine_free(engine);
}

/* ---- errors ---- */

static bool stopped(void *user) {
    return --*(int *)user < 0;
}

static void refuse(pbt_engine *engine, pbt_generation request, pbt_code code, const char *sentence) {
    pbt_error error = {0};
    pbt_generation both[2] = {request, request};
    both[0] =
        (pbt_generation){.prompt = asked.ids[0], .prompt_length = 2, .sampling = pbt_sampling_greedy(0)};
    assert_int_equal(pbt_engine_generate(engine, both, 2, NULL, &error), code);
    if (!strstr(error.message, sentence)) fail_msg("%s", error.message);
    assert_int_equal(error.reason, PBT_BAD_REQUEST);
    assert_int_equal(error.item, 1);
    assert_null(both[0].ids);
    assert_null(both[1].ids);
}

static void refusals(void **state) {
    (void)state;
    pbt_engine *engine = fixture_engine(model, 40, 0, 0, true);
    const int32_t strange[] = {1, 2, VOCABULARY};
    pbt_generation good = {.prompt = asked.ids[0], .prompt_length = 2, .sampling = pbt_sampling_greedy(4)};
    pbt_generation bad = good;
    bad.prompt_length = 0;
    refuse(engine, bad, PBT_USAGE, "request 1: a prompt has at least one token");
    bad = good;
    bad.sampling.max_new_tokens = 40;
    refuse(engine, bad, PBT_USAGE, "a prompt of 2 tokens and up to 40 new ones do not fit the 40 rows");
    bad = good;
    bad.prompt = strange;
    bad.prompt_length = 3;
    refuse(engine, bad, PBT_BAD_INPUT, "token 2 of its prompt is 40; the model's vocabulary is 0 to 39");
    bad = good;
    bad.sampling.temperature = NAN;
    refuse(engine, bad, PBT_USAGE, "temperature is");
    bad.sampling.temperature = 1;
    bad.sampling.top_p = 0;
    refuse(engine, bad, PBT_USAGE, "top_p is 0");
    good.sampling.max_new_tokens = 39; /* just fits */
    assert_ok(pbt_engine_generate(engine, &good, 1, NULL, error));
    release(&good, 1);
    pbt_engine_free(engine);
}

/* Beyond its positions (256) the model is not asked: a prompt that fills them is refused, a text ends there.
 */
static void positions(void **state) {
    (void)state;
    pbt_engine *engine = fixture_engine(model, 0, 0, 0, true);
    int32_t ids[LONGEST + 1] = {0};
    float logprobs[4];
    pbt_error problem = {0};
    for (int i = 0; i <= LONGEST; i++) ids[i] = 2 + i % 30;
    pbt_generation request = {.prompt = ids, .prompt_length = LONGEST, .sampling = pbt_sampling_greedy(4)};
    refuse(engine, request, PBT_BAD_INPUT,
           "request 1: the prompt with one new token takes 257 tokens, but the model has positions for 256");
    request.prompt_length = LONGEST - 2;
    request.sampling.min_new_tokens = 4;
    assert_ok(pbt_engine_generate(engine, &request, 1, NULL, error));
    assert_int_equal(request.n_ids, 2);
    assert_false(request.finished);
    release(&request, 1);
    pbt_scoring scoring = {.prompt = ids,
                           .prompt_length = LONGEST - 3,
                           .continuation = ids,
                           .continuation_length = 4,
                           .logprobs = logprobs};
    assert_int_equal(pbt_engine_score(engine, &scoring, 1, NULL, &problem), PBT_BAD_INPUT);
    assert_non_null(strstr(problem.message, "takes 257 tokens, but the model has positions for 256 only"));
    scoring.continuation_length = 3;
    assert_ok(pbt_engine_score(engine, &scoring, 1, NULL, error));
    pbt_engine_free(engine);
}

static void interruption(void **state) {
    (void)state;
    pbt_engine *engine = fixture_engine(model, 0, 0, 0, true);
    pbt_generation requests[MANY];
    int checks = 3;
    pbt_monitor monitor = {.user = &checks, .stopped = stopped};
    fill(requests, NULL, 0);
    assert_int_equal(pbt_engine_generate(engine, requests, MANY, &monitor, NULL), PBT_INTERRUPTED);
    for (int i = 0; i < MANY; i++) assert_null(requests[i].ids);
    assert_ok(pbt_engine_generate(engine, requests, MANY, NULL, error));
    for (int i = 0; i < MANY; i++) check(model, &requests[i]);
    release(requests, MANY);
    pbt_engine_free(engine);
}

static int set_up(void **state) {
    (void)state;
    model = fixture_model(3, false);
    asked = fixture_prompts(MANY);
    return 0;
}

static int tear_down(void **state) {
    (void)state;
    pbt_model_free(model);
    return 0;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_and_many),      cmocka_unit_test(without_sharing), cmocka_unit_test(tiny_cache),
        cmocka_unit_test(several_adapters),  cmocka_unit_test(sliding_window),  cmocka_unit_test(forget),
        cmocka_unit_test(stops_and_minimum), cmocka_unit_test(counts),          cmocka_unit_test(scoring),
        cmocka_unit_test(choices),           cmocka_unit_test(refusals),        cmocka_unit_test(positions),
        cmocka_unit_test(each_is_told_of),   cmocka_unit_test(interruption),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
