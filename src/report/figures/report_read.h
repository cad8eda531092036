/*
 * A run's report, read from its store.
 */
#ifndef PBT_REPORT_FIGURES_REPORT_READ_H
#define PBT_REPORT_FIGURES_REPORT_READ_H

#include "report/figures/gather.h"

/* Free with pbt_report_free, after an error too. */
pbt_code pbt_report_read(pbt_store *store, pbt_report *report, pbt_error *error);

#endif
