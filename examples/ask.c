/*
 * Asks a model a question and says how likely it finds given answers.
 *
 *     ask MODEL QUESTION [ANSWER]...
 *
 *     ask pocket/models/agent-a "What species of bird does the term lovebird refer to?" parrot swan dove
 */
#include <pbt/pbt.h>

#include <stdio.h>
#include <stdlib.h>

/* Prints the model's own reply: the likeliest token each time, at most 60 of them. */
static pbt_code reply(pbt_agent *agent, const pbt_message *question, pbt_error *error) {
    pbt_talk talk = {.messages = question, .n_messages = 1, .sampling = pbt_sampling_greedy(60)};
    PBT_TRY(pbt_agent_talk(agent, &talk, 1, NULL, error));
    printf("%s\n", talk.text);
    pbt_talk_clear(&talk, 1);
    return PBT_OK;
}

/* Prints log p(answer | question) of every answer; all are computed in one batch, the question once. */
static pbt_code measure(pbt_agent *agent, const pbt_message *question, char **answers, size_t n,
                        pbt_error *error) {
    pbt_measure *measures = pbt_alloc(n, sizeof *measures);
    if (!measures) return pbt_fail_memory(error, n * sizeof *measures, "the answers");
    for (size_t i = 0; i < n; i++)
        measures[i] = (pbt_measure){.messages = question, .n_messages = 1, .answer = answers[i]};
    pbt_code code = pbt_agent_measure(agent, measures, n, NULL, error);
    for (size_t i = 0; i < n && code == PBT_OK; i++) printf("%9.4f  %s\n", measures[i].logprob, answers[i]);
    free(measures);
    return code;
}

static pbt_code ask(const char *folder, const char *text, char **answers, size_t n, pbt_error *error) {
    const pbt_device *device;
    PBT_TRY(pbt_device_open("auto", &device, error));
    const pbt_model_options model_options = {.dtype = PBT_DTYPES}; /* as stored */
    const pbt_engine_options engine_options = {.share_prefixes = true};
    pbt_chat_model *model;
    PBT_TRY(pbt_chat_model_open(folder, &model_options, &engine_options, NULL, device, &model, error));
    const pbt_message question = {"user", text};
    pbt_agent *agent = NULL;
    pbt_code code = pbt_agent_local(model, NULL, "model", &agent, error);
    if (code == PBT_OK) code = reply(agent, &question, error);
    if (code == PBT_OK && n > 0) code = measure(agent, &question, answers, n, error);
    if (agent) pbt_agent_free(agent);
    pbt_chat_model_free(model);
    return code;
}

int main(int argc, char **argv) {
    pbt_error error = {0};
    if (argc < 3) {
        fprintf(stderr, "usage: ask MODEL QUESTION [ANSWER]...\n");
        return PBT_USAGE;
    }
    pbt_code code = ask(argv[1], argv[2], argv + 3, (size_t)argc - 3, &error);
    if (code != PBT_OK) fprintf(stderr, "ask: %s\n", error.message);
    return code;
}
