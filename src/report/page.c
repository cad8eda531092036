/* report.html: one file, no network, the same bytes for the same run. */
#include "report/page.h"
#include "base/file.h"
#include "report/assets.h"
#include "report/finding.h"
#include "report/html.h"
#include "report/talks.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *pbt_page_string(pbt_page *page, const char *format, ...) {
    char text[512];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    return pbt_arena_string(page->arena, text);
}

/* ---- sections of tables ---- */

/* A section: its main table, drawings, and the tables that say more, folded. A table that stands nowhere here
 * gets a section of its own. */
typedef struct section {
    const char *id, *title; /* the title in the navigation */
    const char *more[4];    /* names of further tables */
    pbt_code (*draw)(pbt_page *page);
    const char *caption; /* of what is drawn; NULL: the drawings bring their own */
} section;
static const section sections[] = {
    {"balanced", "Balanced", {"balanced_sides", "balanced_mixed", "balanced_partner"}, NULL, NULL},
    {"farm",
     "FARM",
     {"farm_rounds", "farm_sets", "farm_strategies"},
     pbt_page_rounds,
     " Misinformed so far: the share of the questions answered right at first whose answer has become the "
     "pushed one, "
     "round by round."},
    {"flipflop", "Are you sure?", {"challenges"}, NULL, NULL},
    {"team",
     "Teams",
     {"team_turns", "team_moves"},
     pbt_page_teams,
     " After discussion: filled where the strong agent begins, hollow where its untouched partner does; the "
     "line between "
     "them is the order gap. Turn by turn: solid the strong agent, dashed its partner."},
    {"flip_accuracy", "Flips", {"flip_weights"}, pbt_page_flips, NULL},
    {"comparisons", "Arm against arm", {NULL}, pbt_page_contrasts, NULL},
    {"unparsed", "Unread answers", {NULL}, NULL, NULL},
    {"training", "Training", {NULL}, pbt_page_training, NULL},
    {"pairs", "Pairs", {NULL}, NULL, NULL},
};
enum { N_SECTIONS = sizeof sections / sizeof *sections, MOST_OPEN_ROWS = 24 };

static const section *section_of(const char *table) {
    for (size_t i = 0; i < N_SECTIONS && table; i++)
        if (strcmp(sections[i].id, table) == 0) return &sections[i];
    return NULL;
}

static bool stands_below_another(const char *table) {
    for (size_t i = 0; i < N_SECTIONS && table; i++)
        for (size_t m = 0; m < 4 && sections[i].more[m]; m++)
            if (strcmp(sections[i].more[m], table) == 0) return true;
    return false;
}

/* "Balanced persuasion: accuracy, % (paper: Table 3)" becomes a heading and what stands after the colon. */
static void section_open(pbt_page *page, const pbt_table *table) {
    const char *colon = strstr(table->title, ": ");
    size_t length = colon ? (size_t)(colon - table->title) : strlen(table->title);
    pbt_text_addf(page->out, "<section id=\"%s\">\n<h2>", table->name ? table->name : "table");
    pbt_html_addf(page->out, "%.*s", (int)length, table->title);
    pbt_text_add(page->out, "</h2>\n");
    if (!colon) return;
    pbt_text_add(page->out, "<p class=\"lead\">");
    pbt_html_addf(page->out, "%c%s", colon[2] >= 'a' && colon[2] <= 'z' ? colon[2] - 32 : colon[2],
                  colon + 3);
    pbt_text_add(page->out, "</p>\n");
}

static pbt_code measure_drawings(pbt_page *page, const pbt_measure_group *group, const section *s) {
    pbt_text_add(page->out, "<figure><div class=\"panels\">\n");
    for (size_t i = 0; i < group->n; i++) {
        bool known = false;
        for (size_t a = 0; a < PBT_REPORT_ARMS; a++)
            known = known || page->report->arms[a].figures[group->first + i].known;
        if (known) pbt_dots_report(page->report, group->first + i, page->out);
    }
    if (s && s->draw) PBT_TRY(s->draw(page));
    pbt_text_addf(page->out,
                  "</div><figcaption>Dots: filled this run, with its 95%% interval; hollow the paper, "
                  "Llama-3.1-70B, where it gives the figure.%s</figcaption></figure>\n",
                  s && s->caption ? s->caption : "");
    return PBT_OK;
}

static void note(pbt_page *page, const pbt_table *table) {
    if (!table->note) return;
    pbt_text_add(page->out, "<p class=\"note\">");
    pbt_html_add(page->out, table->note);
    pbt_text_add(page->out, "</p>\n");
}

/* The table itself, in its own form where it has one. */
static pbt_code table_body(pbt_page *page, const pbt_table *table) {
    const char *name = table->name ? table->name : "";
    pbt_measure_group group = pbt_measure_group_find(name);
    if (strcmp(name, "pairs") == 0) return pbt_page_pairs(page);
    if (group.n > 0)
        pbt_page_measure_table(page, &group);
    else if (strcmp(name, "flip_weights") == 0)
        pbt_page_flip_weights(page);
    else {
        pbt_html_table(page->out, table);
        return PBT_OK;
    }
    note(page, table);
    return PBT_OK;
}

