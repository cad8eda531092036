/*
 * One optimizer step's batch through the network: log-probabilities, the loss and its weights per token, and
 * the backward pass. SFT is the mean over all target tokens of the step, DPO the mean over all its pairs, so
 * that cutting the step into passes changes nothing but the order of summation.
 */
#include "train/objective.h"

#include "train/batch.h"
#include "train/loss.h"
#include "train/token_statistics.h"

#include "base/memory.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static pbt_key dropout_key(const pbt_training *training, int64_t step) {
    pbt_key key = pbt_key_named(pbt_key_of_seed(training->settings->seed), "dropout");
    key = pbt_key_named(key, training->settings->objective == PBT_DPO ? "dpo" : "sft");
    return pbt_key_child(key, (uint64_t)step);
}

static pbt_pass pass_of(const pbt_training *training, const pbt_trie *trie, double dropout, int64_t step) {
    return (pbt_pass){.model = training->trainer->model,
                      .adapters = training->n_adapters > 0 ? training->adapters : NULL,
                      .n_adapters = training->n_adapters,
                      .tokens = trie->tokens,
                      .positions = trie->positions,
                      .layout = trie->layout,
                      .dropout = (float)dropout,
                      .dropout_key = dropout_key(training, step),
                      .row_ids = trie->row_ids};
}

void pbt_training_reference(const pbt_training *training, const pbt_example *example, double *chosen,
                            double *rejected) {
    *chosen = example->ref_chosen_logp;
    *rejected = example->ref_rejected_logp;
    for (int i = 0; i < 2; i++) {
        const pbt_reference *reference = &training->reference[i];
        const pbt_dataset *dataset = reference->dataset;
        if (!dataset || example < dataset->items || example >= dataset->items + dataset->count) continue;
        size_t index = (size_t)(example - dataset->items);
        *chosen = reference->chosen[index];
        *rejected = reference->rejected[index];
        return;
    }
}

/* The log-probabilities of a pass's targets, and their sums per sequence. */
static pbt_code forward_logps(pbt_training *training, const pbt_trie *trie, const pbt_pass *pass,
                              bool statistics, double *sequence_logp, pbt_error *error) {
    pbt_pass_buffers *buffers = &training->buffers;
    PBT_TRY(pbt_pass_buffers_reserve(buffers, trie->layout.n_rows, trie->n_targets, error));
    PBT_TRY(pbt_forward(pass, &buffers->kv, buffers->activations, error));
    PBT_TRY(pbt_logprobs_and_statistics(pass->model, buffers->activations, trie->target_row, trie->target,
                                        trie->n_targets, buffers->logprob,
                                        statistics ? &buffers->statistics : NULL, error));
    for (int32_t s = 0; s < trie->n_sequences; s++) sequence_logp[s] = 0;
    for (int32_t i = 0; i < trie->n_targets; i++)
        sequence_logp[trie->target_sequence[i]] += (double)buffers->logprob[i];
    return PBT_OK;
}

pbt_code pbt_batch_logps(pbt_training *training, const pbt_batch *batch, double *chosen, double *rejected,
                         pbt_error *error) {
    pbt_code code = PBT_OK;
    for (size_t p = 0; p < batch->n_passes && code == PBT_OK; p++) {
        pbt_trie trie;
        PBT_TRY(pbt_batch_trie(batch, p, training->settings->share_prefixes, &trie, error));
        double *logp = pbt_alloc((size_t)trie.n_sequences + 1, sizeof *logp);
        pbt_pass pass = pass_of(training, &trie, 0, 0);
        code = logp ? forward_logps(training, &trie, &pass, false, logp, error)
                    : pbt_fail_memory(error, (size_t)trie.n_sequences * 8, "log-probabilities");
        size_t per_example = batch->preference ? 2 : 1, first = batch->pass_start[p];
        for (size_t j = 0; code == PBT_OK && first + j < batch->pass_start[p + 1]; j++) {
            chosen[batch->order[first + j]] = logp[j * per_example];
            if (batch->preference) rejected[batch->order[first + j]] = logp[j * 2 + 1];
        }
        free(logp);
        pbt_trie_free(&trie);
    }
    return code;
}

