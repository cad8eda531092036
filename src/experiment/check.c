#include "experiment/check.h"

#include "base/file.h"
#include "base/hub.h"
#include "dialogue/answer.h"
#include "evaluation/confidence.h"
#include "evaluation/farm_data.h"
#include "experiment/check_text.h"
#include "experiment/run.h"
#include "gguf/gguf.h"
#include "plan/known_models.h"
#include "plan/plan.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static pbt_code add(pbt_checks *checks, const char *what, pbt_code result, const pbt_error *problem,
                    pbt_error *error, const char *format, ...) __attribute__((format(printf, 6, 7)));
static pbt_code add(pbt_checks *checks, const char *what, pbt_code result, const pbt_error *problem,
                    pbt_error *error, const char *format, ...) {
    PBT_TRY(pbt_grow(checks->items, &checks->capacity, checks->count + 1, error));
    pbt_check *check = &checks->items[checks->count++];
    *check = (pbt_check){.passed = result == PBT_OK};
    snprintf(check->what, sizeof check->what, "%s", what);
    va_list args;
    va_start(args, format);
    if (result == PBT_OK)
        vsnprintf(check->detail, sizeof check->detail, format, args);
    else
        snprintf(check->detail, sizeof check->detail, "%s", problem->message);
    va_end(args);
    check->code = result;
    if (result != PBT_OK) check->problem = *problem;
    if (result != PBT_OK) checks->failed++;
    return PBT_OK;
}

static pbt_code check_text(const pbt_experiment *e, const char *role, const char *path,
                           const pbt_config *config, pbt_checks *checks, pbt_error *error) {
    char what[160];
    pbt_error problem = {0};
    pbt_tokenizer *tokenizer = NULL;
    pbt_chat_template *chat = NULL;
    pbt_code result = pbt_tokenizer_open(path, &tokenizer, &problem);
    snprintf(what, sizeof what, "%s: tokenizer", role);
    pbt_code code = add(checks, what, result, &problem, error, "%d entries, model %d",
                        result == PBT_OK ? pbt_tokenizer_size(tokenizer) : 0, config->vocab_size);
    if (result == PBT_OK && code == PBT_OK) {
        size_t length = 0;
        result = pbt_chat_template_open(path, tokenizer, e->date_string, &chat, &problem);
        if (result == PBT_OK) result = pbt_check_dialogue(e, tokenizer, chat, config, &length, &problem);
        snprintf(what, sizeof what, "%s: chat template", role);
        code = add(checks, what, result, &problem, error,
                   "renders every turn; a debate takes at most about %zu tokens", length);
    }
    if (chat) pbt_chat_template_free(chat);
    if (tokenizer) pbt_tokenizer_free(tokenizer);
    return code;
}

static bool has_weights(const char *folder) {
    static const char *const names[] = {"model.safetensors", "model.safetensors.index.json"};
    bool found = pbt_gguf_is(folder);
    for (int i = 0; i < 2 && !found; i++) {
        char *path = pbt_path_join(folder, names[i]);
        found = found || (path && pbt_file_exists(path));
        free(path);
    }
    return found;
}

/* A model that is not on disk, though its shape is known: enough for a plan. */
static bool known_only(const pbt_experiment *e, const char *who) {
    pbt_config config;
    bool known = false;
    pbt_error none;
    if (pbt_known_config(pbt_experiment_model_of(e, who), &config, &known, &none) != PBT_OK) return false;
    pbt_config_free(&config);
    return known;
}

static pbt_code check_model(const pbt_experiment *e, const char *role, const char *who, bool planned,
                            pbt_checks *checks, pbt_error *error) {
    char what[160], *path = NULL;
    pbt_error problem = {0};
    pbt_config config;
    if (planned && known_only(e, who)) return PBT_OK;
    snprintf(what, sizeof what, "%s: model", role);
    pbt_code result = pbt_hub_folder(pbt_experiment_model_of(e, who), &path, &problem);
    if (result != PBT_OK) return add(checks, what, result, &problem, error, "%s", "");
    result = pbt_config_read(path, &config, &problem);
    if (result == PBT_OK && !has_weights(path)) {
        pbt_config_free(&config);
        result =
            pbt_fail_at(&problem, PBT_BAD_INPUT, path, NULL, "there is no model.safetensors in the folder");
    }
    if (result != PBT_OK) {
        free(path);
        return add(checks, what, result, &problem, error, "%s", "");
    }
    pbt_code code = add(checks, what, PBT_OK, NULL, error, "%d layers, width %d, %lld parameters",
                        config.n_layers, config.hidden_size, (long long)pbt_config_parameters(&config));
    if (code == PBT_OK) code = check_text(e, role, path, &config, checks, error);
    pbt_config_free(&config);
    free(path);
    return code;
}

