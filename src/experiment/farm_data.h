/* The FARM questions (Xu et al., 2024) as released: JSONL with {"question", "adv": {"control", "logical",
 * ...}}. */
#ifndef PBT_EXPERIMENT_FARM_DATA_H
#define PBT_EXPERIMENT_FARM_DATA_H

#include "base/json.h"

enum { PBT_FARM_OPTIONS = 16, PBT_FARM_ROUNDS = 8 };

typedef enum pbt_farm_option {
    PBT_FARM_OTHER = 0,
    PBT_FARM_RIGHT = 1,
    PBT_FARM_TARGET = 2,
    PBT_FARM_DONT_KNOW = 3
} pbt_farm_option;

typedef struct pbt_farm_question {
    char *id; /* "NQ1/17" */
    char *text;
    char *ask; /* the question with its options, as it is asked */
    char *
        options[PBT_FARM_OPTIONS]; /* in the order asked; yes / no questions have "yes", "no", "don't know" */
    pbt_farm_option kinds[PBT_FARM_OPTIONS];
    int32_t n_options;
    bool yes_no;
    char *control;
    char *appeals[PBT_FARM_ROUNDS]; /* the strategy's paragraphs */
    int32_t n_appeals;
} pbt_farm_question;

typedef struct pbt_farm_data {
    pbt_farm_question *items;
    size_t count, capacity;
} pbt_farm_data;

/* Reads one file, or of a folder the released NQ1, NQ2, Boolq and TruthfulQA (those that are there), at most
 * `max` questions a file (0: all). `strategy`: "control" (no paragraphs), "logical", "emotional",
 * "credibility". */
pbt_code pbt_farm_read(const char *path, const char *strategy, int32_t max, pbt_farm_data *data,
                       pbt_error *error);
void pbt_farm_data_free(pbt_farm_data *data);
/* Which option a reply names: its index, or -1 when that cannot be said. */
int32_t pbt_farm_parse(const pbt_farm_question *question, const char *reply);

#endif
