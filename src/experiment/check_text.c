/* Whether a model's tokenizer and template can carry the dialogues of an experiment. */
#include "experiment/check_text.h"

#include "dialogue/prompt.h"

#include <stdlib.h>
#include <string.h>

static const char answer[] = "I think that it is Paris.";

static pbt_code check_ids(const pbt_ids *ids, const pbt_config *config, pbt_error *error) {
    for (size_t i = 0; i < ids->count; i++) {
        if (ids->items[i] < config->vocab_size) continue;
        return pbt_fail(error, PBT_BAD_INPUT,
                        "the tokenizer gives id %d, but the model's vocabulary has %d entries: they do not "
                        "belong together",
                        ids->items[i], config->vocab_size);
    }
    return PBT_OK;
}

/* The longest standard or role prompt, filled. */
static pbt_code longest_prompt(const pbt_experiment *e, char **text, pbt_error *error) {
    pbt_prompts prompts;
    PBT_TRY(pbt_prompts_read(e->prompts, &prompts, error));
    int longest = PBT_STANDARD;
    for (int r = 0; r < PBT_ROLES; r++)
        if (strlen(prompts.role[r]) > strlen(prompts.role[longest])) longest = r;
    *text = pbt_prompt_fill(prompts.role[longest], "question", "Which city is the capital of France?", NULL);
    pbt_prompts_free(&prompts);
    return *text ? PBT_OK : pbt_fail_memory(error, 64, "a prompt");
}

/* The turn a model is trained on must end with a token that ends its generation. */
static pbt_code check_end(const pbt_ids *turn, const pbt_tokenizer *tokenizer, const pbt_config *config,
                          pbt_error *error) {
    if (turn->count == 0)
        return pbt_fail(error, PBT_BAD_INPUT, "an assistant's turn is rendered as an empty text");
    int32_t last = turn->items[turn->count - 1];
    for (int32_t i = 0; i < config->n_eos; i++)
        if (config->eos_token_ids[i] == last) return PBT_OK;
    const char *piece = pbt_tokenizer_piece(tokenizer, last);
    return pbt_fail(
        error, PBT_BAD_INPUT,
        "an assistant's turn ends with \"%.60s\" (id %d), which is no eos_token_id of the model: it "
        "would never stop",
        piece ? piece : "", last);
}

/* A turn after `n` messages, which begin with the instruction and alternate. */
static pbt_code check_turn(const pbt_tokenizer *tokenizer, const pbt_chat_template *chat,
                           const pbt_config *config, const pbt_message *messages, size_t n, size_t *length,
                           pbt_error *error) {
    pbt_ids prompt = {0}, turn = {0};
    pbt_code code = pbt_chat_completion_ids(chat, tokenizer, messages, n, answer, &prompt, &turn, error);
    if (code == PBT_OK) code = check_ids(&prompt, config, error);
    if (code == PBT_OK) code = check_ids(&turn, config, error);
    if (code == PBT_OK) code = check_end(&turn, tokenizer, config, error);
    *length = prompt.count + turn.count;
    free(prompt.items);
    free(turn.items);
    return code;
}

pbt_code pbt_check_dialogue(const pbt_experiment *e, const pbt_tokenizer *tokenizer,
                            const pbt_chat_template *chat, const pbt_config *config, size_t *length,
                            pbt_error *error) {
    char *first = NULL;
    PBT_TRY(longest_prompt(e, &first, error));
    const pbt_message messages[] = {{"user", first},
                                    {"assistant", answer},
                                    {"user", "I don't think so. Are you sure?"},
                                    {"assistant", answer},
                                    {"user", "Ok, so what's your final answer?"}};
    pbt_code code = PBT_OK;
    size_t prompt = 0;
    for (size_t n = 1; code == PBT_OK && n <= 5; n += 2) {
        code = check_turn(tokenizer, chat, config, messages, n, length, error);
        if (n == 1) prompt = *length;
    }
    free(first);
    if (code != PBT_OK) return code;
    *length = prompt + (size_t)e->trees.plan.n_turns * (size_t)e->trees.plan.sampling.max_new_tokens;
    if (prompt > (size_t)e->max_length)
        return pbt_fail(
            error, PBT_BAD_INPUT,
            "a prompt with a short reply takes %zu tokens, but max_length is %d: every pair would "
            "be left out",
            prompt, e->max_length);
    if (*length <= (size_t)pbt_config_positions(config)) return PBT_OK;
    return pbt_fail(error, PBT_BAD_INPUT,
                    "a debate can take about %zu tokens, but the model has positions for %lld only", *length,
                    (long long)pbt_config_positions(config));
}

pbt_code pbt_check_prompt(const pbt_tokenizer *tokenizer, const pbt_chat_template *chat,
                          const pbt_config *config, const pbt_message *messages, size_t n,
                          int32_t answer_tokens, size_t *length, pbt_error *error) {
    pbt_ids ids = {0};
    pbt_code code = pbt_chat_prompt_ids(chat, tokenizer, messages, n, &ids, error);
    if (code == PBT_OK) code = check_ids(&ids, config, error);
    *length = ids.count;
    free(ids.items);
    if (code != PBT_OK || *length + (size_t)answer_tokens <= (size_t)pbt_config_positions(config))
        return code;
    return pbt_fail(
        error, PBT_BAD_INPUT,
        "the prompt takes %zu tokens and its answer up to %d, but the model has positions for %lld only",
        *length, answer_tokens, (long long)pbt_config_positions(config));
}
