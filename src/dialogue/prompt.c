/* Prompt sets, and dialogues as one of the speakers sees them. */
#include "dialogue/prompt.h"

#include "base/file.h"
#include "base/memory.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PROMPT_LIMIT = 1 << 20 };

const char *const pbt_role_names[PBT_ROLES] = {"standard", "resistant", "acceptant",
                                               "logical",  "emotional", "credible"};

pbt_role pbt_role_of(const char *name) {
    int role = 0;
    while (role < PBT_ROLES && strcmp(pbt_role_names[role], name) != 0) role++;
    return (pbt_role)role;
}

/* ---- placeholders ---- */

/* What is filled into a prompt: names it must have, and names it may have besides. */
typedef struct placeholders {
    const char *file, *needed[3], *allowed[2];
} placeholders;
static const placeholders known[] = {
    {"standard", {"question"}, {NULL}},
    {"resistant", {"question"}, {NULL}},
    {"acceptant", {"question"}, {NULL}},
    {"logical", {"question"}, {NULL}},
    {"emotional", {"question"}, {NULL}},
    {"credible", {"question"}, {NULL}},
    {"extract", {"text"}, {"question"}},
    {"filter", {"first", "second"}, {"question"}},
    {"choose", {"question", "first", "second"}, {NULL}},
    {"farm_choice", {"question", "options"}, {NULL}},
    {"farm_yes_no", {"question"}, {NULL}},
    {"farm_claim", {"claim"}, {NULL}},
    {"farm_appeal", {"appeal"}, {"claim"}},
    {"confidence", {"text"}, {"question"}},
};

static bool holds(const char *text, const char *name) {
    size_t length = strlen(name);
    for (const char *at = text; (at = strchr(at, '{')); at++)
        if (strncmp(at + 1, name, length) == 0 && at[1 + length] == '}') return true;
    return false;
}

static bool is_one_of(const char *const *names, size_t most, const char *text, size_t length) {
    for (size_t i = 0; i < most && names[i]; i++)
        if (strlen(names[i]) == length && strncmp(names[i], text, length) == 0) return true;
    return false;
}

static pbt_code fail_unknown(const char *path, const char *text, const char *at, size_t length,
                             const placeholders *p, pbt_error *error) {
    char where[32];
    size_t line = 1;
    pbt_text expected = {0};
    for (const char *c = text; c < at; c++) line += *c == '\n';
    snprintf(where, sizeof where, "line %zu", line);
    for (size_t i = 0; p && i < 3 && p->needed[i]; i++)
        pbt_text_addf(&expected, "%s{%s}", expected.length ? ", " : "", p->needed[i]);
    for (size_t i = 0; p && i < 2 && p->allowed[i]; i++)
        pbt_text_addf(&expected, "%s{%s}", expected.length ? ", " : "", p->allowed[i]);
    pbt_fail_at(error, PBT_BAD_INPUT, path, where,
                "nothing is filled in for {%.*s}; known here: %s (braces that are meant as such need a space "
                "in them)",
                (int)(length < 60 ? length : 60), at + 1,
                expected.length ? pbt_text_string(&expected) : "no placeholder");
    pbt_text_free(&expected);
    return PBT_BAD_INPUT;
}

