/*
 * What a report is of: program, models, adapters, prompts, questions, settings, from the store.
 */
#ifndef PBT_REPORT_FIGURES_PROVENANCE_H
#define PBT_REPORT_FIGURES_PROVENANCE_H

#include "report/figures/gather.h"

/* report.json's "provenance" (docs/FORMATS.md) into report->provenance; stays NULL where a program that kept
 * none made the run. Called by pbt_report_read, when arms are gathered. */
pbt_code pbt_provenance_read(pbt_store *store, pbt_report *report, pbt_error *error);

#endif
