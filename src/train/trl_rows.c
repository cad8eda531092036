/*
 * One row of a TRL dataset to token ids, as TRL's trainers prepare it (docs/source/dataset_formats.md,
 * sft_trainer.py, dpo_trainer.py): conversational rows go through the chat template, plain ones get an
 * end-of-sequence token; the completion begins where the ids of the prompt and of prompt + completion part.
 */
#include "train/dataset.h"

#include "base/memory.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* The row being read, and all it needs. */
typedef struct row_reader {
    pbt_dataset *dataset;
    const pbt_tokenizer *tokenizer;
    const pbt_chat_template *chat;
    const json_t *row;
    bool preference;
    int32_t max_length;
    const char *file, *where;
} row_reader;

/* A list of messages, or a string. Exactly one is set. */
typedef struct turn_text {
    pbt_message *messages;
    size_t n;
    const char *string;
} turn_text;

#define fail_row(reader, error, ...)                                                                         \
    pbt_fail_at(error, PBT_BAD_INPUT, (reader)->file, (reader)->where, __VA_ARGS__)

/* ---- JSON to texts ---- */

/* C's strings end at a NUL: a text that goes on behind one would be cut silently. */
static pbt_code check_string(const row_reader *reader, const char *key, const json_t *string,
                             pbt_error *error) {
    if (strlen(json_string_value(string)) == json_string_length(string)) return PBT_OK;
    return fail_row(reader, error, "\"%s\" holds the character U+0000, which no text may have", key);
}

/* "role"/"content", or ShareGPT's "from"/"value". */
static pbt_code read_message(const row_reader *reader, const char *key, size_t index, const json_t *value,
                             pbt_message *message, pbt_error *error) {
    const char *role_key = json_object_get(value, "from") ? "from" : "role";
    const char *content_key = json_object_get(value, "from") ? "value" : "content";
    const json_t *role = json_object_get(value, role_key), *content = json_object_get(value, content_key);
    if (!json_is_string(role) || !json_is_string(content))
        return fail_row(reader, error,
                        "message %zu of \"%s\" must be an object with the strings \"role\" and \"content\"",
                        index + 1, key);
    if (json_object_get(value, "tool_calls"))
        return fail_row(reader, error,
                        "message %zu of \"%s\" has \"tool_calls\", which this trainer does not render",
                        index + 1, key);
    *message = (pbt_message){json_string_value(role), json_string_value(content)};
    return check_string(reader, key, content, error);
}

static pbt_code read_text(const row_reader *reader, const char *key, turn_text *text, pbt_error *error) {
    const json_t *value = json_object_get(reader->row, key);
    *text = (turn_text){0};
    if (json_is_string(value)) {
        text->string = json_string_value(value);
        return check_string(reader, key, value, error);
    }
    if (!json_is_array(value))
        return fail_row(reader, error, "\"%s\" must be a string or a list of messages", key);
    text->n = json_array_size(value);
    text->messages = pbt_alloc(text->n + 1, sizeof *text->messages);
    if (!text->messages) return pbt_fail_memory(error, text->n * sizeof *text->messages, "messages");
    for (size_t i = 0; i < text->n; i++) {
        pbt_code code = read_message(reader, key, i, json_array_get(value, i), &text->messages[i], error);
        if (code != PBT_OK) {
            free(text->messages);
            *text = (turn_text){0};
            return code;
        }
    }
    return PBT_OK;
}

static bool same_message(const pbt_message *a, const pbt_message *b) {
    return strcmp(a->role, b->role) == 0 && strcmp(a->content, b->content) == 0;
}

/* ---- texts to ids ---- */

static pbt_code check_bos(const row_reader *reader, const pbt_ids *ids, pbt_error *error) {
    int32_t bos = pbt_tokenizer_bos(reader->tokenizer);
    if (bos >= 0 && ids->count >= 2 && ids->items[0] == bos && ids->items[1] == bos)
        return fail_row(reader, error,
                        "the text begins with two BOS tokens; remove the one that is written in the text");
    return PBT_OK;
}

