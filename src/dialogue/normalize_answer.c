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

/* ---- lower case, as Python's str.lower() ---- */

typedef struct range {
    uint32_t first, last;
} range;

static bool among(uint32_t c, const range *ranges, size_t n) {
    for (size_t i = 0; i < n; i++)
        if (c >= ranges[i].first && c <= ranges[i].last) return true;
    return false;
}

/* Letters with a case (Unicode's Cased): by category, and those of Other_Lowercase and Other_Uppercase. */
static bool is_cased(uint32_t c) {
    static const range others[] = {
        {0xAA, 0xAA},       {0xBA, 0xBA},       {0x2B0, 0x2B8},     {0x2C0, 0x2C1},     {0x2E0, 0x2E4},
        {0x345, 0x345},     {0x37A, 0x37A},     {0x1D2C, 0x1D6A},   {0x1D78, 0x1D78},   {0x1D9B, 0x1DBF},
        {0x2071, 0x2071},   {0x207F, 0x207F},   {0x2090, 0x209C},   {0x2160, 0x217F},   {0x24B6, 0x24E9},
        {0x2C7C, 0x2C7D},   {0xA69C, 0xA69D},   {0xA770, 0xA770},   {0xA7F8, 0xA7F9},   {0xAB5C, 0xAB5F},
        {0x10780, 0x10780}, {0x10783, 0x10785}, {0x10787, 0x107B0}, {0x107B2, 0x107BA}, {0x1F130, 0x1F149},
        {0x1F150, 0x1F169}, {0x1F170, 0x1F189}};
    utf8proc_category_t category = utf8proc_category((utf8proc_int32_t)c);
    return (category >= UTF8PROC_CATEGORY_LU && category <= UTF8PROC_CATEGORY_LT) ||
           among(c, others, sizeof others / sizeof *others);
}

/* What the rule of the final sigma looks past (Case_Ignorable): marks, modifiers, and points within words. */
static bool is_case_ignorable(uint32_t c) {
    static const range others[] = {{0x27, 0x27},     {0x2E, 0x2E},     {0x3A, 0x3A},     {0xB7, 0xB7},
                                   {0x387, 0x387},   {0x55F, 0x55F},   {0x5F4, 0x5F4},   {0x2018, 0x2019},
                                   {0x2024, 0x2024}, {0x2027, 0x2027}, {0xFE13, 0xFE13}, {0xFE52, 0xFE52},
                                   {0xFE55, 0xFE55}, {0xFF07, 0xFF07}, {0xFF0E, 0xFF0E}, {0xFF1A, 0xFF1A}};
    switch (utf8proc_category((utf8proc_int32_t)c)) {
    case UTF8PROC_CATEGORY_MN:
    case UTF8PROC_CATEGORY_ME:
    case UTF8PROC_CATEGORY_CF:
    case UTF8PROC_CATEGORY_LM:
    case UTF8PROC_CATEGORY_SK:
        return true;
    default:
        return among(c, others, sizeof others / sizeof *others);
    }
}

/* Whether the sigma at bytes at .. at + 1 ends a word: a cased letter before it, and none behind. */
static bool is_final_sigma(const char *text, size_t length, size_t at) {
    size_t size, i = at;
    bool cased = false;
    while (i > 0 && !cased) {
        do i--;
        while (i > 0 && ((unsigned char)text[i] & 0xC0) == 0x80);
        uint32_t c = pbt_utf8_decode(text + i, length - i, &size);
        if (is_case_ignorable(c)) continue;
        cased = is_cased(c);
        break;
    }
    for (i = at + 2; cased && i < length; i += size) {
        uint32_t c = pbt_utf8_decode(text + i, length - i, &size);
        if (!is_case_ignorable(c)) return !is_cased(c);
    }
    return cased;
}

/* Lower case, then punctuation and underscores to spaces. Two capitals have a lower case of their own: the
 * dotted I becomes two characters, and a sigma depends on its place in the word. */
static void flatten(const char *answer, pbt_text *out) {
    size_t length = strlen(answer), size;
    for (size_t i = 0; i < length; i += size) {
        uint32_t c = pbt_utf8_decode(answer + i, length - i, &size);
        if (c == 0x130) {
            pbt_text_add(out, "i\u0307");
        } else if (c == 0x3A3) {
            add(out, is_final_sigma(answer, length, i) ? 0x3C2 : 0x3C3);
        } else {
            add(out, is_punctuation(c) ? ' ' : (uint32_t)utf8proc_tolower((utf8proc_int32_t)c));
        }
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
    for (size_t i = 0; normalized && i < question->n_answers; i++)
        if (strcmp(question->normalized[i], normalized) == 0) return true;
    return false;
}

bool pbt_question_same(const pbt_question *question, const char *a, const char *b) {
    if (!a || !b) return false;
    return strcmp(a, b) == 0 || (pbt_question_correct(question, a) && pbt_question_correct(question, b));
}
