/* Agents of a local model: messages to ids by the chat template, the engine's work, ids back to text. */
#include "agent/agent.h"

#include "base/memory.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct local_agent {
    pbt_agent base;
    pbt_chat_model *model;
    const pbt_adapter *adapter;
} local_agent;

static void engine_progress(void *user, const char *task, const char *unit, double done, double total,
                            const char *note) {
    const pbt_monitor *asking = user;
    (void)task, (void)unit, (void)note;
    asking->batch(asking->batch_user, (size_t)done, (size_t)total);
}

static bool engine_stopped(void *user) {
    const pbt_monitor *asking = user;
    return asking->stopped && asking->stopped(asking->user);
}

/* Whoever asks reports progress in units of its own; of the engine it hears how far the batch is, if it wants
 * to, and the engine hears the wish to stop. */
static pbt_monitor engine_monitor(const pbt_monitor *asking) {
    if (!asking) return (pbt_monitor){0};
    return (pbt_monitor){.user = (void *)(uintptr_t)asking,
                         .progress = asking->batch ? engine_progress : NULL,
                         .stopped = engine_stopped};
}

static pbt_code in_request(pbt_code code, size_t index, pbt_error *error) {
    if (code == PBT_OK || !error) return code;
    pbt_error inner = *error;
    return pbt_fail_request(error, code, index, "%s", inner.message);
}

/* ---- talking ---- */

static bool is_space(char c) {
    return c == ' ' || (c >= '\t' && c <= '\r');
}

/* Texts of agents are C strings: U+0000, which a model may write, becomes U+FFFD. */
static void replace_nul(pbt_text *text) {
    pbt_text clean = {0};
    if (!text->length || !memchr(text->data, 0, text->length)) return;
    for (size_t i = 0; i < text->length; i++)
        pbt_text_append(&clean, text->data[i] ? &text->data[i] : "\xef\xbf\xbd", text->data[i] ? 1 : 3);
    pbt_text_free(text);
    *text = clean;
}

/* The trimmed text of generated ids, malloc'ed. */
static pbt_code text_of(const pbt_chat_model *m, const pbt_generation *g, char **text, pbt_error *error) {
    pbt_text all = {0};
    pbt_code code = pbt_tokenizer_decode(m->tokenizer, g->ids, (size_t)g->n_ids, true, &all, error);
    replace_nul(&all);
    const char *from = pbt_text_string(&all), *to = from + all.length;
    while (from < to && is_space(*from)) from++;
    while (to > from && is_space(to[-1])) to--;
    size_t length = (size_t)(to - from);
    *text = code == PBT_OK && !all.failed ? pbt_alloc(length + 1, 1) : NULL;
    if (*text) memcpy(*text, from, length);
    pbt_text_free(&all);
    if (code != PBT_OK) return code;
    return *text ? PBT_OK : pbt_fail_memory(error, length + 1, "a generated text");
}

static pbt_code prompts_of(const local_agent *a, const pbt_talk *requests, size_t n, pbt_ids *prompts,
                           pbt_generation *generations, pbt_error *error) {
    for (size_t i = 0; i < n; i++) {
        pbt_code code = pbt_chat_prompt_ids(a->model->chat, a->model->tokenizer, requests[i].messages,
                                            requests[i].n_messages, &prompts[i], error);
        if (code != PBT_OK) return in_request(code, i, error);
        if (prompts[i].count > INT32_MAX)
            return pbt_fail_request(error, PBT_USAGE, i, "a prompt of %zu tokens", prompts[i].count);
        generations[i] = (pbt_generation){.prompt = prompts[i].items,
                                          .prompt_length = (int32_t)prompts[i].count,
                                          .adapter = a->adapter,
                                          .sampling = requests[i].sampling,
                                          .key = requests[i].key};
    }
    return PBT_OK;
}

static pbt_code talk(pbt_agent *agent, pbt_talk *requests, size_t n, const pbt_monitor *monitor,
                     pbt_error *error) {
    local_agent *a = (local_agent *)agent;
    pbt_monitor watch = engine_monitor(monitor);
    pbt_ids *prompts = pbt_alloc(n + 1, sizeof *prompts);
    pbt_generation *generations = pbt_alloc(n + 1, sizeof *generations);
    pbt_code code = prompts && generations ? PBT_OK : pbt_fail_memory(error, n, "talks");
    for (size_t i = 0; i < n; i++) requests[i].text = NULL;
    if (code == PBT_OK) code = prompts_of(a, requests, n, prompts, generations, error);
    if (code == PBT_OK) code = pbt_engine_generate(a->model->engine, generations, n, &watch, error);
    for (size_t i = 0; code == PBT_OK && i < n; i++) {
        code = text_of(a->model, &generations[i], &requests[i].text, error);
        requests[i].finished = generations[i].finished;
        requests[i].n_tokens = generations[i].n_ids;
    }
    if (code != PBT_OK) pbt_talk_clear(requests, n);
    for (size_t i = 0; prompts && i < n; i++) free(prompts[i].items);
    for (size_t i = 0; generations && i < n; i++) free(generations[i].ids);
    free(prompts);
    free(generations);
    return code;
}

/* ---- measuring ---- */

