#include "settings/settings.h"

#include "base/hub.h"

#include "base/file.h"
#include "settings/products.h"
#include "settings/values.h"

#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_KEYS = 256, FILE_LIMIT = 1 << 20 };

/* One reading of keys from one source. */
typedef struct reading {
    value_source source;
    pbt_experiment *experiment;
    bool *given;   /* [pbt_n_setting_keys]: read by any source before */
    size_t *lines; /* [pbt_n_setting_keys]: line in this source, 0: not yet */
} reading;

static const char *const type_names[] = {"text",
                                         "path",
                                         "model folder or id; a, b",
                                         "integer",
                                         "integer",
                                         "number",
                                         "true or false",
                                         "name",
                                         "list of integers",
                                         "list of names",
                                         "list of numbers",
                                         "name or list of names",
                                         "list of numbers",
                                         "list of lists of roles"};

size_t pbt_settings_count(void) {
    return pbt_n_setting_keys;
}

pbt_setting_help pbt_settings_describe(size_t i) {
    const setting_key *k = &pbt_setting_keys[i];
    int first = 0;
    while (first < PBT_PRODUCTS && !(k->affects & PBT_PRODUCT_BIT(first))) first++;
    return (pbt_setting_help){.key = k->name,
                              .type = type_names[k->type],
                              .initial = k->initial,
                              .choices = k->choices,
                              .help = k->help,
                              .redone = first < PBT_PRODUCTS ? pbt_product_names[first] : "nothing",
                              .required = k->required,
                              .free = k->free};
}

static const char *last_part(const char *name) {
    const char *dot = strrchr(name, '.');
    return dot ? dot + 1 : name;
}

/* The nearest key of the section that `given` names, or NULL. */
static const char *nearest_in_section(const char *given) {
    const char *part = last_part(given), *best = NULL;
    size_t section = (size_t)(part - given), least = 3 + strlen(part) / 4;
    for (size_t i = 0; section > 0 && i < pbt_n_setting_keys; i++) {
        const char *name = pbt_setting_keys[i].name;
        if (strncmp(name, given, section) != 0) continue;
        size_t distance = pbt_string_distance(part, name + section);
        if (distance >= least) continue;
        least = distance;
        best = name;
    }
    return best;
}

/* The nearest known key: in its own section where one is near; else by the whole dotted name, or by the last
 * part when it stands in another section. */
static const char *nearest_key(const char *given) {
    const char *best = nearest_in_section(given);
    size_t least = 3 + strlen(given) / 4;
    if (best) return best;
    for (size_t i = 0; i < pbt_n_setting_keys; i++) {
        const char *name = pbt_setting_keys[i].name;
        size_t distance = pbt_string_distance(given, name);
        size_t part = pbt_string_distance(last_part(given), last_part(name)) + 1;
        if (part < distance) distance = part;
        if (distance < least) {
            least = distance;
            best = name;
        }
    }
    return best;
}

static pbt_code unknown_key(const reading *r, const char *given, size_t line, pbt_error *error) {
    char where[32];
    snprintf(where, sizeof where, "line %zu", line);
    const char *best = nearest_key(given);
    return pbt_fail_at(error, PBT_BAD_INPUT, r->source.file, where,
                       best ? "unknown key \"%s\"; did you mean \"%s\"?" : "unknown key \"%s\"", given, best);
}

static bool is_section(const char *name) {
    size_t n = strlen(name);
    for (size_t i = 0; i < pbt_n_setting_keys; i++) {
        const char *key = pbt_setting_keys[i].name;
        if (strncmp(key, name, n) == 0 && key[n] == '.') return true;
    }
    return false;
}

static const setting_key *find_key(const char *name) {
    for (size_t i = 0; i < pbt_n_setting_keys; i++) {
        if (strcmp(pbt_setting_keys[i].name, name) == 0) return &pbt_setting_keys[i];
    }
    return NULL;
}

static pbt_code read_key(reading *r, const setting_key *key, const pbt_yaml *value, pbt_error *error) {
    size_t index = (size_t)(key - pbt_setting_keys);
    if (r->lines[index]) {
        char where[32];
        snprintf(where, sizeof where, "line %zu", value->line);
        return pbt_fail_at(error, PBT_BAD_INPUT, r->source.file, where,
                           "%s is given twice, first in line %zu", key->name, r->lines[index]);
    }
    r->lines[index] = value->line;
    r->given[index] = true;
    return pbt_value_read(key, value, &r->source, r->experiment, error);
}

