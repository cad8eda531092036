/*
 * What is logged: sums over the logging interval, and a line of metrics.jsonl.
 */
#include "train/internal.h"

#include <math.h>

void pbt_metric_sums_add(pbt_metric_sums *sums, const pbt_metrics *metrics) {
    sums->steps++;
    sums->loss += metrics->loss;
    sums->rewards_chosen += metrics->rewards_chosen;
    sums->rewards_rejected += metrics->rewards_rejected;
    sums->rewards_margins += metrics->rewards_margins;
    sums->rewards_accuracies += metrics->rewards_accuracies;
    sums->logps_chosen += metrics->logps_chosen;
    sums->logps_rejected += metrics->logps_rejected;
    sums->logits_chosen += metrics->logits_chosen;
    sums->logits_rejected += metrics->logits_rejected;
    sums->entropy += metrics->entropy;
    sums->mean_token_accuracy += metrics->mean_token_accuracy;
    sums->step_time += metrics->step_time;
}

pbt_metrics pbt_metric_sums_take(pbt_metric_sums *sums, const pbt_metrics *last) {
    pbt_metrics line = *last;
    double n = sums->steps > 0 ? (double)sums->steps : 1;
    line.loss = sums->loss / n;
    line.rewards_chosen = sums->rewards_chosen / n;
    line.rewards_rejected = sums->rewards_rejected / n;
    line.rewards_margins = sums->rewards_margins / n;
    line.rewards_accuracies = sums->rewards_accuracies / n;
    line.logps_chosen = sums->logps_chosen / n;
    line.logps_rejected = sums->logps_rejected / n;
    line.logits_chosen = sums->logits_chosen / n;
    line.logits_rejected = sums->logits_rejected / n;
    line.entropy = sums->entropy / n;
    line.mean_token_accuracy = sums->mean_token_accuracy / n;
    line.step_time = sums->step_time / n;
    *sums = (pbt_metric_sums){.num_tokens = sums->num_tokens, .unique_tokens = sums->unique_tokens};
    return line;
}

static void set_real(json_t *object, const char *key, double value) {
    json_object_set_new(object, key, isfinite(value) ? json_real(value) : json_null());
}

json_t *pbt_metrics_line(const pbt_metrics *metrics, pbt_objective objective) {
    json_t *line = json_object();
    if (!line) return NULL;
    json_object_set_new(line, "step", json_integer(metrics->step));
    set_real(line, "epoch", metrics->epoch);
    set_real(line, "loss", metrics->loss);
    set_real(line, "learning_rate", metrics->learning_rate);
    set_real(line, "grad_norm", metrics->grad_norm);
    if (objective == PBT_DPO) {
        set_real(line, "rewards/chosen", metrics->rewards_chosen);
        set_real(line, "rewards/rejected", metrics->rewards_rejected);
        set_real(line, "rewards/margins", metrics->rewards_margins);
        set_real(line, "rewards/accuracies", metrics->rewards_accuracies);
        set_real(line, "logps/chosen", metrics->logps_chosen);
        set_real(line, "logps/rejected", metrics->logps_rejected);
        set_real(line, "logits/chosen", metrics->logits_chosen);
        set_real(line, "logits/rejected", metrics->logits_rejected);
    }
    set_real(line, "entropy", metrics->entropy);
    set_real(line, "mean_token_accuracy", metrics->mean_token_accuracy);
    set_real(line, "step_time", metrics->step_time);
    json_object_set_new(line, "num_tokens", json_integer(metrics->num_tokens));
    json_object_set_new(line, "unique_tokens", json_integer(metrics->unique_tokens));
    return line;
}
