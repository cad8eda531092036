/*
 * What a training refuses before it begins: settings that make no sense, examples without loss or of another
 * vocabulary.
 */
#include "train/check_training.h"

#include "train/batch.h"
#include "train/best.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>

static pbt_code check_counts(const pbt_train_settings *s, pbt_error *error) {
    if (s->per_device_train_batch_size < 1 || s->gradient_accumulation_steps < 1)
        return pbt_fail(error, PBT_USAGE,
                        "per_device_train_batch_size is %d and gradient_accumulation_steps is %d; both must "
                        "be at least 1",
                        s->per_device_train_batch_size, s->gradient_accumulation_steps);
    if (s->max_steps <= 0 && !(s->num_train_epochs > 0 && s->num_train_epochs < 1e9))
        return pbt_fail(error, PBT_USAGE,
                        "num_train_epochs is %g; it must be positive, or max_steps must be given",
                        s->num_train_epochs);
    if (s->eval_strategy != PBT_EVAL_NO && (s->eval_steps < 1 || s->per_device_eval_batch_size < 1))
        return pbt_fail(error, PBT_USAGE,
                        "eval_steps is %" PRId64
                        " and per_device_eval_batch_size is %d; both must be at least 1",
                        s->eval_steps, s->per_device_eval_batch_size);
    if (s->logging_steps < 1 || s->save_steps < 0 || s->max_rows < 0)
        return pbt_fail(error, PBT_USAGE,
                        "logging_steps is %" PRId64 ", save_steps %" PRId64 ", max_rows %d; logging_steps "
                        "must be at least 1, the others at least 0",
                        s->logging_steps, s->save_steps, s->max_rows);
    return PBT_OK;
}

static pbt_code check_numbers(const pbt_train_settings *s, pbt_error *error) {
    if (!(s->learning_rate >= 0 && isfinite(s->learning_rate)) || !(s->weight_decay >= 0) ||
        !(s->adam_beta1 >= 0 && s->adam_beta1 < 1) || !(s->adam_beta2 >= 0 && s->adam_beta2 < 1) ||
        !(s->adam_epsilon > 0) || !(s->max_grad_norm >= 0) || !(s->warmup_steps >= 0))
        return pbt_fail(error, PBT_USAGE,
                        "learning_rate %g, weight_decay %g, adam_beta1 %g, adam_beta2 %g, adam_epsilon %g, "
                        "max_grad_norm %g, warmup_steps %g: expected betas in [0, 1), a positive epsilon and "
                        "nothing below zero",
                        s->learning_rate, s->weight_decay, s->adam_beta1, s->adam_beta2, s->adam_epsilon,
                        s->max_grad_norm, s->warmup_steps);
    if (!(s->min_lr_ratio >= 0 && s->min_lr_ratio <= 1))
        return pbt_fail(error, PBT_USAGE, "min_lr_ratio is %g; expected a share from 0 to 1",
                        s->min_lr_ratio);
    if (s->objective != PBT_DPO) return PBT_OK;
    if (!(s->beta > 0 && isfinite(s->beta)))
        return pbt_fail(error, PBT_USAGE, "beta is %g; it must be positive", s->beta);
    if (!(s->label_smoothing >= 0 && s->label_smoothing < 0.5))
        return pbt_fail(error, PBT_USAGE,
                        "label_smoothing is %g; expected 0 <= label_smoothing < 0.5 (the share of flipped "
                        "labels)",
                        s->label_smoothing);
    if (!(s->sft_weight >= 0 && isfinite(s->sft_weight)))
        return pbt_fail(error, PBT_USAGE, "sft_weight is %g; it must not be negative", s->sft_weight);
    return pbt_loss_mix_check(&s->loss, error);
}

pbt_code pbt_train_settings_check(const pbt_train_settings *settings, pbt_error *error) {
    PBT_TRY(check_counts(settings, error));
    return check_numbers(settings, error);
}

