#include "report/figures/provenance.h"

#include "base/memory.h"

/* Every trained adapter by the hash that training recorded. */
static json_t *adapters_of(const pbt_report *r) {
    json_t *list = json_array();
    for (size_t a = 0; a < PBT_ARMS; a++) {
        for (size_t i = 0; i < json_array_size(r->arms[a].training); i++) {
            const json_t *summary = json_array_get(r->arms[a].training, i);
            json_t *hash = json_object_get(summary, "adapter");
            if (!hash) continue;
            json_array_append_new(list, json_pack("{s:s, s:O?, s:O, s:O?}", "arm", pbt_arm_names[a], "seed",
                                                  json_object_get(summary, "seed"), "hash", hash, "dtype",
                                                  json_object_get(summary, "adapter_dtype")));
        }
    }
    return list;
}

pbt_code pbt_provenance_read(pbt_store *store, pbt_report *r, pbt_error *error) {
    json_t *counts;
    PBT_TRY(pbt_store_get(store, &(pbt_artefact_key){"plan", 0, "", "experiment", "provenance"},
                          &r->provenance, error));
    if (!r->provenance) return PBT_OK;
    if (!json_is_object(r->provenance))
        return pbt_fail(error, PBT_BAD_INPUT, "the run's provenance: expected an object");
    PBT_TRY(pbt_store_get(store, &(pbt_artefact_key){"plan", 0, "", "experiment", "question_counts"}, &counts,
                          error));
    int failed = json_object_set_new(r->provenance, "question_counts", counts ? counts : json_null());
    failed = failed || json_object_set_new(r->provenance, "adapters", adapters_of(r)) != 0;
    return failed ? pbt_fail_memory(error, 0, "the provenance") : PBT_OK;
}
