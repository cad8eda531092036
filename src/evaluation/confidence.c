#include "evaluation/confidence.h"

#include "base/memory.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

static bool holds(const char *text, const char *words, size_t n) {
    for (; *text; text++)
        if (strncasecmp(text, words, n) == 0) return true;
    return false;
}

pbt_code pbt_confidence_by_words(const char *rule, const char *text, double *sure, pbt_error *error) {
    size_t number = 1;
    bool found = false;
    *sure = 0.5;
    for (const char *line = rule; *line; number++) {
        size_t length = strcspn(line, "\n");
        char *end;
        double value = strtod(line, &end);
        if (length > 0 &&
            (end == line || *end != ' ' || !(value >= 0 && value <= 1) || end + 1 >= line + length))
            return pbt_fail(
                error, PBT_BAD_INPUT,
                "confidence_words.txt: line %zu: expected a number from 0 to 1 and words, found \"%.*s\"",
                number, (int)(length < 60 ? length : 60), line);
        size_t n = length > 0 ? (size_t)(line + length - (end + 1)) : 0;
        bool any = n == 1 && end[1] == '*';
        if (!found && length > 0 && (any || holds(text, end + 1, n))) {
            *sure = value;
            found = true;
        }
        line += length + (line[length] == '\n');
    }
    return PBT_OK;
}

pbt_code pbt_confidence_check(const pbt_prompts *prompts, pbt_error *error) {
    double sure;
    if (prompts->confidence) return PBT_OK;
    if (prompts->confidence_words)
        return pbt_confidence_by_words(prompts->confidence_words, "", &sure, error);
    return pbt_fail_at(error, PBT_BAD_INPUT, prompts->folder, NULL,
                       "eval.flip_analysis needs confidence.txt or confidence_words.txt");
}

static pbt_code ask(const pbt_evaluation_context *context, pbt_agent *judge, const pbt_said *said, size_t n,
                    pbt_measure *measures, pbt_arena *arena, pbt_error *error) {
    for (size_t i = 0; i < n; i++) {
        char *text = pbt_prompt_fill(context->prompts->confidence, "question", said[i].question, "text",
                                     said[i].text, NULL);
        pbt_message *message = pbt_arena_alloc(arena, 1, sizeof *message);
        char *kept = text ? pbt_arena_string(arena, text) : NULL;
        free(text);
        if (!message || !kept) return pbt_fail_memory(error, 0, "a question");
        *message = (pbt_message){"user", kept};
        measures[2 * i] = (pbt_measure){.messages = message, .n_messages = 1, .answer = "Yes", .open = true};
        measures[2 * i + 1] =
            (pbt_measure){.messages = message, .n_messages = 1, .answer = "No", .open = true};
    }
    return pbt_agent_measure(judge, measures, 2 * n, context->monitor, error);
}

pbt_code pbt_confidence_judge(const pbt_evaluation_context *context, pbt_agent *judge, const pbt_said *said,
                              size_t n, double *sure, pbt_error *error) {
    if (!context->prompts->confidence) {
        for (size_t i = 0; i < n; i++)
            PBT_TRY(
                pbt_confidence_by_words(context->prompts->confidence_words, said[i].text, &sure[i], error));
        return PBT_OK;
    }
    pbt_arena *arena = pbt_arena_create();
    pbt_measure *measures = pbt_alloc(2 * n + 1, sizeof *measures);
    pbt_code code = arena && measures ? ask(context, judge, said, n, measures, arena, error)
                                      : pbt_fail_memory(error, n, "measurements");
    for (size_t i = 0; i < n && code == PBT_OK; i++)
        sure[i] = 1 / (1 + exp(measures[2 * i + 1].logprob - measures[2 * i].logprob));
    free(measures);
    if (arena) pbt_arena_free(arena);
    return code;
}
