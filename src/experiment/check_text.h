/* Whether a model's tokenizer and template can carry the dialogues of an experiment. */
#ifndef PBT_EXPERIMENT_CHECK_TEXT_H
#define PBT_EXPERIMENT_CHECK_TEXT_H

#include "experiment/settings.h"
#include "text/chat.h"

/* Renders first, second and third turns as the experiment needs them and looks at the ids: inside the
 * vocabulary, every turn ending with an end token of the model, a whole debate within its positions. *length:
 * about how many tokens a debate takes at most. */
pbt_code pbt_check_dialogue(const pbt_experiment *experiment, const pbt_tokenizer *tokenizer,
                            const pbt_chat_template *chat, const pbt_config *config, size_t *length,
                            pbt_error *error);

#endif
