/* Answers out of what was said. */
#include "dialogue/answer.h"

#include "base/hash.h"
#include "base/memory.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* A message of the prompt, the words of a debate put into it after it was cut out: what they say is never
 * taken for a mark. *content "": nothing was left. */
static pbt_code fill_message(const char *from, size_t length, const char *question, const char *said,
                             pbt_arena *arena, char **content, pbt_error *error) {
    char *part = pbt_arena_copy(arena, from, length);
    char *filled = part ? pbt_prompt_fill(part, "question", question, "text", said, NULL) : NULL;
    size_t end = filled ? strlen(filled) : 0;
    while (end > 0 && isspace((unsigned char)filled[end - 1])) end--;
    *content = filled ? pbt_arena_copy(arena, filled, end) : NULL;
    free(filled);
    return *content ? PBT_OK : pbt_fail_memory(error, length, "a prompt");
}

/* "### user" and "### assistant" on lines of their own begin messages; without any, all is one user message.
 */
static pbt_code split_messages(const char *text, const char *question, const char *said, pbt_arena *arena,
                               pbt_message **messages, size_t *n, pbt_error *error) {
    static const struct {
        const char *mark, *role;
    } marks[] = {{"### user", "user"}, {"### assistant", "assistant"}, {"### system", "system"}};
    size_t most = 1;
    for (const char *at = text; *at; at++) most += *at == '\n';
    *messages = pbt_arena_alloc(arena, most + 1, sizeof **messages);
    *n = 0;
    if (!*messages) return pbt_fail_memory(error, most, "a prompt");
    const char *role = "user", *start = text, *at = text;
    for (bool last = false; !last;) {
        size_t length = strcspn(at, "\n"), mark = 0;
        last = at[length] == 0;
        while (mark < 3 && (strlen(marks[mark].mark) != length || strncmp(at, marks[mark].mark, length) != 0))
            mark++;
        const char *end = mark < 3 ? at : at + length;
        if (mark < 3 || last) {
            while (end > start && isspace((unsigned char)end[-1])) end--;
            if (end > start) {
                char *content;
                PBT_TRY(fill_message(start, (size_t)(end - start), question, said, arena, &content, error));
                if (*content) (*messages)[(*n)++] = (pbt_message){.role = role, .content = content};
            }
        }
        at += length + !last;
        if (mark < 3) {
            role = marks[mark].role;
            start = at;
        }
    }
    return PBT_OK;
}

typedef struct asked_texts {
    const pbt_question *const *questions;
    const char *const *texts;
} asked_texts;

static bool same_text(const void *context, uint64_t place, const void *wanted) {
    const asked_texts *asked = context;
    size_t i = *(const size_t *)wanted;
    return asked->questions[place] == asked->questions[i] &&
           strcmp(asked->texts[place], asked->texts[i]) == 0;
}

/* Texts that were asked about already share the talk of the first of them: same[i]. */
static pbt_code find_equal(const pbt_question *const *questions, const char *const *texts, size_t n,
                           size_t *same, pbt_error *error) {
    const asked_texts asked = {questions, texts};
    pbt_hash_table table = {0};
    pbt_code code = PBT_OK;
    for (size_t i = 0; i < n && code == PBT_OK; i++) {
        uint64_t hash = pbt_hash(texts[i], strlen(texts[i]), 0);
        uint64_t place = pbt_hash_table_match(&table, hash, same_text, &asked, &i);
        same[i] = place == PBT_HASH_NONE ? i : (size_t)place;
        if (place == PBT_HASH_NONE) code = pbt_hash_table_add(&table, hash, i, error);
    }
    pbt_hash_table_free(&table);
    return code;
}

pbt_code pbt_extract_messages(const pbt_prompts *prompts, const char *question, const char *text,
                              pbt_arena *arena, pbt_message **messages, size_t *n_messages,
                              pbt_error *error) {
    return split_messages(prompts->extract, question ? question : "", text, arena, messages, n_messages,
                          error);
}

static pbt_code set_talk(const pbt_prompts *prompts, const pbt_question *question, const char *text,
                         int32_t max_tokens, pbt_arena *arena, pbt_talk *talk, pbt_error *error) {
    pbt_message *messages;
    size_t n;
    PBT_TRY(pbt_extract_messages(prompts, question ? question->text : "", text, arena, &messages, &n, error));
    *talk = (pbt_talk){.messages = messages, .n_messages = n, .sampling = pbt_sampling_greedy(max_tokens)};
    return PBT_OK;
}

static pbt_code extract(pbt_agent *extractor, const pbt_prompts *prompts,
                        const pbt_question *const *questions, const char *const *texts, size_t n,
                        int32_t max_tokens, pbt_reading *readings, size_t *same, pbt_talk *talks,
                        pbt_arena *arena, const pbt_monitor *monitor, pbt_error *error) {
    size_t count = 0;
    PBT_TRY(find_equal(questions, texts, n, same, error));
    for (size_t i = 0; i < n; i++)
        if (same[i] == i)
            PBT_TRY(set_talk(prompts, questions[i], texts[i], max_tokens, arena, &talks[count++], error));
    PBT_TRY(pbt_agent_talk(extractor, talks, count, monitor, error));
    pbt_code code = PBT_OK;
    for (size_t i = 0, t = 0; i < n && code == PBT_OK; i++)
        code = pbt_answer_parse(same[i] == i ? talks[t++].text : readings[same[i]].raw, &readings[i], error);
    pbt_talk_clear(talks, count);
    return code;
}

pbt_code pbt_answers_extract(pbt_agent *extractor, const pbt_prompts *prompts,
                             const pbt_question *const *questions, const char *const *texts, size_t n,
                             int32_t max_tokens, pbt_reading *readings, const pbt_monitor *monitor,
                             pbt_error *error) {
    memset(readings, 0, n * sizeof *readings);
    size_t *same = pbt_alloc(n, sizeof *same);
    pbt_talk *talks = pbt_alloc(n, sizeof *talks);
    pbt_arena *arena = pbt_arena_create();
    pbt_code code = same && talks && arena ? PBT_OK : pbt_fail_memory(error, n * sizeof *talks, "answers");
    if (code == PBT_OK)
        code = extract(extractor, prompts, questions, texts, n, max_tokens, readings, same, talks, arena,
                       monitor, error);
    if (code != PBT_OK) pbt_readings_clear(readings, n);
    if (arena) pbt_arena_free(arena);
    free(talks);
    free(same);
    return code;
}

char *pbt_answer_held(const pbt_question *question, const pbt_reading *reading, const char *own_before,
                      const char *other_before) {
    const char *taken = reading->verdict == PBT_AGREE      ? other_before
                        : reading->verdict == PBT_DISAGREE ? own_before
                                                           : NULL;
    if (!reading->answer) return taken ? pbt_string_copy(taken) : NULL;
    char *normalized = pbt_answer_normalize(reading->answer);
    if (normalized && (*normalized || (question && pbt_question_correct(question, normalized))))
        return normalized;
    free(normalized);
    return NULL;
}

char *pbt_trim_unfinished(const char *text) {
    size_t length = strlen(text), end = 0;
    for (size_t i = 0; i < length; i++) {
        if (!strchr(".!?", text[i])) continue;
        size_t after = i + 1;
        while (after < length && strchr("\"')]", text[after])) after++;
        if (after == length || isspace((unsigned char)text[after])) end = after;
    }
    char *copy = pbt_string_copy(text);
    if (copy && end > 0) copy[end] = 0;
    return copy;
}
