/*
 * The evaluations word for word: judged items of the store, the arms side by side, as compact data for
 * report.js. Of long evaluations every k-th item is shown, and the page says so.
 */
#include "report/page/talks.h"

#include "report/page/assets.h"
#include "report/page/html.h"

#include <stdio.h>
#include <string.h>

enum { MOST_ITEMS = 400 }; /* of one evaluation, all seeds together */

typedef struct talks {
    pbt_page *page;
    pbt_talk_texts texts;
    json_t *list;      /* [[kind, seed, title, right, variant, opening, arms], ...] */
    json_t *questions; /* see pbt_talk_source */
    json_t *trees;     /* of the seed being read */
    bool sampled;
} talks;

/* ---- questions and contexts ---- */

static pbt_code take_tree(void *user, const char *name, json_t *value, pbt_error *error) {
    talks *t = user;
    const json_t *question;
    PBT_TRY(pbt_json_object(value, "question", NULL, name, &question, error));
    const char *id = json_string_value(json_object_get(question, "id"));
    bool ok = json_object_set(t->trees, name, value) == 0;
    if (id && !json_object_get(t->questions, id))
        ok = ok && json_object_set_new(t->questions, id, json_incref((json_t *)(uintptr_t)question)) == 0;
    return ok ? PBT_OK : pbt_fail_memory(error, 0, "a page's trees");
}

static pbt_code read_trees(talks *t, int64_t seed) {
    pbt_artefact_key key = {"trees", seed, "test", "tree", ""};
    json_object_clear(t->trees);
    return pbt_store_each(t->page->store, &key, take_tree, t, t->page->error);
}

/* ---- talks ---- */

static pbt_code talk_open(pbt_shown_talk *talk, pbt_error *error) {
    *talk = (pbt_shown_talk){
        .title = -1, .variant = -1, .right = json_array(), .opening = json_array(), .arms = json_array()};
    return talk->right && talk->opening && talk->arms ? PBT_OK : pbt_fail_memory(error, 0, "a talk");
}

/* Whether anything was said after the opening. */
static bool has_turns(const pbt_shown_talk *talk) {
    for (size_t i = 0; i < json_array_size(talk->arms); i++)
        if (json_array_size(json_array_get(json_array_get(talk->arms, i), 3)) > 0) return true;
    return false;
}

/* Takes what the talk holds. */
static pbt_code talk_close(talks *t, size_t kind, int64_t seed, pbt_shown_talk *talk) {
    if (!has_turns(talk)) {
        json_decref(talk->right);
        json_decref(talk->opening);
        json_decref(talk->arms);
        return PBT_OK;
    }
    json_t *data = json_pack("[i, I, I, o, I, o, o]", (int)kind, (json_int_t)seed, talk->title, talk->right,
                             talk->variant, talk->opening, talk->arms);
    if (json_array_append_new(t->list, data) == 0) return PBT_OK;
    return pbt_fail_memory(t->page->error, 0, "a page's talks");
}

/* One item of all arms. */
static pbt_code read_item(talks *t, size_t kind, int64_t seed, int64_t index) {
    pbt_page *page = t->page;
    const pbt_talk_source source = {&t->texts, t->questions, t->trees};
    char name[32];
    snprintf(name, sizeof name, "%06lld", (long long)index);
    for (int variant = 0; variant < pbt_talk_kinds[kind].variants; variant++) {
        pbt_shown_talk talk;
        pbt_code code = talk_open(&talk, page->error);
        for (size_t a = 0; a < PBT_ARMS && code == PBT_OK; a++) {
            json_t *item = NULL;
            pbt_artefact_key key = {"eval", seed, pbt_arm_names[a], pbt_talk_kinds[kind].evaluation->name,
                                    name};
            code = pbt_store_get(page->store, &key, &item, page->error);
            if (code == PBT_OK && item)
                code = pbt_talk_kinds[kind].add(&source, item, variant, (json_int_t)a, &talk, page->error);
            json_decref(item);
        }
        pbt_code closed = talk_close(t, kind, seed, &talk);
        PBT_TRY(code);
        PBT_TRY(closed);
    }
    return PBT_OK;
}

