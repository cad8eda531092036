/*
 * Models of every architecture made by transformers (tests/data/golden/model, written by
 * tests/interop/model_folders.py): its logits, its log-probabilities and its greedy continuations.
 */
#include "base/memory.h"
#include "base/text.h"
#include "engine/fixture.h"

enum { LOGITS = 64, PROMPT = 40, CONTINUATION = 12, GREEDY = 24 };
static const double tolerance = 2e-4;

static char *path_of(const char *name, const char *file) {
    const char *data = getenv("PBT_TEST_DATA");
    return pbt_string_format("%s/golden/model/%s%s%s", data ? data : "tests/data", name, file ? "/" : "",
                             file ? file : "");
}

typedef struct golden {
    json_t *root;
    int32_t ids[PROMPT + CONTINUATION];
    int32_t greedy[GREEDY], n_greedy;
} golden;

static void read_golden(const char *name, golden *g) {
    char *path = path_of(name, "expected.json");
    assert_ok(pbt_json_read(path, 1 << 20, &g->root, error));
    free(path);
    const json_t *prompt = json_object_get(g->root, "prompt_ids"),
                 *more = json_object_get(g->root, "continuation_ids"),
                 *greedy = json_object_get(g->root, "greedy_ids");
    assert_int_equal(json_array_size(prompt), PROMPT);
    assert_int_equal(json_array_size(more), CONTINUATION);
    g->n_greedy = (int32_t)json_array_size(greedy);
    assert_in_range(g->n_greedy, 1, GREEDY);
    for (size_t i = 0; i < PROMPT; i++) g->ids[i] = (int32_t)json_integer_value(json_array_get(prompt, i));
    for (size_t i = 0; i < CONTINUATION; i++)
        g->ids[PROMPT + i] = (int32_t)json_integer_value(json_array_get(more, i));
    for (int32_t i = 0; i < g->n_greedy; i++)
        g->greedy[i] = (int32_t)json_integer_value(json_array_get(greedy, (size_t)i));
}

static void compare(const char *what, const float *found, const json_t *expected, size_t n) {
    assert_int_equal(json_array_size(expected), n);
    for (size_t i = 0; i < n; i++) {
        double value = json_number_value(json_array_get(expected, i));
        if (!(fabs((double)found[i] - value) <= tolerance))
            fail_msg("%s %zu: expected %.6f, found %.6f", what, i, value, (double)found[i]);
    }
}

static void check(const char *name, pbt_dtype dtype, bool prepared) {
    golden g;
    char *folder = path_of(name, NULL);
    pbt_model *model;
    float logits[LOGITS], logprobs[CONTINUATION];
    const pbt_model_options options = {.dtype = dtype, .prepare = prepared};
    read_golden(name, &g);
    assert_ok(pbt_model_open(folder, &options, test_device(), &model, error));
    plain_pass(model, NULL, g.ids, PROMPT + CONTINUATION, logits, 0, NULL);
    compare("logit", logits, json_object_get(g.root, "last_logits"), LOGITS);
    pbt_engine *engine = fixture_engine(model, 256, 4, 16, true);
    pbt_scoring scoring = {.prompt = g.ids,
                           .prompt_length = PROMPT,
                           .continuation = g.ids + PROMPT,
                           .continuation_length = CONTINUATION,
                           .logprobs = logprobs};
    assert_ok(pbt_engine_score(engine, &scoring, 1, NULL, error));
    compare("log-probability", logprobs, json_object_get(g.root, "logprobs"), CONTINUATION);
    pbt_generation generation = {
        .prompt = g.ids, .prompt_length = PROMPT, .sampling = pbt_sampling_greedy(GREEDY)};
    assert_ok(pbt_engine_generate(engine, &generation, 1, NULL, error));
    assert_int_equal(generation.n_ids, g.n_greedy);
    assert_memory_equal(generation.ids, g.greedy, (size_t)g.n_greedy * sizeof(int32_t));
    free(generation.ids);
    pbt_engine_free(engine);
    pbt_model_free(model);
    json_decref(g.root);
    free(folder);
}

static void test_models(void **state) {
    (void)state;
    static const char *const names[] = {"llama_tied", "llama_linear",   "llama_llama3", "llama_yarn",
                                        "qwen2",      "mistral_window", "qwen2_window", "qwen3_layer_types"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        print_message("%s\n", names[i]);
        check(names[i], PBT_DTYPES, true); /* bfloat16, as stored */
        check(names[i], PBT_F32, false);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_models)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
