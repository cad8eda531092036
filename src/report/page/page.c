#include "report/page/page.h"

#include <stdarg.h>
#include <stdio.h>

const pbt_mark pbt_arm_marks[PBT_REPORT_ARMS] = {PBT_MARK_CIRCLE, PBT_MARK_TRIANGLE, PBT_MARK_SQUARE,
                                                 PBT_MARK_DIAMOND};
const char *const pbt_arm_styles[PBT_REPORT_ARMS] = {"arm-base", "arm-accept", "arm-resist", "arm-pbt"};

const char *pbt_page_string(pbt_page *page, const char *format, ...) {
    char text[512];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    return pbt_arena_string(page->arena, text);
}
