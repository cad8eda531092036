/* Conversations of JSON rendered, and last messages that go on (transformers' continue_final_message). */
#include "chat/jinja/string_methods.h"
#include "chat/render.h"

#include <string.h>

pbt_turns pbt_turns_of(const pbt_chat_input *input) {
    return (pbt_turns){.json = input->messages ? input->messages : json_null(),
                       .variables = input->variables,
                       .n = json_array_size(input->messages)};
}

/* ---- last messages that go on ---- */

/* The text of a field: itself, or the text of the last part that has one. NULL: there is none. */
static const json_t *text_of(const json_t *value, size_t *part) {
    if (json_is_string(value)) return value;
    for (size_t i = json_array_size(value); i-- > 0;) {
        const json_t *text = json_object_get(json_array_get(value, i), "text");
        if (!json_is_string(text)) continue;
        *part = i;
        return text;
    }
    return NULL;
}

static json_t *longer(const json_t *text, const char *more) {
    pbt_text joined = {0};
    pbt_text_append(&joined, json_string_value(text), json_string_length(text));
    pbt_text_add(&joined, more);
    json_t *made = joined.failed ? NULL : json_stringn(pbt_text_string(&joined), joined.length);
    pbt_text_free(&joined);
    return made;
}

static int extend_field(json_t *message, const char *field, const char *more) {
    json_t *value = json_object_get(message, field);
    size_t part = 0;
    const json_t *text = text_of(value, &part);
    if (json_is_string(value)) return json_object_set_new(message, field, longer(text, more));
    return json_object_set_new(json_array_get(value, part), "text", longer(text, more));
}

static bool is_reasoning(const char *field) {
    bool is = false;
    for (int i = 0; i < PBT_REASONING_FIELDS; i++) is = is || strcmp(field, pbt_reasoning_fields[i]) == 0;
    return is;
}

pbt_code pbt_turns_extend(const json_t *messages, const char *field, const char *more, json_t **extended,
                          pbt_error *error) {
    size_t n = json_array_size(messages), part;
    const json_t *last = n ? json_array_get(messages, n - 1) : NULL, *value = json_object_get(last, field);
    if (!text_of(value, &part))
        return pbt_fail(error, PBT_BAD_INPUT, "the last message has no text in \"%s\" that could go on",
                        field);
    json_t *copy = json_copy((json_t *)(uintptr_t)messages), *message = json_deep_copy(last);
    bool failed = !copy || !message || extend_field(message, field, more) != 0;
    /* Reasoning stands under several names; the template reads whichever it likes. */
    for (int i = 0; i < PBT_REASONING_FIELDS && !failed && is_reasoning(field); i++)
        if (strcmp(pbt_reasoning_fields[i], field) != 0 &&
            json_equal(json_object_get(last, pbt_reasoning_fields[i]), (json_t *)(uintptr_t)value))
            failed = extend_field(message, pbt_reasoning_fields[i], more) != 0;
    if (!failed) failed = json_array_set(copy, n - 1, message) != 0;
    json_decref(message);
    *extended = copy;
    if (!failed) return PBT_OK;
    json_decref(copy);
    return pbt_fail_memory(error, 0, "a chat");
}

/* Python's str.rstrip. */
static size_t stripped(const char *text, size_t length) {
    while (length > 0) {
        size_t at = length - 1, size;
        while (at > 0 && ((unsigned char)text[at] & 0xc0) == 0x80) at--;
        if (!jinja_is_space(pbt_utf8_decode(text + at, length - at, &size))) break;
        length = at;
    }
    return length;
}

/* Whether the template wrote the whole text of the field, but for white space around it. */
static bool is_rendered(const pbt_text *rendered, const pbt_chat_input *input) {
    size_t part;
    const json_t *last = json_array_get(input->messages, json_array_size(input->messages) - 1),
                 *value = text_of(json_object_get(last, input->continued), &part);
    const char *text = json_string_value(value);
    size_t length = stripped(text, json_string_length(value)), size;
    while (length > 0 && jinja_is_space(pbt_utf8_decode(text, length, &size))) text += size, length -= size;
    return length == 0 || memmem(pbt_text_string(rendered), rendered->length, text, length);
}

/* Cuts what was rendered with the tag behind the last message, as transformers does. */
static pbt_code cut_at_tag(pbt_text *rendered, const char *tag, const pbt_chat_input *input,
                           pbt_error *error) {
    size_t bare = strlen(tag) - 1, found = SIZE_MAX; /* the tag ends with a space */
    const char *at = pbt_text_string(rendered), *end = at + rendered->length;
    for (const char *next; (next = memmem(at, (size_t)(end - at), tag, bare)); at = next + 1)
        found = (size_t)(next - rendered->data);
    if (found == SIZE_MAX || !is_rendered(rendered, input))
        return pbt_fail(error, PBT_BAD_INPUT,
                        "the chat template does not render the whole \"%s\" of the last message, which is to "
                        "go on",
                        input->continued);
    bool spaced = found + bare < rendered->length && rendered->data[found + bare] == ' ';
    rendered->length = spaced ? found : stripped(rendered->data, found);
    rendered->data[rendered->length] = '\0';
    return PBT_OK;
}

static pbt_code render_continued(const pbt_chat_template *chat, const pbt_chat_input *input, pbt_text *text,
                                 pbt_error *error) {
    static const char tag[] = "CONTINUE_FINAL_MESSAGE_TAG ";
    if (input->add_generation_prompt)
        return pbt_fail(error, PBT_BAD_INPUT,
                        "continue_final_message and add_generation_prompt exclude each other");
    json_t *tagged;
    PBT_TRY(pbt_turns_extend(input->messages, input->continued, tag, &tagged, error));
    pbt_text rendered = {0};
    pbt_turns turns = {.json = tagged, .variables = input->variables, .n = json_array_size(tagged)};
    pbt_code code = pbt_turns_render(chat, &turns, false, &rendered, NULL, error);
    if (code == PBT_OK) code = cut_at_tag(&rendered, tag, input, error);
    if (code == PBT_OK) pbt_text_append(text, pbt_text_string(&rendered), rendered.length);
    pbt_text_free(&rendered);
    json_decref(tagged);
    if (code != PBT_OK) return code;
    return text->failed ? pbt_fail_memory(error, text->capacity, "a chat") : PBT_OK;
}

pbt_code pbt_chat_render_input(const pbt_chat_template *chat, const pbt_chat_input *input, pbt_text *text,
                               pbt_error *error) {
    pbt_turns turns = pbt_turns_of(input);
    if (turns.n == 0) return pbt_fail(error, PBT_BAD_INPUT, "expected at least one message, found none");
    if (input->continued) return render_continued(chat, input, text, error);
    return pbt_turns_render(chat, &turns, input->add_generation_prompt, text, NULL, error);
}
