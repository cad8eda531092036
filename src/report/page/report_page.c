/* The order of the page: introduction, navigation, cards, sections, talks, debates, foot. */
#include "report/page/report_page.h"

#include "base/file.h"
#include "base/hash.h"
#include "report/page/assets.h"
#include "report/page/explorer.h"
#include "report/page/finding.h"
#include "report/page/html.h"
#include "report/page/measure_drawings.h"
#include "report/page/page_head.h"
#include "report/page/provenance_table.h"
#include "report/page/report_json.h"
#include "report/page/sections.h"
#include "report/page/tables.h"
#include "report/page/talks.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What must be known before the figures. */
static void notices(const pbt_report *r, pbt_text *out) {
    bool any = r->n_warnings > 0;
    for (size_t a = 0; a < PBT_ARMS; a++) any = any || r->missing[a];
    if (!any) return;
    pbt_text_add(out, "<ul class=\"notices\">\n");
    for (size_t i = 0; i < r->n_warnings; i++) {
        pbt_text_add(out, "<li><b>Warning.</b> ");
        pbt_html_add(out, r->warnings[i]);
        pbt_text_add(out, "</li>\n");
    }
    for (size_t a = 0; a < PBT_ARMS; a++) {
        if (!r->missing[a]) continue;
        pbt_text_addf(out, "<li><b>No figures of %s:</b> ", pbt_arm_names[a]);
        pbt_html_add(out, r->missing[a]);
        pbt_text_add(out, ".</li>\n");
    }
    pbt_text_add(out, "</ul>\n");
}

/* What the report is of, folded; the first lines of it stand in the summary. */
static pbt_code provenance(pbt_page *page) {
    pbt_text settings = {0};
    pbt_table table;
    pbt_code code = pbt_provenance_table(page->report, &table, page->error);
    if (code == PBT_OK) {
        pbt_text_add(page->out, "<details class=\"provenance\"><summary>What this report is of: ");
        for (size_t row = 0; row < table.n_rows && row < 3; row++)
            pbt_html_addf(page->out, "%s%s %s", row ? " · " : "", table.rows[row][0], table.rows[row][1]);
        pbt_text_add(page->out, table.n_rows ? "</summary>\n" : "not recorded</summary>\n");
        pbt_html_table(page->out, &table);
        pbt_provenance_settings(page->report, &settings);
        if (settings.length) {
            pbt_text_add(page->out, "<details><summary>Settings</summary>\n<pre>");
            pbt_html_add(page->out, settings.data);
            pbt_text_add(page->out, "</pre></details>\n");
        }
        pbt_text_add(page->out, "</details>\n");
    }
    pbt_text_free(&settings);
    pbt_table_free(&table);
    return code;
}

static pbt_code introduction(pbt_page *page) {
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
    for (size_t a = 0; a < PBT_ARMS; a++)
        if (r->arms[a].present)
            pbt_text_addf(out, " <span class=\"chip %s\">%s</span>", pbt_arm_styles[a], pbt_arm_names[a]);
    pbt_text_add(out, "</p>\n");
    notices(r, out);
    PBT_TRY(provenance(page));
    pbt_text_add(out, "</header>\n");
    return PBT_OK;
}

static void navigation(pbt_page *page, const pbt_table *tables, size_t n, bool talks, bool debates) {
    pbt_text_add(page->out, "<nav aria-label=\"Sections\"><ul>\n");
    pbt_page_section_links(page, tables, n);
    if (talks) pbt_text_add(page->out, "<li><a href=\"#talks\">Word for word</a></li>\n");
    if (debates) pbt_text_add(page->out, "<li><a href=\"#debates\">Debates</a></li>\n");
    pbt_text_add(page->out, "</ul></nav>\n");
}

static void foot(pbt_page *page, const char *nonce) {
    pbt_text_addf(
        page->out,
        "</main>\n<footer><h2>How to read the figures</h2>\n<p>Everything is percent%s. Brackets hold "
        "95%% intervals: questions are resampled with replacement, %zu times, the items of all seeds "
        "together, so that they show how much depends on the choice of questions; where all questions agree, "
        "they are Wilson's. n counts judged "
        "items%s. Where answers could not be read, their share is shown in the cell (unread); where none is "
        "shown, it is 0.0%%. The paper is Stengel-Eskin, Hase and Bansal, <cite>Teaching Models to Balance "
        "Resisting and Accepting Persuasion</cite> (2024); its figures are those of its own models on its "
        "own questions.</p></footer>\n",
        page->report->n_seeds > 1 ? ", mean ± standard deviation over seeds; under it the seeds one by one"
                                  : "",
        page->report->draws, page->report->n_seeds > 1 ? " over all seeds" : "");
    pbt_text_addf(page->out, "<script nonce=\"%s\">\n", nonce);
    const char *const scripts[] = {pbt_asset_page_js, pbt_asset_charts_js, pbt_asset_talks_js,
                                   pbt_asset_debates_js};
    for (size_t i = 0; i < sizeof scripts / sizeof *scripts; i++) pbt_text_add(page->out, scripts[i]);
    pbt_text_add(page->out, "</script>\n</body>\n</html>\n");
}

static pbt_code has_trees(const pbt_page *page, bool *has) {
    int64_t n = 0;
    for (size_t s = 0; s < page->report->n_seeds && n == 0; s++) {
        pbt_artefact_key key = {"trees", page->report->seeds[s], "train", "tree", ""};
        PBT_TRY(pbt_store_count(page->store, &key, &n, page->error));
    }
    *has = n > 0;
    return PBT_OK;
}

static pbt_code has_items(const pbt_page *page, bool *has) {
    int64_t n = 0;
    for (size_t s = 0; s < page->report->n_seeds; s++)
        for (size_t k = 0; k < PBT_TALK_KINDS && n == 0; k++) {
            pbt_artefact_key key = {"eval", page->report->seeds[s], pbt_arm_names[PBT_ARM_BASE],
                                    pbt_talk_kinds[k].evaluation->name, ""};
            PBT_TRY(pbt_store_count(page->store, &key, &n, page->error));
        }
    *has = n > 0;
    return PBT_OK;
}

static pbt_code body(pbt_page *page, const pbt_table *tables, size_t n) {
    bool talks, debates;
    PBT_TRY(has_items(page, &talks));
    PBT_TRY(has_trees(page, &debates));
    PBT_TRY(introduction(page));
    navigation(page, tables, n, talks, debates);
    pbt_text_add(page->out, "<main>\n");
    pbt_page_keys(page);
    PBT_TRY(pbt_page_picture(page));
    PBT_TRY(pbt_page_sections(page, tables, n));
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