/* What becomes known of a batch's examples pass by pass; index = place in the data. */
typedef struct batch_results {
    double *chosen, *rejected, *loss;
    pbt_example_sums *sums;
    double *slope; /* [2 * sequences of a pass]: weight of every target of a sequence */
    int64_t chosen_targets;
} batch_results;

/* Losses of the pairs of a pass, and the weight every target of their sequences gets. */
static void weigh_pairs(const pbt_training *training, const pbt_batch *batch, size_t pass, const double *logp,
                        batch_results *results) {
    const pbt_train_settings *settings = training->settings;
    double n = (double)batch->n, sft = pbt_sft_weight_of(settings);
    for (size_t i = batch->pass_start[pass], j = 0; i < batch->pass_start[pass + 1]; i++, j++) {
        uint32_t at = batch->order[i];
        const pbt_example *example = batch->examples[at];
        pbt_pair_logps pair = {.chosen = logp[2 * j],
                               .rejected = logp[2 * j + 1],
                               .chosen_tokens = (int32_t)example->chosen.count,
                               .rejected_tokens = (int32_t)example->rejected.count};
        pbt_training_reference(training, example, &pair.ref_chosen, &pair.ref_rejected);
        pbt_pair_loss loss = pbt_pair_loss_of(settings, &pair);
        results->chosen[at] = pair.chosen;
        results->rejected[at] = pair.rejected;
        results->loss[at] = loss.loss / n;
        results->slope[2 * j] = loss.d_chosen / n;
        results->slope[2 * j + 1] = loss.d_rejected / n;
        if (sft != 0 && results->chosen_targets > 0) {
            results->loss[at] -= sft * pair.chosen / (double)results->chosen_targets;
            results->slope[2 * j] -= sft / (double)results->chosen_targets;
        }
    }
}

static void weigh_targets(const pbt_trie *trie, const double *slope, double constant, float *weight) {
    for (int32_t i = 0; i < trie->n_targets; i++)
        weight[i] = (float)(slope ? slope[trie->target_sequence[i]] : constant);
}

static pbt_code run_pairs(pbt_training *training, const pbt_batch *batch, size_t p, const pbt_trie *trie,
                          const pbt_pass *pass, bool gradients, batch_results *results, pbt_error *error) {
    pbt_pass_buffers *buffers = &training->buffers;
    double *logp = pbt_alloc((size_t)trie->n_sequences + 1, sizeof *logp);
    if (!logp) return pbt_fail_memory(error, (size_t)trie->n_sequences * 8, "log-probabilities");
    pbt_code code = forward_logps(training, trie, pass, true, logp, error);
    if (code == PBT_OK) weigh_pairs(training, batch, p, logp, results);
    free(logp);
    if (code != PBT_OK || !gradients) return code;
    weigh_targets(trie, results->slope, 0, buffers->weight);
    return pbt_backward(pass, &buffers->kv, buffers->activations, trie->target_row, trie->target,
                        buffers->weight, trie->n_targets, NULL, training->gradients, error);
}

/* SFT knows its weights beforehand: one pass gives loss and gradients. */
static pbt_code run_tokens(pbt_training *training, const pbt_batch *batch, size_t p, const pbt_trie *trie,
                           const pbt_pass *pass, bool gradients, batch_results *results, pbt_error *error) {
    pbt_pass_buffers *buffers = &training->buffers;
    PBT_TRY(pbt_pass_buffers_reserve(buffers, trie->layout.n_rows, trie->n_targets, error));
    PBT_TRY(pbt_forward(pass, &buffers->kv, buffers->activations, error));
    double scale = 1.0 / (double)(results->chosen_targets > 0 ? results->chosen_targets : 1);
    if (gradients) {
        weigh_targets(trie, NULL, -scale, buffers->weight);
        PBT_TRY(pbt_backward(pass, &buffers->kv, buffers->activations, trie->target_row, trie->target,
                             buffers->weight, trie->n_targets, buffers->logprob, training->gradients, error));
    } else {
        PBT_TRY(pbt_logprobs_and_statistics(pass->model, buffers->activations, trie->target_row, trie->target,
                                            trie->n_targets, buffers->logprob, &buffers->statistics, error));
    }
    for (int32_t i = 0; i < trie->n_targets; i++) {
        size_t at = batch->order[batch->pass_start[p] + (size_t)trie->target_sequence[i]];
        results->loss[at] -= (double)buffers->logprob[i] * scale;
    }
    return PBT_OK;
}

