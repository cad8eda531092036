#include "report/page/provenance_table.h"

#include "base/text.h"

#include <stdlib.h>
#include <string.h>

static pbt_code row(pbt_table *t, const char *what, const char *which, const char *dtype, const char *hash,
                    pbt_error *error) {
    PBT_TRY(pbt_table_row(t, error));
    PBT_TRY(pbt_table_cell(t, 0, error, "%s", what));
    PBT_TRY(pbt_table_cell(t, 1, error, "%s", which ? which : "–"));
    PBT_TRY(pbt_table_cell(t, 2, error, "%s", dtype ? dtype : ""));
    return pbt_table_cell(t, 3, error, "%s", hash ? hash : "");
}

static const char *text_of(const json_t *object, const char *key) {
    return json_string_value(json_object_get(object, key));
}

/* A row of {"name", "dtype", "hash"}; nothing where there is no such thing. */
static pbt_code named_row(pbt_table *t, const char *what, const json_t *value, pbt_error *error) {
    if (!value) return PBT_OK;
    if (json_is_string(value)) return row(t, what, json_string_value(value), NULL, NULL, error);
    const char *dtype = text_of(value, "dtype");
    if (dtype && strcmp(dtype, "auto") == 0) dtype = "as stored";
    return row(t, what, text_of(value, "name"), dtype, text_of(value, "hash"), error);
}

/* Who reads answers: agent A or B, or a model of its own. */
static pbt_code helper_row(pbt_table *t, const char *what, const json_t *value, pbt_error *error) {
    const char *who = json_string_value(value);
    if (who && strcmp(who, "a") == 0) return row(t, what, "agent A", NULL, NULL, error);
    if (who && strcmp(who, "b") == 0) return row(t, what, "agent B", NULL, NULL, error);
    return named_row(t, what, value, error);
}

static pbt_code model_rows(const json_t *p, pbt_table *t, pbt_error *error) {
    const json_t *models = json_object_get(p, "models");
    const char *trained = text_of(json_object_get(p, "settings"), "train_agent");
    bool b = trained && strcmp(trained, "b") == 0;
    PBT_TRY(named_row(t, b ? "agent A" : "agent A, trained", json_object_get(models, "agents.a"), error));
    PBT_TRY(named_row(t, b ? "agent B, trained" : "agent B", json_object_get(models, "agents.b"), error));
    PBT_TRY(helper_row(t, "extractor of answers", json_object_get(models, "agents.extractor"), error));
    return helper_row(t, "filter of pairs", json_object_get(models, "agents.filter"), error);
}

static pbt_code adapter_rows(const json_t *p, pbt_table *t, pbt_error *error) {
    const json_t *adapters = json_object_get(p, "adapters");
    for (size_t i = 0; i < json_array_size(adapters); i++) {
        const json_t *a = json_array_get(adapters, i);
        const char *arm = text_of(a, "arm");
        char *which = pbt_string_format("%s, seed %lld", arm ? arm : "–",
                                        (long long)json_integer_value(json_object_get(a, "seed")));
        pbt_code code = which ? row(t, "adapter", which, text_of(a, "dtype"), text_of(a, "hash"), error)
                              : pbt_fail_memory(error, 0, "a table");
        free(which);
        if (code != PBT_OK) return code;
    }
    return PBT_OK;
}

static pbt_code question_rows(const json_t *p, pbt_table *t, pbt_error *error) {
    static const char *const parts[][2] = {{"file", "questions"},
                                           {"train", "train questions"},
                                           {"dev", "dev questions"},
                                           {"test", "held-out questions"}};
    const json_t *files = json_object_get(p, "questions"), *counts = json_object_get(p, "question_counts");
    for (size_t i = 0; i < 4; i++)
        PBT_TRY(named_row(t, parts[i][1], json_object_get(files, parts[i][0]), error));
    if (!json_is_object(counts)) return PBT_OK;
    char *line = pbt_string_format("%lld train, %lld dev, %lld held out",
                                   (long long)json_integer_value(json_object_get(counts, "train")),
                                   (long long)json_integer_value(json_object_get(counts, "dev")),
                                   (long long)json_integer_value(json_object_get(counts, "test")));
    pbt_code code =
        line ? row(t, "questions used", line, NULL, NULL, error) : pbt_fail_memory(error, 0, "a table");
    free(line);
    return code;
}

pbt_code pbt_provenance_table(const pbt_report *r, pbt_table *t, pbt_error *error) {
    const json_t *p = r->provenance;
    pbt_text versions = {0};
    PBT_TRY(pbt_table_open(t, error, "What this report is of", "what", "which", "dtype", "hash", NULL));
    t->name = "provenance";
    t->n_keys = 1;
    if (!p)
        return pbt_table_note(t,
                              "Not recorded: the run was made by a version of pbt that kept none of it. The "
                              "same pbt run again records it.",
                              error);
    const json_t *list = json_object_get(p, "versions");
    for (size_t i = 0; i < json_array_size(list); i++) {
        const char *version = json_string_value(json_array_get(list, i));
        pbt_text_addf(&versions, "%s%s", i ? ", " : "", version ? version : "–");
    }
    pbt_code code = row(t, "pbt", pbt_text_string(&versions), NULL, NULL, error);
    pbt_text_free(&versions);
    if (code == PBT_OK) code = model_rows(p, t, error);
    if (code == PBT_OK) code = adapter_rows(p, t, error);
    if (code == PBT_OK) code = named_row(t, "prompts", json_object_get(p, "prompts"), error);
    if (code == PBT_OK) code = question_rows(p, t, error);
    return code == PBT_OK ? named_row(t, "FARM", json_object_get(p, "farm"), error) : code;
}

void pbt_provenance_settings(const pbt_report *report, pbt_text *out) {
    const char *key;
    json_t *value;
    json_object_foreach(json_object_get(report->provenance, "settings"), key, value) {
        char *line = json_dumps(value, JSON_ENCODE_ANY | JSON_REAL_PRECISION(12));
        pbt_text_addf(out, "    %s: %s\n", key, line ? line : "");
        free(line);
    }
}
