/* Question files in their three forms. */
#include "dialogue/question.h"

#include "base/file.h"
#include "base/hash.h"
#include "base/memory.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_ANSWERS = 4096, JSON_LIMIT = 1 << 30 };

static char **copy_list(const char *const *texts, size_t n) {
    char **copies = pbt_alloc(n, sizeof *copies);
    for (size_t i = 0; copies && i < n; i++)
        if (!(copies[i] = pbt_string_copy(texts[i]))) {
            while (i > 0) free(copies[--i]);
            free(copies);
            return NULL;
        }
    return copies;
}

static void free_list(char **texts, size_t n) {
    for (size_t i = 0; texts && i < n; i++) free(texts[i]);
    free(texts);
}

static void free_question(pbt_question *q) {
    free(q->id);
    free(q->text);
    free_list(q->answers, q->n_answers);
    free_list(q->normalized, q->n_answers);
    free_list(q->choices, q->n_choices);
}

static bool has_id(const void *questions, uint64_t place, const void *id) {
    return strcmp(((const pbt_questions *)questions)->items[place].id, id) == 0;
}

size_t pbt_questions_find(const pbt_questions *questions, const char *id) {
    uint64_t hash = pbt_hash(id, strlen(id), 0);
    uint64_t place = pbt_hash_table_match(&questions->ids, hash, has_id, questions, id);
    return place == PBT_HASH_NONE ? questions->count : (size_t)place;
}

pbt_code pbt_questions_add(pbt_questions *questions, const char *id, const char *text,
                           const char *const *answers, size_t n_answers, pbt_error *error) {
    PBT_TRY(pbt_hash_table_reserve(&questions->ids, questions->count + 1, error));
    PBT_TRY(pbt_grow(questions->items, &questions->capacity, questions->count + 1, error));
    pbt_question *q = &questions->items[questions->count];
    *q = (pbt_question){.id = pbt_string_copy(id),
                        .text = pbt_string_copy(text),
                        .answers = copy_list(answers, n_answers),
                        .normalized = pbt_alloc(n_answers, sizeof(char *)),
                        .n_answers = n_answers};
    bool ok = q->id && q->text && q->answers && q->normalized;
    for (size_t i = 0; ok && i < n_answers; i++)
        ok = (q->normalized[i] = pbt_answer_normalize(answers[i])) != NULL;
    if (!ok) {
        free_question(q);
        return pbt_fail_memory(error, strlen(text), "a question");
    }
    pbt_code code = PBT_OK; /* of two with one id, the first is found */
    if (pbt_questions_find(questions, q->id) == questions->count)
        code =
            pbt_hash_table_add(&questions->ids, pbt_hash(q->id, strlen(q->id), 0), questions->count, error);
    questions->count++;
    return code;
}

void pbt_questions_free(pbt_questions *questions) {
    for (size_t i = 0; i < questions->count; i++) free_question(&questions->items[i]);
    free(questions->items);
    pbt_hash_table_free(&questions->ids);
    *questions = (pbt_questions){0};
}

/* ---- reading ---- */

/* Where a question stands, for errors. */
typedef struct reading {
    const char *file;
    pbt_questions *questions;
} reading;

static pbt_code wrong(const reading *r, const char *where, const char *what, pbt_error *error) {
    return pbt_fail_at(error, PBT_BAD_INPUT, r->file, where, "%s", what);
}

/* The strings of a list that are not there yet; `forms`: normalised forms of the first `n_forms` answers, one
 * of which would be the same answer in another spelling. */
static pbt_code add_texts(const reading *r, const char *where, const json_t *list, char *const *forms,
                          size_t n_forms, const char **texts, size_t *n, pbt_error *error) {
    if (list && !json_is_null(list) && !json_is_array(list))
        return wrong(r, where, "expected the accepted answers as a list of strings", error);
    for (size_t i = 0; i < json_array_size(list); i++) {
        const char *text = json_string_value(json_array_get(list, i));
        if (!text) return wrong(r, where, "an answer is not a string", error);
        if (*n == MAX_ANSWERS) return wrong(r, where, "more than 4096 answers", error);
        char *form = n_forms ? pbt_answer_normalize(text) : NULL;
        bool known = false;
        for (size_t k = 0; k < *n && !known; k++) known = strcmp(texts[k], text) == 0;
        for (size_t k = 0; form && k < n_forms && !known; k++) known = strcmp(forms[k], form) == 0;
        if (!known) texts[(*n)++] = text;
        free(form);
    }
    return PBT_OK;
}

