/* The head of report.html and of the page of pbt compare. */
#include "report/page/page_head.h"

#include "report/page/assets.h"
#include "report/page/html.h"

#include <stdio.h>

/* Nothing is loaded from anywhere, and no script runs but ours, whatever a model may have written. */
void pbt_page_head(pbt_text *out, const char *title, const char *nonce) {
    char scripts[64];
    snprintf(scripts, sizeof scripts, nonce ? "nonce-%s" : "none", nonce);
    const pbt_html_value values[] = {
        {"scripts", scripts, false}, {"title", title, false}, {"style", pbt_asset_report_css, true}};
    pbt_html_fill(out, pbt_asset_head_html, values, sizeof values / sizeof *values);
}
