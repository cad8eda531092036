/* Loss masks of conversations: the bytes of every assistant answer, by rendering prefixes, then the tokens
 * that begin in them. */
#include "chat/chat.h"

#include "base/memory.h"

#include <stdlib.h>
#include <string.h>

static bool begins_with(const pbt_text *whole, const pbt_text *part) {
    return whole->length >= part->length &&
           memcmp(pbt_text_string(whole), pbt_text_string(part), part->length) == 0;
}

/* Marks the answer of turn `i`: from the end of its generation prompt to the end of its turn, without the
 * white space a template may put behind that. */
static pbt_code mark_turn(const pbt_chat_template *chat, const pbt_message *messages, size_t i,
                          const pbt_text *full, unsigned char *marked, pbt_error *error) {
    pbt_text prefix = {0}, turn = {0};
    pbt_code code = pbt_chat_render(chat, messages, i, true, &prefix, error);
    if (code == PBT_OK) code = pbt_chat_render(chat, messages, i + 1, false, &turn, error);
    if (code == PBT_OK && (!begins_with(full, &turn) || !begins_with(&turn, &prefix)))
        code = pbt_fail(error, PBT_BAD_INPUT,
                        "loss on assistant turns needs a template in which a conversation begins with the "
                        "rendering of its first messages, but turn %zu is rendered differently",
                        i + 1);
    if (code == PBT_OK) {
        size_t end = turn.length;
        while (end > prefix.length && strchr(" \t\r\n", turn.data[end - 1])) end--;
        memset(marked + prefix.length, 1, end - prefix.length);
    }
    pbt_text_free(&prefix);
    pbt_text_free(&turn);
    return code;
}

static pbt_code mark_turns(const pbt_chat_template *chat, const pbt_message *messages, size_t n,
                           const pbt_text *full, unsigned char *marked, pbt_error *error) {
    for (size_t i = 0; i < n; i++)
        if (strcmp(messages[i].role, "assistant") == 0)
            PBT_TRY(mark_turn(chat, messages, i, full, marked, error));
    return PBT_OK;
}

pbt_code pbt_chat_mask(const pbt_chat_template *chat, const pbt_tokenizer *tokenizer,
                       const pbt_message *messages, size_t n, pbt_ids *ids, unsigned char **mask,
                       pbt_error *error) {
    pbt_text full = {0};
    unsigned char *marked = NULL;
    size_t *offsets = NULL;
    pbt_code code;
    *mask = NULL;
    PBT_GOTO(pbt_chat_render(chat, messages, n, false, &full, error));
    marked = pbt_alloc(full.length + 1, 1);
    if (!marked) code = pbt_fail_memory(error, full.length, "a loss mask");
    if (!marked) goto done;
    PBT_GOTO(mark_turns(chat, messages, n, &full, marked, error));
    PBT_GOTO(
        pbt_tokenizer_encode_offsets(tokenizer, pbt_text_string(&full), full.length, ids, &offsets, error));
    *mask = pbt_alloc(ids->count + 1, 1);
    if (!*mask) code = pbt_fail_memory(error, ids->count, "a loss mask");
    for (size_t i = 0; *mask && i < ids->count; i++)
        (*mask)[i] = offsets[2 * i] < offsets[2 * i + 1] && marked[offsets[2 * i]];
done:
    pbt_text_free(&full);
    free(offsets);
    free(marked);
    return code;
}
