#include "settings/products.h"

const char *const pbt_product_names[PBT_PRODUCTS] = {"train trees", "dev trees", "test trees",   "pairs",
                                                     "SFT",         "DPO",       "balanced",     "flipflop",
                                                     "team",        "farm",      "flip_analysis"};

#define BIT(product) PBT_PRODUCT_BIT(PBT_##product)
static const unsigned trees = BIT(TRAIN_TREES) | BIT(DEV_TREES) | BIT(TEST_TREES),
                      evaluations = BIT(BALANCED_ITEMS) | BIT(FLIPFLOP_ITEMS) | BIT(TEAM_ITEMS) |
                                    BIT(FARM_ITEMS) | BIT(FLIP_ITEMS);

/* What is made of what, in the order of making. */
static const struct {
    unsigned of, made;
} steps[] = {
    {BIT(TRAIN_TREES), BIT(PAIRS_MADE)},    {BIT(PAIRS_MADE), BIT(SFT_ADAPTERS)},
    {BIT(SFT_ADAPTERS), BIT(DPO_ADAPTERS)}, {BIT(DEV_TREES), BIT(DPO_ADAPTERS)},
    {BIT(TEST_TREES), BIT(BALANCED_ITEMS)}, {BIT(BALANCED_ITEMS), BIT(FLIP_ITEMS)},
};

pbt_redo pbt_redo_of(unsigned affected) {
    for (size_t i = 0; i < sizeof steps / sizeof *steps; i++)
        if (affected & steps[i].of) affected |= steps[i].made;
    return (pbt_redo){affected, affected | (affected & BIT(DPO_ADAPTERS) ? evaluations : 0)};
}

static void list(unsigned products, const char *before, pbt_text *out) {
    bool any = false;
    for (int p = 0; p < PBT_PRODUCTS; p++) {
        if (!(products & PBT_PRODUCT_BIT(p))) continue;
        pbt_text_addf(out, "%s%s", any ? ", " : before, pbt_product_names[p]);
        any = true;
    }
}

void pbt_redo_text(const pbt_redo *redo, pbt_text *out) {
    unsigned shared = redo->base & ~evaluations, of_all = redo->base & evaluations,
             of_arms = redo->arms & evaluations & ~of_all;
    size_t start = out->length;
    if ((shared & trees) == trees) {
        pbt_text_add(out, "trees");
        list(shared & ~trees, ", ", out);
    } else {
        list(shared, "", out);
    }
    const char *and = out->length > start ? " and " : "";
    if (of_all == evaluations) {
        pbt_text_addf(out, "%sall evaluations", and);
    } else if (of_all) {
        pbt_text_addf(out, "%sthe evaluation ", and);
        list(of_all, "", out);
    }
    and = out->length > start ? " and " : "";
    if (of_arms) pbt_text_addf(out, "%sthe %sevaluations of the trained arms", and, of_all ? "other " : "");
    if (out->length == start) pbt_text_add(out, "nothing");
}