/* A misspelt or missing placeholder would make every text of an experiment ask nothing. */
static pbt_code check_placeholders(const char *path, const char *name, const char *text, pbt_error *error) {
    const placeholders *p = NULL;
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (strcmp(known[i].file, name) == 0) p = &known[i];
    for (const char *at = text; (at = strchr(at, '{')); at++) {
        size_t length = strspn(at + 1, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_0123456789");
        if (length == 0 || at[1 + length] != '}') continue;
        if (!p || (!is_one_of(p->needed, 3, at + 1, length) && !is_one_of(p->allowed, 2, at + 1, length)))
            return fail_unknown(path, text, at, length, p, error);
    }
    for (size_t i = 0; p && i < 3 && p->needed[i]; i++)
        if (!holds(text, p->needed[i]))
            return pbt_fail_at(error, PBT_BAD_INPUT, path, NULL, "expected {%s} in the prompt, found none",
                               p->needed[i]);
    return PBT_OK;
}

/* ---- files ---- */

/* FOLDER/NAME.txt without the white space at its end; *text NULL when it may be missing and is. */
static pbt_code read_text(const char *folder, const char *name, bool required, char **text,
                          pbt_error *error) {
    char *file = pbt_string_format("%s/%s.txt", folder, name);
    size_t length;
    *text = NULL;
    if (!file) return pbt_fail_memory(error, 0, "a path");
    pbt_code code = PBT_OK;
    if (required || pbt_file_exists(file)) code = pbt_file_read(file, PROMPT_LIMIT, text, &length, error);
    if (code == PBT_OK && *text) {
        if (!pbt_utf8_valid(*text, length) || strlen(*text) != length)
            code = pbt_fail_at(error, PBT_BAD_INPUT, file, NULL, "expected UTF-8 text without NUL bytes");
        while (length > 0 && isspace((unsigned char)(*text)[length - 1])) (*text)[--length] = 0;
        if (code == PBT_OK && length == 0)
            code = pbt_fail_at(error, PBT_BAD_INPUT, file, NULL, "the prompt is empty");
        if (code == PBT_OK) code = check_placeholders(file, name, *text, error);
    }
    if (code != PBT_OK) {
        free(*text);
        *text = NULL;
    }
    free(file);
    return code;
}

static pbt_code split_lines(const char *text, char ***lines, size_t *n, pbt_error *error) {
    size_t capacity = 0;
    for (const char *at = text; at && *at;) {
        size_t length = strcspn(at, "\n");
        PBT_TRY(pbt_grow(*lines, &capacity, *n + 1, error));
        if (length > 0) {
            char *line = pbt_alloc(length + 1, 1);
            if (!line) return pbt_fail_memory(error, length, "a prompt");
            memcpy(line, at, length);
            (*lines)[(*n)++] = line;
        }
        at += length + (at[length] == '\n');
    }
    return PBT_OK;
}

static pbt_code read_all(const char *folder, pbt_prompts *p, pbt_error *error) {
    char *challenges = NULL;
    PBT_TRY(pbt_path_look(folder, error));
    if (!pbt_folder_exists(folder))
        return pbt_fail_at(error, PBT_BAD_INPUT, folder, NULL, "expected a folder of prompts, found none");
    for (int role = 0; role < PBT_ROLES; role++)
        PBT_TRY(read_text(folder, pbt_role_names[role], true, &p->role[role], error));
    PBT_TRY(read_text(folder, "extract", true, &p->extract, error));
    PBT_TRY(read_text(folder, "filter", false, &p->filter, error));
    PBT_TRY(read_text(folder, "choose", false, &p->choose, error));
    PBT_TRY(read_text(folder, "final", false, &p->final, error));
    PBT_TRY(read_text(folder, "farm_choice", false, &p->farm_choice, error));
    PBT_TRY(read_text(folder, "farm_yes_no", false, &p->farm_yes_no, error));
    PBT_TRY(read_text(folder, "farm_claim", false, &p->farm_claim, error));
    PBT_TRY(read_text(folder, "farm_appeal", false, &p->farm_appeal, error));
    PBT_TRY(read_text(folder, "confidence", false, &p->confidence, error));
    PBT_TRY(read_text(folder, "confidence_words", false, &p->confidence_words, error));
    PBT_TRY(read_text(folder, "challenge", false, &challenges, error));
    pbt_code code = split_lines(challenges, &p->challenges, &p->n_challenges, error);
    free(challenges);
    if (code != PBT_OK) return code;
    p->folder = pbt_string_copy(folder);
    return p->folder ? PBT_OK : pbt_fail_memory(error, 0, "a path");
}

pbt_code pbt_prompts_read(const char *folder, pbt_prompts *prompts, pbt_error *error) {
    *prompts = (pbt_prompts){0};
    pbt_code code = read_all(folder, prompts, error);
    if (code != PBT_OK) pbt_prompts_free(prompts);
    return code;
}

void pbt_prompts_free(pbt_prompts *prompts) {
    for (int role = 0; role < PBT_ROLES; role++) free(prompts->role[role]);
    for (size_t i = 0; i < prompts->n_challenges; i++) free(prompts->challenges[i]);
    free(prompts->challenges);
    free(prompts->extract);
    free(prompts->filter);
    free(prompts->choose);
    free(prompts->final);
    free(prompts->farm_choice);
    free(prompts->farm_yes_no);
    free(prompts->farm_claim);
    free(prompts->farm_appeal);
    free(prompts->confidence);
    free(prompts->confidence_words);
    free(prompts->folder);
    *prompts = (pbt_prompts){0};
}

char *pbt_prompt_fill(const char *template_text, ...) {
    const char *names[8], *values[8];
    size_t n = 0;
    va_list arguments;
    va_start(arguments, template_text);
    for (const char *name; n < 8 && (name = va_arg(arguments, const char *)); n++) {
        names[n] = name;
        values[n] = va_arg(arguments, const char *);
    }
    va_end(arguments);
    pbt_text out = {0};
    pbt_text_add(&out, "");
    for (const char *at = template_text; *at;) {
        size_t found = n;
        for (size_t i = 0; *at == '{' && found == n && i < n; i++) {
            size_t length = strlen(names[i]);
            if (strncmp(at + 1, names[i], length) == 0 && at[1 + length] == '}') found = i;
        }
        if (found < n) {
            pbt_text_add(&out, values[found] ? values[found] : "");
            at += strlen(names[found]) + 2;
        } else {
            pbt_text_append(&out, at++, 1);
        }
    }
    return pbt_text_take(&out);
}

/* Appends a message, or adds to the last one when that has the same role. */
static bool say(pbt_arena *arena, pbt_message *messages, size_t *n, const char *role, const char *text) {
    if (*n == 0 || strcmp(messages[*n - 1].role, role) != 0) {
        char *copy = pbt_arena_string(arena, text);
        if (copy) messages[(*n)++] = (pbt_message){role, copy};
        return copy != NULL;
    }
    const char *before = messages[*n - 1].content;
    size_t length = strlen(before), more = strlen(text);
    char *joined = pbt_arena_alloc(arena, length + more + 3, 1);
    if (!joined) return false;
    memcpy(joined, before, length);
    memcpy(joined + length, "\n\n", 2);
    memcpy(joined + length + 2, text, more);
    messages[*n - 1].content = joined;
    return true;
}

pbt_code pbt_view(const pbt_prompts *prompts, pbt_role role, const char *question, int viewer,
                  const pbt_turn *turns, size_t n_turns, struct pbt_arena *arena, pbt_message **messages,
                  size_t *n_messages, pbt_error *error) {
    char *first = pbt_prompt_fill(prompts->role[role], "question", question, NULL);
    *messages = pbt_arena_alloc(arena, n_turns + 1, sizeof **messages);
    *n_messages = 0;
    bool ok = first && *messages && say(arena, *messages, n_messages, "user", first);
    free(first);
    for (size_t i = 0; ok && i < n_turns; i++)
        ok = say(arena, *messages, n_messages, turns[i].speaker == viewer ? "assistant" : "user",
                 turns[i].text);
    return ok ? PBT_OK : pbt_fail_memory(error, 0, "a dialogue");
}
