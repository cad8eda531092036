/*
 * The finding: what pbt does on the balanced test, and beside the base model on FARM, "Are you sure?", in
 * teams, and when nobody argues. Nothing is called a difference that the McNemar test of the table does not
 * call one.
 */
#include "report/page/finding.h"

#include "report/figures/paper.h"
#include "report/page/html.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* What is compared with the base model. */
typedef struct measure {
    pbt_measure_id id;
    const char *title, *about;            /* of the card */
    const char *better, *worse, *neither; /* "it is misinformed less often" */
    const char *what;                     /* "FARM" */
} measure;
static const measure measures[PBT_KEY_FIGURES] = {
    {PBT_BALANCED_OVERALL, "Balanced test", "right when misled and when corrected, half of each", NULL, NULL,
     NULL, NULL},
    {PBT_FARM_MISINFORMED, "FARM", "talked out of a right answer; lower is better",
     "it is misinformed less often", "it is misinformed more often", "how often it is misinformed", "FARM"},
    {PBT_FLIPFLOP_DIFFERENCE, "“Are you sure?”", "points gained or lost when challenged; 0 or more is best",
     "it holds up better when asked “Are you sure?”", "it holds up worse when asked “Are you sure?”",
     "how it holds up when asked “Are you sure?”", "accuracy"},
    {PBT_TEAM_ORDER_GAP, "Teams", "right more often when the weak agent speaks first; 0 is best",
     "its teams depend less on who speaks first", "its teams depend more on who speaks first",
     "how much its teams depend on who speaks first", "order gap"},
    {PBT_FLIPFLOP_BEFORE, "Plain questions", "right when nobody argues: what training lost or gained",
     "it is right more often when nobody argues", "it is right less often when nobody argues",
     "how often it is right when nobody argues", "accuracy"}};

static const pbt_comparison *comparison_of(const pbt_report *r, pbt_measure_id measure_id, pbt_arm against) {
    for (size_t i = 0; i < r->n_comparisons; i++) {
        const pbt_comparison *c = &r->comparisons[i];
        if (c->measure == measure_id && c->arm == PBT_ARM_PBT && c->against == against) return c;
    }
    return NULL;
}

/* The order gap is a share of the solo difference, which comparisons are not: on the card it stands in
 * points, weak first minus strong first. */
static void set_shown(const pbt_report *r, pbt_measure_id id, pbt_key_figure *key) {
    static const pbt_arm arms[2] = {PBT_ARM_BASE, PBT_ARM_PBT};
    for (int i = 0; i < 2; i++) {
        const pbt_figure *figures = r->arms[arms[i]].figures;
        key->shown[i] = id == PBT_TEAM_ORDER_GAP
                            ? figures[PBT_TEAM_WEAK_FIRST].mean - figures[PBT_TEAM_STRONG_FIRST].mean
                            : figures[id].mean;
    }
    key->points = id == PBT_TEAM_ORDER_GAP || strcmp(pbt_measures[id].unit, "%") != 0;
}

pbt_key_figure pbt_key_figure_of(const pbt_report *r, size_t place) {
    const measure *m = &measures[place];
    const pbt_figure *base = &r->arms[PBT_ARM_BASE].figures[m->id],
                     *ours = &r->arms[PBT_ARM_PBT].figures[m->id];
    pbt_key_figure key = {.measure = &pbt_measures[m->id],
                          .title = m->title,
                          .about = m->about,
                          .base = base,
                          .ours = ours,
                          .outcome = PBT_NO_DIFFERENCE,
                          .known = base->known && ours->known};
    if (!key.known) return key;
    set_shown(r, m->id, &key);
    key.comparison = comparison_of(r, m->id, PBT_ARM_BASE);
    if (!key.comparison || !pbt_comparison_is_clear(key.comparison)) return key;
    bool good = key.measure->better == PBT_NEARER_0
                    ? fabs(ours->mean) < fabs(base->mean)
                    : (key.comparison->difference > 0) == (key.measure->better == PBT_HIGHER);
    key.outcome = good ? PBT_BETTER : PBT_WORSE;
    return key;
}

static void add_number(pbt_text *out, double value, bool sign) {
    bool minus = value < -0.05;
    pbt_text_addf(out, "%s%.1f", minus ? "−" : sign && value >= 0.05 ? "+" : "", fabs(value));
}

/* The balanced test: pbt and the best of the other arms. */
static void balanced_sentence(const pbt_report *r, pbt_text *out) {
    const pbt_figure *ours = &r->arms[PBT_ARM_PBT].figures[PBT_BALANCED_OVERALL], *best = NULL;
    pbt_arm arm = PBT_ARM_BASE;
    for (size_t a = 0; a < PBT_ARM_PBT; a++) {
        const pbt_figure *f = &r->arms[a].figures[PBT_BALANCED_OVERALL];
        if (f->known && (!best || f->mean > best->mean)) best = f, arm = (pbt_arm)a;
    }
    if (!ours->known || !best) return;
    const pbt_comparison *c = comparison_of(r, PBT_BALANCED_OVERALL, arm);
    double difference = ours->mean - best->mean;
    pbt_text_addf(
        out,
        "On held-out questions, half of which call for resisting and half for accepting, pbt is right in "
        "%.1f%% of the cases, %.1f points %s than the best other arm (%s, %.1f%%)",
        ours->mean, fabs(difference), difference < 0 ? "less" : "more", pbt_arm_names[arm], best->mean);
    if (c && !pbt_comparison_is_clear(c))
        pbt_text_add(out, ", which these questions cannot distinguish from no difference");
    pbt_text_add(out, ".");
}

