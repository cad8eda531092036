/* Which questions belong to which part: separate files, a field "split", or a seeded split by shares. */
#include "settings/question_set.h"
#include "base/file.h"
#include "base/memory.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *const pbt_part_names[PBT_PARTS] = {"train", "dev", "test"};

static const pbt_question *question_of(const pbt_question_set *set, const char *id, size_t from,
                                       size_t *index) {
    /* Lines and questions are in the same order, so the search begins where the last one ended. */
    for (size_t i = 0; i < set->questions.count; i++) {
        *index = (from + i) % set->questions.count;
        if (strcmp(set->questions.items[*index].id, id) == 0) return &set->questions.items[*index];
    }
    return NULL;
}

static unsigned char part_named(const char *name) {
    for (int p = 0; p < PBT_PARTS; p++) {
        if (strcmp(name, pbt_part_names[p]) == 0) return (unsigned char)p;
    }
    return PBT_PARTS;
}

/* Takes the field "split" of one line; *n_found counts the lines that have one. */
static pbt_code split_of_line(pbt_question_set *set, const char *path, const char *line, size_t length,
                              size_t number, size_t *next, size_t *n_found, pbt_error *error) {
    char where[32];
    json_t *value;
    snprintf(where, sizeof where, "line %zu", number);
    PBT_TRY(pbt_json_parse_row(line, length, path, where, &value, error));
    const char *split = json_string_value(json_object_get(value, "split"));
    const char *id = json_string_value(json_object_get(value, "id"));
    if (!id) id = json_string_value(json_object_get(value, "question_id")); /* TriviaQA's name */
    pbt_code code = PBT_OK;
    size_t index;
    if (split && (!id || !question_of(set, id, *next, &index)))
        code = pbt_fail_at(error, PBT_BAD_INPUT, path, where,
                           "a line with \"split\" needs an \"id\" (or \"question_id\") of its own");
    else if (split && part_named(split) == PBT_PARTS && strcmp(split, "none") != 0)
        code = pbt_fail_at(error, PBT_BAD_INPUT, path, where,
                           "field \"split\": expected train, dev, test or none, found \"%s\"", split);
    else if (split) {
        set->part[index] = part_named(split);
        *next = index + 1;
        ++*n_found;
    }
    json_decref(value);
    return code;
}

static pbt_code read_split_field(const char *path, pbt_question_set *set, size_t *n_found, pbt_error *error) {
    pbt_lines *lines;
    char *line;
    size_t length, number, next = 0;
    *n_found = 0;
    PBT_TRY(pbt_lines_open(path, &lines, error));
    pbt_code code = pbt_lines_next(lines, &line, &length, &number, error);
    while (code == PBT_OK && line) {
        /* A file that is one JSON value over several lines (TriviaQA's own form) has no such field. */
        if (number == 1 && length < 3) break;
        if (length) code = split_of_line(set, path, line, length, number, &next, n_found, error);
        if (code == PBT_OK) code = pbt_lines_next(lines, &line, &length, &number, error);
    }
    pbt_lines_close(lines);
    return code;
}

static pbt_code assign_parts(const pbt_experiment *e, pbt_question_set *set, pbt_error *error) {
    const char *split = e->questions.split;
    size_t found = 0;
    memset(set->part, PBT_PARTS, set->questions.count);
    if (strcmp(split, "seeded") != 0) PBT_TRY(read_split_field(e->questions.file, set, &found, error));
    if (found) return PBT_OK;
    if (strcmp(split, "field") == 0)
        return pbt_fail_at(error, PBT_BAD_INPUT, e->questions.file, NULL,
                           "questions.split is \"field\", but no line has a field \"split\"");
    pbt_key key = pbt_key_named(pbt_key_of_seed((uint64_t)e->questions.split_seed), "split");
    return pbt_questions_split(set->questions.count, e->questions.shares.items, key, set->part, error);
}

