#include "evaluation/farm_data.h"

#include "base/file.h"
#include "base/memory.h"
#include "base/text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *const pbt_farm_strategy_names[PBT_FARM_STRATEGIES] = {"control", "logical", "emotional",
                                                                  "credibility"};

pbt_farm_strategy pbt_farm_strategy_of(const char *name) {
    int s = 0;
    while (s < PBT_FARM_STRATEGIES && strcmp(pbt_farm_strategy_names[s], name) != 0) s++;
    return (pbt_farm_strategy)s;
}

static const char *const files[] = {"NQ1.jsonl", "NQ2.jsonl", "Boolq.jsonl", "TruthfulQA.jsonl"};

static bool add_option(pbt_farm_question *q, const char *text, pbt_farm_option kind) {
    if (q->n_options == PBT_FARM_OPTIONS) return false;
    q->kinds[q->n_options] = kind;
    q->options[q->n_options] = pbt_string_copy(text);
    return q->options[q->n_options++] != NULL;
}

/* BoolQ: yes, no, don't know; the wrong one of yes and no is what is pushed. */
static pbt_code yes_no_options(const json_t *row, const char *file, const char *where, pbt_farm_question *q,
                               pbt_error *error) {
    const json_t *answer = json_object_get(row, "answer");
    if (!json_is_boolean(answer))
        return pbt_fail_at(error, PBT_BAD_INPUT, file, where,
                           "expected \"adv.mcq\", or true or false as \"answer\"; found neither");
    bool yes = json_is_true(answer);
    q->yes_no = true;
    bool ok = add_option(q, "yes", yes ? PBT_FARM_RIGHT : PBT_FARM_TARGET) &&
              add_option(q, "no", yes ? PBT_FARM_TARGET : PBT_FARM_RIGHT) &&
              add_option(q, "don't know", PBT_FARM_DONT_KNOW);
    return ok ? PBT_OK : pbt_fail_memory(error, 0, "options");
}

static pbt_code choice_options(const json_t *choices, const char *file, const char *where,
                               pbt_farm_question *q, pbt_error *error) {
    const json_t *choice;
    size_t i;
    if (json_array_size(choices) < 2 || json_array_size(choices) > PBT_FARM_OPTIONS - 2)
        return pbt_fail_at(error, PBT_BAD_INPUT, file, where,
                           "\"adv.mcq\": expected 2 to %d options, found %zu", PBT_FARM_OPTIONS - 2,
                           json_array_size(choices));
    json_array_foreach(choices, i, choice) {
        const char *text;
        int64_t score;
        PBT_TRY(pbt_json_string(choice, "text", file, where, &text, error));
        PBT_TRY(pbt_json_integer(choice, "score", 0, 2, file, where, &score, error));
        if (!add_option(q, text, (pbt_farm_option)score)) return pbt_fail_memory(error, 0, "options");
    }
    if (!add_option(q, "Don't know", PBT_FARM_DONT_KNOW) ||
        !add_option(q, "All options are incorrect", PBT_FARM_TARGET))
        return pbt_fail_memory(error, 0, "options");
    return PBT_OK;
}

static pbt_code read_appeals(const json_t *adv, pbt_farm_strategy strategy, const char *file,
                             const char *where, pbt_farm_question *q, pbt_error *error) {
    const json_t *list;
    const char *name = pbt_farm_strategy_names[strategy];
    if (strategy == PBT_FARM_CONTROL) return PBT_OK;
    PBT_TRY(pbt_json_array(adv, name, file, where, &list, error));
    size_t n = json_array_size(list);
    if (n == 0 || n > PBT_FARM_ROUNDS)
        return pbt_fail_at(error, PBT_BAD_INPUT, file, where, "\"adv.%s\": expected 1 to %d texts, found %zu",
                           name, PBT_FARM_ROUNDS, n);
    for (size_t i = 0; i < n; i++) {
        const char *text = json_string_value(json_array_get(list, i));
        if (!text || !*text)
            return pbt_fail_at(error, PBT_BAD_INPUT, file, where, "\"adv.%s\": expected texts", name);
        char *copy = pbt_string_copy(text);
        if (!copy) return pbt_fail_memory(error, strlen(text), "a paragraph");
        q->appeals[strategy][q->n_appeals[strategy]++] = copy;
    }
    return PBT_OK;
}