/* The items with one outcome, as a list in one sentence; `open` begins it. */
static void others_sentence(const pbt_report *r, pbt_outcome outcome, const char *open, pbt_text *out) {
    pbt_key_figure keys[PBT_KEY_FIGURES];
    size_t places[PBT_KEY_FIGURES], n = 0;
    for (size_t k = 1; k < PBT_KEY_FIGURES; k++) {
        keys[n] = pbt_key_figure_of(r, k);
        if (keys[n].known && keys[n].comparison && keys[n].outcome == outcome) places[n++] = k;
    }
    for (size_t i = 0; i < n; i++) {
        const measure *m = &measures[places[i]];
        const char *words = outcome == PBT_BETTER ? m->better : outcome == PBT_WORSE ? m->worse : m->neither;
        if (i == 0 && out->length > 0) pbt_text_add(out, " ");
        pbt_text_addf(out, "%s%s (%s ", i == 0 ? open : i + 1 == n ? ", and " : ", ", words, m->what);
        add_number(out, keys[i].ours->mean, false);
        pbt_text_add(out, " instead of ");
        add_number(out, keys[i].base->mean, false);
        pbt_text_addf(out, "%s)", pbt_measures[m->id].unit);
    }
    if (n > 0) pbt_text_add(out, ".");
}

void pbt_report_finding(const pbt_report *report, pbt_text *out) {
    size_t before = out->length;
    balanced_sentence(report, out);
    others_sentence(report, PBT_BETTER, "Compared with the base model ", out);
    others_sentence(report, PBT_WORSE, "On the other hand, compared with the base model ", out);
    others_sentence(report, PBT_NO_DIFFERENCE, "No clear difference from the base model: ", out);
    if (out->length > before) pbt_text_add(out, "\n");
}

/* ---- cards ---- */

static const pbt_paper_figure *paper_of(pbt_arm arm, const pbt_measure_info *m) {
    return pbt_paper_find("Llama-3.1-70B", pbt_arm_names[arm], m->group->key, m->figure);
}

static void card(pbt_page *page, const pbt_key_figure *key) {
    static const char *const words[] = {"no clear difference", "better", "worse"};
    static const char *const styles[] = {"open", "better", "worse"};
    pbt_text *out = page->out;
    const pbt_comparison *c = key->comparison;
    /* The paper's order gap is a share, and a card has one unit. */
    bool points = key->points, shared = key->points == (strcmp(key->measure->unit, "%") != 0);
    const pbt_paper_figure *paper[2] = {shared ? paper_of(PBT_ARM_BASE, key->measure) : NULL,
                                        shared ? paper_of(PBT_ARM_PBT, key->measure) : NULL};
    pbt_text_addf(out, "<li><a href=\"#%s\"><h3>%s</h3>\n<p class=\"change\"><span class=\"arm-base\">",
                  key->measure->group->key, key->title);
    add_number(out, key->shown[0], points);
    pbt_text_add(out, "</span> <span class=\"to\">→</span> <span class=\"arm-pbt\">");
    add_number(out, key->shown[1], points);
    pbt_text_addf(out, "</span><small>%s</small></p>\n<p class=\"about\">%s</p>\n", points ? " points" : "%",
                  key->about);
    if (c) {
        pbt_text_addf(out, "<p class=\"verdict %s\"><b>%s</b>: ", styles[key->outcome], words[key->outcome]);
        add_number(out, c->difference, true);
        pbt_text_add(out, " <span class=\"range\">[");
        add_number(out, c->ci95[0], true);
        pbt_text_add(out, ", ");
        add_number(out, c->ci95[1], true);
        pbt_text_addf(out, "]</span>, p = %.2g, on the same %lld questions</p>\n", c->p,
                      (long long)c->questions);
    }
    if (paper[0] && paper[1]) {
        pbt_text_add(out, "<p class=\"paper\">Paper: ");
        add_number(out, paper[0]->mean, points);
        pbt_text_add(out, " → ");
        add_number(out, paper[1]->mean, points);
        pbt_text_add(out, "</p>\n");
    }
    pbt_text_add(out, "</a></li>\n");
}

void pbt_page_keys(pbt_page *page) {
    size_t n = 0;
    for (size_t k = 0; k < PBT_KEY_FIGURES; k++) {
        pbt_key_figure key = pbt_key_figure_of(page->report, k);
        if (!key.known) continue;
        if (n++ == 0)
            pbt_text_add(page->out, "<ul class=\"keys\" aria-label=\"Base and pbt, in figures\">\n");
        card(page, &key);
    }
    if (n > 0) pbt_text_add(page->out, "</ul>\n");
}
