/* Chat templates come with models from anywhere: any bytes render or give a sentence, in bounded time. */
#include "chat/chat.h"

#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static const pbt_message talk[] = {{"system", " Be kind. "},
                                       {"user", "Hi, a b"},
                                       {"assistant", "<think>\nx</think> H\xc3\xa9 12"},
                                       {"user", ""}};
    pbt_error error;
    pbt_chat_template *chat = NULL;
    pbt_text text = {0};
    if (size > 1 << 14) return 0;
    if (pbt_chat_template_parse((const char *)data, size, "<s>", "</s>", "26 Jul 2024", &chat, &error) !=
        PBT_OK)
        return 0;
    (void)pbt_chat_render(chat, talk, 4, true, &text, &error);
    pbt_text_free(&text);
    pbt_chat_template_free(chat);
    return 0;
}