/* Depth is bounded by the table: a section that is no prefix of a key is refused. */
static pbt_code read_mapping(reading *r, const pbt_yaml *mapping, const char *section, pbt_error *error) {
    for (size_t i = 0; i + 1 < mapping->n_children; i += 2) {
        const pbt_yaml *key = mapping->children[i], *value = mapping->children[i + 1];
        char name[128];
        int length = snprintf(name, sizeof name, "%s%s%s", section, *section ? "." : "", key->text);
        if (length < 0 || (size_t)length >= sizeof name) return unknown_key(r, key->text, key->line, error);
        const setting_key *known = find_key(name);
        if (known) {
            PBT_TRY(read_key(r, known, value, error));
        } else if (!is_section(name)) {
            return unknown_key(r, name, key->line, error);
        } else if (pbt_yaml_is_null(value)) {
            continue;
        } else if (value->kind != PBT_YAML_MAPPING) {
            char where[32];
            snprintf(where, sizeof where, "line %zu", value->line);
            return pbt_fail_at(error, PBT_BAD_INPUT, r->source.file, where,
                               "%s: expected a section with keys of its own, found a value", name);
        } else {
            PBT_TRY(read_mapping(r, value, name, error));
        }
    }
    return PBT_OK;
}

static pbt_code read_defaults(reading *r, pbt_error *error) {
    r->experiment->sft = pbt_train_settings_default(PBT_SFT);
    r->experiment->dpo = pbt_train_settings_default(PBT_DPO);
    for (size_t i = 0; i < pbt_n_setting_keys; i++) {
        const setting_key *key = &pbt_setting_keys[i];
        pbt_yaml *value;
        if (!key->initial) continue;
        PBT_TRY(pbt_yaml_parse(key->initial, strlen(key->initial), "default", r->experiment->arena, &value,
                               error));
        PBT_TRY(pbt_value_read(key, value, &r->source, r->experiment, error));
    }
    return PBT_OK;
}

static pbt_code read_override(reading *r, const char *text, pbt_error *error) {
    const char *equals = strchr(text, '=');
    char name[128];
    if (!equals || equals == text || (size_t)(equals - text) >= sizeof name)
        return pbt_fail(error, PBT_USAGE, "--set %s: expected key=value", text);
    snprintf(name, sizeof name, "%.*s", (int)(equals - text), text);
    const setting_key *key = find_key(name);
    if (!key) {
        const char *best = nearest_key(name);
        return pbt_fail(error, PBT_USAGE,
                        best ? "--set %s: unknown key \"%s\"; did you mean \"%s\"?"
                             : "--set %s: unknown key \"%s\"",
                        text, name, best);
    }
    pbt_yaml *value;
    PBT_TRY(pbt_yaml_parse(equals + 1, strlen(equals + 1), "--set", r->experiment->arena, &value, error));
    /* An empty value reads as an empty document. */
    if (value->kind == PBT_YAML_MAPPING && value->n_children == 0)
        *value = (pbt_yaml){.kind = PBT_YAML_SCALAR, .text = "", .plain = true, .line = 1};
    r->given[key - pbt_setting_keys] = true;
    return pbt_value_read(key, value, &r->source, r->experiment, error);
}

static pbt_code bad(const char *file, pbt_error *error, const char *sentence) {
    return pbt_fail_at(error, PBT_BAD_INPUT, file, NULL, "%s", sentence);
}

/* A part's own check, with the section it is about in front of its sentence: "dpo: beta is 0; ...". */
static pbt_code in_section(const char *file, const char *section, pbt_code code, const pbt_error *reason,
                           pbt_error *error) {
    if (code == PBT_OK) return PBT_OK;
    return pbt_fail_at(error, PBT_BAD_INPUT, file, NULL, "%s: %s", section, reason->message);
}

static pbt_code check_questions(const pbt_experiment *e, const char *file, pbt_error *error) {
    const pbt_question_settings *q = &e->questions;
    bool parts = q->part_file[0] || q->part_file[1] || q->part_file[2],
         all = q->part_file[0] && q->part_file[1] && q->part_file[2];
    if (q->file ? parts : !all)
        return bad(
            file, error,
            "expected either questions.file, or all of questions.train, questions.dev and questions.test");
    double sum = 0;
    for (size_t i = 0; i < q->shares.count; i++) sum += q->shares.items[i];
    if (q->shares.count != 3 || sum < 0.999 || sum > 1.001)
        return bad(file, error, "questions.shares: expected three shares (train, dev, test) with the sum 1");
    return PBT_OK;
}

