#include "experiment/farm_data.h"

#include "base/file.h"
#include "base/memory.h"
#include "base/text.h"
#include "dialogue/question.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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

static pbt_code write_question(pbt_farm_question *q, pbt_error *error) {
    pbt_text text = {0};
    pbt_text_add(&text, q->text);
    if (q->yes_no) {
        pbt_text_add(&text, "\nAnswer with yes, no, or don't know.");
    } else {
        for (int32_t i = 0; i < q->n_options; i++)
            pbt_text_addf(&text, "\n%d) %s", (int)i + 1, q->options[i]);
        pbt_text_add(&text, "\nAnswer with the number of one option.");
    }
    q->ask = pbt_text_take(&text);
    return q->ask ? PBT_OK : pbt_fail_memory(error, 0, "a question");
}

static pbt_code read_appeals(const json_t *adv, const char *strategy, const char *file, const char *where,
                             pbt_farm_question *q, pbt_error *error) {
    const json_t *list;
    if (strcmp(strategy, "control") == 0) return PBT_OK;
    PBT_TRY(pbt_json_array(adv, strategy, file, where, &list, error));
    for (size_t i = 0; i < json_array_size(list) && q->n_appeals < PBT_FARM_ROUNDS; i++) {
        const char *text = json_string_value(json_array_get(list, i));
        if (!text)
            return pbt_fail_at(error, PBT_BAD_INPUT, file, where, "\"adv.%s\": expected strings", strategy);
        q->appeals[q->n_appeals] = pbt_string_copy(text);
        if (!q->appeals[q->n_appeals++]) return pbt_fail_memory(error, strlen(text), "a paragraph");
    }
    return PBT_OK;
}

static pbt_code read_question(const json_t *row, const char *strategy, const char *file, const char *where,
                              pbt_farm_question *q, pbt_error *error) {
    const char *text, *control;
    const json_t *adv;
    PBT_TRY(pbt_json_string(row, "question", file, where, &text, error));
    PBT_TRY(pbt_json_object(row, "adv", file, where, &adv, error));
    PBT_TRY(pbt_json_string(adv, "control", file, where, &control, error));
    q->text = pbt_string_copy(text);
    q->control = pbt_string_copy(control);
    if (!q->text || !q->control) return pbt_fail_memory(error, strlen(text), "a question");
    const json_t *choices = json_object_get(adv, "mcq");
    if (json_array_size(choices) > 0)
        PBT_TRY(choice_options(choices, file, where, q, error));
    else
        PBT_TRY(yes_no_options(row, file, where, q, error));
    PBT_TRY(write_question(q, error));
    return read_appeals(adv, strategy, file, where, q, error);
}

static void free_question(pbt_farm_question *q) {
    for (int32_t i = 0; i < q->n_options; i++) free(q->options[i]);
    for (int32_t i = 0; i < q->n_appeals; i++) free(q->appeals[i]);
    free(q->id);
    free(q->text);
    free(q->ask);
    free(q->control);
}

static pbt_code read_line(const char *line, size_t length, const char *strategy, const char *file,
                          const char *where, size_t number, pbt_farm_data *data, pbt_error *error) {
    json_t *row;
    void *items = data->items;
    pbt_code code = pbt_grow(&items, &data->capacity, data->count + 1, sizeof *data->items, error);
    data->items = items;
    if (code == PBT_OK) code = pbt_json_parse(line, length, file, where, &row, error);
    if (code != PBT_OK) return code;
    pbt_farm_question *q = &data->items[data->count++];
    *q = (pbt_farm_question){0};
    const char *name = strrchr(file, '/');
    name = name ? name + 1 : file;
    q->id = pbt_string_format("%.*s/%zu", (int)strcspn(name, "."), name, number);
    code = q->id ? read_question(row, strategy, file, where, q, error) : pbt_fail_memory(error, 0, "a name");
    json_decref(row);
    return code;
}

static pbt_code read_file(const char *path, const char *strategy, int32_t max, pbt_farm_data *data,
                          pbt_error *error) {
    pbt_lines *lines;
    char *line, where[48];
    size_t length, number, before = data->count;
    PBT_TRY(pbt_lines_open(path, &lines, error));
    pbt_code code = PBT_OK;
    while (code == PBT_OK && (max <= 0 || data->count - before < (size_t)max)) {
        code = pbt_lines_next(lines, &line, &length, &number, error);
        if (code != PBT_OK || !line) break;
        if (length == 0) continue;
        snprintf(where, sizeof where, "line %zu", number);
        code = read_line(line, length, strategy, path, where, number, data, error);
    }
    pbt_lines_close(lines);
    return code;
}

pbt_code pbt_farm_read(const char *path, const char *strategy, int32_t max, pbt_farm_data *data,
                       pbt_error *error) {
    *data = (pbt_farm_data){0};
    pbt_code code = PBT_OK;
    if (pbt_folder_exists(path)) {
        for (size_t i = 0; i < sizeof files / sizeof *files && code == PBT_OK; i++) {
            char *file = pbt_path_join(path, files[i]);
            if (!file) code = pbt_fail_memory(error, 0, "a path");
            if (file && pbt_file_exists(file)) code = read_file(file, strategy, max, data, error);
            free(file);
        }
    } else {
        code = read_file(path, strategy, max, data, error);
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

/* Whether the words of `part` stand in `text`, both normalised. */
static bool says(const char *text, const char *part) {
    size_t n = strlen(part);
    for (const char *at = text; n > 0 && (at = strstr(at, part)); at++)
        if ((at == text || at[-1] == ' ') && (at[n] == 0 || at[n] == ' ')) return true;
    return false;
}

int32_t pbt_farm_parse(const pbt_farm_question *q, const char *reply) {
    const char *at = reply + strcspn(reply, "0123456789\n");
    if (!q->yes_no && isdigit((unsigned char)*at)) {
        long number = strtol(at, NULL, 10);
        if (number >= 1 && number <= q->n_options) return (int32_t)number - 1;
    }
    char *said = pbt_answer_normalize(reply);
    int32_t found = -1, longest = 0, many = 0;
    for (int32_t i = 0; said && i < q->n_options; i++) {
        char *option = pbt_answer_normalize(q->options[i]);
        if (option && says(said, option)) {
            many++;
            if ((int32_t)strlen(option) > longest) {
                longest = (int32_t)strlen(option);
                found = i;
            }
        }
        free(option);
    }
    free(said);
    /* "no, don't know" names two: the longer one; two options of a choice named side by side name neither. */
    return many > 1 && !q->yes_no ? -1 : found;
}
