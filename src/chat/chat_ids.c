/* The ids of prompts and completions, from what the template renders. */
#include "chat/render.h"

#include "base/memory.h"

#include <stdlib.h>
#include <string.h>

/* A prompt begins with the one BOS its tokenizer has; two would be a template that adds what the tokenizer
 * also adds. */
static pbt_code check_bos(const pbt_tokenizer *tokenizer, const int32_t *ids, size_t n, pbt_error *error) {
    int32_t bos = pbt_tokenizer_bos(tokenizer);
    if (bos >= 0 && n >= 2 && ids[0] == bos && ids[1] == bos)
        return pbt_fail(error, PBT_BAD_INPUT, "chat template: the prompt begins with %s twice",
                        pbt_tokenizer_piece(tokenizer, bos));
    return n > 0 ? PBT_OK : pbt_fail(error, PBT_BAD_INPUT, "chat template: the prompt has no tokens");
}

static pbt_code encode_prompt(const pbt_tokenizer *tokenizer, const pbt_text *text, pbt_ids *ids,
                              pbt_error *error) {
    size_t before = ids->count;
    PBT_TRY(pbt_tokenizer_encode(tokenizer, pbt_text_string(text), text->length, false, ids, error));
    return check_bos(tokenizer, ids->items + before, ids->count - before, error);
}

pbt_code pbt_chat_prompt_ids(const pbt_chat_template *chat, const pbt_tokenizer *tokenizer,
                             const pbt_message *messages, size_t n, pbt_ids *ids, pbt_error *error) {
    pbt_text text = {0};
    pbt_code code = pbt_chat_render(chat, messages, n, true, &text, error);
    if (code == PBT_OK) code = encode_prompt(tokenizer, &text, ids, error);
    pbt_text_free(&text);
    return code;
}

/* The rendered answer without what a template adds behind its end-of-turn token (a newline, say). */
static size_t end_of_turn(const pbt_tokenizer *tokenizer, const char *text, size_t length) {
    size_t end = length;
    while (end > 0 && strchr(" \t\r\n", text[end - 1])) end--;
    if (end == 0 || text[end - 1] != '>') return length;
    size_t start = end - 1;
    while (start > 0 && text[start] != '<') start--;
    char piece[64];
    if (end - start >= sizeof piece) return length;
    memcpy(piece, text + start, end - start);
    piece[end - start] = 0;
    int32_t id = pbt_tokenizer_id(tokenizer, piece);
    return id >= 0 && pbt_tokenizer_is_special(tokenizer, id) ? end : length;
}

/* What the whole chat adds to the prompt, and the ids of both. */
static pbt_code split_ids(const pbt_tokenizer *tokenizer, const pbt_text *before, const pbt_text *whole,
                          pbt_ids *prompt, pbt_ids *completion, pbt_error *error) {
    if (whole->length < before->length ||
        memcmp(pbt_text_string(whole), pbt_text_string(before), before->length) != 0)
        return pbt_fail(
            error, PBT_BAD_INPUT,
            "chat template: the prompt is not the beginning of the chat with its answer, so what the "
            "answer adds is unclear");
    PBT_TRY(encode_prompt(tokenizer, before, prompt, error));
    const char *rest = pbt_text_string(whole) + before->length;
    size_t length = end_of_turn(tokenizer, rest, whole->length - before->length);
    return pbt_tokenizer_encode(tokenizer, rest, length, false, completion, error);
}

static pbt_code render_both(const pbt_chat_template *chat, const pbt_message *messages, size_t n,
                            const char *answer, pbt_text *before, pbt_text *whole, pbt_error *error) {
    pbt_message *all = pbt_alloc(n + 1, sizeof *all);
    if (!all) return pbt_fail_memory(error, 0, "a chat");
    for (size_t i = 0; i < n; i++) all[i] = messages[i];
    all[n] = (pbt_message){.role = "assistant", .content = answer};
    pbt_code code = pbt_chat_render(chat, messages, n, true, before, error);
    if (code == PBT_OK) code = pbt_chat_render(chat, all, n + 1, false, whole, error);
    free(all);
    return code;
}

pbt_code pbt_chat_completion_ids(const pbt_chat_template *chat, const pbt_tokenizer *tokenizer,
                                 const pbt_message *messages, size_t n, const char *answer, pbt_ids *prompt,
                                 pbt_ids *completion, pbt_error *error) {
    pbt_text before = {0}, whole = {0};
    pbt_code code = render_both(chat, messages, n, answer, &before, &whole, error);
    if (code == PBT_OK) code = split_ids(tokenizer, &before, &whole, prompt, completion, error);
    pbt_text_free(&before);
    pbt_text_free(&whole);
    return code;
}

/* ---- conversations of JSON ---- */

pbt_code pbt_chat_input_prompt_ids(const pbt_chat_template *chat, const pbt_tokenizer *tokenizer,
                                   const pbt_chat_input *input, pbt_ids *ids, pbt_error *error) {
    pbt_text text = {0};
    pbt_code code = pbt_chat_render_input(chat, input, &text, error);
    if (code == PBT_OK) code = encode_prompt(tokenizer, &text, ids, error);
    pbt_text_free(&text);
    return code;
}

/* The messages with the answer behind them, or at the end of the last one. */
static pbt_code with_answer(const pbt_chat_input *input, const char *answer, json_t **messages,
                            pbt_error *error) {
    if (input->continued) return pbt_turns_extend(input->messages, input->continued, answer, messages, error);
    json_t *copy = json_copy((json_t *)(uintptr_t)input->messages),
           *turn = json_pack("{s:s, s:s}", "role", "assistant", "content", answer);
    *messages = copy;
    if (copy && turn && json_array_append_new(copy, turn) == 0) return PBT_OK;
    json_decref(copy);
    return pbt_fail_memory(error, 0, "a chat");
}

pbt_code pbt_chat_input_completion_ids(const pbt_chat_template *chat, const pbt_tokenizer *tokenizer,
                                       const pbt_chat_input *input, const char *answer, pbt_ids *prompt,
                                       pbt_ids *completion, pbt_error *error) {
    pbt_text before = {0}, whole = {0};
    pbt_chat_input asked = *input, told = *input;
    json_t *messages = NULL;
    asked.add_generation_prompt = !input->continued;
    pbt_code code = pbt_chat_render_input(chat, &asked, &before, error);
    if (code == PBT_OK) code = with_answer(input, answer, &messages, error);
    if (code == PBT_OK) {
        told.messages = messages;
        told.continued = NULL;
        told.add_generation_prompt = false;
        code = pbt_chat_render_input(chat, &told, &whole, error);
        json_decref(messages);
    }
    if (code == PBT_OK) code = split_ids(tokenizer, &before, &whole, prompt, completion, error);
    pbt_text_free(&before);
    pbt_text_free(&whole);
    return code;
}