static pbt_code check_trees(const pbt_experiment *e, const char *file, pbt_error *error) {
    pbt_error reason;
    if (e->trees.plan.sampling.min_new_tokens > e->trees.plan.sampling.max_new_tokens)
        return bad(file, error, "trees.min_new_tokens is greater than trees.max_new_tokens");
    PBT_TRY(in_section(file, "trees", pbt_sampling_check(&e->trees.plan.sampling, &reason), &reason, error));
    if (e->trees.repetitions[0] + e->trees.repetitions[1] == 0)
        return bad(file, error, "trees.a_first and trees.b_first are both 0: no tree would grow");
    if (strcmp(e->extractor, "none") == 0)
        return bad(file, error, "agents.extractor: expected a, b or a model folder, found none");
    if (e->pairs.max_pairs == 1)
        return bad(file, error,
                   "pairs.max_pairs is 1: the arm pbt takes half of its pairs of each kind, so that none "
                   "would be left; expected 0 or at least 2");
    return PBT_OK;
}

static pbt_code check_training(const pbt_experiment *e, const char *file, pbt_error *error) {
    pbt_error reason;
    pbt_adapter_settings targets = {0};
    PBT_TRY(in_section(file, "sft", pbt_train_settings_check(&e->sft, &reason), &reason, error));
    PBT_TRY(in_section(file, "dpo", pbt_train_settings_check(&e->dpo, &reason), &reason, error));
    if (!(e->lora.alpha > 0))
        return bad(file, error, "lora.lora_alpha is 0: the adapters would have no effect; expected more");
    return in_section(file, "lora", pbt_adapter_targets(e->lora.target_modules, &targets, &reason), &reason,
                      error);
}

static pbt_code check_evaluations(const pbt_experiment *e, const char *file, pbt_error *error) {
    const pbt_farm_settings *farm = &e->farm;
    pbt_error reason;
    pbt_sampling reply = {.temperature = farm->temperature, .top_p = farm->top_p},
                 probe = {.temperature = farm->probe_temperature, .top_p = farm->top_p};
    PBT_TRY(in_section(file, "eval.farm", pbt_sampling_check(&reply, &reason), &reason, error));
    PBT_TRY(in_section(file, "eval.farm", pbt_sampling_check(&probe, &reason), &reason, error));
    if (farm->enabled && !farm->data)
        return bad(file, error, "eval.farm.enabled needs eval.farm.data (a FARM file or a folder of them)");
    if (strcmp(farm->protocol, "free") != 0 && strcmp(farm->probe, "question") != 0)
        return bad(file, error, "eval.farm.probe: final and reply need eval.farm.protocol: free");
    if (strcmp(farm->protocol, "free") == 0 && strcmp(farm->compat, "none") != 0)
        return bad(file, error, "eval.farm.compat: released-code needs eval.farm.protocol: options");
    if (e->flip_analysis.enabled && !e->balanced.enabled)
        return bad(file, error,
                   "eval.flip_analysis.enabled needs eval.balanced.enabled: it looks at its cases");
    return PBT_OK;
}

/* What no single key can tell. What a setting means together with files and models is experiment/check.c's.
 */
static pbt_code check(const reading *r, pbt_error *error) {
    const char *file = r->source.file;
    for (size_t i = 0; i < pbt_n_setting_keys; i++) {
        if (pbt_setting_keys[i].required && !r->given[i])
            return pbt_fail_at(error, PBT_BAD_INPUT, file, NULL, "the key \"%s\" (%s) is missing",
                               pbt_setting_keys[i].name, pbt_setting_keys[i].help);
    }
    PBT_TRY(check_questions(r->experiment, file, error));
    PBT_TRY(check_trees(r->experiment, file, error));
    PBT_TRY(check_training(r->experiment, file, error));
    return check_evaluations(r->experiment, file, error);
}

static pbt_code read_all(reading *r, const char *path, const char *const *overrides, size_t n,
                         pbt_error *error) {
    PBT_TRY(read_defaults(r, error));
    /* What is wrong on the command line is said before what is wrong in the file. */
    for (size_t i = 0; i < n; i++)
        if (!strchr(overrides[i], '='))
            return pbt_fail(error, PBT_USAGE, "--set %s: expected key=value", overrides[i]);
    char *text;
    size_t length;
    PBT_TRY(pbt_file_read(path, FILE_LIMIT, &text, &length, error));
    pbt_yaml *root;
    pbt_code code = pbt_yaml_parse(text, length, path, r->experiment->arena, &root, error);
    free(text);
    if (code != PBT_OK) return code;
    if (root->kind != PBT_YAML_MAPPING)
        return bad(path, error, "expected keys and values (\"name: ...\"), found something else");
    r->source.file = path;
    PBT_TRY(read_mapping(r, root, "", error));
    r->source.file = "--set";
    r->source.folder = NULL; /* paths on the command line are relative to where one stands */
    for (size_t i = 0; i < n; i++) PBT_TRY(read_override(r, overrides[i], error));
    r->source.file = path;
    return check(r, error);
}

