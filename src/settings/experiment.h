/*
 * An experiment: every setting in its place. settings/keys.c says which key of the file each is.
 */
#ifndef PBT_SETTINGS_EXPERIMENT_H
#define PBT_SETTINGS_EXPERIMENT_H

#include "base/memory.h"
#include "dialogue/pairs.h"
#include "model/adapter.h"
#include "train/trainer.h"

enum { PBT_MAX_SEEDS = 64, PBT_MAX_STRINGS = 16 };

typedef struct pbt_seed_list {
    int64_t items[PBT_MAX_SEEDS];
    size_t count;
} pbt_seed_list;
typedef struct pbt_name_list {
    const char *items[PBT_MAX_STRINGS];
    size_t count;
} pbt_name_list;
typedef struct pbt_number_list {
    double items[PBT_MAX_STRINGS];
    size_t count;
} pbt_number_list;

typedef struct pbt_agent_settings {
    const char *model; /* folder */
    const char *dtype;
    bool nested; /* use_bnb_nested_quant: the scales of 4-bit blocks are quantised too */
} pbt_agent_settings;

/* Where questions come from and which part each belongs to. */
typedef struct pbt_question_settings {
    const char *file;         /* one file for all parts, or NULL */
    const char *part_file[3]; /* train, dev, test, or NULL */
    const char *obtain;       /* how to get the files, or NULL */
    const char *split;        /* "auto", "field", "seeded" */
    pbt_number_list shares;   /* of a seeded split */
    int64_t split_seed;       /* of a seeded split; the split is the same for every seed of the run */
    int32_t max_per_part[3];  /* 0: all */
} pbt_question_settings;

/* Trees of train questions, and those that contexts of the balanced sets are cut from. */
typedef struct pbt_tree_settings {
    pbt_tree_plan plan;     /* first_speaker is set per order */
    int32_t repetitions[2]; /* trees a question with A, B speaking first */
} pbt_tree_settings;

typedef struct pbt_pair_settings {
    double min_relative_margin;
    bool unequal_children, require_disagreement, drop_duplicates;
    const char *listeners;          /* "both", "own" */
    int32_t max_pairs;              /* an arm; 0: what the scarcest arm has */
    int32_t max_pairs_per_question; /* of one listener and kind; 0: no cap */
} pbt_pair_settings;

typedef struct pbt_lora_settings {
    int32_t r;
    double alpha, dropout;
    const char *target_modules;
    bool rslora;
} pbt_lora_settings;

typedef struct pbt_balanced_settings {
    bool enabled;
    int32_t draws[2];        /* trees a question and order, dev and test */
    int32_t max_per_side[2]; /* 0: all */
    double temperature;
    int32_t max_new_tokens;
} pbt_balanced_settings;

typedef struct pbt_evaluation_settings {
    bool enabled;
    int32_t max_questions; /* 0: all */
    int32_t max_new_tokens;
} pbt_evaluation_settings;

typedef struct pbt_flipflop_settings {
    bool enabled;
    int32_t max_questions; /* 0: all */
    int32_t max_new_tokens;
    int32_t challenges; /* lines of challenge.txt; 0: all */
} pbt_flipflop_settings;

typedef struct pbt_farm_settings {
    bool enabled;
    const char *data;         /* folder or file */
    pbt_name_list strategies; /* the first is the one of the main table */
    int32_t rounds, max_questions;
    const char *protocol; /* "options", "free" */
    const char *probe;    /* "question", "final", "reply" */
    const char *compat;   /* "none", "released-code" */
    bool keep_belief;
    double temperature, probe_temperature, top_p;
    int32_t max_new_tokens, probe_new_tokens, retries;
} pbt_farm_settings;

typedef struct pbt_flip_settings {
    bool enabled;
    pbt_name_list arms;   /* "base", "accept", "resist", "pbt" */
    const char *contexts; /* "own", "all" */
    const char *prefix;   /* forced before an answer whose log-probability is taken */
    int32_t samples;
    double temperature;
} pbt_flip_settings;

typedef struct pbt_experiment {
    const char *name;
    pbt_seed_list seeds;
    pbt_agent_settings agents[2];
    const char *extractor, *filter; /* "a", "b", a folder; filter also "none" */
    const char *train_agent;        /* "a" or "b" */
    const char *prompts;            /* folder */
    const char *date_string;        /* pins the date of templates that print one, or NULL */
    pbt_question_settings questions;
    pbt_tree_settings trees;
    pbt_pair_settings pairs;
    pbt_name_list arms;
    pbt_lora_settings lora;
    pbt_train_settings sft, dpo;
    int32_t max_length;      /* tokens of prompt and completion; longer examples are dropped and counted */
    int32_t selection_every; /* steps between looks at dev; 0: every epoch */
    double selection_worse_side; /* weight of the worse side against the mean of both, for pbt */
    pbt_balanced_settings balanced;
    pbt_flipflop_settings flipflop;
    pbt_evaluation_settings team;
    pbt_farm_settings farm;
    pbt_flip_settings flip_analysis;
    int32_t bootstrap_draws;
    int32_t show_debates; /* debates shown while trees grow */
    int32_t max_batch, kv_rows, prefill_rows;
    int32_t tree_chunk;                       /* most trees that grow at the same time */
    double plan_turn_share, plan_go_on_share; /* what a plan expects (estimate.h) */
    pbt_arena *arena;                         /* owns every string */
} pbt_experiment;

#endif
