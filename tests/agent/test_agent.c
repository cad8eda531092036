/*
 * Agents: a local one on the model of tests/data/golden/train against the engine and the text functions
 * called by hand, and a scripted one.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "assert_ok.h"
#include "device.h"
#include "scripted_agent.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static char *folder;
static pbt_chat_model *model;

static const pbt_message question[] = {{"user", "Which city is it?"}};
static const pbt_message debate[] = {{"user", "Which city is it?"},
                                     {"assistant", "It is Paris."},
                                     {"user", "No, it is Rome. Which city is it?"}};

/* ---- talking ---- */

static void talks(void **state) {
    (void)state;
    pbt_agent *agent;
    pbt_talk talks[3];
    for (int i = 0; i < 3; i++)
        talks[i] = (pbt_talk){.messages = i < 2 ? question : debate,
                              .n_messages = i < 2 ? 1 : 3,
                              .sampling = {.temperature = 0.9, .top_p = 1, .max_new_tokens = 14},
                              .key = pbt_key_of_seed((uint64_t)i)};
    assert_ok(pbt_agent_local(model, NULL, "base", &agent, error));
    assert_string_equal(agent->name, "base");
    assert_ok(pbt_agent_talk(agent, talks, 3, NULL, error));
    for (int i = 0; i < 3; i++) {
        pbt_ids prompt = {0};
        pbt_text text = {0};
        assert_ok(pbt_chat_prompt_ids(model->chat, model->tokenizer, talks[i].messages, talks[i].n_messages,
                                      &prompt, error));
        pbt_generation g = {.prompt = prompt.items,
                            .prompt_length = (int32_t)prompt.count,
                            .sampling = talks[i].sampling,
                            .key = talks[i].key};
        assert_ok(pbt_engine_generate(model->engine, &g, 1, NULL, error));
        assert_ok(pbt_tokenizer_decode(model->tokenizer, g.ids, (size_t)g.n_ids, true, &text, error));
        assert_int_equal(talks[i].n_tokens, g.n_ids);
        assert_int_equal(talks[i].finished, g.finished);
        const char *spoken = talks[i].text, *found = strstr(pbt_text_string(&text), spoken);
        size_t length = strlen(spoken);
        assert_non_null(found);
        /* only white space was cut off */
        assert_int_equal(strspn(text.data, " \t\n\r\f\v"), found - text.data);
        assert_int_equal(strspn(found + length, " \t\n\r\f\v"), strlen(found + length));
        assert_true(length == 0 || !strchr(" \t\n\r\f\v", spoken[length - 1]));
        free(g.ids);
        free(prompt.items);
        pbt_text_free(&text);
    }
    pbt_talk_clear(talks, 3);
    assert_null(talks[0].text);
    pbt_agent_free(agent);
}

/* ---- measuring ---- */

/* log p of the ids from .. to-1 of prompt + turn. */
static double by_hand(const pbt_ids *prompt, const pbt_ids *turn, size_t from, size_t to) {
    pbt_ids all = {0};
    float logprobs[256];
    double sum = 0;
    for (size_t i = 0; i < prompt->count; i++) assert_ok(pbt_ids_push(&all, prompt->items[i], error));
    for (size_t i = 0; i < to; i++) assert_ok(pbt_ids_push(&all, turn->items[i], error));
    pbt_scoring s = {.prompt = all.items,
                     .prompt_length = (int32_t)(prompt->count + from),
                     .continuation = all.items + prompt->count + from,
                     .continuation_length = (int32_t)(to - from),
                     .logprobs = logprobs};
    assert_ok(pbt_engine_score(model->engine, &s, 1, NULL, error));
    for (size_t i = 0; i < to - from; i++) sum += (double)logprobs[i];
    free(all.items);
    return sum;
}

static void measures(void **state) {
    (void)state;
    pbt_agent *agent;
    pbt_measure m[] = {
        {.messages = question, .n_messages = 1, .answer = "Paris"},
        {.messages = question, .n_messages = 1, .answer = "Paris", .open = true},
        {.messages = question, .n_messages = 1, .answer = "Paris", .prefix = "Final answer:"},
        {.messages = question, .n_messages = 1, .answer = "Paris", .prefix = "Final answer:", .open = true},
    };
    pbt_ids prompt = {0}, plain = {0}, forced = {0}, prefix = {0};
    assert_ok(pbt_agent_local(model, NULL, "base", &agent, error));
    assert_ok(pbt_agent_measure(agent, m, 4, NULL, error));
    assert_ok(
        pbt_chat_completion_ids(model->chat, model->tokenizer, question, 1, "Paris", &prompt, &plain, error));
    prompt.count = 0;
    assert_ok(pbt_chat_completion_ids(model->chat, model->tokenizer, question, 1, "Final answer:Paris",
                                      &prompt, &forced, error));
    assert_ok(pbt_tokenizer_encode(model->tokenizer, "Final answer:", 13, false, &prefix, error));
    size_t n = plain.count, f = prefix.count;
    assert_int_equal(forced.count, f + n); /* here nothing melts */
    assert_int_equal(m[0].n_tokens, n);
    assert_int_equal(m[1].n_tokens, n - 1);
    assert_int_equal(m[2].n_tokens, n);
    assert_int_equal(m[3].n_tokens, n - 1);
    assert_true(m[0].logprob == by_hand(&prompt, &plain, 0, n));
    assert_true(m[1].logprob == by_hand(&prompt, &plain, 0, n - 1));
    assert_true(m[2].logprob == by_hand(&prompt, &forced, f, f + n));
    assert_true(m[3].logprob == by_hand(&prompt, &forced, f, f + n - 1));
    assert_true(m[0].logprob < m[1].logprob && m[1].logprob < 0);
    free(prompt.items);
    free(plain.items);
    free(forced.items);
    free(prefix.items);
    pbt_agent_free(agent);
}