static void summarise(const pbt_training *training, const pbt_batch *batch, const batch_results *results,
                      pbt_metrics *metrics) {
    double beta = training->settings->beta, n = batch->n > 0 ? (double)batch->n : 1;
    metrics->loss = 0;
    for (size_t i = 0; i < batch->n; i++) metrics->loss += results->loss[i];
    if (!batch->preference) return;
    for (size_t i = 0; i < batch->n; i++) {
        double ref_chosen, ref_rejected;
        pbt_training_reference(training, batch->examples[i], &ref_chosen, &ref_rejected);
        double chosen = beta * (results->chosen[i] - ref_chosen);
        double rejected = beta * (results->rejected[i] - ref_rejected);
        metrics->rewards_chosen += chosen / n;
        metrics->rewards_rejected += rejected / n;
        metrics->rewards_margins += (chosen - rejected) / n;
        metrics->rewards_accuracies += (chosen > rejected) / n;
        metrics->logps_chosen += results->chosen[i] / n;
        metrics->logps_rejected += results->rejected[i] / n;
    }
}

static pbt_code run_pass(pbt_training *training, const pbt_batch *batch, size_t p, int64_t step,
                         bool gradients, batch_results *results, pbt_metrics *metrics, pbt_error *error) {
    pbt_trie trie;
    PBT_TRY(pbt_batch_trie(batch, p, training->settings->share_prefixes, &trie, error));
    metrics->num_tokens += trie.n_tokens;
    metrics->unique_tokens += trie.layout.n_rows;
    pbt_pass pass = pass_of(training, &trie, gradients ? training->dropout : 0, step);
    pbt_code code = PBT_OK;
    if (!batch->preference) pass.statistics = &training->buffers.statistics;
    if (trie.n_targets > 0)
        code = batch->preference ? run_pairs(training, batch, p, &trie, &pass, gradients, results, error)
                                 : run_tokens(training, batch, p, &trie, &pass, gradients, results, error);
    if (trie.n_targets > 0 && code == PBT_OK)
        pbt_statistics_add(batch, p, &trie, &training->buffers.statistics, results->sums);
    pbt_trie_free(&trie);
    return code;
}

/* Examples of one of TRL's batches, over which it averages what is not a loss. */
static size_t micro_batch(const pbt_training *training, bool gradients) {
    const pbt_train_settings *s = training->settings;
    int32_t size = gradients ? s->per_device_train_batch_size : s->per_device_eval_batch_size;
    return size > 0 ? (size_t)size : 1;
}

pbt_code pbt_batch_run(pbt_training *training, const pbt_batch *batch, int64_t step, bool gradients,
                       pbt_metrics *metrics, pbt_error *error) {
    batch_results results = {0};
    size_t n = batch->n + 1;
    double *memory = pbt_alloc(5 * n, sizeof *memory);
    results.sums = pbt_alloc(n, sizeof *results.sums);
    if (!memory || !results.sums) {
        free(memory);
        free(results.sums);
        return pbt_fail_memory(error, n * (5 * sizeof *memory + sizeof *results.sums),
                               "the results of a batch");
    }
    results.chosen = memory;
    results.rejected = memory + n;
    results.loss = memory + 2 * n;
    results.slope = memory + 3 * n;
    for (size_t i = 0; i < batch->n; i++) results.chosen_targets += pbt_example_targets(batch->examples[i]);
    memset(metrics, 0, sizeof *metrics);
    pbt_code code = PBT_OK;
    for (size_t p = 0; p < batch->n_passes && code == PBT_OK; p++)
        code = run_pass(training, batch, p, step, gradients, &results, metrics, error);
    if (code == PBT_OK) {
        summarise(training, batch, &results, metrics);
        pbt_statistics_summarise(results.sums, batch->n, micro_batch(training, gradients), batch->preference,
                                 metrics);
    }
    free(memory);
    free(results.sums);
    return code;
}
