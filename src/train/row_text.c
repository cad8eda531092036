/* The texts of a row of a TRL dataset, and their ids: messages through the chat template, plain ones with an
 * end-of-sequence token. */
#include "train/row_text.h"

#include "base/memory.h"
#include "chat/row.h"

#include <string.h>

pbt_code pbt_row_text_read(const pbt_row_reader *reader, const char *key, pbt_row_text *text,
                           pbt_error *error) {
    const json_t *value = json_object_get(reader->row, key);
    *text = (pbt_row_text){0};
    if (json_is_string(value)) {
        text->string = json_string_value(value);
        return PBT_OK;
    }
    if (!json_is_array(value))
        return fail_row(reader, error, "\"%s\" must be a string or a list of messages", key);
    return pbt_row_messages(reader->row, key, reader->file, reader->where, &text->messages, error);
}

static pbt_code check_bos(const pbt_row_reader *reader, const pbt_ids *ids, pbt_error *error) {
    int32_t bos = pbt_tokenizer_bos(reader->tokenizer);
    if (bos >= 0 && ids->count >= 2 && ids->items[0] == bos && ids->items[1] == bos)
        return fail_row(reader, error,
                        "the text begins with two BOS tokens; remove the one that is written in the text");
    return PBT_OK;
}

pbt_code pbt_row_encode_messages(const pbt_row_reader *reader, const json_t *messages, bool generation_prompt,
                                 pbt_ids *ids, pbt_error *error) {
    if (!reader->chat) {
        fail_row(reader, error, "the row holds messages, but the model's folder has no chat template");
        pbt_error_set_reason(error, PBT_NO_CHAT_TEMPLATE);
        return PBT_BAD_INPUT;
    }
    pbt_text text = {0};
    pbt_error refused = {0};
    pbt_chat_input input = {
        .messages = messages, .variables = reader->variables, .add_generation_prompt = generation_prompt};
    pbt_code code = pbt_chat_render_input(reader->chat, &input, &text, &refused);
    if (code != PBT_OK) fail_row(reader, error, "the messages cannot be rendered: %s", refused.message);
    if (code == PBT_OK && text.failed) code = pbt_fail_memory(error, text.length, "a rendered chat");
    if (code == PBT_OK)
        code =
            pbt_tokenizer_encode(reader->tokenizer, pbt_text_string(&text), text.length, false, ids, error);
    pbt_text_free(&text);
    return code == PBT_OK ? check_bos(reader, ids, error) : code;
}

pbt_code pbt_row_encode_strings(const pbt_row_reader *reader, const char *prompt, const char *completion,
                                pbt_ids *ids, pbt_error *error) {
    pbt_text text = {0};
    const char *unused = json_object_iter_key(json_object_iter((json_t *)(uintptr_t)reader->variables));
    if (unused)
        return fail_row(reader, error,
                        "the row has \"%s\", which only says something of messages, and its texts are plain",
                        unused);
    pbt_text_add(&text, prompt);
    if (completion) {
        const char *eos = pbt_tokenizer_special(reader->tokenizer, "eos_token");
        if (!eos)
            return fail_row(reader, error,
                            "plain-text rows end with the tokenizer's eos_token, but it has none");
        pbt_text_add(&text, completion);
        if (!pbt_string_ends(completion, eos)) pbt_text_add(&text, eos);
    }
    pbt_code code = text.failed ? pbt_fail_memory(error, text.length, "a text")
                                : pbt_tokenizer_encode(reader->tokenizer, pbt_text_string(&text), text.length,
                                                       true, ids, error);
    pbt_text_free(&text);
    return code == PBT_OK ? check_bos(reader, ids, error) : code;
}

pbt_code pbt_row_encode_prompt(const pbt_row_reader *reader, const pbt_row_text *prompt, pbt_ids *ids,
                               pbt_error *error) {
    if (prompt->string) return pbt_row_encode_strings(reader, prompt->string, NULL, ids, error);
    return pbt_row_encode_messages(reader, prompt->messages, true, ids, error);
}

pbt_code pbt_row_text_join(const pbt_row_text *prompt, const pbt_row_text *completion, json_t **all,
                           pbt_error *error) {
    *all = json_copy(prompt->messages);
    if (*all && json_array_extend(*all, completion->messages) == 0) return PBT_OK;
    json_decref(*all);
    return pbt_fail_memory(error, 0, "messages");
}

pbt_code pbt_row_encode_full(const pbt_row_reader *reader, const pbt_row_text *prompt,
                             const pbt_row_text *completion, pbt_ids *ids, pbt_error *error) {
    json_t *all;
    if (!prompt->string != !completion->string)
        return fail_row(reader, error,
                        "prompt and completions must both be strings or both be lists of messages");
    if (prompt->string) return pbt_row_encode_strings(reader, prompt->string, completion->string, ids, error);
    PBT_TRY(pbt_row_text_join(prompt, completion, &all, error));
    pbt_code code = pbt_row_encode_messages(reader, all, false, ids, error);
    json_decref(all);
    return code;
}
