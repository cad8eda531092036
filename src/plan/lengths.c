#include "plan/lengths.h"

#include "base/hub.h"
#include "base/memory.h"
#include "dialogue/answer.h"

#include <stdlib.h>
#include <string.h>

/* Without a tokenizer; and tokens of texts that are not there. */
enum { LETTERS_A_TOKEN = 4, MESSAGE_TOKENS = 6, QUESTION_LETTERS = 80, SAMPLE = 8 };
/* FARM as released: a question with its options, an appeal with its claim. */
enum { FARM_ASK_TOKENS = 110, FARM_SAY_TOKENS = 180 };

/* A model's words; chat NULL: letters are counted. */
typedef struct speech {
    pbt_tokenizer *tokenizer;
    pbt_chat_template *chat;
} speech;

static void open_speech(const pbt_experiment *e, const char *who, speech *s) {
    char *folder;
    pbt_error none;
    if (pbt_hub_folder(pbt_experiment_model_of(e, who), &folder, &none) != PBT_OK) return;
    if (pbt_tokenizer_open(folder, &s->tokenizer, &none) == PBT_OK)
        (void)pbt_chat_template_open(folder, s->tokenizer, e->date_string, &s->chat, &none);
    free(folder);
}

/* Ids of a prompt; false where it cannot be rendered. */
static bool ids_of(const speech *s, const pbt_message *messages, size_t n, pbt_ids *ids) {
    pbt_error none;
    *ids = (pbt_ids){0};
    return s->chat && pbt_chat_prompt_ids(s->chat, s->tokenizer, messages, n, ids, &none) == PBT_OK;
}

static double count(const speech *s, const pbt_message *messages, size_t n) {
    pbt_ids ids;
    double letters = 0;
    if (ids_of(s, messages, n, &ids)) {
        size_t found = ids.count;
        free(ids.items);
        return (double)found;
    }
    for (size_t i = 0; i < n; i++) letters += (double)strlen(messages[i].content);
    return letters / LETTERS_A_TOKEN + (double)n * MESSAGE_TOKENS;
}

/* Of two prompts that differ in what fills them: the tokens they begin with together. */
static double common(const speech *s, const pbt_message *a, const pbt_message *b, size_t n) {
    pbt_ids x, y = {0};
    size_t same = 0;
    if (ids_of(s, a, n, &x) && ids_of(s, b, n, &y)) {
        while (same < x.count && same < y.count && x.items[same] == y.items[same]) same++;
    } else {
        const char *p = a[n - 1].content, *q = b[n - 1].content;
        for (size_t i = 0; i + 1 < n; i++)
            same += strlen(a[i].content) + (size_t)LETTERS_A_TOKEN * MESSAGE_TOKENS;
        while (*p && *p == *q) p++, q++, same++;
        same /= LETTERS_A_TOKEN;
    }
    free(x.items);
    free(y.items);
    return (double)same;
}

typedef struct sample {
    const speech *speech;
    const char *const *questions;
    size_t n;
} sample;

/* Mean length and common beginning of prompts with different questions. */
static pbt_code measure_role(const sample *s, const pbt_prompts *prompts, pbt_role role, pbt_arena *arena,
                             double *length, double *shared, pbt_error *error) {
    pbt_message *first = NULL;
    *length = *shared = 0;
    for (size_t q = 0; q < s->n; q++) {
        pbt_message *messages;
        size_t n;
        PBT_TRY(pbt_view(prompts, role, s->questions[q], 0, NULL, 0, arena, &messages, &n, error));
        *length += count(s->speech, messages, n) / (double)s->n;
        if (q == 1) *shared = common(s->speech, first, messages, 1);
        if (q == 0) first = messages;
    }
    return PBT_OK;
}

static pbt_code measure_extraction(const sample *s, const pbt_prompts *prompts, pbt_arena *arena,
                                   pbt_lengths *l, pbt_error *error) {
    pbt_message *messages[2];
    size_t n[2];
    for (int i = 0; i < 2; i++)
        PBT_TRY(pbt_extract_messages(prompts, s->questions[i], i ? "No" : "Yes", arena, &messages[i], &n[i],
                                     error));
    l->extract = (count(s->speech, messages[0], n[0]) + count(s->speech, messages[1], n[1])) / 2;
    if (n[0] == n[1] && n[0] > 0) l->extract_shared = common(s->speech, messages[0], messages[1], n[0]);
    return PBT_OK;
}

