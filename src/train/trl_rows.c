/*
 * One row of a TRL dataset to token ids, as TRL's trainers prepare it (docs/source/dataset_formats.md,
 * sft_trainer.py, dpo_trainer.py): conversational rows go through the chat template, plain ones get an
 * end-of-sequence token; the completion begins where the ids of the prompt and of prompt + completion part.
 */
#include "train/row_text.h"

#include "base/memory.h"
#include "chat/row.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* messages[from..to-1], a new array. */
static json_t *slice(const json_t *messages, size_t from, size_t to) {
    json_t *part = json_array();
    for (size_t i = from; part && i < to; i++) json_array_append(part, json_array_get(messages, i));
    return part;
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

static bool too_long(const pbt_row_reader *reader, const pbt_example *example) {
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
static pbt_code finish(const pbt_row_reader *reader, pbt_example *example, pbt_error *error) {
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

/* The column under its name or an older one; NaN: there is none. */
static pbt_code read_reference(const pbt_row_reader *reader, const char *key, const char *old_key,
                               double *value, pbt_error *error) {
    const json_t *number = json_object_get(reader->row, pbt_json_has(reader->row, key) ? key : old_key);
    *value = NAN;
    if (!number || json_is_null(number)) return PBT_OK;
    if (!json_is_number(number)) return fail_row(reader, error, "\"%s\" must be a number", key);
    *value = json_number_value(number);
    return PBT_OK;
}

static pbt_code read_references(const pbt_row_reader *reader, pbt_example *example, pbt_error *error) {
    PBT_TRY(read_reference(reader, "ref_chosen_logps", "reference_chosen_logps", &example->ref_chosen_logp,
                           error));
    PBT_TRY(read_reference(reader, "ref_rejected_logps", "reference_rejected_logps",
                           &example->ref_rejected_logp, error));
    if (isnan(example->ref_chosen_logp) != isnan(example->ref_rejected_logp)) {
        note(&reader->dataset->half_references, &reader->dataset->half_list, reader->where);
        example->ref_chosen_logp = example->ref_rejected_logp = NAN;
    }
    return PBT_OK;
}

static pbt_code read_group(const pbt_row_reader *reader, pbt_example *example, pbt_error *error) {
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
static pbt_code encode_example(const pbt_row_reader *reader, const pbt_row_text *prompt,
                               const pbt_row_text *chosen, const pbt_row_text *rejected, pbt_example *example,
                               pbt_error *error) {
    PBT_TRY(pbt_row_encode_prompt(reader, prompt, &example->prompt, error));
    PBT_TRY(pbt_row_encode_full(reader, prompt, chosen, &example->chosen, error));
    size_t length = common_prefix(&example->prompt, &example->chosen);
    if (rejected) {
        PBT_TRY(pbt_row_encode_full(reader, prompt, rejected, &example->rejected, error));
        size_t other = common_prefix(&example->prompt, &example->rejected);
        if (other < length) length = other;
    }
    if (length < example->prompt.count) reader->dataset->cut_prompts++;
    example->prompt.count = length;
    drop_front(&example->chosen, length);
    if (rejected) drop_front(&example->rejected, length);
    return PBT_OK;
}

static bool empty_text(const pbt_row_text *text) {
    return text->string ? text->string[0] == '\0' : json_array_size(text->messages) == 0;
}

/* TRL's extract_prompt: the texts' longest common beginning, less a space that ends it; where one text begins
 * the other, all but the last common character. */
static void split_strings(pbt_row_text *prompt, pbt_row_text *chosen, pbt_row_text *rejected, char **owned) {
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

static size_t common_turns(const json_t *a, const json_t *b) {
    size_t i = 0;
    while (i < json_array_size(a) && i < json_array_size(b) &&
           json_equal(json_array_get(a, i), json_array_get(b, i)))
        i++;
    return i;
}

/* The same of messages: the turns that both begin with are the prompt. */
static pbt_code split_messages(const pbt_row_reader *reader, pbt_row_text *prompt, pbt_row_text *chosen,
                               pbt_row_text *rejected, pbt_error *error) {
    const size_t n_chosen = json_array_size(chosen->messages),
                 n_rejected = json_array_size(rejected->messages);
    size_t i = common_turns(chosen->messages, rejected->messages);
    if (i > 0 && (i == n_chosen || i == n_rejected)) i--;
    if (i == 0 && n_chosen > 0 && n_rejected > 0)
        return fail_row(reader, error,
                        "without \"prompt\", \"chosen\" and \"rejected\" must begin with the same turns and "
                        "then differ: here %s, so that no prompt is left; give the prompt by its name",
                        common_turns(chosen->messages, rejected->messages)
                            ? "one is the beginning of the other"
                            : "their first turns differ");
    json_t *a = slice(chosen->messages, i, n_chosen), *b = slice(rejected->messages, i, n_rejected);
    prompt->messages = slice(chosen->messages, 0, i);
    json_decref(chosen->messages);
    json_decref(rejected->messages);
    chosen->messages = a;
    rejected->messages = b;
    return a && b && prompt->messages ? PBT_OK : pbt_fail_memory(error, 0, "messages");
}

/* As in TRL, a string beside lists of messages repeats what stands at their beginning and is no prompt. (TRL
 * also passes over messages beside strings; here that is refused.) */
static bool explicit_prompt(const pbt_row_reader *reader) {
    const json_t *prompt = json_object_get(reader->row, "prompt");
    return prompt && (!json_is_string(prompt) || !json_is_array(json_object_get(reader->row, "chosen")));
}

/* The texts of a preference row, with the prompt that it names or that chosen and rejected share. */
static pbt_code read_preference(const pbt_row_reader *reader, pbt_row_text *prompt, pbt_row_text *chosen,
                                pbt_row_text *rejected, char **owned, pbt_error *error) {
    PBT_TRY(pbt_row_text_read(reader, "chosen", chosen, error));
    PBT_TRY(pbt_row_text_read(reader, "rejected", rejected, error));
    if (empty_text(chosen) || empty_text(rejected))
        return fail_row(reader, error, "a completion is empty; there is nothing to learn from");
    if (explicit_prompt(reader)) return pbt_row_text_read(reader, "prompt", prompt, error);
    if (!chosen->string != !rejected->string)
        return fail_row(reader, error,
                        "\"chosen\" and \"rejected\" must both be strings or both be messages");
    if (!chosen->string) return split_messages(reader, prompt, chosen, rejected, error);
    split_strings(prompt, chosen, rejected, owned);
    return *owned ? PBT_OK : pbt_fail_memory(error, 64, "a prompt");
}

static void free_text(pbt_row_text *text) {
    json_decref(text->messages);
}

static pbt_code add_preference(const pbt_row_reader *reader, pbt_example *example, pbt_error *error) {
    pbt_row_text prompt = {0}, chosen = {0}, rejected = {0};
    char *owned = NULL;
    pbt_code code = read_preference(reader, &prompt, &chosen, &rejected, &owned, error);
    if (code == PBT_OK && (empty_text(&chosen) || empty_text(&rejected)))
        code = fail_row(reader, error, "a completion is empty; there is nothing to learn from");
    if (code == PBT_OK) code = encode_example(reader, &prompt, &chosen, &rejected, example, error);
    if (code == PBT_OK) code = read_references(reader, example, error);
    free_text(&prompt);
    free_text(&chosen);
    free_text(&rejected);
    free(owned);
    return code;
}

static pbt_code mask_all(pbt_example *example, pbt_error *error) {
    size_t n = example->prompt.count + example->chosen.count;
    example->mask = pbt_alloc(n + 1, 1);
    if (!example->mask) return pbt_fail_memory(error, n, "a loss mask");
    if (n > 1) memset(example->mask + 1, 1, n - 1);
    return PBT_OK;
}

/* Loss on the assistant's tokens only, and of these on those that carry loss anyhow (`from` on). The example
 * holds the ids already. */
static pbt_code mask_assistant(const pbt_row_reader *reader, const json_t *messages, size_t from,
                               pbt_example *example, pbt_error *error) {
    pbt_ids again = {0};
    pbt_error reason = {0};
    bool any = false;
    pbt_chat_input input = {.messages = messages, .variables = reader->variables};
    const bool marks = pbt_chat_has_marks(reader->chat, reader->variables);
    pbt_code code = pbt_chat_mask(reader->chat, reader->tokenizer, &input, &again, &example->mask, &reason);
    if (code != PBT_OK) code = fail_row(reader, error, "assistant_only_loss: %s", reason.message);
    for (size_t i = 0; code == PBT_OK && i < again.count; i++) {
        if (i < from || i == 0) example->mask[i] = 0; /* nothing predicts the first token */
        any = any || example->mask[i];
    }
    if (code == PBT_OK && !any)
        code =
            fail_row(reader, error,
                     marks ? "the template marks no token of this conversation with {%% generation %%}, so "
                             "nothing carries loss"
                           : "the conversation has no assistant turn, so nothing carries loss");
    if (code == PBT_OK && !marks) reader->dataset->unmarked_templates++;
    free(again.items);
    return code;
}

static pbt_code mask_assistant_completion(const pbt_row_reader *reader, const pbt_row_text *prompt,
                                          const pbt_row_text *completion, pbt_example *example,
                                          pbt_error *error) {
    json_t *all;
    size_t from = reader->dataset->whole_text_loss ? 1 : example->prompt.count;
    PBT_TRY(pbt_row_text_join(prompt, completion, &all, error));
    pbt_code code = mask_assistant(reader, all, from, example, error);
    json_decref(all);
    return code;
}

static pbt_code refuse_strings(const pbt_row_reader *reader, pbt_error *error) {
    return fail_row(
        reader, error,
        "assistant_only_loss needs rows of messages, and this one is plain text, which says nothing "
        "of turns");
}

/* SFT on "prompt" and "completion" (or a preference row's "chosen"). */
static pbt_code add_completion(const pbt_row_reader *reader, const char *key, pbt_example *example,
                               pbt_error *error) {
    pbt_row_text prompt = {0}, completion = {0};
    pbt_code code = pbt_row_text_read(reader, "prompt", &prompt, error);
    if (code == PBT_OK) code = pbt_row_text_read(reader, key, &completion, error);
    if (code == PBT_OK && empty_text(&completion))
        code = fail_row(reader, error, "\"%s\" is empty; there is nothing to learn from", key);
    if (code == PBT_OK) code = encode_example(reader, &prompt, &completion, NULL, example, error);
    if (code == PBT_OK && reader->dataset->assistant_only_loss)
        code = prompt.string ? refuse_strings(reader, error)
                             : mask_assistant_completion(reader, &prompt, &completion, example, error);
    else if (code == PBT_OK && reader->dataset->whole_text_loss)
        code = mask_all(example, error);
    free_text(&prompt);
    free_text(&completion);
    return code;
}

/* SFT on whole texts: "messages" (or ShareGPT's "conversations") and "text". */
static pbt_code add_whole(const pbt_row_reader *reader, const char *key, pbt_example *example,
                          pbt_error *error) {
    pbt_row_text text = {0};
    PBT_TRY(pbt_row_text_read(reader, key, &text, error));
    pbt_code code;
    bool text_field = strcmp(key, "messages") != 0 && strcmp(key, "conversations") != 0;
    if (text_field != (text.string != NULL))
        code =
            fail_row(reader, error, "\"%s\" must be a %s", key, text_field ? "string" : "list of messages");
    else if (empty_text(&text))
        code = fail_row(reader, error, "\"%s\" is empty; there is nothing to learn from", key);
    else if (text.string && reader->dataset->assistant_only_loss)
        code = refuse_strings(reader, error);
    else if (text.string)
        code = pbt_row_encode_strings(reader, "", text.string, &example->chosen, error);
    else
        code = pbt_row_encode_messages(reader, text.messages, false, &example->chosen, error);
    if (code == PBT_OK)
        code = reader->dataset->assistant_only_loss ? mask_assistant(reader, text.messages, 1, example, error)
                                                    : mask_all(example, error);
    if (code == PBT_OK && example->chosen.count < 2)
        code =
            fail_row(reader, error, "\"%s\" has fewer than two tokens; there is nothing to learn from", key);
    free_text(&text);
    return code;
}

static pbt_code add_sft(const pbt_row_reader *reader, pbt_example *example, pbt_error *error) {
    bool prompt = pbt_json_has(reader->row, "prompt");
    if (prompt && pbt_json_has(reader->row, "completion"))
        return add_completion(reader, "completion", example, error);
    if (prompt && pbt_json_has(reader->row, "chosen"))
        return add_completion(reader, "chosen", example, error);
    const char *field = reader->dataset->text_field ? reader->dataset->text_field : "text";
    const char *const whole[] = {"messages", "conversations", field};
    for (size_t i = 0; i < 3; i++)
        if (pbt_json_has(reader->row, whole[i])) return add_whole(reader, whole[i], example, error);
    return fail_row(reader, error,
                    "an SFT row needs \"prompt\" and \"completion\", or \"messages\", or \"%s\"", field);
}

/* What would change the rendering, and which a trainer cannot take: it renders prompts and whole texts. */
static pbt_code check_flags(const pbt_row_reader *reader, pbt_error *error) {
    pbt_chat_flags flags;
    PBT_TRY(pbt_row_flags(reader->row, reader->file, reader->where, &flags, error));
    if (flags.continued || flags.add_generation_prompt)
        return fail_row(reader, error, "the row has \"%s\", which this trainer does not render",
                        flags.continued ? "continue_final_message" : "add_generation_prompt");
    return PBT_OK;
}

static pbt_code add_row(const pbt_row_reader *reader, pbt_error *error) {
    pbt_example example = {.ref_chosen_logp = NAN, .ref_rejected_logp = NAN};
    pbt_code code = check_flags(reader, error);
    if (code == PBT_OK && !reader->preference)
        code = add_sft(reader, &example, error);
    else if (code == PBT_OK &&
             (!json_object_get(reader->row, "chosen") || !json_object_get(reader->row, "rejected")))
        code = fail_row(reader, error, "a preference row needs \"chosen\" and \"rejected\"");
    else if (code == PBT_OK)
        code = add_preference(reader, &example, error);
    if (code == PBT_OK) code = read_group(reader, &example, error);
    if (code == PBT_OK) code = finish(reader, &example, error);
    pbt_example_free(&example);
    return code;
}

pbt_code pbt_dataset_add(pbt_dataset *dataset, const pbt_tokenizer *tokenizer, const pbt_chat_template *chat,
                         const json_t *row, bool preference, int32_t max_length, const char *file,
                         const char *where, pbt_error *error) {
    json_t *variables = NULL;
    pbt_row_reader reader = {dataset, tokenizer, chat, row, NULL, preference, max_length, file, where};
    if (!json_is_object(row)) return fail_row(&reader, error, "expected a JSON object");
    PBT_TRY(pbt_row_refuse_media(row, file, where, error));
    PBT_TRY(pbt_row_variables(row, file, where, &variables, error));
    reader.variables = variables;
    pbt_code code = add_row(&reader, error);
    json_decref(variables);
    return code;
}