static void errors(void **state) {
    (void)state;
    pbt_agent *agent;
    pbt_error refused = {0};
    pbt_talk talks[2] = {{.messages = question, .n_messages = 1, .sampling = pbt_sampling_greedy(3)},
                         {.messages = question, .n_messages = 1, .sampling = pbt_sampling_greedy(-1)}};
    assert_ok(pbt_agent_local(model, NULL, "base", &agent, error));
    assert_int_equal(pbt_agent_talk(agent, talks, 2, NULL, &refused), PBT_USAGE);
    assert_non_null(strstr(refused.message, "request 1: max_new_tokens is -1"));
    assert_int_equal(refused.reason, PBT_BAD_REQUEST);
    assert_int_equal(refused.item, 1);
    assert_null(talks[0].text);
    pbt_agent_free(agent);
    pbt_chat_model *none;
    pbt_engine_options engine = {.share_prefixes = true};
    pbt_model_options options = {.dtype = PBT_DTYPES};
    assert_int_equal(pbt_chat_model_open("/nowhere", &options, &engine, NULL, test_device(), &none, &refused),
                     PBT_BAD_INPUT);
    assert_null(none);
}

/* ---- scripts ---- */

static char *reply(void *user, const pbt_message *messages, size_t n, pbt_key key) {
    (void)key;
    ++*(int *)user;
    return strcmp(messages[n - 1].content, "silence") == 0 ? NULL : pbt_string_format("%zu said", n);
}

static double score(void *user, const pbt_message *messages, size_t n, const char *answer) {
    (void)user, (void)messages;
    return -(double)n - (double)strlen(answer);
}

static void scripts(void **state) {
    (void)state;
    pbt_agent *agent;
    pbt_error refused = {0};
    const pbt_message silence[] = {{"user", "silence"}};
    int asked = 0;
    pbt_talk talks[2] = {{.messages = question, .n_messages = 1}, {.messages = debate, .n_messages = 3}};
    pbt_measure measured = {.messages = debate, .n_messages = 3, .answer = "the city"};
    assert_ok(pbt_agent_scripted(reply, score, &asked, "parrot", &agent, error));
    assert_ok(pbt_agent_talk(agent, talks, 2, NULL, error));
    assert_string_equal(talks[0].text, "1 said");
    assert_string_equal(talks[1].text, "3 said");
    assert_true(talks[1].finished);
    assert_int_equal(talks[1].n_tokens, 2);
    pbt_talk_clear(talks, 2);
    assert_ok(pbt_agent_measure(agent, &measured, 1, NULL, error));
    assert_true(measured.logprob == -11);
    talks[1].messages = silence;
    talks[1].n_messages = 1;
    assert_int_equal(pbt_agent_talk(agent, talks, 2, NULL, &refused), PBT_FAILED);
    assert_non_null(strstr(refused.message, "parrot has no reply to request 1"));
    assert_null(talks[0].text);
    assert_int_equal(asked, 4);
    pbt_agent_free(agent);
    assert_ok(pbt_agent_scripted(reply, NULL, &asked, "parrot", &agent, error));
    assert_int_equal(pbt_agent_measure(agent, &measured, 1, NULL, &refused), PBT_USAGE);
    pbt_agent_free(agent);
}

static int set_up(void **state) {
    (void)state;
    const char *data = getenv("PBT_TEST_DATA");
    pbt_engine_options engine = {.share_prefixes = true};
    pbt_model_options options = {.dtype = PBT_DTYPES, .prepare = true};
    folder = pbt_string_format("%s/golden/train/model", data ? data : "tests/data");
    assert_ok(pbt_chat_model_open(folder, &options, &engine, NULL, test_device(), &model, error));
    return 0;
}

static int tear_down(void **state) {
    (void)state;
    pbt_chat_model_free(model);
    free(folder);
    return 0;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(talks),
        cmocka_unit_test(measures),
        cmocka_unit_test(errors),
        cmocka_unit_test(scripts),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
