#include "report/page/page.h"

#include <stdarg.h>
#include <stdio.h>

const pbt_mark pbt_arm_marks[PBT_ARMS] = {[PBT_ARM_BASE] = PBT_MARK_CIRCLE,
                                          [PBT_ARM_ACCEPT] = PBT_MARK_TRIANGLE,
                                          [PBT_ARM_RESIST] = PBT_MARK_SQUARE,
                                          [PBT_ARM_PBT] = PBT_MARK_DIAMOND};
const char *const pbt_arm_styles[PBT_ARMS] = {[PBT_ARM_BASE] = "arm-base",
                                              [PBT_ARM_ACCEPT] = "arm-accept",
                                              [PBT_ARM_RESIST] = "arm-resist",
                                              [PBT_ARM_PBT] = "arm-pbt"};

const char *pbt_page_string(pbt_page *page, const char *format, ...) {
    char text[512];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    return pbt_arena_string(page->arena, text);
}
