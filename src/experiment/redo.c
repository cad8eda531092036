#include "experiment/redo.h"

#include "base/file.h"
#include "measures/arms.h"
#include "measures/measures.h"

#include <dirent.h>
#include <stdlib.h>
#include <string.h>

/* What is still to be removed: {"sft": true} all files of the arms' training, else only those from DPO on. */
static const pbt_artefact_key pending_key = {"plan", 0, "", "redo", "files"};

static bool has(unsigned products, pbt_product product) {
    return products & PBT_PRODUCT_BIT(product);
}

static pbt_code clear_trees(pbt_store *store, unsigned products, pbt_error *error) {
    static const char *const parts[] = {"train", "dev", "test"};
    bool any = false;
    for (int p = 0; p < 3; p++) {
        if (!has(products, (pbt_product)(PBT_TRAIN_TREES + p))) continue;
        PBT_TRY(pbt_store_delete(store, "trees", parts[p], NULL, NULL, error));
        any = true;
    }
    return any ? pbt_store_delete(store, "trees", "", "done", NULL, error) : PBT_OK;
}

static pbt_code clear_training(pbt_store *store, unsigned products, pbt_error *error) {
    if (has(products, PBT_SFT_ADAPTERS)) return pbt_store_delete(store, "train", NULL, NULL, NULL, error);
    if (!has(products, PBT_DPO_ADAPTERS)) return PBT_OK;
    PBT_TRY(pbt_store_delete(store, "train", NULL, "check", NULL, error));
    PBT_TRY(pbt_store_delete(store, "train", NULL, "summary", NULL, error));
    PBT_TRY(pbt_store_delete(store, "train", NULL, "done", NULL, error));
    PBT_TRY(pbt_store_delete(store, "train", NULL, "stage", "dpo", error));
    return pbt_store_delete(store, "train", NULL, "metrics", "dpo", error);
}

static pbt_product product_of(pbt_evaluation_id evaluation) {
    switch (evaluation) {
    case PBT_EVALUATION_BALANCED:
        return PBT_BALANCED_ITEMS;
    case PBT_EVALUATION_FLIPFLOP:
        return PBT_FLIPFLOP_ITEMS;
    case PBT_EVALUATION_TEAM:
        return PBT_TEAM_ITEMS;
    case PBT_EVALUATION_FARM:
        return PBT_FARM_ITEMS;
    default:
        return PBT_FLIP_ITEMS;
    }
}

static pbt_code clear_evaluations(pbt_store *store, const pbt_redo *redo, pbt_error *error) {
    bool any = false;
    for (int arm = 0; arm < PBT_ARMS; arm++) {
        unsigned products = arm == PBT_ARM_BASE ? redo->base : redo->arms;
        for (int k = 0; k < PBT_EVALUATIONS; k++) {
            const char *kind = pbt_evaluation_kinds[k].name, *name = pbt_arm_names[arm];
            if (!has(products, product_of((pbt_evaluation_id)k))) continue;
            PBT_TRY(pbt_store_delete(store, "eval", name, kind, NULL, error));
            PBT_TRY(pbt_store_delete(store, "eval", name, "done", kind, error));
            PBT_TRY(pbt_store_delete(store, "eval", name, "settings", kind, error));
            any = true;
        }
    }
    return any ? pbt_store_delete(store, "eval", "", "done", NULL, error) : PBT_OK;
}

/* A note that says more is not replaced by one that says less. */
static pbt_code note_files(pbt_store *store, unsigned products, pbt_error *error) {
    json_t *before;
    if (!has(products, PBT_DPO_ADAPTERS)) return PBT_OK;
    PBT_TRY(pbt_store_get(store, &pending_key, &before, error));
    bool sft = has(products, PBT_SFT_ADAPTERS) || json_is_true(json_object_get(before, "sft"));
    json_decref(before);
    json_t *note = json_pack("{s:b}", "sft", (int)sft);
    pbt_code code = pbt_store_put(store, &pending_key, note, error);
    json_decref(note);
    return code;
}

pbt_code pbt_redo_clear(pbt_store *store, const pbt_redo *redo, pbt_error *error) {
    PBT_TRY(clear_trees(store, redo->base, error));
    if (has(redo->base, PBT_PAIRS_MADE)) PBT_TRY(pbt_store_delete(store, "pairs", NULL, NULL, NULL, error));
    PBT_TRY(clear_training(store, redo->base, error));
    PBT_TRY(clear_evaluations(store, redo, error));
    return note_files(store, redo->base, error);
}

/* Everything under a folder; what cannot be removed is overwritten by the stages. */
static void remove_tree(const char *path) {
    DIR *listing = opendir(path);
    if (!listing) return;
    for (const struct dirent *entry; (entry = readdir(listing));) {
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0) continue;
        char *inside = entry->d_type == DT_DIR ? pbt_path_join(path, entry->d_name) : NULL;
        if (inside) remove_tree(inside);
        free(inside);
    }
    closedir(listing);
    pbt_folder_remove(path);
}

/* RUN/seed-N/ARM, or what DPO left in it. */
static void remove_arm(const char *seed_folder, const char *arm, bool sft) {
    static const char *const from_dpo[] = {"dpo", "checks", "adapter"};
    char *folder = pbt_path_join(seed_folder, arm);
    if (folder && sft) remove_tree(folder);
    for (int i = 0; folder && !sft && i < 3; i++) {
        char *inside = pbt_path_join(folder, from_dpo[i]);
        if (inside) remove_tree(inside);
        free(inside);
    }
    free(folder);
}

pbt_code pbt_redo_finish(pbt_store *store, const char *folder, pbt_error *error) {
    json_t *note;
    PBT_TRY(pbt_store_get(store, &pending_key, &note, error));
    if (!note) return PBT_OK;
    bool sft = json_is_true(json_object_get(note, "sft"));
    json_decref(note);
    DIR *listing = opendir(folder);
    for (const struct dirent *entry; listing && (entry = readdir(listing));) {
        if (strncmp(entry->d_name, "seed-", 5) != 0) continue;
        char *seed = pbt_path_join(folder, entry->d_name);
        for (int arm = PBT_ARM_BASE + 1; seed && arm < PBT_ARMS; arm++)
            remove_arm(seed, pbt_arm_names[arm], sft);
        free(seed);
    }
    if (listing) closedir(listing);
    return pbt_store_delete(store, pending_key.stage, pending_key.arm, pending_key.kind, pending_key.name,
                            error);
}
