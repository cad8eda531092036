#include "settings/values.h"

#include "base/file.h"
#include "base/hub.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static pbt_code wrong(const setting_key *key, const pbt_yaml *node, const value_source *source,
                      const char *expected, pbt_error *error) {
    char where[32];
    snprintf(where, sizeof where, "line %zu", node->line);
    const char *found = node->kind == PBT_YAML_SEQUENCE  ? "a list"
                        : node->kind == PBT_YAML_MAPPING ? "a mapping"
                                                         : node->text;
    return pbt_fail_at(error, PBT_BAD_INPUT, source->file, where, "%s: expected %s, found %s%s%s", key->name,
                       expected, node->kind == PBT_YAML_SCALAR ? "\"" : "", found,
                       node->kind == PBT_YAML_SCALAR ? "\"" : "");
}

static pbt_code read_number(const setting_key *key, const pbt_yaml *node, const value_source *source,
                            bool whole, double *value, pbt_error *error) {
    if (node->kind != PBT_YAML_SCALAR)
        return wrong(key, node, source, whole ? "a whole number" : "a number", error);
    char *end = NULL;
    errno = 0;
    double number = strtod(node->text, &end);
    if (end == node->text || *end || !isfinite(number) || (errno == ERANGE && fabs(number) > 1) ||
        strpbrk(node->text, "xXpP"))
        return wrong(key, node, source, whole ? "a whole number" : "a number", error);
    if (whole && (number != floor(number) || fabs(number) > 9e15))
        return wrong(key, node, source, "a whole number", error);
    if ((key->least != 0 || key->most != 0) && (number < key->least || number > key->most)) {
        char expected[80];
        snprintf(expected, sizeof expected, "a number from %g to %g", key->least, key->most);
        return wrong(key, node, source, expected, error);
    }
    *value = number;
    return PBT_OK;
}

/* The index of `text` in "a|b|c", or -1. */
static int choice_index(const char *choices, const char *text) {
    size_t length = strlen(text);
    int index = 0;
    for (const char *p = choices; p; index++) {
        size_t n = strcspn(p, "|");
        if (n == length && strncmp(p, text, n) == 0) return index;
        p = p[n] ? p + n + 1 : NULL;
    }
    return -1;
}

static pbt_code check_choice(const setting_key *key, const pbt_yaml *node, const value_source *source,
                             int *index, pbt_error *error) {
    *index = node->kind == PBT_YAML_SCALAR ? choice_index(key->choices, node->text) : -1;
    if (*index >= 0) return PBT_OK;
    char expected[200];
    snprintf(expected, sizeof expected, "one of %s", key->choices);
    return wrong(key, node, source, expected, error);
}

static pbt_code copy_text(const char *text, pbt_experiment *e, const char **out, pbt_error *error) {
    *out = pbt_arena_string(e->arena, text);
    return *out ? PBT_OK : pbt_fail_memory(error, strlen(text), "a setting");
}

/* A relative path behind the folder one stands in; NULL: it is none, or that folder is not known. */
static char *absolute(const char *path) {
    char *folder = path[0] == '/' ? NULL : getcwd(NULL, 0), *joined = NULL;
    while (pbt_string_starts(path, "./")) path += 2;
    if (folder) joined = pbt_path_join(folder, path);
    free(folder);
    return joined;
}

static pbt_code read_path(const setting_key *key, const pbt_yaml *node, const value_source *source,
                          pbt_experiment *e, const char **out, pbt_error *error) {
    if (node->kind != PBT_YAML_SCALAR || !node->text[0]) return wrong(key, node, source, "a path", error);
    char *path = NULL;
    if (pbt_string_starts(node->text, "pbt:") && source->data_folder)
        path = pbt_path_join(source->data_folder, node->text + 4);
    else if (node->text[0] != '/' && source->folder)
        path = pbt_path_join(source->folder, node->text);
    const char *given = path ? path : node->text;
    /* An id of the Hub ("org/name") stays one, unless such a folder is there. */
    bool id = key->type == KEY_MODEL && strchr(node->text, '/') && pbt_hub_is_id(node->text) &&
              !pbt_folder_exists(given);
    if (id) given = node->text;
    /* Absolute, so that a run is continued from any folder; a record's paths are taken as they are. */
    char *resolved = !id && !source->recorded ? absolute(given) : NULL;
    pbt_code code = copy_text(resolved ? resolved : given, e, out, error);
    free(resolved);
    free(path);
    return code;
}

