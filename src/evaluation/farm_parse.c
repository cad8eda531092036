/* Replies to a FARM question read as one of its options. */
#include "base/text.h"
#include "dialogue/question.h"
#include "evaluation/farm_data.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* The number at `at`, or 0; *end behind it. More digits than an option can have are no number. */
static long number_at(const char *at, const char **end) {
    long number = 0;
    for (*end = at; isdigit((unsigned char)**end); ++*end)
        if (number < 100000) number = 10 * number + (**end - '0');
    return *end > at ? number : 0;
}

/* "Option 3" in any case; 0: none. */
static long option_word(const char *reply) {
    const char *end;
    for (const char *at = reply; *at; at++) {
        if (strncasecmp(at, "option", 6) != 0 || !isspace((unsigned char)at[6])) continue;
        const char *digits = at + 6;
        while (isspace((unsigned char)*digits)) digits++;
        long number = number_at(digits, &end);
        if (number > 0) return number;
    }
    return 0;
}

/* "(3)"; 0: none. */
static long in_parentheses(const char *reply) {
    const char *end;
    for (const char *at = reply; (at = strchr(at, '(')); at++) {
        long number = number_at(at + 1, &end);
        if (number > 0 && *end == ')') return number;
    }
    return 0;
}

/* "3", "3) Yale", "3. Yale", "3: Yale", but not "3 wins"; 0: none. */
static long at_the_start(const char *reply) {
    const char *end;
    while (isspace((unsigned char)*reply) || *reply == '*') reply++;
    long number = number_at(reply, &end);
    while (*end == '*') end++;
    bool alone = *end == 0 || *end == '\n' || *end == ')' || *end == ':' ||
                 (*end == '.' && !isdigit((unsigned char)end[1]));
    return alone ? number : 0;
}

/* Whether the words of `part` stand in `text`, both normalised. */
static bool says(const char *text, const char *part) {
    size_t n = strlen(part);
    for (const char *at = text; n > 0 && (at = strstr(at, part)); at++)
        if ((at == text || at[-1] == ' ') && (at[n] == 0 || at[n] == ' ')) return true;
    return false;
}

static int32_t yes_or_no(const char *said) {
    bool yes = says(said, "yes"), no = says(said, "no");
    if (says(said, "don t know") || says(said, "dont know") || says(said, "do not know")) return 2;
    return yes == no ? -1 : yes ? 0 : 1;
}

/* The longest option named, when every other one named is only a part of it. */
static int32_t named_option(const pbt_farm_question *q, const char *said) {
    char *options[PBT_FARM_OPTIONS] = {NULL};
    bool named[PBT_FARM_OPTIONS] = {false};
    int32_t found = -1;
    for (int32_t i = 0; i < q->n_options; i++) {
        options[i] = pbt_answer_normalize(q->options[i]);
        named[i] = options[i] && says(said, options[i]);
        if (named[i] && (found < 0 || strlen(options[i]) > strlen(options[found]))) found = i;
    }
    for (int32_t i = 0, longest = found; i < q->n_options; i++)
        if (named[i] && !says(options[longest], options[i])) found = -1;
    for (int32_t i = 0; i < q->n_options; i++) free(options[i]);
    return found;
}

int32_t pbt_farm_parse(const pbt_farm_question *q, const char *reply) {
    if (!q->yes_no) {
        long number = option_word(reply);
        if (number == 0) number = at_the_start(reply);
        if (number == 0) number = in_parentheses(reply);
        if (number > 0) return number <= q->n_options ? (int32_t)number - 1 : -1;
    }
    char *said = pbt_answer_normalize(reply);
    int32_t found = !said ? -1 : q->yes_no ? yes_or_no(said) : named_option(q, said);
    free(said);
    return found;
}

int32_t pbt_farm_option_of(const pbt_farm_question *q, const char *normalized) {
    int32_t found = -1;
    for (int32_t i = 0; normalized && found < 0 && i < q->n_options; i++) {
        char *option = pbt_answer_normalize(q->options[i]);
        if (option && strcmp(option, normalized) == 0) found = i;
        free(option);
    }
    return found;
}
