/*
 * The table of keys of an experiment file. Private to settings/.
 */
#ifndef PBT_SETTINGS_KEYS_H
#define PBT_SETTINGS_KEYS_H

#include "settings/experiment.h"

typedef enum key_type {
    KEY_STRING,
    KEY_PATH,  /* relative to the file, or pbt:PATH */
    KEY_MODEL, /* "a", "b", "none", or a path */
    KEY_INT32,
    KEY_INT64,
    KEY_NUMBER,
    KEY_BOOL,
    KEY_CHOICE, /* int: index into choices */
    KEY_SEEDS,
    KEY_NAMES, /* each one of choices */
    KEY_NUMBERS,
    KEY_LOSSES,       /* the names in a pbt_loss_mix */
    KEY_LOSS_WEIGHTS, /* its weights */
    KEY_TURNS         /* list of lists of roles */
} key_type;

typedef struct setting_key {
    unsigned affects; /* the products (products.h) it is the first to affect; what is made of them follows */
    const char *name;
    key_type type;
    size_t offset;
    const char *initial; /* as YAML; NULL: nothing (NULL, 0) */
    const char *choices; /* "a|b" */
    double least, most;  /* of numbers; both 0: any */
    bool required, free;
    const char *help;
} setting_key;

extern const setting_key pbt_setting_keys[];
extern const size_t pbt_n_setting_keys;

#define PBT_KEY_FIELD(type, base, key) (*(type *)(void *)((char *)(uintptr_t)(base) + (key)->offset))

#endif