pbt_code pbt_experiment_read(const char *path, const char *data_folder, const char *const *overrides,
                             size_t n_overrides, pbt_experiment *experiment, pbt_error *error) {
    bool given[MAX_KEYS] = {false};
    size_t lines[MAX_KEYS] = {0};
    *experiment = (pbt_experiment){.arena = pbt_arena_create()};
    char *copy = pbt_string_copy(path);
    if (!experiment->arena || !copy || pbt_n_setting_keys > MAX_KEYS) {
        free(copy);
        return pbt_fail_memory(error, sizeof *experiment, "the experiment");
    }
    reading r = {{"default", dirname(copy), data_folder, false}, experiment, given, lines};
    pbt_code code = read_all(&r, path, overrides, n_overrides, error);
    free(copy);
    if (code != PBT_OK) pbt_experiment_free(experiment);
    return code;
}

void pbt_experiment_free(pbt_experiment *experiment) {
    pbt_arena_free(experiment->arena);
    *experiment = (pbt_experiment){0};
}

json_t *pbt_experiment_record(const pbt_experiment *experiment) {
    json_t *record = json_object();
    for (size_t i = 0; record && i < pbt_n_setting_keys; i++) {
        if (json_object_set_new(record, pbt_setting_keys[i].name,
                                pbt_value_record(&pbt_setting_keys[i], experiment)) != 0) {
            json_decref(record);
            return NULL;
        }
    }
    return record;
}

/* The last part of a path; an id of the Hub stays whole. */
static json_t *name_of(const char *path) {
    if (pbt_hub_is_id(path) && !pbt_folder_exists(path) && !pbt_file_exists(path)) return json_string(path);
    size_t end = strlen(path);
    while (end > 1 && path[end - 1] == '/') end--;
    size_t begin = end;
    while (begin > 0 && path[begin - 1] != '/') begin--;
    return json_stringn(path + begin, end - begin);
}

json_t *pbt_experiment_public_record(const pbt_experiment *experiment) {
    json_t *record = pbt_experiment_record(experiment);
    for (size_t i = 0; record && i < pbt_n_setting_keys; i++) {
        const setting_key *key = &pbt_setting_keys[i];
        const char *path = json_string_value(json_object_get(record, key->name));
        int failed = 0;
        if (key->free && !pbt_string_starts(key->name, "report."))
            json_object_del(record, key->name);
        else if (path && (key->type == KEY_PATH || key->type == KEY_MODEL))
            failed = json_object_set_new(record, key->name, name_of(path));
        if (failed) {
            json_decref(record);
            return NULL;
        }
    }
    return record;
}

static pbt_code read_record(reading *r, const json_t *record, pbt_error *error) {
    PBT_TRY(read_defaults(r, error));
    const char *name;
    json_t *value;
    json_object_foreach((json_t *)(uintptr_t)record, name, value) {
        const setting_key *key = find_key(name);
        if (!key) return unknown_key(r, name, 1, error);
        if (json_is_null(value)) continue;
        char *line = pbt_json_line(value);
        if (!line) return pbt_fail_memory(error, 0, "a setting");
        pbt_yaml *node;
        pbt_code code =
            pbt_yaml_parse(line, strlen(line), r->source.file, r->experiment->arena, &node, error);
        free(line);
        if (code == PBT_OK) code = read_key(r, key, node, error);
        if (code != PBT_OK) return code;
    }
    return check(r, error);
}

pbt_code pbt_experiment_from_record(const json_t *record, const char *file, pbt_experiment *experiment,
                                    pbt_error *error) {
    bool given[MAX_KEYS] = {false};
    size_t lines[MAX_KEYS] = {0};
    *experiment = (pbt_experiment){.arena = pbt_arena_create()};
    if (!experiment->arena || pbt_n_setting_keys > MAX_KEYS)
        return pbt_fail_memory(error, sizeof *experiment, "the experiment");
    reading r = {{.file = file, .recorded = true}, experiment, given, lines};
    pbt_code code = read_record(&r, record, error);
    if (code != PBT_OK) pbt_experiment_free(experiment);
    return code;
}