/* What is measured: ids are the prompt, then the turn; scored are first .. first + n - 1. */
typedef struct measured {
    pbt_ids ids;
    size_t first, n;
} measured;

/* How many ids of the turn are forced. The answer may melt into a token with the end of the prefix (" " and
 * "Paris"): then that token belongs to the answer. */
static pbt_code forced_ids(const pbt_chat_model *m, const pbt_measure *request, const pbt_ids *turn,
                           size_t *n, pbt_error *error) {
    pbt_ids prompt = {0}, prefix = {0};
    *n = 0;
    if (!request->prefix || !request->prefix[0]) return PBT_OK;
    pbt_code code = pbt_chat_completion_ids(m->chat, m->tokenizer, request->messages, request->n_messages,
                                            request->prefix, &prompt, &prefix, error);
    while (code == PBT_OK && *n < prefix.count && *n < turn->count && prefix.items[*n] == turn->items[*n])
        ++*n;
    free(prompt.items);
    free(prefix.items);
    return code;
}

static pbt_code measured_of(const pbt_chat_model *m, const pbt_measure *request, measured *out,
                            pbt_error *error) {
    pbt_ids turn = {0};
    size_t forced = 0;
    char *text = pbt_string_format("%s%s", request->prefix ? request->prefix : "", request->answer);
    if (!text) return pbt_fail_memory(error, strlen(request->answer), "a measured turn");
    pbt_code code = pbt_chat_completion_ids(m->chat, m->tokenizer, request->messages, request->n_messages,
                                            text, &out->ids, &turn, error);
    if (code == PBT_OK) code = forced_ids(m, request, &turn, &forced, error);
    size_t end = turn.count;
    if (request->open)
        while (end > forced && pbt_tokenizer_is_special(m->tokenizer, turn.items[end - 1])) end--;
    out->first = out->ids.count + forced;
    out->n = end > forced ? end - forced : 0;
    for (size_t i = 0; code == PBT_OK && i < end; i++) code = pbt_ids_push(&out->ids, turn.items[i], error);
    if (code == PBT_OK && out->ids.count > INT32_MAX)
        code = pbt_fail(error, PBT_USAGE, "a text of %zu tokens", out->ids.count);
    free(turn.items);
    free(text);
    return code;
}

static pbt_code measure_all(const local_agent *a, pbt_measure *requests, size_t n, measured *texts,
                            pbt_scoring *scorings, float **logprobs, const pbt_monitor *monitor,
                            pbt_error *error) {
    size_t total = 0, at = 0;
    for (size_t i = 0; i < n; i++) {
        PBT_TRY(in_request(measured_of(a->model, &requests[i], &texts[i], error), i, error));
        total += texts[i].n;
    }
    *logprobs = pbt_alloc(total + 1, sizeof **logprobs);
    if (!*logprobs) return pbt_fail_memory(error, total * sizeof **logprobs, "log-probabilities");
    for (size_t i = 0; i < n; i++) {
        scorings[i] = (pbt_scoring){.prompt = texts[i].ids.items,
                                    .prompt_length = (int32_t)texts[i].first,
                                    .continuation = texts[i].ids.items + texts[i].first,
                                    .continuation_length = (int32_t)texts[i].n,
                                    .adapter = a->adapter,
                                    .logprobs = *logprobs + at};
        at += texts[i].n;
    }
    PBT_TRY(pbt_engine_score(a->model->engine, scorings, n, monitor, error));
    for (size_t i = 0; i < n; i++) {
        requests[i].n_tokens = (int32_t)texts[i].n;
        requests[i].logprob = 0;
        for (size_t k = 0; k < texts[i].n; k++) requests[i].logprob += (double)scorings[i].logprobs[k];
    }
    return PBT_OK;
}

static pbt_code measure(pbt_agent *agent, pbt_measure *requests, size_t n, const pbt_monitor *monitor,
                        pbt_error *error) {
    pbt_monitor watch = engine_monitor(monitor);
    measured *texts = pbt_alloc(n + 1, sizeof *texts);
    pbt_scoring *scorings = pbt_alloc(n + 1, sizeof *scorings);
    float *logprobs = NULL;
    pbt_code code = texts && scorings ? measure_all((local_agent *)agent, requests, n, texts, scorings,
                                                    &logprobs, &watch, error)
                                      : pbt_fail_memory(error, n, "measurements");
    for (size_t i = 0; texts && i < n; i++) free(texts[i].ids.items);
    free(texts);
    free(scorings);
    free(logprobs);
    return code;
}

/* ---- creating ---- */

static void free_local(pbt_agent *agent) {
    free(agent);
}

pbt_code pbt_agent_local(pbt_chat_model *chat_model, const pbt_adapter *adapter, const char *name,
                         pbt_agent **agent, pbt_error *error) {
    local_agent *a = pbt_alloc(1, sizeof *a);
    *agent = NULL;
    if (!a) return pbt_fail_memory(error, sizeof *a, "an agent");
    a->base = (pbt_agent){.talk = talk, .measure = measure, .free = free_local};
    snprintf(a->base.name, sizeof a->base.name, "%s", name ? name : "");
    a->model = chat_model;
    a->adapter = adapter;
    *agent = &a->base;
    return PBT_OK;
}
