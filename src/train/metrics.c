/*
 * What is logged: sums over the logging interval, and a line of metrics.jsonl.
 */
#include "train/metrics.h"

#include <math.h>

/* What is averaged over the interval, in the order of the line. */
typedef struct mean_metric {
    const char *name;
    size_t of_line, of_sums; /* offsets of doubles */
    bool dpo;                /* only there in DPO */
} mean_metric;
#define MEAN(name, field, dpo)                                                                               \
    { name, offsetof(pbt_metrics, field), offsetof(pbt_metric_sums, field), dpo }
static const mean_metric means[] = {MEAN("loss", loss, false),
                                    MEAN("rewards/chosen", rewards_chosen, true),
                                    MEAN("rewards/rejected", rewards_rejected, true),
                                    MEAN("rewards/margins", rewards_margins, true),
                                    MEAN("rewards/accuracies", rewards_accuracies, true),
                                    MEAN("logps/chosen", logps_chosen, true),
                                    MEAN("logps/rejected", logps_rejected, true),
                                    MEAN("logits/chosen", logits_chosen, true),
                                    MEAN("logits/rejected", logits_rejected, true),
                                    MEAN("entropy", entropy, false),
                                    MEAN("mean_token_accuracy", mean_token_accuracy, false),
                                    MEAN("step_time", step_time, false)};
enum { N_MEANS = sizeof means / sizeof *means };

static double *line_value(pbt_metrics *metrics, const mean_metric *m) {
    return (double *)(void *)((char *)metrics + m->of_line);
}

static double *sum_value(pbt_metric_sums *sums, const mean_metric *m) {
    return (double *)(void *)((char *)sums + m->of_sums);
}

void pbt_metric_sums_add(pbt_metric_sums *sums, const pbt_metrics *metrics) {
    pbt_metrics step = *metrics;
    sums->steps++;
    for (int i = 0; i < N_MEANS; i++) *sum_value(sums, &means[i]) += *line_value(&step, &means[i]);
}

pbt_metrics pbt_metric_sums_take(pbt_metric_sums *sums, const pbt_metrics *last) {
    pbt_metrics line = *last;
    double n = sums->steps > 0 ? (double)sums->steps : 1;
    for (int i = 0; i < N_MEANS; i++) *line_value(&line, &means[i]) = *sum_value(sums, &means[i]) / n;
    *sums = (pbt_metric_sums){.num_tokens = sums->num_tokens, .unique_tokens = sums->unique_tokens};
    return line;
}

static void set_real(json_t *object, const char *key, double value) {
    json_object_set_new(object, key, isfinite(value) ? json_real(value) : json_null());
}

json_t *pbt_metrics_line(const pbt_metrics *metrics, pbt_objective objective) {
    json_t *line = json_object();
    pbt_metrics values = *metrics;
    if (!line) return NULL;
    json_object_set_new(line, "step", json_integer(metrics->step));
    set_real(line, "epoch", metrics->epoch);
    for (int i = 0; i < N_MEANS; i++) {
        if (!means[i].dpo || objective == PBT_DPO)
            set_real(line, means[i].name, *line_value(&values, &means[i]));
        if (i > 0) continue;
        set_real(line, "learning_rate", metrics->learning_rate);
        set_real(line, "grad_norm", metrics->grad_norm);
    }
    json_object_set_new(line, "num_tokens", json_integer(metrics->num_tokens));
    json_object_set_new(line, "unique_tokens", json_integer(metrics->unique_tokens));
    return line;
}
