#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include "model/module_name.h"

#include "base/text.h"

#include <stdlib.h>
#include <string.h>

enum { PATTERN_LIMIT = 4096 };

/* Steps a match may take: patterns come from files. */
static const uint32_t STEPS = 100000;

static pbt_code match(pcre2_code *code, const char *name, const char *pattern, const char *file,
                      const char *where, bool *matches, pbt_error *error) {
    pcre2_match_data *data = pcre2_match_data_create_from_pattern(code, NULL);
    pcre2_match_context *context = pcre2_match_context_create(NULL);
    int found = PCRE2_ERROR_NOMEMORY;
    if (data && context) {
        pcre2_set_match_limit(context, STEPS);
        found = pcre2_match(code, (PCRE2_SPTR)name, strlen(name), 0, 0, data, context);
    }
    pcre2_match_data_free(data);
    pcre2_match_context_free(context);
    *matches = found >= 0;
    if (found >= 0 || found == PCRE2_ERROR_NOMATCH) return PBT_OK;
    return pbt_fail_at(error, PBT_BAD_INPUT, file, where,
                       "the regular expression \"%.200s\" takes too many steps on \"%s\"", pattern, name);
}

pbt_code pbt_module_matches(const char *pattern, pbt_pattern_kind kind, const char *name, const char *file,
                            const char *where, bool *matches, pbt_error *error) {
    static const char *const forms[] = {"\\A(?:%s)\\z", "\\A(?:.*\\.)?(?:%s)\\z",
                                        "\\A(?:%s)(?:(?<=\\.)|(?=\\.|\\z))"};
    int problem;
    PCRE2_SIZE at;
    *matches = false;
    if (strlen(pattern) > PATTERN_LIMIT)
        return pbt_fail_at(error, PBT_BAD_INPUT, file, where,
                           "expected a regular expression of at most %d characters, found %zu", PATTERN_LIMIT,
                           strlen(pattern));
    /* Alone first: "a)(b" must not become a pattern by what is put around it. */
    pcre2_code *alone = pcre2_compile((PCRE2_SPTR)pattern, PCRE2_ZERO_TERMINATED, 0, &problem, &at, NULL);
    if (!alone) {
        PCRE2_UCHAR text[120];
        pcre2_get_error_message(problem, text, sizeof text);
        return pbt_fail_at(error, PBT_BAD_INPUT, file, where, "the regular expression \"%.200s\": %s at %zu",
                           pattern, (const char *)text, (size_t)at);
    }
    pcre2_code_free(alone);
    pbt_text whole = {0};
    const char *form = forms[kind], *middle = strstr(form, "%s");
    pbt_text_append(&whole, form, (size_t)(middle - form));
    pbt_text_add(&whole, pattern);
    pbt_text_add(&whole, middle + 2);
    pcre2_code *code =
        whole.failed ? NULL
                     : pcre2_compile((PCRE2_SPTR)whole.data, PCRE2_ZERO_TERMINATED, 0, &problem, &at, NULL);
    pbt_text_free(&whole);
    if (!code) return pbt_fail_memory(error, 0, "a regular expression");
    pbt_code result = match(code, name, pattern, file, where, matches, error);
    pcre2_code_free(code);
    return result;
}
