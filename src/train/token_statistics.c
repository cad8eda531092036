/*
 * TRL's entropy, mean_token_accuracy and logits/chosen, logits/rejected.
 */
#include "train/token_statistics.h"

void pbt_statistics_add(const pbt_batch *batch, size_t pass, const pbt_trie *trie,
                        const pbt_target_statistics *statistics, pbt_example_sums *sums) {
    size_t per_example = batch->preference ? 2 : 1, first = batch->pass_start[pass];
    for (int32_t i = 0; i < trie->n_targets; i++) {
        size_t sequence = (size_t)trie->target_sequence[i], side = sequence % per_example;
        pbt_example_sums *sum = &sums[batch->order[first + sequence / per_example]];
        sum->entropy[side] += (double)statistics->entropy[i];
        sum->mean_logit[side] += (double)statistics->mean_logit[i];
        sum->tokens[side]++;
        if (side == 0) sum->top += statistics->top[i];
    }
}

static double ratio(double sum, int64_t n) {
    return n > 0 ? sum / (double)n : 0;
}

void pbt_statistics_summarise(const pbt_example_sums *sums, size_t n, size_t size, bool preference,
                              pbt_metrics *metrics) {
    const size_t n_batches = (n + size - 1) / size;
    const double batches = (double)n_batches;
    metrics->entropy = metrics->mean_token_accuracy = metrics->logits_chosen = metrics->logits_rejected = 0;
    for (size_t first = 0; first < n; first += size) {
        pbt_example_sums sum = {0};
        for (size_t i = first; i < n && i < first + size; i++) {
            for (int side = 0; side < 2; side++) {
                sum.entropy[side] += sums[i].entropy[side];
                sum.mean_logit[side] += sums[i].mean_logit[side];
                sum.tokens[side] += sums[i].tokens[side];
            }
            sum.top += sums[i].top;
        }
        metrics->entropy += ratio(sum.entropy[0] + sum.entropy[1], sum.tokens[0] + sum.tokens[1]) / batches;
        metrics->mean_token_accuracy += ratio((double)sum.top, sum.tokens[0]) / batches;
        if (!preference) continue;
        metrics->logits_chosen += ratio(sum.mean_logit[0], sum.tokens[0]) / batches;
        metrics->logits_rejected += ratio(sum.mean_logit[1], sum.tokens[1]) / batches;
    }
}
