/*
 * report.json, and several of them side by side.
 */
#ifndef PBT_REPORT_PAGE_REPORT_JSON_H
#define PBT_REPORT_PAGE_REPORT_JSON_H

#include "report/figures/gather.h"

/* report.json (docs/FORMATS.md): fixed key order, no times, no paths; new reference. */
json_t *pbt_report_json(const pbt_report *report);
json_t *pbt_compare_json(const pbt_report *reports, const char *const *names, size_t n);

#endif
