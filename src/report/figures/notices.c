#include "report/figures/notices.h"

#include "base/memory.h"
#include "base/text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static pbt_code add_warning(pbt_report *r, char *text, pbt_error *error) {
    if (!text) return pbt_fail_memory(error, 0, "a warning");
    pbt_code code = pbt_grow(r->warnings, &r->warnings_capacity, r->n_warnings + 1, error);
    if (code == PBT_OK)
        r->warnings[r->n_warnings++] = text;
    else
        free(text);
    return code;
}

/* ---- arms ---- */

static bool lists(const json_t *names, const char *name) {
    bool found = false;
    for (size_t i = 0; i < json_array_size(names); i++) {
        const char *text = json_string_value(json_array_get(names, i));
        found = found || (text && strcmp(text, name) == 0);
    }
    return found;
}

static pbt_code is_tested(pbt_store *store, int64_t seed, size_t arm, bool *tested, pbt_error *error) {
    *tested = false;
    for (int e = 0; e < PBT_EVALUATIONS && !*tested; e++) {
        int64_t n;
        pbt_artefact_key key = {"eval", seed, pbt_arm_names[arm], pbt_evaluation_kinds[e].name, ""};
        PBT_TRY(pbt_store_count(store, &key, &n, error));
        *tested = n > 0;
    }
    return PBT_OK;
}

static json_int_t kept(const json_t *reasons, const char *kind) {
    return json_integer_value(json_object_get(reasons, kind));
}

/* Why a trained arm has no adapter, or an adapter and no figures. */
static pbt_code why_not(pbt_store *store, int64_t seed, size_t arm, pbt_text *out, pbt_error *error) {
    json_t *summary, *reasons;
    bool done;
    PBT_TRY(pbt_store_has(store, &(pbt_artefact_key){"train", seed, pbt_arm_names[arm], "done", ""}, &done,
                          error));
    PBT_TRY(pbt_store_get(store, &(pbt_artefact_key){"train", seed, pbt_arm_names[arm], "summary", "result"},
                          &summary, error));
    bool trained = summary;
    json_decref(summary);
    if (trained) {
        pbt_text_add(out, "trained, but not tested");
        return PBT_OK;
    }
    if (!done) {
        pbt_text_add(out, "its training is not finished");
        return PBT_OK;
    }
    PBT_TRY(
        pbt_store_get(store, &(pbt_artefact_key){"pairs", seed, "", "summary", "reasons"}, &reasons, error));
    pbt_text_add(out, "not trained: too few pairs");
    if (reasons)
        pbt_text_addf(out,
                      " (%lld resist and %lld accept; all arms get as many as the arm with the fewest has)",
                      (long long)kept(reasons, "resist"), (long long)kept(reasons, "accept"));
    json_decref(reasons);
    return PBT_OK;
}

/* Seed by seed; nothing where the arm was tested under every seed. */
static pbt_code reasons_of(pbt_store *store, const pbt_report *r, size_t arm, pbt_text *out,
                           pbt_error *error) {
    for (size_t s = 0; s < r->n_seeds; s++) {
        bool tested;
        PBT_TRY(is_tested(store, r->seeds[s], arm, &tested, error));
        if (tested) continue;
        pbt_text_addf(out, "%sseed %lld: ", out->length ? "; " : "", (long long)r->seeds[s]);
        if (arm == PBT_ARM_BASE)
            pbt_text_add(out, "not tested yet");
        else
            PBT_TRY(why_not(store, r->seeds[s], arm, out, error));
    }
    return PBT_OK;
}

static pbt_code explain_arm(pbt_store *store, const json_t *settings, pbt_report *r, size_t arm,
                            pbt_error *error) {
    const json_t *arms = json_object_get(settings, "arms");
    pbt_text text = {0};
    pbt_code code = PBT_OK;
    bool listed = arm == PBT_ARM_BASE || lists(arms, pbt_arm_names[arm]);
    if (!listed && r->arms[arm].present) return PBT_OK;
    if (!listed)
        pbt_text_add(&text, "not among the arms of the experiment (its setting \"arms\")");
    else
        code = reasons_of(store, r, arm, &text, error);
    if (code == PBT_OK && text.failed) code = pbt_fail_memory(error, 0, "a report");
    if (code == PBT_OK && text.length && r->arms[arm].present)
        code = add_warning(
            r, pbt_string_format("%s has no figures of some seeds: %s", pbt_arm_names[arm], text.data),
            error);
    else if (code == PBT_OK && text.length)
        r->missing[arm] = pbt_text_take(&text);
    pbt_text_free(&text);
    return code;
}

