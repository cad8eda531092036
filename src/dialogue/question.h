/*
 * Questions and right answers: TriviaQA's own JSON ({"Data": [...]}), its Hugging Face JSONL form, or plain
 * JSONL
 * {"question", "answers"} / {"id", "text", "answers"}; normalisation and matching as TriviaQA's official
 * evaluation.
 */
#ifndef PBT_DIALOGUE_QUESTION_H
#define PBT_DIALOGUE_QUESTION_H

#include "base/declarations.h"
#include "base/hash.h"
#include "base/json.h"
#include "base/random.h"
#include "base/text.h"

PBT_BEGIN_DECLS

typedef struct pbt_question {
    char *id;
    char *text;
    char **answers;    /* as given; [0] is the canonical one */
    char **normalized; /* pbt_answer_normalize of each */
    size_t n_answers;
    char **choices; /* wrong and right options where the file has them ("choices"), else NULL */
    size_t n_choices;
} pbt_question;

typedef struct pbt_questions {
    pbt_question *items;
    size_t count, capacity;
    pbt_hash_table ids; /* of places in items */
} pbt_questions;

/* Reads a file, form found by looking; duplicate ids, empty texts and missing answers are errors with their
 * line. */
pbt_code pbt_questions_read(const char *path, pbt_questions *questions, pbt_error *error);
/* Appends one; the strings are copied. */
pbt_code pbt_questions_add(pbt_questions *questions, const char *id, const char *text,
                           const char *const *answers, size_t n_answers, pbt_error *error);
/* Place of the question with this id; questions->count where there is none. */
size_t pbt_questions_find(const pbt_questions *questions, const char *id);
void pbt_questions_free(pbt_questions *questions);

/* TriviaQA's normalisation: lower case, underscores to spaces, punctuation and articles (a, an, the) removed,
 * white space collapsed (triviaqa_evaluation.py). malloc'ed. */
char *pbt_answer_normalize(const char *answer);
/* Whether a NORMALISED answer is one of the question's normalised aliases. NULL or "" is never correct. */
bool pbt_question_correct(const pbt_question *question, const char *normalized);
/* Equal after normalisation, or both accepted answers of the question. NULL equals nothing. */
bool pbt_question_same(const pbt_question *question, const char *normalized_a, const char *normalized_b);

/* Seeded split by question into train / dev / test by shares (0.70, 0.15, 0.15): part[i] = 0, 1, 2. */
pbt_code pbt_questions_split(size_t n, const double share[3], pbt_key key, unsigned char *part,
                             pbt_error *error);

PBT_END_DECLS

#endif