static pbt_code encode_messages(const row_reader *reader, const pbt_message *messages, size_t n,
                                bool generation_prompt, pbt_ids *ids, pbt_error *error) {
    if (!reader->chat)
        return fail_row(reader, error, "the row holds messages, but the model's folder has no chat template");
    pbt_text text = {0};
    pbt_error refused = {0};
    pbt_code code = pbt_chat_render(reader->chat, messages, n, generation_prompt, &text, &refused);
    if (code != PBT_OK) fail_row(reader, error, "the messages cannot be rendered: %s", refused.message);
    if (code == PBT_OK && text.failed) code = pbt_fail_memory(error, text.length, "a rendered chat");
    if (code == PBT_OK)
        code =
            pbt_tokenizer_encode(reader->tokenizer, pbt_text_string(&text), text.length, false, ids, error);
    pbt_text_free(&text);
    return code == PBT_OK ? check_bos(reader, ids, error) : code;
}

/* prompt followed by completion, with the end-of-sequence token behind it unless the text ends so. */
static pbt_code encode_strings(const row_reader *reader, const char *prompt, const char *completion,
                               pbt_ids *ids, pbt_error *error) {
    pbt_text text = {0};
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

static pbt_code encode_prompt(const row_reader *reader, const turn_text *prompt, pbt_ids *ids,
                              pbt_error *error) {
    if (prompt->string) return encode_strings(reader, prompt->string, NULL, ids, error);
    return encode_messages(reader, prompt->messages, prompt->n, true, ids, error);
}

static pbt_code encode_full(const row_reader *reader, const turn_text *prompt, const turn_text *completion,
                            pbt_ids *ids, pbt_error *error) {
    if (!prompt->string != !completion->string)
        return fail_row(reader, error,
                        "prompt and completions must both be strings or both be lists of messages");
    if (prompt->string) return encode_strings(reader, prompt->string, completion->string, ids, error);
    size_t n = prompt->n + completion->n;
    pbt_message *messages = pbt_alloc(n + 1, sizeof *messages);
    if (!messages) return pbt_fail_memory(error, n * sizeof *messages, "messages");
    if (prompt->n > 0) memcpy(messages, prompt->messages, prompt->n * sizeof *messages);
    if (completion->n > 0)
        memcpy(messages + prompt->n, completion->messages, completion->n * sizeof *messages);
    pbt_code code = encode_messages(reader, messages, n, false, ids, error);
    free(messages);
    return code;
}

static size_t common_prefix(const pbt_ids *a, const pbt_ids *b) {
    size_t n = a->count < b->count ? a->count : b->count, i = 0;
    while (i < n && a->items[i] == b->items[i]) i++;
    return i;
}

/* Cuts the first n ids off. */
static void drop_front(pbt_ids *ids, size_t n) {
    memmove(ids->items, ids->items + n, (ids->count - n) * sizeof *ids->items);
    ids->count -= n;
}

/* ---- rows ---- */

static bool too_long(const row_reader *reader, const pbt_example *example) {
    size_t rest =
        example->chosen.count > example->rejected.count ? example->chosen.count : example->rejected.count;
    return reader->max_length > 0 && example->prompt.count + rest > (size_t)reader->max_length;
}

static bool same_ids(const pbt_ids *a, const pbt_ids *b) {
    return a->count == b->count && memcmp(a->items, b->items, a->count * sizeof *a->items) == 0;
}

/* Counts a row and lists it: "line 3, line 17". */
static void note(size_t *count, pbt_text *list, const char *where) {
    if ((*count)++ > 0) pbt_text_add(list, ", ");
    pbt_text_add(list, where ? where : "?");
}

/* Takes the finished example into the dataset, or notes that it was too long. */
static pbt_code finish(const row_reader *reader, pbt_example *example, pbt_error *error) {
    pbt_dataset *dataset = reader->dataset;
    if (example->chosen.count == 0 || (reader->preference && example->rejected.count == 0))
        return fail_row(reader, error, "a completion is empty; there is nothing to learn from");
    if (!too_long(reader, example)) {
        if (reader->preference && same_ids(&example->chosen, &example->rejected))
            note(&dataset->same, &dataset->same_list, reader->where);
        return pbt_dataset_push(dataset, example, error);
    }
    note(&dataset->dropped_long, &dataset->dropped_list, reader->where);
    return PBT_OK;
}

static pbt_code read_reference(const row_reader *reader, const char *key, const char *old_key, double *value,
                               pbt_error *error) {
    const json_t *number = json_object_get(reader->row, key);
    if (!number) number = json_object_get(reader->row, old_key);
    *value = NAN;
    if (!number || json_is_null(number)) return PBT_OK;
    if (!json_is_number(number)) return fail_row(reader, error, "\"%s\" must be a number", key);
    *value = json_number_value(number);
    return PBT_OK;
}

static pbt_code read_group(const row_reader *reader, pbt_example *example, pbt_error *error) {
    const json_t *tree = json_object_get(reader->row, "tree");
    if (json_is_string(tree))
        example->group = pbt_string_copy(json_string_value(tree));
    else if (json_is_integer(tree))
        example->group = pbt_string_format("%" JSON_INTEGER_FORMAT, json_integer_value(tree));
    else
        return PBT_OK;
    return example->group ? PBT_OK : pbt_fail_memory(error, 64, "a group's name");
}

/* prompt, chosen and (may be NULL) rejected texts to an example. */
static pbt_code encode_example(const row_reader *reader, const turn_text *prompt, const turn_text *chosen,
                               const turn_text *rejected, pbt_example *example, pbt_error *error) {
    PBT_TRY(encode_prompt(reader, prompt, &example->prompt, error));
    PBT_TRY(encode_full(reader, prompt, chosen, &example->chosen, error));
    size_t length = common_prefix(&example->prompt, &example->chosen);
    if (rejected) {
        PBT_TRY(encode_full(reader, prompt, rejected, &example->rejected, error));
        size_t other = common_prefix(&example->prompt, &example->rejected);
        if (other < length) length = other;
    }
    if (length < example->prompt.count) reader->dataset->cut_prompts++;
    example->prompt.count = length;
    drop_front(&example->chosen, length);
    if (rejected) drop_front(&example->rejected, length);
    return PBT_OK;
}

static bool empty_text(const turn_text *text) {
    return text->string ? text->string[0] == '\0' : text->n == 0;
}

/* TRL's extract_prompt: the texts' longest common beginning, less a space that ends it; where one text begins
 * the other, all but the last common character. */
static void split_strings(turn_text *prompt, turn_text *chosen, turn_text *rejected, char **owned) {
    const char *c = chosen->string, *r = rejected->string;
    size_t i = 0, length_c = strlen(c), length_r = strlen(r), n = length_c < length_r ? length_c : length_r;
    while (i < n && c[i] == r[i]) i++;
    bool part = i < n; /* at a character that differs */
    if (!part && n > 0) i--;
    while (i > 0 && ((unsigned char)c[i] & 0xC0) == 0x80) i--;
    if (part && i > 0 && c[i - 1] == ' ') i--;
    *owned = pbt_string_format("%.*s", (int)i, c);
    prompt->string = *owned;
    chosen->string += i;
    rejected->string += i;
}

static void split_messages(turn_text *prompt, turn_text *chosen, turn_text *rejected) {
    size_t n = chosen->n < rejected->n ? chosen->n : rejected->n, i = 0;
    while (i < n && same_message(&chosen->messages[i], &rejected->messages[i])) i++;
    if (i == n && n > 0) i--;
    prompt->messages = chosen->messages; /* a view: not freed with prompt */
    prompt->n = i;
    chosen->messages += i;
    chosen->n -= i;
    rejected->messages += i;
    rejected->n -= i;
}

/* As in TRL, a string beside lists of messages repeats what stands at their beginning and is no prompt. (TRL
 * also passes over messages beside strings; here that is refused.) */
static bool explicit_prompt(const row_reader *reader) {
    const json_t *prompt = json_object_get(reader->row, "prompt");
    return prompt && (!json_is_string(prompt) || !json_is_array(json_object_get(reader->row, "chosen")));
}

static pbt_code add_preference(const row_reader *reader, pbt_example *example, pbt_error *error) {
    turn_text prompt = {0}, chosen = {0}, rejected = {0};
    pbt_message *own_prompt = NULL, *own_chosen = NULL, *own_rejected = NULL;
    char *own_string = NULL;
    pbt_code code;
    PBT_GOTO(read_text(reader, "chosen", &chosen, error));
    own_chosen = chosen.messages;
    PBT_GOTO(read_text(reader, "rejected", &rejected, error));
    own_rejected = rejected.messages;
    if (explicit_prompt(reader)) {
        PBT_GOTO(read_text(reader, "prompt", &prompt, error));
        own_prompt = prompt.messages;
    } else if (!chosen.string != !rejected.string) {
        code =
            fail_row(reader, error, "\"chosen\" and \"rejected\" must both be strings or both be messages");
        goto done;
    } else if (chosen.string) {
        split_strings(&prompt, &chosen, &rejected, &own_string);
        if (!own_string) code = pbt_fail_memory(error, 64, "a prompt");
        if (!own_string) goto done;
    } else {
        split_messages(&prompt, &chosen, &rejected);
    }
    if (empty_text(&chosen) || empty_text(&rejected)) {
        code = fail_row(reader, error, "a completion is empty; there is nothing to learn from");
        goto done;
    }
    PBT_GOTO(encode_example(reader, &prompt, &chosen, &rejected, example, error));
    PBT_GOTO(read_reference(reader, "ref_chosen_logps", "reference_chosen_logps", &example->ref_chosen_logp,
                            error));
    PBT_GOTO(read_reference(reader, "ref_rejected_logps", "reference_rejected_logps",
                            &example->ref_rejected_logp, error));
done:
    free(own_prompt);
    free(own_chosen);
    free(own_rejected);
    free(own_string);
    return code;
}

static pbt_code mask_all(pbt_example *example, pbt_error *error) {
    size_t n = example->prompt.count + example->chosen.count;
    example->mask = pbt_alloc(n + 1, 1);
    if (!example->mask) return pbt_fail_memory(error, n, "a loss mask");
    if (n > 1) memset(example->mask + 1, 1, n - 1);
    return PBT_OK;
}

/* SFT on "prompt" and "completion" (or a preference row's "chosen"). */
static pbt_code add_completion(const row_reader *reader, const char *key, pbt_example *example,
                               pbt_error *error) {
    turn_text prompt = {0}, completion = {0};
    pbt_code code = read_text(reader, "prompt", &prompt, error);
    if (code == PBT_OK) code = read_text(reader, key, &completion, error);
    if (code == PBT_OK && empty_text(&completion))
        code = fail_row(reader, error, "\"%s\" is empty; there is nothing to learn from", key);
    if (code == PBT_OK) code = encode_example(reader, &prompt, &completion, NULL, example, error);
    if (code == PBT_OK && reader->dataset->whole_text_loss) code = mask_all(example, error);
    free(prompt.messages);
    free(completion.messages);
    return code;
}

/* Loss on the answers only. The example holds the same ids already, maybe cut. */
static pbt_code mask_assistant(const row_reader *reader, const turn_text *text, pbt_example *example,
                               pbt_error *error) {
    pbt_ids again = {0};
    pbt_error reason = {0};
    bool any = false;
    pbt_code code = pbt_chat_mask(reader->chat, reader->tokenizer, text->messages, text->n, &again,
                                  &example->mask, &reason);
    if (code != PBT_OK) code = fail_row(reader, error, "assistant_only_loss: %s", reason.message);
    if (code == PBT_OK && example->mask) example->mask[0] = 0; /* nothing predicts the first token */
    for (size_t i = 1; code == PBT_OK && i < again.count && i < example->chosen.count; i++)
        any = any || example->mask[i];
    if (code == PBT_OK && !any)
        code = fail_row(reader, error, "the conversation has no assistant turn, so nothing carries loss");
    free(again.items);
    return code;
}

/* SFT on whole texts: "messages" (or ShareGPT's "conversations") and "text". */
static pbt_code add_whole(const row_reader *reader, const char *key, pbt_example *example, pbt_error *error) {
    turn_text text = {0};
    PBT_TRY(read_text(reader, key, &text, error));
    pbt_code code;
    bool text_field = strcmp(key, "messages") != 0 && strcmp(key, "conversations") != 0;
    if (text_field != (text.string != NULL))
        code =
            fail_row(reader, error, "\"%s\" must be a %s", key, text_field ? "string" : "list of messages");
    else if (empty_text(&text))
        code = fail_row(reader, error, "\"%s\" is empty; there is nothing to learn from", key);
    else if (text.string)
        code = encode_strings(reader, "", text.string, &example->chosen, error);
    else
        code = encode_messages(reader, text.messages, text.n, false, &example->chosen, error);
    if (code == PBT_OK)
        code = reader->dataset->assistant_only_loss && text.messages
                   ? mask_assistant(reader, &text, example, error)
                   : mask_all(example, error);
    if (code == PBT_OK && example->chosen.count < 2)
        code =
            fail_row(reader, error, "\"%s\" has fewer than two tokens; there is nothing to learn from", key);
    free(text.messages);
    return code;
}

static pbt_code add_sft(const row_reader *reader, pbt_example *example, pbt_error *error) {
    bool prompt = json_object_get(reader->row, "prompt") != NULL;
    if (prompt && json_object_get(reader->row, "completion"))
        return add_completion(reader, "completion", example, error);
    if (prompt && json_object_get(reader->row, "chosen"))
        return add_completion(reader, "chosen", example, error);
    const char *field = reader->dataset->text_field ? reader->dataset->text_field : "text";
    const char *const whole[] = {"messages", "conversations", field};
    for (size_t i = 0; i < 3; i++)
        if (json_object_get(reader->row, whole[i])) return add_whole(reader, whole[i], example, error);
    return fail_row(reader, error,
                    "an SFT row needs \"prompt\" and \"completion\", or \"messages\", or \"%s\"", field);
}

pbt_code pbt_dataset_add(pbt_dataset *dataset, const pbt_tokenizer *tokenizer, const pbt_chat_template *chat,
                         const json_t *row, bool preference, int32_t max_length, const char *file,
                         const char *where, pbt_error *error) {
    row_reader reader = {dataset, tokenizer, chat, row, preference, max_length, file, where};
    pbt_example example = {.ref_chosen_logp = NAN, .ref_rejected_logp = NAN};
    if (!json_is_object(row)) return fail_row(&reader, error, "expected a JSON object");
    static const char *const unknown[] = {"tools", "image", "images"};
    for (size_t i = 0; i < sizeof unknown / sizeof *unknown; i++)
        if (pbt_json_has(row, unknown[i]))
            return fail_row(&reader, error, "the row has \"%s\", which this trainer does not render",
                            unknown[i]);
    pbt_code code;
    if (!preference)
        code = add_sft(&reader, &example, error);
    else if (!json_object_get(row, "chosen") || !json_object_get(row, "rejected"))
        code = fail_row(&reader, error, "a preference row needs \"chosen\" and \"rejected\"");
    else
        code = add_preference(&reader, &example, error);
    if (code == PBT_OK) code = read_group(&reader, &example, error);
    if (code == PBT_OK) code = finish(&reader, &example, error);
    pbt_example_free(&example);
    return code;
}