static pbt_code read_string(const setting_key *key, const pbt_yaml *node, const value_source *source,
                            pbt_experiment *e, pbt_error *error) {
    const char **field = &PBT_KEY_FIELD(const char *, e, key);
    int index;
    if (node->kind != PBT_YAML_SCALAR) return wrong(key, node, source, "a text", error);
    if (key->choices) PBT_TRY(check_choice(key, node, source, &index, error));
    if (key->type == KEY_PATH) return read_path(key, node, source, e, field, error);
    if (key->type == KEY_MODEL && (key->required || choice_index("a|b|none", node->text) < 0))
        return read_path(key, node, source, e, field, error);
    return copy_text(node->text, e, field, error);
}

static pbt_code expect_list(const setting_key *key, const pbt_yaml *node, const value_source *source,
                            size_t least, size_t most, pbt_error *error) {
    char expected[80];
    snprintf(expected, sizeof expected, "a list of %zu to %zu values", least, most);
    if (node->kind != PBT_YAML_SEQUENCE || node->n_children < least || node->n_children > most)
        return wrong(key, node, source, expected, error);
    return PBT_OK;
}

/* `seeds: 1` and `--set arms=pbt`: one value stands for a list of one. */
static const pbt_yaml *as_list(const pbt_yaml *node, pbt_yaml *list, pbt_yaml **child) {
    if (node->kind != PBT_YAML_SCALAR) return node;
    *child = (pbt_yaml *)(uintptr_t)node;
    *list = (pbt_yaml){.kind = PBT_YAML_SEQUENCE, .line = node->line, .children = child, .n_children = 1};
    return list;
}

static pbt_code read_seeds(const setting_key *key, const pbt_yaml *node, const value_source *source,
                           pbt_experiment *e, pbt_error *error) {
    pbt_yaml list, *child;
    node = as_list(node, &list, &child);
    PBT_TRY(expect_list(key, node, source, 1, PBT_MAX_SEEDS, error));
    e->seeds.count = 0;
    for (size_t i = 0; i < node->n_children; i++) {
        double number = 0;
        PBT_TRY(read_number(key, node->children[i], source, true, &number, error));
        bool again = false;
        for (size_t j = 0; j < i; j++) again = again || e->seeds.items[j] == (int64_t)number;
        if (number < 0 || again)
            return wrong(key, node->children[i], source, "seeds from 0 up, each of them once", error);
        e->seeds.items[e->seeds.count++] = (int64_t)number;
    }
    return PBT_OK;
}

static pbt_code read_names(const setting_key *key, const pbt_yaml *node, const value_source *source,
                           pbt_experiment *e, pbt_error *error) {
    pbt_name_list *list = &PBT_KEY_FIELD(pbt_name_list, e, key);
    pbt_yaml made, *child;
    node = as_list(node, &made, &child);
    PBT_TRY(expect_list(key, node, source, 1, PBT_MAX_STRINGS, error));
    list->count = 0;
    for (size_t i = 0; i < node->n_children; i++) {
        int index;
        PBT_TRY(check_choice(key, node->children[i], source, &index, error));
        for (size_t j = 0; j < i; j++) {
            if (strcmp(list->items[j], node->children[i]->text) == 0)
                return wrong(key, node->children[i], source, "each name once", error);
        }
        PBT_TRY(copy_text(node->children[i]->text, e, &list->items[list->count++], error));
    }
    return PBT_OK;
}

static pbt_code read_numbers(const setting_key *key, const pbt_yaml *node, const value_source *source,
                             pbt_experiment *e, pbt_error *error) {
    pbt_number_list *list = &PBT_KEY_FIELD(pbt_number_list, e, key);
    PBT_TRY(expect_list(key, node, source, 1, PBT_MAX_STRINGS, error));
    list->count = 0;
    for (size_t i = 0; i < node->n_children; i++)
        PBT_TRY(read_number(key, node->children[i], source, false, &list->items[list->count++], error));
    return PBT_OK;
}