/* ---- tests ---- */

/* What tells how large a test is: the smaller sides of it. */
static const struct {
    pbt_evaluation_id evaluation;
    pbt_measure_id measure;
    const char *about; /* behind the title of the test */
} sizes[] = {{PBT_EVALUATION_BALANCED, PBT_BALANCED_PLUS_MINUS, ", + → −"},
             {PBT_EVALUATION_BALANCED, PBT_BALANCED_MINUS_PLUS, ", − → +"},
             {PBT_EVALUATION_FLIPFLOP, PBT_FLIPFLOP_BEFORE, ""},
             {PBT_EVALUATION_FARM, PBT_FARM_MISINFORMED, ""},
             {PBT_EVALUATION_TEAM, PBT_TEAM_STRONG_FIRST, ""}};

/* The fewest questions an arm that is there has; -1: no arm is there. */
static int64_t fewest_questions(const pbt_report *r, pbt_measure_id measure, size_t *arm) {
    int64_t least = -1;
    for (size_t a = 0; a < PBT_ARMS; a++) {
        const pbt_figure *f = &r->arms[a].figures[measure];
        int64_t n = f->known ? f->questions : 0;
        if (!r->arms[a].present || (least >= 0 && n >= least)) continue;
        least = n;
        *arm = a;
    }
    return least;
}

/* Whether the test is over for base, under every seed. */
static pbt_code is_over(pbt_store *store, const pbt_report *r, pbt_evaluation_id e, bool *over,
                        pbt_error *error) {
    *over = r->n_seeds > 0;
    for (size_t s = 0; s < r->n_seeds && *over; s++)
        PBT_TRY(pbt_store_has(store,
                              &(pbt_artefact_key){"eval", r->seeds[s], pbt_arm_names[PBT_ARM_BASE], "done",
                                                  pbt_evaluation_kinds[e].name},
                              over, error));
    return PBT_OK;
}

static bool is_enabled(const json_t *settings, pbt_evaluation_id e) {
    char key[64];
    snprintf(key, sizeof key, "%senabled", pbt_evaluation_kinds[e].section);
    return json_is_true(json_object_get(settings, key));
}

static pbt_code judge_size(pbt_store *store, const json_t *settings, pbt_report *r, size_t i,
                           pbt_error *error) {
    pbt_evaluation_id e = sizes[i].evaluation;
    size_t arm = 0;
    int64_t n = fewest_questions(r, sizes[i].measure, &arm);
    const char *title = pbt_evaluation_kinds[e].title;
    bool over, enabled = is_enabled(settings, e), measured = false;
    for (size_t a = 0; a < PBT_ARMS; a++) measured = measured || r->arms[a].figures[sizes[i].measure].known;
    if (!enabled && !measured) return PBT_OK;
    PBT_TRY(is_over(store, r, e, &over, error));
    if (enabled && !over && !measured)
        return add_warning(
            r, pbt_string_format("%s%s: not evaluated yet, or not completely.", title, sizes[i].about),
            error);
    if (n <= 0)
        return add_warning(
            r,
            pbt_string_format(
                "%s%s: empty%s%s. There was no case to judge, which says nothing about any arm.", title,
                sizes[i].about, measured ? " for " : "", measured ? pbt_arm_names[arm] : ""),
            error);
    if (n >= PBT_FEW_QUESTIONS) return PBT_OK;
    return add_warning(r,
                       pbt_string_format("%s%s: only %lld question%s (%s); with fewer than %d, one alone "
                                         "moves a figure by more than three points.",
                                         title, sizes[i].about, (long long)n, n == 1 ? "" : "s",
                                         pbt_arm_names[arm], PBT_FEW_QUESTIONS),
                       error);
}

pbt_code pbt_notices_make(pbt_store *store, const json_t *settings, pbt_report *r, pbt_error *error) {
    for (size_t arm = 0; arm < PBT_ARMS; arm++) PBT_TRY(explain_arm(store, settings, r, arm, error));
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
        PBT_TRY(judge_size(store, settings, r, i, error));
    return PBT_OK;
}
