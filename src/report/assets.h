/*
 * Style sheet and script of report.html, embedded by src/report/folder.cmake from src/report/assets/.
 */
#ifndef PBT_REPORT_ASSETS_H
#define PBT_REPORT_ASSETS_H

extern const char pbt_asset_report_css[]; /* NUL-terminated */
extern const char pbt_asset_report_js[];

#endif