static pbt_code read_part_files(const pbt_experiment *e, pbt_question_set *set, pbt_error *error) {
    size_t end[PBT_PARTS];
    for (int p = 0; p < PBT_PARTS; p++) {
        PBT_TRY(pbt_questions_read(e->questions.part_file[p], &set->questions, error));
        end[p] = set->questions.count;
    }
    set->part = pbt_alloc(set->questions.count + 1, 1);
    if (!set->part) return pbt_fail_memory(error, set->questions.count, "questions");
    for (size_t i = 0; i < set->questions.count; i++) {
        set->part[i] = (unsigned char)(i < end[0] ? 0 : i < end[1] ? 1 : 2);
        for (size_t j = i < end[0] ? set->questions.count : 0; j < i && j < end[set->part[i] - 1]; j++) {
            if (strcmp(set->questions.items[i].id, set->questions.items[j].id) == 0)
                return pbt_fail_at(error, PBT_BAD_INPUT, e->questions.part_file[set->part[i]], NULL,
                                   "question \"%s\" is in the %s questions too", set->questions.items[i].id,
                                   pbt_part_names[set->part[j]]);
        }
    }
    return PBT_OK;
}

/* A part longer than its maximum keeps its first questions; the file's order is nobody's choice here. */
static pbt_code list_parts(const pbt_experiment *e, pbt_question_set *set, pbt_error *error) {
    for (int p = 0; p < PBT_PARTS; p++) {
        size_t most = (size_t)e->questions.max_per_part[p];
        set->list[p] = pbt_alloc(set->questions.count + 1, sizeof **set->list);
        if (!set->list[p]) return pbt_fail_memory(error, set->questions.count * 8, "questions");
        for (size_t i = 0; i < set->questions.count; i++) {
            if (set->part[i] != p || (most && set->count[p] == most)) continue;
            set->list[p][set->count[p]++] = &set->questions.items[i];
        }
        if (set->count[p] == 0)
            return pbt_fail_at(error, PBT_BAD_INPUT,
                               e->questions.file ? e->questions.file : e->questions.part_file[p], NULL,
                               "there is no question in the %s part", pbt_part_names[p]);
    }
    return PBT_OK;
}

static pbt_code read_set(const pbt_experiment *e, pbt_question_set *set, pbt_error *error) {
    if (!e->questions.file) {
        PBT_TRY(read_part_files(e, set, error));
    } else {
        PBT_TRY(pbt_questions_read(e->questions.file, &set->questions, error));
        set->part = pbt_alloc(set->questions.count + 1, 1);
        if (!set->part) return pbt_fail_memory(error, set->questions.count, "questions");
        PBT_TRY(assign_parts(e, set, error));
    }
    return list_parts(e, set, error);
}

/* A file that is not there: named before the attempt to read it, with how to get it. */
static pbt_code check_file(const pbt_experiment *e, const char *path, pbt_error *error) {
    if (!path || !e->questions.obtain || pbt_file_exists(path)) return PBT_OK;
    PBT_TRY(pbt_path_look(path, error));
    return pbt_fail_at(error, PBT_BAD_INPUT, path, NULL, "expected the questions, found no such file. %s",
                       e->questions.obtain);
}

pbt_code pbt_question_set_read(const pbt_experiment *experiment, pbt_question_set *set, pbt_error *error) {
    *set = (pbt_question_set){0};
    PBT_TRY(check_file(experiment, experiment->questions.file, error));
    for (int p = 0; p < PBT_PARTS; p++)
        PBT_TRY(check_file(experiment, experiment->questions.part_file[p], error));
    pbt_code code = read_set(experiment, set, error);
    if (code != PBT_OK) pbt_question_set_free(set);
    return code;
}

void pbt_question_set_free(pbt_question_set *set) {
    pbt_questions_free(&set->questions);
    for (int p = 0; p < PBT_PARTS; p++) free(set->list[p]);
    free(set->part);
    *set = (pbt_question_set){0};
}

size_t pbt_test_questions(const pbt_question_set *set, int32_t max) {
    size_t n = set->count[PBT_TEST_PART];
    return max > 0 && (size_t)max < n ? (size_t)max : n;
}