/* Prompts that the settings ask for and the set has not. */
static pbt_code needed_prompts(const pbt_experiment *e, const pbt_prompts *p, pbt_error *error) {
    const pbt_flipflop_settings *flipflop = &e->flipflop;
    if (!p->filter && strcmp(e->filter, "none") != 0)
        return pbt_fail_at(error, PBT_BAD_INPUT, p->folder, NULL,
                           "agents.filter is set, but the prompt set has no filter.txt");
    if (flipflop->enabled && (!p->n_challenges || !p->final))
        return pbt_fail_at(error, PBT_BAD_INPUT, p->folder, NULL,
                           "eval.flipflop needs challenge.txt and final.txt in the prompt set");
    if (flipflop->enabled && flipflop->challenges > 0 && (size_t)flipflop->challenges > p->n_challenges)
        return pbt_fail_at(error, PBT_BAD_INPUT, p->folder, NULL,
                           "eval.flipflop.challenges is %d, but challenge.txt has %zu lines",
                           flipflop->challenges, p->n_challenges);
    if (e->farm.enabled && strcmp(e->farm.probe, "final") == 0 && !p->final)
        return pbt_fail_at(error, PBT_BAD_INPUT, p->folder, NULL, "eval.farm.probe: final needs final.txt");
    return e->flip_analysis.enabled ? pbt_confidence_check(p, error) : PBT_OK;
}

static pbt_code check_prompt_set(const pbt_experiment *e, pbt_checks *checks, pbt_error *error) {
    pbt_error problem = {0};
    pbt_prompts prompts;
    pbt_code result = pbt_prompts_read(e->prompts, &prompts, &problem);
    PBT_TRY(add(checks, "prompts", result, &problem, error, "%zu challenge wording(s)%s",
                result == PBT_OK ? prompts.n_challenges : 0,
                result == PBT_OK && prompts.filter ? ", a filter prompt" : ", no filter prompt"));
    if (result != PBT_OK) return PBT_OK;
    result = needed_prompts(e, &prompts, &problem);
    pbt_prompts_free(&prompts);
    return add(checks, "prompts for the settings", result, &problem, error, "all present");
}

/* Whether the files of an experiment that is only planned are not here yet: only where it says how to get
 * them. */
static bool lacks_questions(const pbt_experiment *e) {
    const char *const files[] = {e->questions.file, e->questions.part_file[0], e->questions.part_file[1],
                                 e->questions.part_file[2]};
    for (int i = 0; i < 4; i++)
        if (files[i] && e->questions.obtain && !pbt_file_exists(files[i])) return true;
    return false;
}

static pbt_code check_questions(const pbt_experiment *e, bool planned, pbt_checks *checks, pbt_error *error) {
    pbt_error problem = {0};
    pbt_question_set set;
    if (planned && lacks_questions(e)) return PBT_OK; /* the plan says so */
    pbt_code result = pbt_question_set_read(e, &set, &problem);
    PBT_TRY(add(checks, "questions", result, &problem, error, "%zu train, %zu dev, %zu test",
                result == PBT_OK ? set.count[0] : 0, result == PBT_OK ? set.count[1] : 0,
                result == PBT_OK ? set.count[2] : 0));
    if (result == PBT_OK) pbt_question_set_free(&set);
    return PBT_OK;
}

/* ---- prompts that are no debates ---- */

static const char asked[] = "Which city is the capital of France?",
                  said[] = "I think that it is Paris, because the government sits there.";

