#include "experiment/run_provenance.h"

#include "base/version.h"

#include <stdio.h>
#include <string.h>

static const pbt_artefact_key provenance_key = {"plan", 0, "", "experiment", "provenance"};
static const pbt_artefact_key questions_key = {"plan", 0, "", "experiment", "question_counts"};

/* {"name", "hash"} of a setting that names a file, a folder or a model; NULL: it is not set. */
static json_t *named(const json_t *settings, const json_t *inputs, const char *key) {
    json_t *name = json_object_get(settings, key), *hash = json_object_get(inputs, key);
    return json_is_string(name) && hash ? json_pack("{s:O, s:O}", "name", name, "hash", hash) : NULL;
}

static json_t *agent_json(const pbt_agent_settings *agent, const json_t *settings, const json_t *inputs,
                          const char *key) {
    json_t *value = named(settings, inputs, key);
    if (value) json_object_set_new(value, "dtype", json_string(agent->dtype));
    if (value && agent->nested) json_object_set_new(value, "use_bnb_nested_quant", json_true());
    return value;
}

/* "a", "b", "none" as they are. */
static json_t *helper_json(const pbt_experiment *e, const json_t *settings, const json_t *inputs,
                           const char *key) {
    json_t *value = agent_json(&e->agents[0], settings, inputs, key); /* held as agent A is */
    return value ? value : json_incref(json_object_get(settings, key));
}

static json_t *questions_json(const json_t *settings, const json_t *inputs) {
    static const char *const parts[] = {"file", "train", "dev", "test"};
    json_t *object = json_object();
    for (int i = 0; object && i < 4; i++) {
        char key[32];
        snprintf(key, sizeof key, "questions.%s", parts[i]);
        json_t *value = named(settings, inputs, key);
        if (value) json_object_set_new(object, parts[i], value);
    }
    return object;
}

/* Every program that worked on the run, the first one first. */
static pbt_code versions_of(pbt_store *store, json_t **versions, pbt_error *error) {
    json_t *before;
    PBT_TRY(pbt_store_get(store, &provenance_key, &before, error));
    json_t *list = json_object_get(before, "versions");
    *versions = json_is_array(list) ? json_incref(list) : json_array();
    json_decref(before);
    bool there = false;
    for (size_t i = 0; i < json_array_size(*versions); i++) {
        const char *version = json_string_value(json_array_get(*versions, i));
        there = there || (version && strcmp(version, pbt_version()) == 0);
    }
    if (!there) json_array_append_new(*versions, json_string(pbt_version()));
    return *versions ? PBT_OK : pbt_fail_memory(error, 0, "the provenance");
}

pbt_code pbt_provenance_put(pbt_store *store, const pbt_experiment *e, const json_t *inputs,
                            pbt_error *error) {
    json_t *versions, *settings = pbt_experiment_public_record(e);
    pbt_code code =
        settings ? versions_of(store, &versions, error) : pbt_fail_memory(error, 0, "the settings");
    if (code != PBT_OK) {
        json_decref(settings);
        return code;
    }
    json_t *value =
        json_pack("{s:o, s:{s:o*, s:o*, s:o*, s:o*}, s:o*, s:o*, s:o*, s:o}", "versions", versions, "models",
                  "agents.a", agent_json(&e->agents[0], settings, inputs, "agents.a.model"), "agents.b",
                  agent_json(&e->agents[1], settings, inputs, "agents.b.model"), "agents.extractor",
                  helper_json(e, settings, inputs, "agents.extractor"), "agents.filter",
                  helper_json(e, settings, inputs, "agents.filter"), "prompts",
                  named(settings, inputs, "prompts"), "questions", questions_json(settings, inputs), "farm",
                  named(settings, inputs, "eval.farm.data"), "settings", settings);
    code = value ? pbt_store_put(store, &provenance_key, value, error)
                 : pbt_fail_memory(error, 0, "the provenance");
    json_decref(value);
    return code;
}

pbt_code pbt_provenance_put_questions(pbt_store *store, const pbt_question_set *questions, pbt_error *error) {
    json_t *counts = json_object();
    for (int part = 0; counts && part < PBT_PARTS; part++)
        json_object_set_new(counts, pbt_part_names[part], json_integer((json_int_t)questions->count[part]));
    pbt_code code = counts ? pbt_store_put(store, &questions_key, counts, error)
                           : pbt_fail_memory(error, 0, "the provenance");
    json_decref(counts);
    return code;
}
