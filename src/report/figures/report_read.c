#include "report/figures/report_read.h"

#include "report/figures/notices.h"
#include "report/figures/provenance.h"

pbt_code pbt_report_read(pbt_store *store, pbt_report *report, pbt_error *error) {
    *report = (pbt_report){0};
    json_t *settings;
    PBT_TRY(
        pbt_store_get(store, &(pbt_artefact_key){"plan", 0, "", "experiment", "settings"}, &settings, error));
    if (!settings)
        return pbt_fail(
            error, PBT_BAD_INPUT,
            "the run store holds no experiment; the run was interrupted before it began: run it again");
    pbt_code code = pbt_report_gather(store, settings, report, error);
    if (code == PBT_OK) code = pbt_provenance_read(store, report, error);
    if (code == PBT_OK) code = pbt_notices_make(store, settings, report, error);
    json_decref(settings);
    return code;
}