/* "extraction", "filter", "confidence": what is said to the model. */
static pbt_code messages_of(const pbt_prompts *prompts, const char *kind, pbt_arena *arena,
                            pbt_message **messages, size_t *n, pbt_error *error) {
    if (strcmp(kind, "extraction") == 0)
        return pbt_extract_messages(prompts, asked, said, arena, messages, n, error);
    const char *text = strcmp(kind, "filter") == 0 ? prompts->filter : prompts->confidence;
    char *filled = pbt_prompt_fill(text, "question", asked, "first", "paris", "second", "london", "text",
                                   said, NULL),
         *kept = filled ? pbt_arena_string(arena, filled) : NULL;
    *messages = pbt_arena_alloc(arena, 1, sizeof **messages);
    free(filled);
    if (!kept || !*messages) return pbt_fail_memory(error, 0, "a prompt");
    (*messages)[0] = (pbt_message){"user", kept};
    *n = 1;
    return PBT_OK;
}

/* Renders it with the model's template. What is wrong with the model itself was told before: no check then.
 */
static pbt_code check_request(const pbt_experiment *e, const pbt_prompts *prompts, const char *kind,
                              const char *who, int32_t answer, pbt_checks *checks, pbt_error *error) {
    pbt_error problem = {0};
    pbt_config config = {0};
    pbt_tokenizer *tokenizer = NULL;
    pbt_chat_template *chat = NULL;
    pbt_message *messages;
    char *path = NULL, what[160];
    size_t n = 0, length = 0;
    pbt_arena *arena = pbt_arena_create();
    pbt_code code = arena ? PBT_OK : pbt_fail_memory(error, 0, "a prompt");
    bool open = code == PBT_OK &&
                pbt_hub_folder(pbt_experiment_model_of(e, who), &path, &problem) == PBT_OK &&
                pbt_config_read(path, &config, &problem) == PBT_OK &&
                pbt_tokenizer_open(path, &tokenizer, &problem) == PBT_OK &&
                pbt_chat_template_open(path, tokenizer, e->date_string, &chat, &problem) == PBT_OK;
    if (open) {
        pbt_code result = messages_of(prompts, kind, arena, &messages, &n, &problem);
        if (result == PBT_OK)
            result = pbt_check_prompt(tokenizer, chat, &config, messages, n, answer, &length, &problem);
        snprintf(what, sizeof what, "%s prompt", kind);
        code = add(checks, what, result, &problem, error, "%zu tokens for %s", length,
                   strlen(who) == 1 ? (*who == 'a' ? "agent A" : "agent B") : who);
    }
    if (chat) pbt_chat_template_free(chat);
    if (tokenizer) pbt_tokenizer_free(tokenizer);
    pbt_config_free(&config);
    if (arena) pbt_arena_free(arena);
    free(path);
    return code;
}

static pbt_code check_prompts(const pbt_experiment *e, pbt_checks *checks, pbt_error *error) {
    pbt_prompts prompts;
    pbt_error told;
    if (pbt_prompts_read(e->prompts, &prompts, &told) != PBT_OK) return PBT_OK;
    pbt_code code = check_request(e, &prompts, "extraction", e->extractor, e->trees.plan.max_answer_tokens,
                                  checks, error);
    if (code == PBT_OK && prompts.filter && strcmp(e->filter, "none") != 0)
        code = check_request(e, &prompts, "filter", e->filter, 1, checks, error);
    if (code == PBT_OK && prompts.confidence && e->flip_analysis.enabled)
        code = check_request(e, &prompts, "confidence", e->extractor, 1, checks, error);
    pbt_prompts_free(&prompts);
    return code;
}

static pbt_code check_farm(const pbt_experiment *e, bool planned, pbt_checks *checks, pbt_error *error) {
    const pbt_farm_settings *s = &e->farm;
    pbt_farm_strategy strategies[PBT_FARM_STRATEGIES];
    pbt_farm_data data = {0};
    pbt_error problem = {0};
    size_t n = s->strategies.count < PBT_FARM_STRATEGIES ? s->strategies.count : PBT_FARM_STRATEGIES;
    if (!s->enabled || (planned && lacks_questions(e))) return PBT_OK;
    for (size_t i = 0; i < n; i++) strategies[i] = pbt_farm_strategy_of(s->strategies.items[i]);
    pbt_code result = pbt_farm_read(s->data, strategies, n, s->max_questions, &data, &problem);
    size_t count = data.count, sets = 0;
    for (size_t i = 0; result == PBT_OK && i < count; i++)
        sets += i == 0 || strcmp(data.items[i].set, data.items[i - 1].set) != 0;
    pbt_code code = add(checks, "FARM", result, &problem, error,
                        "%zu questions of %zu set(s), %zu strategies", count, sets, n);
    if (result == PBT_OK) pbt_farm_data_free(&data);
    return code;
}