/* A prompt of one message with three places. */
static pbt_code measure_prompt(const sample *s, const char *prompt, double *length, double *shared,
                               pbt_error *error) {
    pbt_message messages[2];
    char *filled[2];
    for (int i = 0; i < 2; i++) {
        filled[i] = pbt_prompt_fill(prompt, "question", s->questions[i], "first", i ? "Rome" : "Paris",
                                    "second", "London", "text", "", NULL);
        messages[i] = (pbt_message){"user", filled[i]};
    }
    pbt_code code = filled[0] && filled[1] ? PBT_OK : pbt_fail_memory(error, 0, "a prompt");
    if (code == PBT_OK) *length = (count(s->speech, &messages[0], 1) + count(s->speech, &messages[1], 1)) / 2;
    if (code == PBT_OK) *shared = common(s->speech, &messages[0], &messages[1], 1);
    free(filled[0]);
    free(filled[1]);
    return code;
}

/* What further messages add to a chat. */
static void measure_messages(const speech *s, const pbt_prompts *prompts, pbt_lengths *l) {
    const pbt_message chat[] = {
        {"user", "a"}, {"assistant", "b"}, {"user", prompts->n_challenges ? prompts->challenges[0] : "c"}};
    const pbt_message last[] = {
        {"user", "a"}, {"assistant", "b"}, {"user", prompts->final ? prompts->final : "c"}};
    const pbt_message bare[] = {{"user", "a"}, {"assistant", "b"}, {"user", "c"}};
    double alone = count(s, bare, 1);
    l->message = (count(s, bare, 3) - alone - 2) / 2;
    l->challenge = count(s, chat, 3) - alone - l->message - 1;
    l->final = count(s, last, 3) - alone - l->message - 1;
}

static pbt_code measure_all(const sample *s, const pbt_prompts *prompts, pbt_lengths *l, pbt_error *error) {
    pbt_arena *arena = pbt_arena_create();
    if (!arena) return pbt_fail_memory(error, 0, "prompts");
    pbt_code code = PBT_OK;
    for (int r = 0; r < PBT_ROLES && code == PBT_OK; r++)
        code = measure_role(s, prompts, (pbt_role)r, arena, &l->role[r], &l->shared[r], error);
    if (code == PBT_OK) code = measure_extraction(s, prompts, arena, l, error);
    if (code == PBT_OK && prompts->filter)
        code = measure_prompt(s, prompts->filter, &l->filter, &l->filter_shared, error);
    if (code == PBT_OK && prompts->confidence)
        code = measure_prompt(s, prompts->confidence, &l->confidence, &l->confidence_shared, error);
    measure_messages(s->speech, prompts, l);
    pbt_arena_free(arena);
    return code;
}

pbt_code pbt_lengths_measure(const pbt_experiment *e, const char *who, const pbt_prompts *prompts,
                             const char *const *questions, size_t n, pbt_lengths *lengths, pbt_error *error) {
    char usual[2][QUESTION_LETTERS + 1];
    const char *const made[2] = {usual[0], usual[1]};
    speech words = {0};
    for (int i = 0; i < 2; i++) {
        memset(usual[i], i ? 'w' : 'a', QUESTION_LETTERS);
        for (int k = 5; k < QUESTION_LETTERS; k += 6) usual[i][k] = ' ';
        usual[i][QUESTION_LETTERS] = 0;
    }
    if (who) open_speech(e, who, &words);
    *lengths = (pbt_lengths){.rendered = words.chat != NULL};
    sample s = {&words, n >= 2 ? questions : made, n >= 2 ? (n < SAMPLE ? n : SAMPLE) : 2};
    pbt_code code = measure_all(&s, prompts, lengths, error);
    if (words.chat) pbt_chat_template_free(words.chat);
    if (words.tokenizer) pbt_tokenizer_free(words.tokenizer);
    return code;
}

/* The chats of an experiment, each with what it takes at most; 0: it is not had. */
enum { DEBATE, EXTRACTION, FLIPFLOP, FARM, CHATS };
static void measure_chats(const pbt_experiment *e, const pbt_lengths *l, double most[CHATS]) {
    double turn = e->trees.plan.sampling.max_new_tokens + l->message, prompt = 0;
    for (int r = 0; r < PBT_ROLES; r++) prompt = l->role[r] > prompt ? l->role[r] : prompt;
    most[DEBATE] = prompt + e->trees.plan.n_turns * turn;
    most[EXTRACTION] = l->extract + turn + e->trees.plan.max_answer_tokens;
    most[FLIPFLOP] =
        !e->flipflop.enabled
            ? 0
            : l->role[PBT_STANDARD] + 3 * (e->flipflop.max_new_tokens + l->message) + l->challenge + l->final;
    most[FARM] = !e->farm.enabled ? 0
                                  : FARM_ASK_TOKENS * 2 + e->farm.rounds * (FARM_SAY_TOKENS + 2 * l->message +
                                                                            e->farm.max_new_tokens);
}

