/* What an extractor's words mean. Chat models dress what they were asked for: "**Final Answer:** Agree",
 * "- Agree!", "The answer is: \"Paris\"". */
#include "dialogue/answer.h"

#include "base/memory.h"
#include "base/utf8.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <utf8proc.h>

/* Signs that stand as a pair around an answer. */
static const char *const pairs[][2] = {
    {"\"", "\""}, {"'", "'"}, {"`", "`"}, {"*", "*"}, {"_", "_"}, {"~", "~"}, {"[", "]"},
    {"<", ">"},   {"{", "}"}, {"“", "”"}, {"„", "“"}, {"‘", "’"}, {"«", "»"},
};
enum { N_PAIRS = sizeof pairs / sizeof *pairs };

static bool is_letter(uint32_t c) {
    utf8proc_category_t category = utf8proc_category((utf8proc_int32_t)c);
    return category >= UTF8PROC_CATEGORY_LU && category <= UTF8PROC_CATEGORY_LO;
}

/* Past what is no letter and no digit, white space and lines too. */
static const char *skip_signs(const char *at) {
    for (size_t size, left = strlen(at); left > 0; at += size, left -= size) {
        uint32_t c = pbt_utf8_decode(at, left, &size);
        utf8proc_category_t category = utf8proc_category((utf8proc_int32_t)c);
        if (is_letter(c) || category == UTF8PROC_CATEGORY_ND) break;
    }
    return at;
}

/* Past markup and quotes of a label: "Final answer:** X" and "\"answer\": X", but not past white space. */
static const char *skip_markup(const char *at) {
    return at + strspn(at, "*_`\"'#]>");
}

static bool skip_word(const char **at, const char *word) {
    size_t n = strlen(word);
    if (strncasecmp(*at, word, n) != 0 || isalnum((unsigned char)(*at)[n])) return false;
    *at += n;
    *at += strspn(*at, " \t");
    return true;
}

/* What follows "answer", "answer is", "answer is:" and so on at `at`, or NULL; `colon`: only with one. */
static const char *after_answer(const char *at, bool colon) {
    if (!skip_word(&at, "answer")) return NULL;
    at = skip_markup(at);
    bool is = skip_word(&at, "is");
    at = skip_markup(at);
    at += strspn(at, " \t");
    if (*at != ':' && (colon || !is)) return NULL;
    if (*at != ':') return at;
    const char *past = skip_markup(++at);
    return past > at && (isspace((unsigned char)*past) || *past == 0) ? past : at;
}

/* A label that begins a text: "Answer:", "The final answer is", "**My answer:**". */
static const char *label_at(const char *at) {
    static const char *const owners[] = {"the", "my", "so the", "your"};
    static const char *const kinds[] = {"final", "correct", "extracted", "short"};
    for (size_t i = 0; i < sizeof owners / sizeof *owners; i++)
        if (skip_word(&at, owners[i])) break;
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        if (skip_word(&at, kinds[i])) break;
    return after_answer(at, false);
}

/* "final answer:" anywhere, else "answer:" in the first line. */
static const char *label_within(const char *raw) {
    for (const char *at = raw; *at; at++) {
        const char *word = at;
        if (skip_word(&word, "final") && (word = after_answer(word, false))) return word;
    }
    const char *line = raw + strspn(raw, " \t\r\n");
    for (const char *at = line; *at && *at != '\n'; at++) {
        if (at > line && isalnum((unsigned char)at[-1])) continue;
        const char *past = after_answer(at, true);
        if (past) return past;
    }
    return NULL;
}

/* Behind the last of the labels; *labelled: there was one. */
static const char *after_labels(const char *raw, bool *labelled) {
    const char *text = label_at(skip_signs(raw)), *next;
    if (!text) text = label_within(raw);
    *labelled = text != NULL;
    if (!text) return raw;
    while ((next = label_at(skip_signs(text)))) text = next;
    return text;
}

/* The first line that says something; without remarks in parentheses unless `all`. */
static void first_line(const char *text, bool all, pbt_text *out) {
    size_t depth = 0;
    text += strspn(text, " \t\r\n\v\f");
    if (pbt_string_starts(text, "```")) { /* a fence, maybe with a language */
        const char *next = strchr(text, '\n');
        text = next ? next + 1 : text;
    }
    for (; *text && *text != '\n'; text++) {
        if (*text == '(' && !all) depth++;
        if (depth == 0) pbt_text_append(out, text, 1);
        if (*text == ')' && depth > 0) depth--;
    }
}