/* Further accepted answers, each in one spelling: the known ones are normalised once, not for every text. */
static pbt_code add_forms(const reading *r, const char *where, const json_t *list, const char **texts,
                          size_t *n, pbt_error *error) {
    size_t known = *n, made = 0;
    if (json_array_size(list) == 0) return add_texts(r, where, list, NULL, 0, texts, n, error);
    char **forms = pbt_alloc(known, sizeof *forms);
    while (forms && made < known && (forms[made] = pbt_answer_normalize(texts[made]))) made++;
    pbt_code code = made < known ? pbt_fail_memory(error, known, "answers")
                                 : add_texts(r, where, list, forms, made, texts, n, error);
    free_list(forms, made);
    return code;
}

/* The strings of an array, or of {"value"/"Value", "aliases"/"Aliases"} with what TriviaQA's evaluation
 * accepts besides ("NormalizedAliases", "HumanAnswers"), without repetitions. */
static pbt_code answer_texts(const reading *r, const char *where, const json_t *value, const char **texts,
                             size_t *n, pbt_error *error) {
    const json_t *list = value, *main = NULL, *further[2] = {NULL, NULL};
    *n = 0;
    if (json_is_object(value)) {
        main = json_object_get(value, json_object_get(value, "value") ? "value" : "Value");
        list = json_object_get(value, json_object_get(value, "aliases") ? "aliases" : "Aliases");
        further[0] = json_object_get(
            value, json_object_get(value, "normalized_aliases") ? "normalized_aliases" : "NormalizedAliases");
        further[1] = json_object_get(value, json_object_get(value, "human_answers") ? "human_answers"
                                                                                    : "HumanAnswers");
        if (!json_is_string(main)) return wrong(r, where, "the answer has no \"value\"", error);
        texts[(*n)++] = json_string_value(main);
    }
    if (!json_is_array(list) && !main)
        return wrong(r, where, "expected \"answers\", a list of strings, or TriviaQA's \"answer\"", error);
    PBT_TRY(add_texts(r, where, list, NULL, 0, texts, n, error));
    for (int i = 0; i < 2; i++) PBT_TRY(add_forms(r, where, further[i], texts, n, error));
    return *n > 0 ? PBT_OK : wrong(r, where, "there is no right answer; expected at least one", error);
}

static pbt_code read_choices(const reading *r, const char *where, const json_t *row, pbt_question *q,
                             pbt_error *error) {
    const json_t *list = json_object_get(row, "choices");
    if (!json_is_array(list)) return PBT_OK;
    const char *texts[64];
    size_t n = json_array_size(list);
    if (n > 64) return wrong(r, where, "more than 64 choices", error);
    for (size_t i = 0; i < n; i++)
        if (!(texts[i] = json_string_value(json_array_get(list, i))))
            return wrong(r, where, "a choice is not a string", error);
    q->choices = copy_list(texts, n);
    q->n_choices = n;
    return q->choices ? PBT_OK : pbt_fail_memory(error, n, "choices");
}

static const char *first_string(const json_t *row, const char *const *keys) {
    for (; *keys; keys++)
        if (json_is_string(json_object_get(row, *keys)))
            return json_string_value(json_object_get(row, *keys));
    return NULL;
}

static bool blank(const char *text, size_t length) {
    while (length > 0 && isspace((unsigned char)text[length - 1])) length--;
    return length == 0;
}