static pbt_code read_losses(const setting_key *key, const pbt_yaml *node, const value_source *source,
                            pbt_experiment *e, pbt_error *error) {
    pbt_yaml made, *child;
    const char *names[PBT_LOSS_TYPES];
    pbt_error reason;
    node = as_list(node, &made, &child);
    PBT_TRY(expect_list(key, node, source, 1, PBT_LOSS_TYPES, error));
    for (size_t i = 0; i < node->n_children; i++) {
        int index;
        PBT_TRY(check_choice(key, node->children[i], source, &index, error));
        names[i] = node->children[i]->text;
    }
    if (pbt_loss_mix_set_types(&PBT_KEY_FIELD(pbt_loss_mix, e, key), names, node->n_children, &reason) ==
        PBT_OK)
        return PBT_OK;
    return wrong(key, node, source, "each loss once", error);
}

static pbt_code read_loss_weights(const setting_key *key, const pbt_yaml *node, const value_source *source,
                                  pbt_experiment *e, pbt_error *error) {
    pbt_yaml made, *child;
    double weights[PBT_LOSS_TYPES];
    node = as_list(node, &made, &child);
    PBT_TRY(expect_list(key, node, source, 0, PBT_LOSS_TYPES, error));
    for (size_t i = 0; i < node->n_children; i++)
        PBT_TRY(read_number(key, node->children[i], source, false, &weights[i], error));
    return pbt_loss_mix_set_weights(&PBT_KEY_FIELD(pbt_loss_mix, e, key), weights, node->n_children, error);
}

static pbt_code read_turns(const setting_key *key, const pbt_yaml *node, const value_source *source,
                           pbt_experiment *e, pbt_error *error) {
    pbt_tree_plan *plan = &e->trees.plan;
    PBT_TRY(expect_list(key, node, source, 2, PBT_MAX_TURNS, error));
    plan->n_turns = (int32_t)node->n_children;
    for (size_t t = 0; t < node->n_children; t++) {
        const pbt_yaml *turn = node->children[t];
        PBT_TRY(expect_list(key, turn, source, 1, PBT_ROLES, error));
        if (t == 0 && turn->n_children > 1)
            return wrong(key, turn, source, "one role for the first turn, the root of the tree", error);
        plan->n_roles[t] = 0;
        for (size_t r = 0; r < turn->n_children; r++) {
            const pbt_yaml *name = turn->children[r];
            pbt_role role = name->kind == PBT_YAML_SCALAR ? pbt_role_of(name->text) : PBT_ROLES;
            for (int32_t i = 0; role != PBT_ROLES && i < plan->n_roles[t]; i++) {
                if (plan->roles[t][i] == role)
                    return wrong(key, name, source, "each role once a turn", error);
            }
            if (role == PBT_ROLES)
                return wrong(key, name, source,
                             "standard, resistant, acceptant, logical, emotional or credible", error);
            plan->roles[t][plan->n_roles[t]++] = role;
        }
    }
    return PBT_OK;
}

static pbt_code read_bool(const setting_key *key, const pbt_yaml *node, const value_source *source,
                          pbt_experiment *e, pbt_error *error) {
    int index =
        node->kind == PBT_YAML_SCALAR ? choice_index("true|True|yes|on|false|False|no|off", node->text) : -1;
    if (index < 0) return wrong(key, node, source, "true or false", error);
    PBT_KEY_FIELD(bool, e, key) = index < 4;
    return PBT_OK;
}

pbt_code pbt_value_read(const setting_key *key, const pbt_yaml *node, const value_source *source,
                        pbt_experiment *e, pbt_error *error) {
    double number = 0;
    if (pbt_yaml_is_null(node)) {
        bool text = key->type == KEY_STRING || key->type == KEY_PATH || key->type == KEY_MODEL;
        if (!text || key->initial || key->required) return wrong(key, node, source, "a value", error);
        PBT_KEY_FIELD(const char *, e, key) = NULL;
        return PBT_OK;
    }
    switch (key->type) {
    case KEY_STRING:
    case KEY_PATH:
    case KEY_MODEL:
        return read_string(key, node, source, e, error);
    case KEY_INT32:
        PBT_TRY(read_number(key, node, source, true, &number, error));
        PBT_KEY_FIELD(int32_t, e, key) = (int32_t)number;
        return PBT_OK;
    case KEY_INT64:
        PBT_TRY(read_number(key, node, source, true, &number, error));
        PBT_KEY_FIELD(int64_t, e, key) = (int64_t)number;
        return PBT_OK;
    case KEY_NUMBER:
        PBT_TRY(read_number(key, node, source, false, &number, error));
        PBT_KEY_FIELD(double, e, key) = number;
        return PBT_OK;
    case KEY_BOOL:
        return read_bool(key, node, source, e, error);
    case KEY_CHOICE:
        return check_choice(key, node, source, &PBT_KEY_FIELD(int, e, key), error);
    case KEY_SEEDS:
        return read_seeds(key, node, source, e, error);
    case KEY_NAMES:
        return read_names(key, node, source, e, error);
    case KEY_NUMBERS:
        return read_numbers(key, node, source, e, error);
    case KEY_LOSSES:
        return read_losses(key, node, source, e, error);
    case KEY_LOSS_WEIGHTS:
        return read_loss_weights(key, node, source, e, error);
    case KEY_TURNS:
        return read_turns(key, node, source, e, error);
    }
    return pbt_fail(error, PBT_FAILED, "%s: unknown type of setting", key->name);
}