/* How many items an evaluation has: those of the arm with most. */
static pbt_code count_items(const pbt_page *page, size_t kind, int64_t seed, int64_t *most) {
    *most = 0;
    for (size_t a = 0; a < PBT_ARMS; a++) {
        int64_t n;
        pbt_artefact_key key = {"eval", seed, pbt_arm_names[a], pbt_talk_kinds[kind].evaluation->name, ""};
        PBT_TRY(pbt_store_count(page->store, &key, &n, page->error));
        if (n > *most) *most = n;
    }
    return PBT_OK;
}

static pbt_code read_all(talks *t) {
    const pbt_report *r = t->page->report;
    int64_t stride[PBT_TALK_KINDS];
    for (size_t k = 0; k < PBT_TALK_KINDS; k++) {
        int64_t n = 0, most;
        for (size_t s = 0; s < r->n_seeds; s++) {
            PBT_TRY(count_items(t->page, k, r->seeds[s], &most));
            n += most;
        }
        stride[k] = n > MOST_ITEMS ? (n + MOST_ITEMS - 1) / MOST_ITEMS : 1;
        t->sampled = t->sampled || stride[k] > 1;
    }
    for (size_t s = 0; s < r->n_seeds; s++) {
        PBT_TRY(read_trees(t, r->seeds[s]));
        for (size_t k = 0; k < PBT_TALK_KINDS; k++) {
            int64_t n;
            PBT_TRY(count_items(t->page, k, r->seeds[s], &n));
            for (int64_t i = 0; i < n; i += stride[k]) PBT_TRY(read_item(t, k, r->seeds[s], i));
        }
    }
    return PBT_OK;
}

/* ---- the section ---- */

static json_t *kind_titles(void) {
    json_t *list = json_array();
    for (size_t k = 0; k < PBT_TALK_KINDS; k++)
        json_array_append_new(list, json_string(pbt_talk_kinds[k].evaluation->title));
    return list;
}

static json_t *arm_names(void) {
    json_t *list = json_array();
    for (size_t a = 0; a < PBT_ARMS; a++) json_array_append_new(list, json_string(pbt_arm_names[a]));
    return list;
}

static pbt_code write_section(talks *t) {
    pbt_text *out = t->page->out;
    pbt_text_add(out, "<section id=\"talks\" class=\"wide\">\n<h2>The evaluations, word for word</h2>\n"
                      "<p class=\"lead\">Pick a question: the arms answer it side by side, with the messages "
                      "they received and the outcome.");
    if (t->sampled)
        pbt_text_addf(
            out,
            " Of evaluations with more than %d items evenly spaced ones are shown; the run store has all "
            "of them.",
            MOST_ITEMS);
    pbt_text_add(out, "</p>\n");
    pbt_text_add(out, pbt_asset_talks_html);
    json_t *data = json_pack("{s:o, s:o, s:O, s:O}", "kinds", kind_titles(), "arms", arm_names(), "texts",
                             t->texts.list, "talks", t->list);
    pbt_code code = pbt_html_json(out, "talks-data", data, t->page->error);
    json_decref(data);
    pbt_text_add(out, "</section>\n");
    return code;
}

pbt_code pbt_page_talks(pbt_page *page) {
    talks t = {.page = page,
               .texts = {json_array(), json_object()},
               .list = json_array(),
               .questions = json_object(),
               .trees = json_object()};
    bool ok = t.texts.list && t.texts.places && t.list && t.questions && t.trees;
    pbt_code code = ok ? read_all(&t) : pbt_fail_memory(page->error, 0, "a page's talks");
    if (code == PBT_OK && json_array_size(t.list) > 0) code = write_section(&t);
    json_decref(t.texts.list);
    json_decref(t.texts.places);
    json_decref(t.list);
    json_decref(t.questions);
    json_decref(t.trees);
    return code;
}