static pbt_code further_tables(pbt_page *page, const section *s, const pbt_table *tables, size_t n) {
    for (size_t m = 0; m < 4 && s->more[m]; m++)
        for (size_t i = 0; i < n; i++) {
            if (!tables[i].name || strcmp(tables[i].name, s->more[m]) != 0) continue;
            bool open = strcmp(s->id, "flip_accuracy") == 0;
            pbt_text_add(page->out, open ? "<details open=\"\"><summary>" : "<details><summary>");
            pbt_html_add(page->out, tables[i].title);
            pbt_text_add(page->out, "</summary>\n");
            PBT_TRY(table_body(page, &tables[i]));
            pbt_text_add(page->out, "</details>\n");
        }
    return PBT_OK;
}

static pbt_code table_section(pbt_page *page, const pbt_table *table, const pbt_table *tables, size_t n) {
    const section *s = section_of(table->name);
    pbt_measure_group group = pbt_measure_group_find(table->name ? table->name : "");
    bool training = s && strcmp(s->id, "training") == 0;
    section_open(page, table);
    if (group.n > 0)
        PBT_TRY(measure_drawings(page, &group, s));
    else if (s && s->draw && !training)
        PBT_TRY(s->draw(page));
    bool fold = table->n_rows > MOST_OPEN_ROWS;
    if (fold) pbt_text_addf(page->out, "<details><summary>The table, %zu rows</summary>\n", table->n_rows);
    PBT_TRY(table_body(page, table));
    if (fold) pbt_text_add(page->out, "</details>\n");
    if (s && s->draw && training) PBT_TRY(s->draw(page)); /* many drawings: the table first */
    if (s) PBT_TRY(further_tables(page, s, tables, n));
    pbt_text_add(page->out, "</section>\n");
    return PBT_OK;
}

/* In the order of `sections`, then what has no place there. */
static pbt_code all_sections(pbt_page *page, const pbt_table *tables, size_t n) {
    for (size_t s = 0; s < N_SECTIONS; s++)
        for (size_t i = 0; i < n; i++)
            if (section_of(tables[i].name) == &sections[s])
                PBT_TRY(table_section(page, &tables[i], tables, n));
    for (size_t i = 0; i < n; i++)
        if (!section_of(tables[i].name) && !stands_below_another(tables[i].name))
            PBT_TRY(table_section(page, &tables[i], tables, n));
    return PBT_OK;
}

/* ---- head and foot ---- */

void pbt_page_head(pbt_text *out, const char *title, const char *nonce) {
    pbt_text_add(out, "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\"/>\n");
    /* Nothing is loaded from anywhere, and no script runs but ours, whatever a model may have written. */
    pbt_text_addf(out,
                  "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src "
                  "'unsafe-inline'; script-src %s%s%s; base-uri 'none'; form-action 'none'\"/>\n",
                  nonce ? "'nonce-" : "'none", nonce ? nonce : "", "'");
    pbt_text_add(out, "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"/>\n"
                      "<meta name=\"color-scheme\" content=\"light dark\"/>\n<title>");
    pbt_html_add(out, title);
    pbt_text_add(out, "</title>\n<style>\n");
    pbt_text_add(out, pbt_asset_report_css);
    pbt_text_add(out, "</style>\n</head>\n<body>\n");
}

static void introduction(pbt_page *page) {
    const pbt_report *r = page->report;
    pbt_text *out = page->out, finding = {0};
    pbt_text_add(out, "<header class=\"top\"><p class=\"kicker\">Persuasion-balanced training</p>\n<h1>");
    pbt_html_add(out, r->experiment);
    pbt_text_add(out, "</h1>\n<p class=\"finding\">");
    pbt_report_finding(r, &finding);
    pbt_html_add(out, finding.length
                          ? pbt_text_string(&finding)
                          : "The balanced test has not been run yet, so there is no finding to state.");
    pbt_text_free(&finding);
    pbt_text_add(out, "</p>\n<p class=\"meta\">");
    pbt_text_addf(out, "Seed%s ", r->n_seeds == 1 ? "" : "s");
    for (size_t s = 0; s < r->n_seeds; s++)
        pbt_text_addf(out, "%s%lld", s ? ", " : "", (long long)r->seeds[s]);
    pbt_text_add(out, " · arms");
    for (size_t a = 0; a < PBT_REPORT_ARMS; a++)
        if (r->arms[a].present)
            pbt_text_addf(out, " <span class=\"chip %s\">%s</span>", pbt_arm_styles[a], pbt_report_arms[a]);
    pbt_text_add(out, "</p></header>\n");
}

