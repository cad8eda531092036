/*
 * Style sheet, scripts and pieces of HTML of report.html, embedded by src/report/page/folder.cmake from
 * src/report/page/assets/.
 */
#ifndef PBT_REPORT_PAGE_ASSETS_H
#define PBT_REPORT_PAGE_ASSETS_H

/* NUL-terminated. The scripts are one program, in this order. */
extern const char pbt_asset_report_css[];
extern const char pbt_asset_page_js[], pbt_asset_charts_js[], pbt_asset_talks_js[], pbt_asset_debates_js[];
/* head.html has places to be filled (html.h). */
extern const char pbt_asset_head_html[], pbt_asset_debates_html[], pbt_asset_talks_html[];

#endif
