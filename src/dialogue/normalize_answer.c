/* Normalised answers, as TriviaQA's official evaluation makes them, and what counts as right. */
#include "dialogue/question.h"

#include <stdlib.h>
#include <string.h>
#include <utf8proc.h>

/* Python's string.punctuation and the four marks that the official script adds. */
static bool is_punctuation(uint32_t c) {
    if (c < 128) return c && strchr("!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~", (int)c);
    return c == 0x2018 || c == 0x2019 || c == 0xB4;
}

/* \w of Python's regular expressions. */
static bool is_word(uint32_t c) {
    utf8proc_category_t category = utf8proc_category((utf8proc_int32_t)c);
    return c == '_' || (category >= UTF8PROC_CATEGORY_LU && category <= UTF8PROC_CATEGORY_LO) ||
           (category >= UTF8PROC_CATEGORY_ND && category <= UTF8PROC_CATEGORY_NO);
}

static bool is_space(uint32_t c) {
    return (c >= 9 && c <= 13) || (c >= 28 && c <= 32) || c == 0x85 || c == 0xA0 || c == 0x1680 ||
           (c >= 0x2000 && c <= 0x200A) || c == 0x2028 || c == 0x2029 || c == 0x202F || c == 0x205F ||
           c == 0x3000;
}

static void add(pbt_text *text, uint32_t c) {
    char bytes[4];
    pbt_text_append(text, bytes, pbt_utf8_encode(c, bytes));
}

/* Lower case, punctuation and underscores to spaces. */
static void flatten(const char *answer, pbt_text *out) {
    size_t length = strlen(answer), size;
    for (size_t i = 0; i < length; i += size) {
        uint32_t c = pbt_utf8_decode(answer + i, length - i, &size);
        add(out, is_punctuation(c) ? ' ' : (uint32_t)utf8proc_tolower((utf8proc_int32_t)c));
    }
}

static bool is_article(const char *word, size_t length) {
    return (length == 1 && word[0] == 'a') || (length == 2 && memcmp(word, "an", 2) == 0) ||
           (length == 3 && memcmp(word, "the", 3) == 0);
}

char *pbt_answer_normalize(const char *answer) {
    pbt_text flat = {0}, out = {0};
    flatten(answer, &flat);
    const char *text = pbt_text_string(&flat);
    bool space = false;
    for (size_t i = 0, size; i < flat.length;) {
        uint32_t c = pbt_utf8_decode(text + i, flat.length - i, &size);
        if (!is_word(c)) {
            if (is_space(c))
                space = true;
            else {
                if (space && out.length) pbt_text_add(&out, " ");
                space = false;
                pbt_text_append(&out, text + i, size);
            }
            i += size;
            continue;
        }
        size_t end = i;
        while (end < flat.length && is_word(pbt_utf8_decode(text + end, flat.length - end, &size)))
            end += size;
        if (is_article(text + i, end - i)) {
            space = true;
        } else {
            if (space && out.length) pbt_text_add(&out, " ");
            space = false;
            pbt_text_append(&out, text + i, end - i);
        }
        i = end;
    }
    bool failed = flat.failed || out.failed;
    pbt_text_free(&flat);
    if (failed) {
        pbt_text_free(&out);
        return NULL;
    }
    return out.length ? pbt_text_take(&out) : pbt_string_copy("");
}

bool pbt_question_correct(const pbt_question *question, const char *normalized) {
    for (size_t i = 0; normalized && *normalized && i < question->n_answers; i++)
        if (strcmp(question->normalized[i], normalized) == 0) return true;
    return false;
}

bool pbt_question_same(const pbt_question *question, const char *a, const char *b) {
    if (!a || !b) return false;
    return strcmp(a, b) == 0 || (pbt_question_correct(question, a) && pbt_question_correct(question, b));
}
