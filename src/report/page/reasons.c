/* What became of siblings: counts of each seed with a bar, and what each reason means. */
#include "report/page/reasons.h"

#include "dialogue/pairs.h"
#include "report/page/html.h"

#include <string.h>

static json_int_t count_of(const json_t *list, size_t seed, const char *name) {
    return json_integer_value(json_object_get(json_array_get(list, seed), name));
}

static json_int_t sum_of(const pbt_page *page, const json_t *list, const char *name) {
    json_int_t sum = 0;
    for (size_t s = 0; s < page->report->n_seeds; s++) sum += count_of(list, s, name);
    return sum;
}

static void row(pbt_page *page, const json_t *list, const char *name, const char *label, const char *style,
                const char *about, json_int_t whole) {
    json_int_t sum = sum_of(page, list, name);
    pbt_text_addf(page->out, "<tr><th scope=\"row\"%s%s%s>", style ? " class=\"" : "", style ? style : "",
                  style ? "\"" : "");
    pbt_html_add(page->out, label);
    if (about) {
        pbt_text_add(page->out, " <span class=\"about\">");
        pbt_html_add(page->out, about);
        pbt_text_add(page->out, "</span>");
    }
    pbt_text_add(page->out, "</th>");
    for (size_t s = 0; s < page->report->n_seeds; s++)
        pbt_text_addf(page->out, "<td>%lld</td>", (long long)count_of(list, s, name));
    double share = whole > 0 ? 100 * (double)sum / (double)whole : 0;
    if (whole > 0)
        pbt_text_addf(page->out,
                      "<td class=\"bar\"><svg viewBox=\"0 0 100 8\" preserveAspectRatio=\"none\" "
                      "aria-hidden=\"true\"><rect class=\"%s\" width=\"%.1f\" height=\"8\"/></svg>"
                      "<span>%.1f%%</span></td></tr>\n",
                      style ? style : "plain", share, share);
    else
        pbt_text_add(page->out, "<td></td></tr>\n");
}

static json_int_t candidates(const pbt_page *page) {
    json_int_t sum = 0;
    for (int r = 0; r < PBT_REASONS; r++) sum += sum_of(page, page->report->reasons, pbt_reason_names[r]);
    return sum;
}

/* "same_answer" to "same answer". */
static void spaced(const char *name, char *out, size_t size) {
    size_t i = 0;
    for (; name[i] && i + 1 < size; i++) out[i] = name[i] == '_' ? ' ' : name[i];
    out[i] = 0;
}

pbt_code pbt_page_pairs(pbt_page *page) {
    const pbt_report *r = page->report;
    json_int_t whole = candidates(page);
    pbt_text_addf(page->out,
                  "<div class=\"scroll\"><table class=\"reasons\">\n<thead><tr><th scope=\"col\">what</th>");
    for (size_t s = 0; s < r->n_seeds; s++)
        pbt_text_addf(page->out, "<th scope=\"col\">seed %lld</th>", (long long)r->seeds[s]);
    pbt_text_add(page->out, "<th scope=\"col\">share of siblings</th></tr></thead>\n<tbody>\n");
    row(page, r->trees, "questions", "questions", NULL, NULL, 0);
    row(page, r->trees, "trees", "debates", NULL, NULL, 0);
    row(page, r->trees, "nodes", "turns", NULL, NULL, 0);
    if (whole > 0) {
        row(page, r->reasons, "resist", "resist pairs", "arm-resist", "right before, misled, chosen keeps it",
            whole);
        row(page, r->reasons, "accept", "accept pairs", "arm-accept",
            "wrong before, corrected, chosen takes it", whole);
    }
    for (int k = PBT_KEPT + 1; k < PBT_REASONS && whole > 0; k++) {
        char label[64];
        spaced(pbt_reason_names[k], label, sizeof label);
        if (sum_of(page, r->reasons, pbt_reason_names[k]) > 0)
            row(page, r->reasons, pbt_reason_names[k], label, NULL, pbt_reason_descriptions[k], whole);
    }
    pbt_text_add(page->out, "</tbody></table></div>\n");
    return PBT_OK;
}
