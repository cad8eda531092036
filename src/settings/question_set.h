/*
 * The questions of an experiment and the part (train, dev, test) each belongs to.
 */
#ifndef PBT_SETTINGS_QUESTION_SET_H
#define PBT_SETTINGS_QUESTION_SET_H

#include "dialogue/question.h"
#include "settings/settings.h"

typedef enum pbt_part { PBT_TRAIN_PART, PBT_DEV_PART, PBT_TEST_PART, PBT_PARTS } pbt_part;
extern const char *const pbt_part_names[PBT_PARTS]; /* "train", "dev", "test" */

/* Questions with the part each belongs to; a part's questions in the order of the file(s). */
typedef struct pbt_question_set {
    pbt_questions questions;
    unsigned char *part; /* [questions.count]: a pbt_part, or PBT_PARTS: unused */
    size_t count[PBT_PARTS];
    pbt_question **list[PBT_PARTS]; /* [count] into questions.items */
} pbt_question_set;
pbt_code pbt_question_set_read(const pbt_experiment *experiment, pbt_question_set *set, pbt_error *error);
void pbt_question_set_free(pbt_question_set *set);
/* How many of the first test questions are asked: max, all of them for 0. */
size_t pbt_test_questions(const pbt_question_set *set, int32_t max);

#endif
