#include "evaluation/reply_batch.h"

#include "base/memory.h"
#include "base/text.h"

#include <stdlib.h>
#include <string.h>

pbt_code pbt_reply_batch_open(pbt_reply_batch *a, size_t n, const pbt_sampling *sampling, pbt_error *error) {
    *a = (pbt_reply_batch){.n = n,
                           .arena = pbt_arena_create(),
                           .talks = pbt_alloc(n, sizeof *a->talks),
                           .questions = pbt_alloc(n, sizeof *a->questions),
                           .texts = pbt_alloc(n, sizeof *a->texts),
                           .readings = pbt_alloc(n, sizeof *a->readings)};
    if (!a->arena || !a->talks || !a->questions || !a->texts || !a->readings) {
        pbt_reply_batch_close(a);
        return pbt_fail_memory(error, n * sizeof *a->talks, "a batch of replies");
    }
    for (size_t i = 0; i < n; i++) a->talks[i].sampling = *sampling;
    return PBT_OK;
}

void pbt_reply_batch_set(pbt_reply_batch *a, size_t i, const pbt_question *question,
                         const pbt_message *messages, size_t n_messages) {
    a->questions[i] = question;
    a->talks[i].messages = messages;
    a->talks[i].n_messages = n_messages;
}

static void clear(pbt_reply_batch *a) {
    for (size_t i = 0; a->texts && i < a->n; i++) {
        free(a->texts[i]);
        a->texts[i] = NULL;
    }
    if (a->readings) pbt_readings_clear(a->readings, a->n);
}

pbt_code pbt_reply_batch_run(pbt_reply_batch *a, const pbt_evaluation_context *context, pbt_agent *agent,
                             pbt_agent *extractor, pbt_error *error) {
    const pbt_tree_plan *plan = &context->experiment->trees.plan;
    clear(a);
    PBT_TRY(pbt_agent_talk(agent, a->talks, a->n, context->monitor, error));
    pbt_code code = PBT_OK;
    for (size_t i = 0; i < a->n && code == PBT_OK; i++) {
        bool cut = plan->trim_unfinished && !a->talks[i].finished;
        a->texts[i] = cut ? pbt_trim_unfinished(a->talks[i].text) : pbt_string_copy(a->talks[i].text);
        if (!a->texts[i]) code = pbt_fail_memory(error, 0, "a reply");
    }
    pbt_talk_clear(a->talks, a->n);
    if (code != PBT_OK || !extractor) return code;
    return pbt_answers_extract(extractor, context->prompts, a->questions, (const char *const *)a->texts, a->n,
                               plan->max_answer_tokens, a->readings, context->monitor, error);
}

void pbt_reply_batch_close(pbt_reply_batch *a) {
    clear(a);
    if (a->arena) pbt_arena_free(a->arena);
    free(a->talks);
    free(a->questions);
    free(a->texts);
    free(a->readings);
    *a = (pbt_reply_batch){0};
}

pbt_message *pbt_messages_with(pbt_arena *arena, const pbt_message *messages, size_t n, const char *reply,
                               const char *next) {
    pbt_message *all = pbt_arena_alloc(arena, n + 2, sizeof *all);
    char *said = pbt_arena_string(arena, reply), *asked = pbt_arena_string(arena, next);
    if (!all || !said || !asked) return NULL;
    for (size_t i = 0; i < n; i++) all[i] = messages[i];
    all[n] = (pbt_message){"assistant", said};
    all[n + 1] = (pbt_message){"user", asked};
    return all;
}

json_t *pbt_json_text(const char *text) {
    json_t *value = text ? json_string(text) : json_null();
    return value || !text ? value : json_stringn_nocheck(text, strlen(text));
}
