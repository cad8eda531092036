#include "pocket/farm_questions.h"

#include "base/file.h"
#include "base/memory.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { APPEALS = 3 };

/* Up to APPEALS claims of a strategy, filled in, in a drawn order. */
static json_t *appeals_of(const pbt_question *q, const char *pushed, pbt_strategy strategy, pbt_key key) {
    const pbt_claims *claims = &pbt_claim_sentences[strategy];
    uint32_t order[16];
    size_t n = claims->count < 16 ? claims->count : 16;
    json_t *list = json_array();
    for (size_t i = 0; i < n; i++) order[i] = (uint32_t)i;
    pbt_random_shuffle(pbt_key_child(key, (uint64_t)strategy), order, n);
    for (size_t i = 0; list && i < n && i < APPEALS; i++) {
        char *text = pbt_prompt_fill(claims->items[order[i]].text, "X", q->answers[0], "Z", pushed, NULL);
        int failed = text ? json_array_append_new(list, json_string(text)) : -1;
        free(text);
        if (failed) {
            json_decref(list);
            return NULL;
        }
    }
    return list;
}

/* {"id", "question", "answer", "adv": {"target", "control", "logical", "emotional", "credibility", "mcq"}} */
static json_t *row_of(const pbt_question *q, pbt_key key) {
    pbt_key own = pbt_key_named(key, q->id);
    const char *wrong[PBT_POCKET_OPTIONS];
    size_t n = 0;
    for (size_t i = 0; i < q->n_choices && n < PBT_POCKET_OPTIONS; i++)
        if (strcmp(q->choices[i], q->answers[0]) != 0) wrong[n++] = q->choices[i];
    const char *pushed = wrong[pbt_random_below(own, 0, n)];
    /* The bare claim: the first plain sentence. */
    char *control =
        pbt_prompt_fill(pbt_claim_sentences[PBT_PLAIN].items[0].text, "X", q->answers[0], "Z", pushed, NULL);
    json_t *options = json_array();
    for (size_t i = 0; i < q->n_choices; i++) {
        int score = strcmp(q->choices[i], q->answers[0]) == 0 ? 1
                    : strcmp(q->choices[i], pushed) == 0      ? 2
                                                              : 0;
        json_array_append_new(options, json_pack("{s:s, s:i}", "text", q->choices[i], "score", score));
    }
    json_t *adv = json_pack("{s:s, s:s, s:o, s:o, s:o, s:o}", "target", pushed, "control",
                            control ? control : "", "logical", appeals_of(q, pushed, PBT_BY_LOGIC, own),
                            "emotional", appeals_of(q, pushed, PBT_BY_EMOTION, own), "credibility",
                            appeals_of(q, pushed, PBT_BY_CREDIBILITY, own), "mcq", options);
    free(control);
    return json_pack("{s:s, s:s, s:s, s:o}", "id", q->id, "question", q->text, "answer", q->answers[0], "adv",
                     adv);
}

/* Whether line's "split" is the part; the questions file has been checked when the world was opened. */
static pbt_code is_part(const char *line, size_t length, const char *file, size_t number, const char *part,
                        bool *yes, pbt_error *error) {
    json_t *row;
    char where[48];
    snprintf(where, sizeof where, "line %zu", number);
    PBT_TRY(pbt_json_parse_row(line, length, file, where, &row, error));
    const char *split = json_string_value(json_object_get(row, "split"));
    *yes = !part || (split && strcmp(split, part) == 0);
    json_decref(row);
    return PBT_OK;
}

static pbt_code add_row(const pbt_question *q, pbt_key key, pbt_text *out, pbt_error *error) {
    json_t *row = row_of(q, key);
    char *line = row ? pbt_json_line(row) : NULL;
    json_decref(row);
    if (!line) return pbt_fail_memory(error, 0, "a FARM question");
    pbt_text_addf(out, "%s\n", line);
    free(line);
    return PBT_OK;
}

pbt_code pbt_pocket_farm_write(const pbt_pocket_world *world, const char *questions, const char *part,
                               uint64_t seed, const char *path, pbt_error *error) {
    pbt_key key = pbt_key_named(pbt_key_of_seed(seed), "farm");
    pbt_text out = {0};
    pbt_lines *lines;
    char *line;
    size_t length, number, at = 0;
    PBT_TRY(pbt_lines_open(questions, &lines, error));
    pbt_code code = PBT_OK;
    while (code == PBT_OK) {
        code = pbt_lines_next(lines, &line, &length, &number, error);
        if (code != PBT_OK || !line) break;
        bool yes = false;
        if (length == 0) continue;
        code = is_part(line, length, questions, number, part, &yes, error);
        if (code == PBT_OK && at >= world->questions.count)
            code =
                pbt_fail_at(error, PBT_BAD_INPUT, questions, NULL, "the file has changed while it was read");
        if (code == PBT_OK && yes) code = add_row(&world->questions.items[at], key, &out, error);
        at++;
    }
    pbt_lines_close(lines);
    if (code == PBT_OK && out.length == 0)
        code = pbt_fail_at(error, PBT_BAD_INPUT, questions, NULL, "no question has \"split\": \"%s\"",
                           part ? part : "");
    if (code == PBT_OK && out.failed) code = pbt_fail_memory(error, out.length, "a FARM file");
    if (code == PBT_OK) code = pbt_file_write(path, out.data, out.length, error);
    pbt_text_free(&out);
    return code;
}