static void navigation(pbt_page *page, const pbt_table *tables, size_t n, bool talks, bool debates) {
    pbt_text_add(page->out, "<nav aria-label=\"Sections\"><ul>\n");
    for (size_t s = 0; s < N_SECTIONS; s++)
        for (size_t i = 0; i < n; i++)
            if (section_of(tables[i].name) == &sections[s])
                pbt_text_addf(page->out, "<li><a href=\"#%s\">%s</a></li>\n", sections[s].id,
                              sections[s].title);
    if (talks) pbt_text_add(page->out, "<li><a href=\"#talks\">Word for word</a></li>\n");
    if (debates) pbt_text_add(page->out, "<li><a href=\"#debates\">Debates</a></li>\n");
    pbt_text_add(page->out, "</ul></nav>\n");
}

static void foot(pbt_page *page, const char *nonce) {
    pbt_text_addf(
        page->out,
        "</main>\n<footer><h2>How to read the figures</h2>\n<p>Everything is percent%s. Brackets hold "
        "95%% intervals: questions are drawn with replacement, %zu times, the items of all seeds "
        "together, so that they say how much depends on which questions were asked. n counts judged "
        "items%s. Where answers could not be read, their share stands in the cell (unread); where nothing is "
        "said "
        "of it, it is 0.0%%. The paper is Stengel-Eskin, Hase and Bansal, <cite>Teaching Models to Balance "
        "Resisting and Accepting Persuasion</cite> (2024); its models are a thousand times larger, "
        "so that directions, not heights, are to be compared.</p></footer>\n",
        page->report->n_seeds > 1 ? ", mean ± standard deviation over seeds; under it the seeds one by one"
                                  : "",
        page->report->draws, page->report->n_seeds > 1 ? " over all seeds" : "");
    pbt_text_addf(page->out, "<script nonce=\"%s\">\n", nonce);
    const char *const scripts[] = {pbt_asset_page_js, pbt_asset_charts_js, pbt_asset_talks_js,
                                   pbt_asset_debates_js};
    for (size_t i = 0; i < sizeof scripts / sizeof *scripts; i++) pbt_text_add(page->out, scripts[i]);
    pbt_text_add(page->out, "</script>\n</body>\n</html>\n");
}

static bool has_trees(const pbt_page *page) {
    for (size_t s = 0; s < page->report->n_seeds; s++) {
        pbt_artefact_key key = {"trees", page->report->seeds[s], "train", "tree", ""};
        if (pbt_store_count(page->store, &key) > 0) return true;
    }
    return false;
}

static bool has_items(const pbt_page *page) {
    for (size_t s = 0; s < page->report->n_seeds; s++)
        for (size_t k = 0; k < PBT_TALK_KINDS; k++) {
            pbt_artefact_key key = {"eval", page->report->seeds[s], "base", pbt_talk_kinds[k].name, ""};
            if (pbt_store_count(page->store, &key) > 0) return true;
        }
    return false;
}

static pbt_code body(pbt_page *page, const pbt_table *tables, size_t n) {
    introduction(page);
    navigation(page, tables, n, has_items(page), has_trees(page));
    pbt_text_add(page->out, "<main>\n");
    pbt_page_keys(page);
    PBT_TRY(pbt_page_picture(page));
    PBT_TRY(all_sections(page, tables, n));
    PBT_TRY(pbt_page_talks(page));
    return pbt_page_explorer(page);
}

/* A word that no text of a model can have foreseen, and that is the same for the same run. */
static pbt_code make_nonce(const pbt_report *report, char nonce[20], pbt_error *error) {
    json_t *value = pbt_report_json(report);
    char *line = value ? pbt_json_line(value) : NULL;
    json_decref(value);
    if (!line) return pbt_fail_memory(error, 0, "report.html");
    snprintf(nonce, 20, "%016llx", (unsigned long long)pbt_hash(line, strlen(line), 0));
    free(line);
    return PBT_OK;
}

pbt_code pbt_report_html(pbt_store *store, const pbt_report *report, pbt_text *out, pbt_error *error) {
    pbt_table *tables;
    size_t n;
    char nonce[20];
    pbt_page page = {store, report, out, pbt_arena_create(), error};
    if (!page.arena) return pbt_fail_memory(error, 0, "report.html");
    pbt_code code = make_nonce(report, nonce, error);
    if (code == PBT_OK) code = pbt_report_tables(report, &tables, &n, error);
    if (code == PBT_OK) {
        const char *title = pbt_page_string(&page, "%s – pbt report", report->experiment);
        pbt_page_head(out, title ? title : "pbt report", nonce);
        code = body(&page, tables, n);
        foot(&page, nonce);
        pbt_tables_free(tables, n);
    }
    pbt_arena_free(page.arena);
    if (code == PBT_OK && out->failed) code = pbt_fail_memory(error, out->length, "report.html");
    return code;
}