/* Takes `from` bytes off the front and `behind` off the end. */
static void trim(pbt_text *text, size_t from, size_t behind) {
    text->length -= from + behind;
    memmove(text->data, text->data + from, text->length);
    text->data[text->length] = 0;
}

/* One layer off: white space, a full stop, a pair of signs, a bullet; false when there is none. */
static bool undress(pbt_text *text, bool labelled) {
    static const char *const bullets[] = {"- ", "* ", "+ ", "> ", "# ", "## ", "### ", "• ", "– ", "— "};
    const char *data = pbt_text_string(text);
    size_t n = text->length;
    if (n == 0) return false;
    if (isspace((unsigned char)data[0])) return trim(text, 1, 0), true;
    if (isspace((unsigned char)data[n - 1]) || data[n - 1] == '.') return trim(text, 0, 1), true;
    for (size_t i = 0; i < sizeof bullets / sizeof *bullets; i++)
        if (pbt_string_starts(data, bullets[i])) return trim(text, strlen(bullets[i]), 0), true;
    for (size_t i = 0; i < N_PAIRS; i++) {
        size_t open = strlen(pairs[i][0]), close = strlen(pairs[i][1]);
        bool begins = pbt_string_starts(data, pairs[i][0]), ends = pbt_string_ends(data, pairs[i][1]);
        bool emphasis = strchr("*_`~", pairs[i][0][0]) != NULL;
        if (begins && ends && n >= open + close &&
            (emphasis || strstr(data + open, pairs[i][1]) == data + n - close))
            return trim(text, open, close), true;
        /* The other half may have stood before the label. */
        const char *found = labelled && ends ? strstr(data, pairs[i][0]) : data;
        if (!found || (found > data && found == data + n - close)) return trim(text, 0, close), true;
    }
    return false;
}

/* "(X)" becomes X. */
static bool unbracket(pbt_text *text) {
    const char *data = pbt_text_string(text);
    if (text->length < 2 || data[0] != '(' || strchr(data, ')') != data + text->length - 1) return false;
    trim(text, 1, 1);
    return true;
}

/* The word agree, disagree or none, whatever is no letter around it. */
static bool is_word(const char *text, const char *word) {
    size_t n = strlen(text), size, first = 0, end = 0;
    bool any = false;
    for (size_t i = 0; i < n; i += size) {
        if (!is_letter(pbt_utf8_decode(text + i, n - i, &size))) continue;
        if (!any) first = i;
        any = true;
        end = i + size;
    }
    return any && end - first == strlen(word) && strncasecmp(text + first, word, end - first) == 0;
}

/* 0: no verdict; 1: agree; 2: disagree; 3: none. */
static int verdict_in(const char *text) {
    static const char *const words[] = {"agree", "disagree", "none", "I agree", "I disagree"};
    for (int i = 0; i < 5; i++)
        if (is_word(text, words[i])) return i % 3 + 1;
    return 0;
}

void pbt_readings_clear(pbt_reading *readings, size_t n) {
    for (size_t i = 0; i < n; i++) {
        free(readings[i].answer);
        free(readings[i].raw);
        readings[i] = (pbt_reading){0};
    }
}

pbt_code pbt_answer_parse(const char *raw, pbt_reading *reading, pbt_error *error) {
    pbt_text text = {0}, whole = {0};
    bool labelled;
    *reading = (pbt_reading){.raw = pbt_string_copy(raw)};
    const char *said = after_labels(raw, &labelled);
    first_line(said, false, &text);
    first_line(said, true, &whole);
    int verdict = verdict_in(pbt_text_string(&text));
    while (undress(&text, labelled)) continue;
    if (!verdict && text.length == 0) { /* "(Agree)", "(Paris)": no remark, there is nothing else */
        pbt_text_clear(&text);
        pbt_text_add(&text, pbt_text_string(&whole));
        while (undress(&text, true) || unbracket(&text)) continue;
        verdict = verdict_in(pbt_text_string(&text));
    }
    if (!verdict) verdict = verdict_in(pbt_text_string(&whole));
    reading->verdict = verdict == 1 ? PBT_AGREE : verdict == 2 ? PBT_DISAGREE : PBT_NO_VERDICT;
    bool failed = text.failed || whole.failed || !reading->raw;
    if (!verdict && text.length > 0 && !failed) {
        reading->answer = pbt_text_take(&text);
        failed = !reading->answer;
    }
    pbt_text_free(&text);
    pbt_text_free(&whole);
    if (!failed) return PBT_OK;
    pbt_readings_clear(reading, 1);
    return pbt_fail_memory(error, strlen(raw), "an answer");
}