/* The longest question of all parts, malloc'ed; NULL where the files cannot be read (told elsewhere). */
static char *longest_question(const pbt_experiment *e) {
    pbt_question_set set;
    pbt_error none;
    const char *longest = NULL;
    if (pbt_question_set_read(e, &set, &none) != PBT_OK) return NULL;
    for (int p = 0; p < PBT_PARTS; p++)
        for (size_t i = 0; i < set.count[p]; i++)
            if (!longest || strlen(set.list[p][i]->text) > strlen(longest)) longest = set.list[p][i]->text;
    char *copy = longest ? pbt_string_copy(longest) : NULL;
    pbt_question_set_free(&set);
    return copy;
}

/* Every chat with the longest question against positions and cache. */
static pbt_code check_chats(const pbt_experiment *e, const pbt_plan *plan, pbt_checks *checks,
                            pbt_error *error) {
    pbt_prompts prompts;
    pbt_error problem = {0};
    char *question = longest_question(e);
    pbt_code result = pbt_prompts_read(e->prompts, &prompts, &problem);
    if (result == PBT_OK) {
        for (size_t m = 0; m < plan->n_models && result == PBT_OK; m++) {
            if (plan->models[m].shared || plan->models[m].known) continue;
            result = pbt_chats_check(e,
                                     m == 0   ? "a"
                                     : m == 1 ? "b"
                                              : plan->models[m].name,
                                     &plan->models[m].config, &prompts, question, &problem);
        }
        pbt_prompts_free(&prompts);
    }
    free(question);
    return add(checks, "lengths", result, &problem, error, "every chat fits the models' positions");
}

static pbt_code check_all(const pbt_experiment *e, const pbt_device *device, bool planned, pbt_checks *checks,
                          pbt_error *error) {
    *checks = (pbt_checks){0};
    PBT_TRY(check_prompt_set(e, checks, error));
    PBT_TRY(check_questions(e, planned, checks, error));
    PBT_TRY(check_model(e, "agent A", "a", planned, checks, error));
    PBT_TRY(check_model(e, "agent B", "b", planned, checks, error));
    if (strlen(e->extractor) != 1) PBT_TRY(check_model(e, "extractor", e->extractor, planned, checks, error));
    if (strlen(e->filter) != 1 && strcmp(e->filter, "none") != 0)
        PBT_TRY(check_model(e, "filter", e->filter, planned, checks, error));
    PBT_TRY(check_prompts(e, checks, error));
    PBT_TRY(check_farm(e, planned, checks, error));
    if (checks->failed) return PBT_OK;
    pbt_plan plan;
    pbt_error problem = {0};
    pbt_code result = pbt_plan_make(e, device, &plan, &problem);
    if (result != PBT_OK) return add(checks, "plan", result, &problem, error, "%s", "");
    bool away = false;
    for (size_t m = 0; m < plan.n_models; m++) away = away || plan.models[m].known;
    PBT_TRY(check_chats(e, &plan, checks, error));
    if (!planned || !away) result = pbt_plan_check(&plan, &problem);
    return add(checks, "memory", result, &problem, error, "%.2f GB of %.2f GB", 1e-9 * (double)plan.total,
               1e-9 * (double)plan.available);
}

pbt_code pbt_experiment_check(const pbt_experiment *e, const pbt_device *device, pbt_checks *checks,
                              pbt_error *error) {
    return check_all(e, device, false, checks, error);
}

pbt_code pbt_experiment_require(const pbt_experiment *e, const pbt_device *device, bool planned,
                                pbt_error *error) {
    pbt_checks checks;
    pbt_code code = check_all(e, device, planned, &checks, error);
    for (size_t i = 0; code == PBT_OK && i < checks.count; i++) {
        if (checks.items[i].passed) continue;
        code = checks.items[i].code;
        if (error) *error = checks.items[i].problem;
    }
    pbt_checks_free(&checks);
    return code;
}

void pbt_checks_free(pbt_checks *checks) {
    free(checks->items);
    *checks = (pbt_checks){0};
}