/* An evaluation that was switched off before may be switched on, and set, later: nothing came of it yet.
 * Those that shape the trees are not among them. */
static bool unused_evaluation(const char *key, const json_t *before) {
    static const char *const late[] = {"eval.flipflop.", "eval.team.", "eval.farm.", "eval.flip_analysis."};
    for (size_t i = 0; i < sizeof late / sizeof *late; i++) {
        char name[64];
        if (!pbt_string_starts(key, late[i])) continue;
        snprintf(name, sizeof name, "%senabled", late[i]);
        return strcmp(key, name) == 0 || !json_is_true(json_object_get(before, name));
    }
    return false;
}

/* Every key with its default; NULL when out of memory. */
static json_t *default_record(void) {
    bool given[MAX_KEYS] = {false};
    size_t lines[MAX_KEYS] = {0};
    pbt_experiment experiment = {.arena = pbt_arena_create()};
    reading r = {{.file = "default"}, &experiment, given, lines};
    json_t *record = NULL;
    if (experiment.arena && pbt_n_setting_keys <= MAX_KEYS && read_defaults(&r, NULL) == PBT_OK)
        record = pbt_experiment_record(&experiment);
    if (experiment.arena) pbt_experiment_free(&experiment);
    return record;
}

pbt_code pbt_experiment_complete(json_t *record, const char *section, pbt_error *error) {
    json_t *defaults = default_record(), *value;
    const char *name;
    int failed = defaults ? 0 : 1;
    json_object_foreach(defaults, name, value) {
        if (pbt_string_starts(name, section) && !json_object_get(record, name))
            failed = failed || json_object_set(record, name, value) != 0;
    }
    json_decref(defaults);
    return failed ? pbt_fail_memory(error, 0, "the settings") : PBT_OK;
}

/* Lists that may grow while a run goes on: what is there does not depend on what is added. */
static bool only_grew(const setting_key *key, const json_t *was, const json_t *is) {
    bool grows = key->type == KEY_SEEDS || (key->type == KEY_NAMES && key->affects == 0);
    if (!grows || !json_is_array(was) || !json_is_array(is)) return false;
    for (size_t i = 0; i < json_array_size(was); i++) {
        bool kept = false;
        for (size_t j = 0; j < json_array_size(is); j++)
            kept = kept || json_equal(json_array_get(was, i), json_array_get(is, j));
        if (!kept) return false;
    }
    return true;
}

/* A value for people: a number with no more digits than it needs. */
static void add_value(const json_t *value, pbt_text *out) {
    if (json_is_real(value)) {
        char few[40];
        snprintf(few, sizeof few, "%.15g", json_real_value(value));
        pbt_text_addf(out, strtod(few, NULL) == json_real_value(value) ? "%.15g" : "%.17g",
                      json_real_value(value));
        return;
    }
    char *line = value && !json_is_null(value) ? pbt_json_line(value) : NULL;
    pbt_text_add(out, line ? line : "not set");
    free(line);
}

void pbt_experiment_differences(const json_t *before, const json_t *now, pbt_text *out, unsigned *affected) {
    for (size_t i = 0; i < pbt_n_setting_keys; i++) {
        const setting_key *key = &pbt_setting_keys[i];
        const json_t *was = json_object_get(before, key->name), *is = json_object_get(now, key->name);
        bool names_files = key->type == KEY_PATH || (key->type == KEY_MODEL && key->required);
        bool path = names_files && json_is_string(was) && json_is_string(is);
        if (key->free || path || unused_evaluation(key->name, before) || only_grew(key, was, is) ||
            (was && is && json_equal(was, is)))
            continue;
        pbt_text_addf(out, "%s%s is ", out->length ? "; " : "", key->name);
        add_value(was, out);
        pbt_text_add(out, " in the run, ");
        add_value(is, out);
        pbt_text_add(out, " now");
        *affected |= key->affects;
    }
}

unsigned pbt_setting_affects(const char *name) {
    const setting_key *key = find_key(name);
    return key ? key->affects : 0;
}

const char *pbt_experiment_model_of(const pbt_experiment *experiment, const char *who) {
    if (strcmp(who, "a") == 0) return experiment->agents[0].model;
    if (strcmp(who, "b") == 0) return experiment->agents[1].model;
    return who;
}

int pbt_experiment_trained(const pbt_experiment *experiment) {
    return experiment->train_agent[0] == 'b';
}
