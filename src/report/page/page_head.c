/* The head of report.html and of the page of pbt compare. */
#include "report/page/page_head.h"

#include "report/page/assets.h"
#include "report/page/html.h"

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
