/* report.json. */
#include "report/page/report_json.h"

#include "report/figures/paper.h"
#include "report/page/finding.h"

#include <string.h>

static json_t *arm_json(const pbt_report_arm *arm) {
    json_t *object = json_object();
    for (size_t m = 0; object && m < PBT_MEASURES; m++) {
        const pbt_measure_info *name = &pbt_measures[m];
        json_t *group = json_object_get(object, name->group->key);
        if (!group) {
            group = json_object();
            json_object_set_new(object, name->group->key, group);
        }
        json_object_set_new(group, name->figure, pbt_figure_json(&arm->figures[m]));
    }
    if (object) pbt_details_json(&arm->details, object);
    return object;
}

/* The paper's figures of Table 4: those of the trained arm; beside them every arm that was analysed. */
static json_t *flips_json(const pbt_report *report) {
    json_t *arms = json_object();
    const pbt_flips *shown = NULL;
    const char *name = NULL;
    for (size_t a = 0; a < PBT_ARMS; a++) {
        const pbt_flips *flips = &report->arms[a].flips;
        if (flips->n == 0) continue;
        json_object_set_new(arms, pbt_arm_names[a], pbt_flips_json(flips));
        shown = flips;
        name = pbt_arm_names[a];
    }
    if (!shown) {
        json_decref(arms);
        return json_null();
    }
    return json_pack("{s:s, s:o, s:o, s:o, s:o}", "arm", name, "accuracy_all",
                     pbt_figure_json(&shown->accuracy_all), "accuracy_two",
                     pbt_figure_json(&shown->accuracy_two), "majority", pbt_figure_json(&shown->majority),
                     "arms", arms);
}

static json_t *comparisons_json(const pbt_report *report) {
    json_t *list = json_array();
    for (size_t i = 0; list && i < report->n_comparisons; i++)
        json_array_append_new(list, pbt_comparison_json(&report->comparisons[i]));
    return list;
}

/* The sentences of the finding; null where there is none. */
static json_t *finding_json(const pbt_report *report) {
    pbt_text text = {0};
    pbt_report_finding(report, &text);
    size_t length = text.length > 0 ? text.length - 1 : 0; /* without the newline */
    json_t *value = length > 0 ? json_stringn(pbt_text_string(&text), length) : json_null();
    pbt_text_free(&text);
    return value;
}

/* {arm: why it is not there}. */
static json_t *missing_json(const pbt_report *report) {
    json_t *object = json_object();
    for (size_t a = 0; object && a < PBT_ARMS; a++)
        if (report->missing[a])
            json_object_set_new(object, pbt_arm_names[a], json_string(report->missing[a]));
    return object;
}

static json_t *warnings_json(const pbt_report *report) {
    json_t *list = json_array();
    for (size_t i = 0; list && i < report->n_warnings; i++)
        json_array_append_new(list, json_string(report->warnings[i]));
    return list;
}

json_t *pbt_report_json(const pbt_report *report) {
    json_t *seeds = json_array(), *arms = json_object(), *training = json_object();
    for (size_t s = 0; s < report->n_seeds; s++) json_array_append_new(seeds, json_integer(report->seeds[s]));
    for (size_t a = 0; a < PBT_ARMS; a++) {
        if (!report->arms[a].present) continue;
        json_object_set_new(arms, pbt_arm_names[a], arm_json(&report->arms[a]));
        if (json_array_size(report->arms[a].training))
            json_object_set(training, pbt_arm_names[a], report->arms[a].training);
    }
    return json_pack("{s:s, s:o, s:o, s:O?, s:o, s:o, s:o, s:o, s:o, s:o, s:O, s:O, s:o}", "experiment",
                     report->experiment, "finding", finding_json(report), "seeds", seeds, "provenance",
                     report->provenance, "missing", missing_json(report), "warnings", warnings_json(report),
                     "arms", arms, "flip_analysis", flips_json(report), "comparisons",
                     comparisons_json(report), "training", training, "trees", report->trees, "pairs",
                     report->reasons, "paper", pbt_paper_json());
}

json_t *pbt_compare_json(const pbt_report *reports, const char *const *names, size_t n) {
    json_t *list = json_array();
    for (size_t i = 0; list && i < n; i++) {
        json_t *one = pbt_report_json(&reports[i]);
        json_object_del(one, "paper");
        json_array_append_new(list, json_pack("{s:s, s:o}", "run", names[i], "report", one));
    }
    return list;
}