double pbt_longest_chat(const pbt_experiment *e, const pbt_lengths *l) {
    double chats[CHATS], most = 0;
    measure_chats(e, l, chats);
    for (int c = 0; c < CHATS; c++) most = chats[c] > most ? chats[c] : most;
    return most;
}

pbt_code pbt_chats_check(const pbt_experiment *e, const char *who, const pbt_config *config,
                         const pbt_prompts *prompts, const char *question, pbt_error *error) {
    static const char *const names[CHATS] = {"a debate (trees.turns, trees.max_new_tokens)",
                                             "reading an answer (trees.max_new_tokens)",
                                             "\"Are you sure?\" (eval.flipflop.max_new_tokens)",
                                             "a chat of FARM (eval.farm.rounds, eval.farm.max_new_tokens)"};
    const char *const questions[] = {question, question};
    pbt_lengths lengths;
    double chats[CHATS], positions = (double)pbt_config_positions(config);
    PBT_TRY(pbt_lengths_measure(e, who, prompts, questions, question ? 2 : 0, &lengths, error));
    measure_chats(e, &lengths, chats);
    /* What FARM's files say is only estimated, and its replies are seldom as long as they may be: no ground
     * to refuse an experiment. */
    chats[FARM] = 0;
    for (int c = 0; c < CHATS; c++) {
        if (chats[c] > positions)
            return pbt_fail(error, PBT_BAD_INPUT,
                            "%s can take about %.0f tokens, but the model of %s has positions for %.0f only",
                            names[c], chats[c], who, positions);
        if (e->kv_rows > 0 && chats[c] > e->kv_rows)
            return pbt_fail(error, PBT_BAD_INPUT,
                            "%s can take about %.0f tokens, but engine.kv_rows is %d; expected more, or 0 "
                            "(chosen)",
                            names[c], chats[c], e->kv_rows);
    }
    return PBT_OK;
}

/* Models that are open at the same time. */
static int engines(const pbt_experiment *e) {
    const char *names[4] = {e->agents[0].model, e->agents[1].model, pbt_experiment_model_of(e, e->extractor),
                            pbt_experiment_model_of(e, e->filter)};
    int n = 0;
    for (int i = 0; i < 4; i++) {
        bool seen = strcmp(names[i], "none") == 0;
        for (int k = 0; k < i; k++) seen = seen || strcmp(names[i], names[k]) == 0;
        n += !seen;
    }
    return n;
}

pbt_code pbt_experiment_kv_rows(const pbt_experiment *e, const pbt_config *config, const pbt_device *device,
                                int32_t *rows, pbt_error *error) {
    enum { CHEAP = 512 << 20 };
    const pbt_engine_options options = {.max_batch = e->max_batch, .kv_rows = e->kv_rows, .device = device};
    pbt_prompts prompts;
    pbt_lengths lengths;
    *rows = e->kv_rows;
    if (e->kv_rows) return PBT_OK;
    PBT_TRY(pbt_prompts_read(e->prompts, &prompts, error));
    pbt_code code = pbt_lengths_measure(e, NULL, &prompts, NULL, 0, &lengths, error);
    pbt_prompts_free(&prompts);
    if (code != PBT_OK) return code;
    /* Texts in work begin alike and most are not at their ends: three quarters of their lengths together. */
    double longest = pbt_longest_chat(e, &lengths), row = (double)pbt_kv_row_bytes(config),
           most = pbt_engine_kv_rows(config, &options), need = 0.75 * longest * pbt_engine_batch(&options),
           limit = 0.25 * device->memory_physical() / engines(e) / row;
    if (need < 2 * longest) need = 2 * longest;
    if (need < CHEAP / row) need = CHEAP / row;
    if (limit > 0 && need > limit) need = limit > longest ? limit : longest;
    *rows = (int32_t)(need < most ? need : most);
    if (*rows > 64) *rows = *rows / 64 * 64;
    return PBT_OK;
}