static pbt_code read_row(reading *r, const char *where, const json_t *row, pbt_error *error) {
    static const char *const id_keys[] = {"id", "question_id", "QuestionId", NULL};
    static const char *const text_keys[] = {"text", "question", "Question", NULL};
    char number[32];
    if (!json_is_object(row)) return wrong(r, where, "expected a JSON object with a question", error);
    const char *id = first_string(row, id_keys), *text = first_string(row, text_keys);
    snprintf(number, sizeof number, "q%zu", r->questions->count + 1);
    if (!id) id = number;
    if (!text) return wrong(r, where, "expected the question as \"question\" or \"text\"", error);
    if (blank(text, strlen(text))) return wrong(r, where, "the question is empty", error);
    if (pbt_questions_find(r->questions, id) < r->questions->count)
        return pbt_fail_at(error, PBT_BAD_INPUT, r->file, where, "the id \"%s\" was used before", id);
    const json_t *value = json_object_get(row, "answers");
    if (!value) value = json_object_get(row, "answer");
    if (!value) value = json_object_get(row, "Answer");
    const char **texts = pbt_alloc(MAX_ANSWERS, sizeof *texts);
    if (!texts) return pbt_fail_memory(error, MAX_ANSWERS, "answers");
    size_t n;
    pbt_code code = answer_texts(r, where, value, texts, &n, error);
    if (code == PBT_OK) code = pbt_questions_add(r->questions, id, text, texts, n, error);
    free(texts);
    if (code != PBT_OK) return code;
    return read_choices(r, where, row, &r->questions->items[r->questions->count - 1], error);
}

static pbt_code read_lines(reading *r, pbt_error *error) {
    pbt_lines *lines;
    char *line, where[48];
    size_t length, number;
    PBT_TRY(pbt_lines_open(r->file, &lines, error));
    pbt_code code;
    while ((code = pbt_lines_next(lines, &line, &length, &number, error)) == PBT_OK && line) {
        json_t *row;
        if (blank(line, length)) continue;
        snprintf(where, sizeof where, "line %zu", number);
        code = pbt_json_parse_row(line, length, r->file, where, &row, error);
        if (code != PBT_OK) break;
        code = read_row(r, where, row, error);
        json_decref(row);
        if (code != PBT_OK) break;
    }
    pbt_lines_close(lines);
    return code;
}

/* TriviaQA's own form is one object over many lines with "Data"; a first line that is no whole object tells.
 */
static pbt_code is_triviaqa(const char *path, bool *yes, pbt_error *error) {
    pbt_lines *lines;
    char *line;
    size_t length, number;
    *yes = false;
    PBT_TRY(pbt_lines_open(path, &lines, error));
    pbt_code code = pbt_lines_next(lines, &line, &length, &number, error);
    if (code == PBT_OK && line) {
        json_t *row = NULL;
        (void)pbt_json_parse_row(line, length, NULL, NULL, &row, NULL);
        *yes = row ? json_is_array(json_object_get(row, "Data"))
                   : strcmp(line, "{") == 0 || strstr(line, "\"Data\"");
        json_decref(row);
    }
    pbt_lines_close(lines);
    return code;
}

static pbt_code read_triviaqa(reading *r, pbt_error *error) {
    json_t *all, *row;
    const json_t *data;
    size_t i;
    char where[48];
    PBT_TRY(pbt_json_read(r->file, JSON_LIMIT, &all, error));
    pbt_code code = pbt_json_array(all, "Data", r->file, NULL, &data, error);
    if (code == PBT_OK) {
        json_array_foreach(data, i, row) {
            snprintf(where, sizeof where, "Data[%zu]", i);
            code = read_row(r, where, row, error);
            if (code != PBT_OK) break;
        }
    }
    json_decref(all);
    return code;
}

pbt_code pbt_questions_read(const char *path, pbt_questions *questions, pbt_error *error) {
    reading r = {path, questions};
    size_t before = questions->count;
    bool triviaqa = false;
    pbt_code code = is_triviaqa(path, &triviaqa, error);
    if (code == PBT_OK) code = triviaqa ? read_triviaqa(&r, error) : read_lines(&r, error);
    if (code == PBT_OK && questions->count == before)
        code = pbt_fail_at(error, PBT_BAD_INPUT, path, NULL, "expected questions, found none");
    return code;
}

pbt_code pbt_questions_split(size_t n, const double share[3], pbt_key key, unsigned char *part,
                             pbt_error *error) {
    uint32_t *order = pbt_alloc(n, sizeof *order);
    double all = share[0] + share[1] + share[2];
    size_t train = (size_t)((double)n * share[0] / all + 0.5),
           dev = (size_t)((double)n * share[1] / all + 0.5);
    if (!order) return pbt_fail_memory(error, n * sizeof *order, "the split of the questions");
    for (size_t i = 0; i < n; i++) order[i] = (uint32_t)i;
    pbt_random_shuffle(key, order, n);
    for (size_t i = 0; i < n; i++) part[order[i]] = i < train ? 0 : i < train + dev ? 1 : 2;
    free(order);
    return PBT_OK;
}
