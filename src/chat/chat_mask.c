/* Which tokens of a conversation are the assistant's: what the template marks with {% generation %}, or the
 * bytes of every answer, found by rendering prefixes. */
#include "chat/render.h"

#include "base/memory.h"

#include <stdlib.h>
#include <string.h>

static bool begins_with(const pbt_text *whole, const pbt_text *part) {
    return whole->length >= part->length &&
           memcmp(pbt_text_string(whole), pbt_text_string(part), part->length) == 0;
}

static pbt_code add_mark(pbt_marks *marks, size_t from, size_t to, pbt_error *error) {
    pbt_code code = pbt_grow(marks->items, &marks->capacity, marks->count + 1, error);
    if (code == PBT_OK) marks->items[marks->count++] = (pbt_span_of_text){from, to};
    return code;
}

/* Marks the answer of turn `i`: from the end of its generation prompt to the end of its turn, without the
 * white space a template may put behind that. */
static pbt_code mark_turn(const pbt_chat_template *chat, pbt_turns turns, size_t i, const pbt_text *full,
                          pbt_marks *marks, pbt_error *error) {
    pbt_text prefix = {0}, turn = {0};
    turns.n = i;
    pbt_code code = pbt_turns_render(chat, &turns, true, &prefix, NULL, error);
    turns.n = i + 1;
    if (code == PBT_OK) code = pbt_turns_render(chat, &turns, false, &turn, NULL, error);
    if (code == PBT_OK && (!begins_with(full, &turn) || !begins_with(&turn, &prefix)))
        code = pbt_fail(error, PBT_BAD_INPUT,
                        "loss on assistant turns needs a template in which a conversation begins with the "
                        "rendering of its first messages, but turn %zu is rendered differently",
                        i + 1);
    if (code == PBT_OK) {
        size_t end = turn.length;
        while (end > prefix.length && strchr(" \t\r\n", turn.data[end - 1])) end--;
        code = add_mark(marks, prefix.length, end, error);
    }
    pbt_text_free(&prefix);
    pbt_text_free(&turn);
    return code;
}

static pbt_code mark_turns(const pbt_chat_template *chat, const pbt_turns *turns, const pbt_text *full,
                           pbt_marks *marks, pbt_error *error) {
    for (size_t i = 0; i < turns->n; i++) {
        const char *role = json_string_value(json_object_get(json_array_get(turns->json, i), "role"));
        if (role && strcmp(role, "assistant") == 0) PBT_TRY(mark_turn(chat, *turns, i, full, marks, error));
    }
    return PBT_OK;
}

/* transformers: every token that overlaps a mark. */
static void mask_overlaps(const pbt_marks *marks, const size_t *offsets, size_t n, unsigned char *mask) {
    for (size_t i = 0, k = 0; i < n; i++) {
        while (k < marks->count && offsets[2 * i] >= marks->items[k].to) k++;
        if (k == marks->count) return;
        mask[i] = offsets[2 * i + 1] > marks->items[k].from;
    }
}

/* Every token that begins in a turn. */
static void mask_beginnings(const pbt_marks *marks, const size_t *offsets, size_t n, unsigned char *mask) {
    for (size_t i = 0, k = 0; i < n; i++) {
        while (k < marks->count && offsets[2 * i] >= marks->items[k].to) k++;
        if (k == marks->count) return;
        mask[i] = offsets[2 * i] < offsets[2 * i + 1] && offsets[2 * i] >= marks->items[k].from;
    }
}

pbt_code pbt_chat_mask(const pbt_chat_template *chat, const pbt_tokenizer *tokenizer,
                       const pbt_chat_input *input, pbt_ids *ids, unsigned char **mask, pbt_error *error) {
    pbt_text full = {0};
    pbt_marks marks = {0};
    pbt_turns turns = pbt_turns_of(input);
    const bool given = pbt_chat_has_marks(chat, input->variables);
    size_t *offsets = NULL;
    pbt_code code;
    *mask = NULL;
    PBT_GOTO(pbt_turns_render(chat, &turns, false, &full, given ? &marks : NULL, error));
    if (!given) PBT_GOTO(mark_turns(chat, &turns, &full, &marks, error));
    PBT_GOTO(
        pbt_tokenizer_encode_offsets(tokenizer, pbt_text_string(&full), full.length, ids, &offsets, error));
    *mask = pbt_alloc(ids->count + 1, 1);
    if (!*mask) code = pbt_fail_memory(error, ids->count, "a loss mask");
    if (*mask) (given ? mask_overlaps : mask_beginnings)(&marks, offsets, ids->count, *mask);
done:
    pbt_text_free(&full);
    free(marks.items);
    free(offsets);
    return code;
}