static json_t *record_turns(const pbt_tree_plan *plan) {
    json_t *turns = json_array();
    for (int32_t t = 0; turns && t < plan->n_turns; t++) {
        json_t *roles = json_array();
        for (int32_t r = 0; roles && r < plan->n_roles[t]; r++)
            json_array_append_new(roles, json_string(pbt_role_names[plan->roles[t][r]]));
        json_array_append_new(turns, roles);
    }
    return turns;
}

static json_t *record_list(const setting_key *key, const pbt_experiment *e) {
    json_t *array = json_array();
    const pbt_name_list *names = &PBT_KEY_FIELD(pbt_name_list, e, key);
    const pbt_number_list *numbers = &PBT_KEY_FIELD(pbt_number_list, e, key);
    if (!array) return NULL;
    if (key->type == KEY_SEEDS) {
        for (size_t i = 0; i < e->seeds.count; i++)
            json_array_append_new(array, json_integer(e->seeds.items[i]));
    } else if (key->type == KEY_NAMES) {
        for (size_t i = 0; i < names->count; i++) json_array_append_new(array, json_string(names->items[i]));
    } else {
        for (size_t i = 0; i < numbers->count; i++)
            json_array_append_new(array, json_real(numbers->items[i]));
    }
    return array;
}

/* One loss is recorded as its name, as it was before there were lists; no weights as null. */
static json_t *record_losses(const setting_key *key, const pbt_loss_mix *mix) {
    bool weights = key->type == KEY_LOSS_WEIGHTS;
    if (weights && mix->n_weights == 0) return json_null();
    if (!weights && mix->n == 1) return json_string(pbt_loss_type_name(mix->types[0]));
    json_t *array = json_array();
    for (int32_t i = 0; array && i < (weights ? mix->n_weights : mix->n); i++)
        json_array_append_new(array, weights ? json_real(mix->weights[i])
                                             : json_string(pbt_loss_type_name(mix->types[i])));
    return array;
}

static json_t *record_choice(const setting_key *key, int index) {
    const char *p = key->choices;
    for (int i = 0; i < index; i++) p = strchr(p, '|') + 1;
    return json_stringn(p, strcspn(p, "|"));
}

json_t *pbt_value_record(const setting_key *key, const pbt_experiment *e) {
    switch (key->type) {
    case KEY_STRING:
    case KEY_PATH:
    case KEY_MODEL: {
        const char *text = PBT_KEY_FIELD(const char *, e, key);
        return text ? json_string(text) : json_null();
    }
    case KEY_INT32:
        return json_integer(PBT_KEY_FIELD(int32_t, e, key));
    case KEY_INT64:
        return json_integer(PBT_KEY_FIELD(int64_t, e, key));
    case KEY_NUMBER:
        return json_real(PBT_KEY_FIELD(double, e, key));
    case KEY_BOOL:
        return json_boolean(PBT_KEY_FIELD(bool, e, key));
    case KEY_CHOICE:
        return record_choice(key, PBT_KEY_FIELD(int, e, key));
    case KEY_SEEDS:
    case KEY_NAMES:
    case KEY_NUMBERS:
        return record_list(key, e);
    case KEY_LOSSES:
    case KEY_LOSS_WEIGHTS:
        return record_losses(key, &PBT_KEY_FIELD(pbt_loss_mix, e, key));
    case KEY_TURNS:
        return record_turns(&e->trees.plan);
    }
    return NULL;
}
