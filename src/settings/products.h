/*
 * What a run makes, step by step, and what a changed setting makes anew: every setting names the products it
 * is the first to affect (keys.c), the others follow from what is made of what.
 */
#ifndef PBT_SETTINGS_PRODUCTS_H
#define PBT_SETTINGS_PRODUCTS_H

#include "base/text.h"

#include <stdbool.h>

typedef enum pbt_product {
    PBT_TRAIN_TREES,
    PBT_DEV_TREES,
    PBT_TEST_TREES,
    PBT_PAIRS_MADE,
    PBT_SFT_ADAPTERS,
    PBT_DPO_ADAPTERS,
    PBT_BALANCED_ITEMS,
    PBT_FLIPFLOP_ITEMS,
    PBT_TEAM_ITEMS,
    PBT_FARM_ITEMS,
    PBT_FLIP_ITEMS, /* of the flip analysis */
    PBT_PRODUCTS
} pbt_product;
/* "train trees", "pairs", "SFT", "flipflop", ... */
extern const char *const pbt_product_names[PBT_PRODUCTS];

/* Sets of products: bit 1 << product. */
#define PBT_PRODUCT_BIT(product) (1u << (product))

/* What is made anew: `base` of the base model and of what all arms share, `arms` of the trained arms (their
 * evaluations follow from their training, those of the base model do not). */
typedef struct pbt_redo {
    unsigned base, arms;
} pbt_redo;
pbt_redo pbt_redo_of(unsigned affected);
/* "DPO and the evaluations of the trained arms"; "nothing". */
void pbt_redo_text(const pbt_redo *redo, pbt_text *out);

#endif
