/*
 * Losses and dev figures of every trained arm.
 */
#ifndef PBT_REPORT_PAGE_TRAINING_CURVES_H
#define PBT_REPORT_PAGE_TRAINING_CURVES_H

#include "report/page/page.h"

pbt_code pbt_page_training(pbt_page *page);

#endif
