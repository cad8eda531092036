/* What the extractor's words mean: a verdict or an answer, in whatever dress a chat model gives it. */
#include "base/memory.h"
#include "dialogue/answer.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* Marks of Markdown and other dress at either end: never a part of an answer there. */
static const char emphasis[] = "*_`~";
static const struct {
    const char *open, *close;
} wrappers[] = {{"\"", "\""},         {"'", "'"},           {"\u201C", "\u201D"},
                {"\u2018", "\u2019"}, {"\u00AB", "\u00BB"}, {"[", "]"},
                {"<", ">"},           {"{", "}"},           {"(", ")"}};
enum { N_WRAPPERS = sizeof wrappers / sizeof *wrappers };

/* A piece of text. */
typedef struct span {
    const char *at, *end;
} span;

static bool begins(span s, const char *text) {
    size_t length = strlen(text);
    return (size_t)(s.end - s.at) >= length && strncasecmp(s.at, text, length) == 0;
}

static bool ends(span s, const char *text) {
    size_t length = strlen(text);
    return (size_t)(s.end - s.at) >= length && memcmp(s.end - length, text, length) == 0;
}

static bool is(span s, const char *text) {
    return begins(s, text) && strlen(text) == (size_t)(s.end - s.at);
}

/* White space, emphasis and bullets in front; white space, emphasis and full stops behind. */
static span trim(span s) {
    static const char *const bullets[] = {"- ", "\u2022", "\u2013 ", "\u2014 ", "> ", "# ", "## ", "### "};
    for (const char *before = NULL; before != s.at;) {
        before = s.at;
        while (s.at < s.end && (isspace((unsigned char)*s.at) || strchr(emphasis, *s.at))) s.at++;
        for (size_t i = 0; i < sizeof bullets / sizeof *bullets; i++)
            if (begins(s, bullets[i])) s.at += strlen(bullets[i]);
    }
    while (s.end > s.at &&
           (isspace((unsigned char)s.end[-1]) || strchr(emphasis, s.end[-1]) || s.end[-1] == '.'))
        s.end--;
    return s;
}

/* Without a pair of quotes or brackets around all of it. "(" counts only where its ")" is the last. */
static span unwrap(span s) {
    for (size_t i = 0; i < N_WRAPPERS; i++) {
        size_t open = strlen(wrappers[i].open), close = strlen(wrappers[i].close);
        if ((size_t)(s.end - s.at) < open + close || !begins(s, wrappers[i].open) ||
            !ends(s, wrappers[i].close))
            continue;
        const span inner = {s.at + open, s.end - close};
        const char *first = memmem(inner.at, (size_t)(inner.end - inner.at), wrappers[i].close, close);
        if (!first) return inner;
    }
    return s;
}

static span undress(span s) {
    for (span before = {NULL, NULL}; before.at != s.at || before.end != s.end;) {
        before = s;
        s = unwrap(trim(s));
    }
    return s;
}

/* "Final answer:", "Answer: Answer:", "The answer is X" in front. */
static span without_labels(span s) {
    static const char *const labels[] = {"final answer:",      "answer:",         "the final answer is",
                                         "my final answer is", "final answer is", "the answer is",
                                         "my answer is",       "answer is",       ":"};
    for (bool found = true; found;) {
        found = false;
        s = undress(s);
        for (size_t i = 0; i < sizeof labels / sizeof *labels && !found; i++) {
            if (!begins(s, labels[i])) continue;
            const char *after = s.at + strlen(labels[i]);
            bool word = isalpha((unsigned char)after[-1]);
            if (word && after < s.end && !isspace((unsigned char)*after) && *after != ':') continue;
            s.at = after;
            found = true;
        }
    }
    return s;
}

/* The first line that says more than a label, without its labels, behind "Final answer:" where that stands.
 */
static span first_line(const char *raw) {
    static const char label[] = "final answer:";
    const char *from = raw;
    for (const char *at = raw; *at; at++)
        if (strncasecmp(at, label, sizeof label - 1) == 0) {
            from = at + sizeof label - 1;
            break;
        }
    for (;; from++) {
        const char *end = from + strcspn(from, "\n");
        span said = without_labels((span){from, end});
        if (said.at < said.end || !*end) return said;
        from = end;
    }
}

/* Appends the text without what stands in parentheses; all of it where nothing else is there. */
static void without_parentheses(span s, pbt_text *out) {
    size_t depth = 0;
    for (const char *at = s.at; at < s.end; at++) {
        if (*at == '(') depth++;
        if (depth == 0) pbt_text_append(out, at, 1);
        if (*at == ')' && depth > 0) depth--;
    }
}

/* Punctuation that may belong to an answer ("Yahoo!"), but to no verdict. */
static span without_marks(span s) {
    while (s.end > s.at && strchr("!?,;:", s.end[-1])) s = undress((span){s.at, s.end - 1});
    return s;
}

static bool says_none(span s) {
    return is(without_marks(s), "none");
}

static pbt_verdict verdict_of(span s) {
    static const struct {
        const char *words;
        pbt_verdict verdict;
    } said[] = {{"agree", PBT_AGREE},
                {"i agree", PBT_AGREE},
                {"disagree", PBT_DISAGREE},
                {"i disagree", PBT_DISAGREE}};
    s = without_marks(s);
    for (size_t i = 0; i < sizeof said / sizeof *said; i++)
        if (is(s, said[i].words)) return said[i].verdict;
    return PBT_NO_VERDICT;
}

void pbt_readings_clear(pbt_reading *readings, size_t n) {
    for (size_t i = 0; i < n; i++) {
        free(readings[i].answer);
        free(readings[i].raw);
        readings[i] = (pbt_reading){0};
    }
}

pbt_code pbt_answer_parse(const char *raw, pbt_reading *reading, pbt_error *error) {
    pbt_text text = {0};
    *reading = (pbt_reading){.raw = pbt_string_copy(raw)};
    without_parentheses(first_line(raw), &text);
    const char *string = pbt_text_string(&text);
    span word = undress((span){string, string + text.length});
    bool failed = text.failed || !reading->raw;
    reading->verdict = verdict_of(word);
    if (!reading->verdict && word.at < word.end && !says_none(word) && !failed) {
        reading->answer = pbt_alloc((size_t)(word.end - word.at) + 1, 1);
        if (reading->answer) memcpy(reading->answer, word.at, (size_t)(word.end - word.at));
        failed = !reading->answer;
    }
    pbt_text_free(&text);
    if (!failed) return PBT_OK;
    pbt_readings_clear(reading, 1);
    return pbt_fail_memory(error, strlen(raw), "an answer");
}
