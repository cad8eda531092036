/* Whether a model's tokenizer and template can carry the dialogues of an experiment. */
#ifndef PBT_EXPERIMENT_CHECK_TEXT_H
#define PBT_EXPERIMENT_CHECK_TEXT_H

#include "chat/chat.h"
#include "settings/settings.h"

/* Renders first, second and third turns as the experiment needs them and looks at the ids: inside the
 * vocabulary, every turn ending with an end token of the model, a whole debate within its positions. *length:
 * about how many tokens a debate takes at most. */
pbt_code pbt_check_dialogue(const pbt_experiment *experiment, const pbt_tokenizer *tokenizer,
                            const pbt_chat_template *chat, const pbt_config *config, size_t *length,
                            pbt_error *error);

/* Renders a prompt as it is and looks at its ids; with `answer` tokens behind it, it must fit into the
 * model's positions. *length: its tokens. */
pbt_code pbt_check_prompt(const pbt_tokenizer *tokenizer, const pbt_chat_template *chat,
                          const pbt_config *config, const pbt_message *messages, size_t n, int32_t answer,
                          size_t *length, pbt_error *error);

#endif
