/* The report's forms: Markdown, terminal, files. */
#include "report/report.h"

#include "base/file.h"

#include <stdlib.h>
#include <string.h>

static void introduction(const pbt_report *report, pbt_text *out) {
    pbt_text_addf(out, "# %s\n\n", report->experiment);
    pbt_report_finding(report, out);
    for (size_t i = 0; i < report->n_warnings; i++)
        pbt_text_addf(out, "\n> **Warning.** %s\n", report->warnings[i]);
    for (size_t a = 0; a < PBT_ARMS; a++)
        if (report->missing[a])
            pbt_text_addf(out, "\n> **No figures of %s:** %s.\n", pbt_arm_names[a], report->missing[a]);
    pbt_text_addf(out, "\nSeeds: ");
    for (size_t s = 0; s < report->n_seeds; s++)
        pbt_text_addf(out, "%s%lld", s ? ", " : "", (long long)report->seeds[s]);
    pbt_text_addf(
        out,
        ". Figures are percent%s; brackets hold 95%% intervals (bootstrap over questions, items of all "
        "seeds together; where all questions agree, Wilson's); n counts judged items. The paper's figures "
        "are those of Llama-3.1-70B.\n\n",
        report->n_seeds > 1 ? ", mean ± standard deviation over seeds" : "");
}

/* At the top: what the report is of, and its settings folded. */
static pbt_code markdown_provenance(const pbt_report *report, pbt_text *out, pbt_error *error) {
    pbt_table table;
    pbt_code code = pbt_provenance_table(report, &table, error);
    if (code == PBT_OK) pbt_table_markdown(&table, out);
    pbt_table_free(&table);
    if (code != PBT_OK || !report->provenance) return code;
    pbt_text_add(out, "<details><summary>Settings</summary>\n\n");
    pbt_provenance_settings(report, out);
    pbt_text_add(out, "\n</details>\n\n");
    return PBT_OK;
}

pbt_code pbt_report_markdown(const pbt_report *report, pbt_text *out, pbt_error *error) {
    pbt_table *tables;
    size_t n;
    PBT_TRY(pbt_report_tables(report, &tables, &n, error));
    introduction(report, out);
    pbt_code code = markdown_provenance(report, out, error);
    for (size_t i = 0; i < n; i++) pbt_table_markdown(&tables[i], out);
    pbt_tables_free(tables, n);
    if (code != PBT_OK) return code;
    return out->failed ? pbt_fail_memory(error, out->length, "report.md") : PBT_OK;
}

pbt_code pbt_report_terminal(const pbt_report *report, bool bold, size_t columns, pbt_text *out,
                             pbt_error *error) {
    pbt_table *tables;
    size_t n;
    PBT_TRY(pbt_report_tables(report, &tables, &n, error));
    pbt_table provenance;
    pbt_code code = pbt_provenance_table(report, &provenance, error);
    if (code == PBT_OK) pbt_table_terminal(&provenance, bold, columns, out);
    pbt_table_free(&provenance);
    for (size_t i = 0; i < n; i++) pbt_table_terminal(&tables[i], bold, columns, out);
    pbt_report_finding(report, out);
    pbt_tables_free(tables, n);
    if (code != PBT_OK) return code;
    return out->failed ? pbt_fail_memory(error, out->length, "the report") : PBT_OK;
}

static pbt_code write_in(const char *folder, const char *name, const char *bytes, size_t length,
                         pbt_error *error) {
    char *path = pbt_path_join(folder, name);
    if (!path) return pbt_fail_memory(error, strlen(folder), "a path");
    pbt_code code = pbt_file_write(path, bytes, length, error);
    free(path);
    return code;
}

pbt_code pbt_report_write(pbt_store *store, const pbt_report *report, const char *folder, pbt_error *error) {
    json_t *value = pbt_report_json(report);
    char *json = value ? json_dumps(value, JSON_INDENT(1) | JSON_REAL_PRECISION(12)) : NULL;
    pbt_text text = {0};
    json_decref(value);
    pbt_text_add(&text, json ? json : "");
    pbt_text_add(&text, "\n");
    pbt_code code = json && !text.failed ? PBT_OK : pbt_fail_memory(error, 0, "report.json");
    free(json);
    if (code == PBT_OK) code = write_in(folder, "report.json", text.data, text.length, error);
    pbt_text_clear(&text);
    if (code == PBT_OK) code = pbt_report_markdown(report, &text, error);
    if (code == PBT_OK) code = write_in(folder, "report.md", text.data, text.length, error);
    pbt_text_clear(&text);
    if (code == PBT_OK) code = pbt_report_html(store, report, &text, error);
    if (code == PBT_OK) code = write_in(folder, "report.html", text.data, text.length, error);
    pbt_text_free(&text);
    return code;
}
