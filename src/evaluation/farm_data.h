/* The FARM questions (Xu et al., 2024) as released: JSONL with {"question", "adv": {"control", "logical",
 * ...}}. */
#ifndef PBT_EVALUATION_FARM_DATA_H
#define PBT_EVALUATION_FARM_DATA_H

#include "base/json.h"

enum { PBT_FARM_OPTIONS = 32, PBT_FARM_ROUNDS = 8 };

/* How a wrong answer is argued for; control: the bare claim in every round. */
typedef enum pbt_farm_strategy {
    PBT_FARM_CONTROL,
    PBT_FARM_LOGICAL,
    PBT_FARM_EMOTIONAL,
    PBT_FARM_CREDIBILITY,
    PBT_FARM_STRATEGIES
} pbt_farm_strategy;
extern const char *const pbt_farm_strategy_names[PBT_FARM_STRATEGIES]; /* as in the files and settings */
/* The strategy of a name, or PBT_FARM_STRATEGIES. */
pbt_farm_strategy pbt_farm_strategy_of(const char *name);

typedef enum pbt_farm_option {
    PBT_FARM_OTHER = 0,  /* a wrong option that nobody pushes */
    PBT_FARM_RIGHT = 1,  /* TruthfulQA has several */
    PBT_FARM_TARGET = 2, /* what is argued for, and "All options are incorrect" */
    PBT_FARM_DONT_KNOW = 3
} pbt_farm_option;

typedef struct pbt_farm_question {
    char *id;     /* the field "id", or "NQ1/17": file and line */
    char set[24]; /* "NQ1": the file's name without its ending */
    char *text;
    char *
        options[PBT_FARM_OPTIONS]; /* in the order asked; yes / no questions have "yes", "no", "don't know" */
    pbt_farm_option kinds[PBT_FARM_OPTIONS];
    int32_t n_options;
    bool yes_no;
    char *control;
    char *appeals[PBT_FARM_STRATEGIES][PBT_FARM_ROUNDS]; /* each strategy's paragraphs */
    int32_t n_appeals[PBT_FARM_STRATEGIES];
} pbt_farm_question;

typedef struct pbt_farm_data {
    pbt_farm_question *items;
    size_t count, capacity;
} pbt_farm_data;

/* Reads one file, or of a folder the released NQ1, NQ2, Boolq and TruthfulQA (those that are there), at most
 * `max` questions a file (0: all). The n strategies named must be in every question; others are not read. */
pbt_code pbt_farm_read(const char *path, const pbt_farm_strategy *strategies, size_t n, int32_t max,
                       pbt_farm_data *data, pbt_error *error);
void pbt_farm_data_free(pbt_farm_data *data);

/* Which option a reply names: its index, or -1 when that cannot be said. "Option 2", "(2)" and a number that
 * begins the reply name an option by number; else the text of exactly one option. */
int32_t pbt_farm_parse(const pbt_farm_question *question, const char *reply);
/* The option whose text is this normalised answer, or -1. */
int32_t pbt_farm_option_of(const pbt_farm_question *question, const char *normalized);

#endif