static pbt_code read_question(const json_t *row, const pbt_farm_strategy *strategies, size_t n,
                              const char *file, const char *where, pbt_farm_question *q, pbt_error *error) {
    const char *text, *control;
    const json_t *adv;
    PBT_TRY(pbt_json_string(row, "question", file, where, &text, error));
    PBT_TRY(pbt_json_object(row, "adv", file, where, &adv, error));
    PBT_TRY(pbt_json_string(adv, "control", file, where, &control, error));
    if (!*text || !*control)
        return pbt_fail_at(error, PBT_BAD_INPUT, file, where,
                           "expected a \"question\" and an \"adv.control\" that say something, found \"\"");
    q->text = pbt_string_copy(text);
    q->control = pbt_string_copy(control);
    if (!q->text || !q->control) return pbt_fail_memory(error, strlen(text), "a question");
    const json_t *choices = json_object_get(adv, "mcq");
    if (json_array_size(choices) > 0)
        PBT_TRY(choice_options(choices, file, where, q, error));
    else
        PBT_TRY(yes_no_options(row, file, where, q, error));
    for (size_t i = 0; i < n; i++) PBT_TRY(read_appeals(adv, strategies[i], file, where, q, error));
    return PBT_OK;
}

static void free_question(pbt_farm_question *q) {
    for (int32_t i = 0; i < q->n_options; i++) free(q->options[i]);
    for (int s = 0; s < PBT_FARM_STRATEGIES; s++)
        for (int32_t i = 0; i < q->n_appeals[s]; i++) free(q->appeals[s][i]);
    free(q->id);
    free(q->text);
    free(q->control);
}

/* Which strategies are read. */
typedef struct wanted {
    const pbt_farm_strategy *items;
    size_t n;
    int32_t max;
} wanted;

/* Names of the question: the field "id" where there is one, else the file's name and the line. */
static pbt_code name_question(const json_t *row, const char *file, const char *where, size_t number,
                              pbt_farm_question *q, pbt_error *error) {
    const char *name = strrchr(file, '/'), *id;
    name = name ? name + 1 : file;
    snprintf(q->set, sizeof q->set, "%.*s", (int)strcspn(name, "."), name);
    if (pbt_json_has(row, "id")) {
        PBT_TRY(pbt_json_string(row, "id", file, where, &id, error));
        q->id = pbt_string_copy(id);
    } else {
        q->id = pbt_string_format("%s/%zu", q->set, number);
    }
    return q->id ? PBT_OK : pbt_fail_memory(error, 0, "a name");
}

static pbt_code read_line(const char *line, size_t length, const wanted *w, const char *file, size_t number,
                          pbt_farm_data *data, pbt_error *error) {
    json_t *row;
    char where[48];
    snprintf(where, sizeof where, "line %zu", number);
    pbt_code code = pbt_grow(data->items, &data->capacity, data->count + 1, error);
    if (code == PBT_OK) code = pbt_json_parse_row(line, length, file, where, &row, error);
    if (code != PBT_OK) return code;
    pbt_farm_question *q = &data->items[data->count++];
    *q = (pbt_farm_question){0};
    code = name_question(row, file, where, number, q, error);
    if (code == PBT_OK) code = read_question(row, w->items, w->n, file, where, q, error);
    json_decref(row);
    return code;
}

static pbt_code read_file(const char *path, const wanted *w, pbt_farm_data *data, pbt_error *error) {
    pbt_lines *lines;
    char *line;
    size_t length, number, before = data->count;
    PBT_TRY(pbt_lines_open(path, &lines, error));
    pbt_code code = PBT_OK;
    while (code == PBT_OK && (w->max <= 0 || data->count - before < (size_t)w->max)) {
        code = pbt_lines_next(lines, &line, &length, &number, error);
        if (code != PBT_OK || !line) break;
        if (length > 0) code = read_line(line, length, w, path, number, data, error);
    }
    pbt_lines_close(lines);
    return code;
}

pbt_code pbt_farm_read(const char *path, const pbt_farm_strategy *strategies, size_t n, int32_t max,
                       pbt_farm_data *data, pbt_error *error) {
    const wanted w = {strategies, n, max};
    *data = (pbt_farm_data){0};
    pbt_code code = PBT_OK;
    if (pbt_folder_exists(path)) {
        for (size_t i = 0; i < sizeof files / sizeof *files && code == PBT_OK; i++) {
            char *file = pbt_path_join(path, files[i]);
            if (!file) code = pbt_fail_memory(error, 0, "a path");
            if (file && pbt_file_exists(file)) code = read_file(file, &w, data, error);
            free(file);
        }
    } else {
        code = read_file(path, &w, data, error);
    }
    if (code == PBT_OK && data->count == 0)
        code = pbt_fail_at(
            error, PBT_BAD_INPUT, path, NULL,
            "expected FARM questions (NQ1.jsonl, NQ2.jsonl, Boolq.jsonl, TruthfulQA.jsonl or a file "
            "of that form), found none");
    if (code != PBT_OK) pbt_farm_data_free(data);
    return code;
}

void pbt_farm_data_free(pbt_farm_data *data) {
    for (size_t i = 0; i < data->count; i++) free_question(&data->items[i]);
    free(data->items);
    *data = (pbt_farm_data){0};
}
