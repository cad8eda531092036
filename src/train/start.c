/*
 * The check before DPO's first step: policy and reference are the same, so the margin is 0 and the loss is
 * what the formula gives for that (ln 2 for sigmoid).
 */
#include "train/start.h"

#include "train/loss.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>

/* What the pairs' losses are at the reference is known beforehand; what the chosen texts' loss is, is not. */
pbt_train_settings pbt_settings_without_sft(const pbt_train_settings *settings) {
    pbt_train_settings plain = *settings;
    plain.sft_weight = 0;
    for (int32_t i = 0; i < plain.loss.n; i++) {
        if (plain.loss.n_weights == 0) plain.loss.weights[i] = 1;
        if (plain.loss.types[i] == PBT_SFT_TERM) plain.loss.weights[i] = 0;
    }
    plain.loss.n_weights = plain.loss.n;
    return plain;
}

/* As in TRL, only the robust loss smooths labels. */
static void warn_of_smoothing(const pbt_training *training) {
    const pbt_train_settings *settings = training->settings;
    if (settings->label_smoothing <= 0) return;
    for (int32_t i = 0; i < settings->loss.n; i++)
        if (settings->loss.types[i] == PBT_ROBUST) return;
    pbt_monitor_message(training->trainer->monitor, 0,
                        "label_smoothing has no effect here: it belongs to loss_type robust");
}

static void report_hashes(const pbt_training *training, const pbt_hashes *hashes, bool given) {
    const pbt_monitor *monitor = training->trainer->monitor;
    char adapter[48] = "";
    if (training->trainer->adapter)
        snprintf(adapter, sizeof adapter, ", adapter %016" PRIx64, hashes->adapter);
    if (given)
        pbt_monitor_message(monitor, 1, "policy: model %016" PRIx64 "%s; reference: the dataset's columns",
                            hashes->model, adapter);
    else
        pbt_monitor_message(monitor, 1,
                            "policy: model %016" PRIx64 "%s; reference: model %016" PRIx64
                            "%s (as it is at the start)",
                            hashes->model, adapter, hashes->model, adapter);
}

pbt_code pbt_start_report(const pbt_training *training, const pbt_metrics *metrics, const pbt_hashes *hashes,
                          bool given, pbt_error *error) {
    const pbt_monitor *monitor = training->trainer->monitor;
    pbt_train_settings plain = pbt_settings_without_sft(training->settings);
    pbt_pair_logps nothing = {.chosen_tokens = 1, .rejected_tokens = 1};
    double expected = pbt_pair_loss_of(&plain, &nothing).loss;
    bool ln2 = fabs(expected - log(2)) < 1e-12;
    bool equal = fabs(metrics->rewards_margins) <= 1e-4 &&
                 fabs(metrics->loss - expected) <= 1e-4 * (fabs(expected) > 1 ? fabs(expected) : 1);
    warn_of_smoothing(training);
    report_hashes(training, hashes, given);
    pbt_monitor_message(monitor, equal ? 1 : 0,
                        "step 0: margin %.6f (expected 0), loss %.6f (expected %s%.6f): %s",
                        metrics->rewards_margins, metrics->loss, ln2 ? "ln 2 = " : "", expected,
                        equal   ? "policy and reference are the same"
                        : given ? "the dataset's reference is not the initial policy"
                                : "policy and reference differ");
    if (equal || given) return PBT_OK;
    return pbt_fail(error, PBT_FAILED,
                    "before the first step the margin is %.6f and the loss %.6f, expected 0 and %.6f: the "
                    "reference is not the initial policy",
                    metrics->rewards_margins, metrics->loss, expected);
}
