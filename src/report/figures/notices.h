/*
 * What a reader must know before the figures: why an arm is not there, and which tests are empty, unfinished
 * or too small.
 */
#ifndef PBT_REPORT_FIGURES_NOTICES_H
#define PBT_REPORT_FIGURES_NOTICES_H

#include "report/figures/gather.h"

/* With fewer questions a single one moves a figure by more than three points. */
enum { PBT_FEW_QUESTIONS = 30 };

/* Fills report->missing (by arm) and report->warnings. `settings`: the record of the experiment. Called by
 * pbt_report_read, when all else is gathered. */
pbt_code pbt_notices_make(pbt_store *store, const json_t *settings, pbt_report *report, pbt_error *error);

#endif