/* Beyond its positions a model computes numbers that mean nothing. */
static pbt_code check_positions(const pbt_config *config, const pbt_example *example, size_t index,
                                pbt_error *error) {
    size_t longest = example->chosen.count > example->rejected.count ? example->chosen.count
                                                                     : example->rejected.count,
           length = example->prompt.count + longest;
    if (length <= (size_t)pbt_config_positions(config)) return PBT_OK;
    char line[48] = "";
    if (example->line) snprintf(line, sizeof line, " (line %zu)", example->line);
    return pbt_fail(error, PBT_BAD_INPUT,
                    "example %zu%s takes %zu tokens, but the model has positions for %" PRId64
                    " only; with max_length %" PRId64 " such examples are left out and listed",
                    index + 1, line, length, pbt_config_positions(config), pbt_config_positions(config));
}

pbt_code pbt_example_check(const pbt_trainer *trainer, const pbt_example *example, size_t index,
                           pbt_error *error) {
    bool preference = trainer->settings.objective == PBT_DPO;
    if (pbt_example_targets(example) < 1 || (preference && example->rejected.count == 0))
        return pbt_fail(error, PBT_BAD_INPUT,
                        "example %zu has no token that carries loss; every completion needs at least one",
                        index + 1);
    PBT_TRY(check_positions(&trainer->model->config, example, index, error));
    int32_t vocabulary = trainer->model->config.vocab_size;
    const pbt_ids *lists[] = {&example->prompt, &example->chosen, &example->rejected};
    for (int l = 0; l < 3; l++)
        for (size_t i = 0; i < lists[l]->count; i++)
            if (lists[l]->items[i] < 0 || lists[l]->items[i] >= vocabulary)
                return pbt_fail(error, PBT_BAD_INPUT,
                                "example %zu has token id %d, but the model's vocabulary has %d entries; the "
                                "tokenizer does not belong to this model",
                                index + 1, lists[l]->items[i], vocabulary);
    return PBT_OK;
}

static pbt_code check_evaluations(const pbt_trainer *trainer, pbt_error *error) {
    const pbt_dataset *dataset = trainer->eval_dataset;
    bool wanted = trainer->settings.eval_strategy != PBT_EVAL_NO;
    if (wanted && (!dataset || dataset->count == 0))
        return pbt_fail(error, PBT_USAGE, "eval_strategy needs an eval_dataset with examples");
    if (trainer->settings.load_best_model_at_end && (!wanted || !trainer->folder))
        return pbt_fail(error, PBT_USAGE,
                        "load_best_model_at_end needs evaluations: give eval_dataset and eval_strategy");
    if (trainer->settings.load_best_model_at_end) PBT_TRY(pbt_best_check(trainer, error));
    for (size_t i = 0; wanted && i < dataset->count; i++)
        PBT_TRY(pbt_example_check(trainer, &dataset->items[i], i, error));
    return PBT_OK;
}

pbt_code pbt_trainer_check(const pbt_trainer *trainer, pbt_error *error) {
    PBT_TRY(pbt_train_settings_check(&trainer->settings, error));
    PBT_TRY(check_evaluations(trainer, error));
    if (trainer->next_batch) {
        if (trainer->settings.max_steps <= 0)
            return pbt_fail(error, PBT_USAGE, "data made as training goes has no epochs; give max_steps");
        return PBT_OK;
    }
    if (!trainer->dataset || trainer->dataset->count == 0)
        return pbt_fail(error, PBT_BAD_INPUT, "the dataset has no examples to train on");
    if (trainer->dataset->count > UINT32_MAX)
        return pbt_fail(error, PBT_BAD_INPUT, "the dataset has %zu examples; at most %u are possible",
                        trainer->dataset->count, UINT32_MAX);
    for (size_t i = 0; i < trainer->dataset->count; i++)
        PBT_TRY(pbt_example_check(trainer, &trainer->dataset->items[i], i, error));
    return PBT_OK;
}
