/*
 * The options of `pbt sft` and `pbt dpo` as settings of the trainer: checks, older names, warnings.
 */
#include "cli/train_command.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

pbt_code pbt_option_to_int32(const char *name, int64_t value, int64_t least, int32_t *out, pbt_error *error) {
    if (value < least || value > INT32_MAX)
        return pbt_fail(error, PBT_USAGE, "--%s is %" PRId64 "; expected a number from %" PRId64 " to %d",
                        name, value, least, INT32_MAX);
    *out = (int32_t)value;
    return PBT_OK;
}

/* ---- lists: given several times, or with commas ---- */

/* Calls `take` for every part of every value. */
static pbt_code each_part(const pbt_strings *list, pbt_code (*take)(void *, const char *, pbt_error *),
                          void *user, pbt_error *error) {
    for (size_t i = 0; i < list->count; i++)
        for (const char *p = list->items[i]; p; p = strchr(p, ',') ? strchr(p, ',') + 1 : NULL) {
            char part[64];
            size_t length = strcspn(p, ",");
            if (length >= sizeof part)
                return pbt_fail(error, PBT_USAGE, "\"%.60s...\" is too long for a value of a list", p);
            memcpy(part, p, length);
            part[length] = '\0';
            PBT_TRY(take(user, part, error));
        }
    return PBT_OK;
}

typedef struct name_list {
    char items[PBT_LOSS_TYPES + 1][64];
    const char *pointers[PBT_LOSS_TYPES + 1];
    size_t count;
} name_list;

static pbt_code take_name(void *user, const char *part, pbt_error *error) {
    name_list *list = user;
    if (list->count > PBT_LOSS_TYPES)
        return pbt_fail(error, PBT_USAGE, "--loss_type has more than %d names", PBT_LOSS_TYPES);
    snprintf(list->items[list->count], sizeof *list->items, "%s", part); /* each_part: shorter than 64 */
    list->pointers[list->count] = list->items[list->count];
    list->count++;
    return PBT_OK;
}

typedef struct number_list {
    double items[PBT_LOSS_TYPES + 1];
    size_t count;
} number_list;

static pbt_code to_number(const char *name, const char *text, double *number, pbt_error *error) {
    char *end;
    *number = strtod(text, &end);
    if (end != text && !*end) return PBT_OK;
    return pbt_fail(error, PBT_USAGE, "option --%s: expected a number, found \"%.60s\"", name, text);
}

static pbt_code take_number(void *user, const char *part, pbt_error *error) {
    number_list *list = user;
    if (list->count > PBT_LOSS_TYPES)
        return pbt_fail(error, PBT_USAGE, "--loss_weights has more than %d numbers", PBT_LOSS_TYPES);
    return to_number("loss_weights", part, &list->items[list->count++], error);
}

static pbt_code make_loss(const pbt_training_options *o, pbt_train_settings *s, pbt_error *error) {
    name_list names = {.count = 0};
    number_list weights = {.count = 0};
    PBT_TRY(each_part(&o->loss_type, take_name, &names, error));
    PBT_TRY(each_part(&o->loss_weights, take_number, &weights, error));
    if (names.count > 0) PBT_TRY(pbt_loss_mix_set_types(&s->loss, names.pointers, names.count, error));
    PBT_TRY(pbt_loss_mix_set_weights(&s->loss, weights.items, weights.count, error));
    return pbt_loss_mix_check(&s->loss, error);
}

/* ---- older names and names without effect ---- */

static void warn_old(const pbt_cli *cli, const char *name, bool given, const char *instead) {
    if (given) pbt_monitor_message(cli->monitor, 0, "--%s has no effect here: %s", name, instead);
}

#define WARN_STRING(name, instead) warn_old(cli, #name, o->old.name != NULL, instead)
#define WARN_FLAG(name, instead)   warn_old(cli, #name, o->old.name, instead)
static void warn_old_options(const pbt_cli *cli, const pbt_training_options *o) {
    static const char *const not_needed = "training does not need this option";
    WARN_STRING(max_prompt_length, "only max_length counts, and longer examples are left out");
    WARN_STRING(max_completion_length, "only max_length counts, and longer examples are left out");
    WARN_STRING(truncation_mode, "nothing is truncated; longer examples are left out");
    WARN_STRING(ref_adapter_name, "the reference is the model with --adapter as given");
    WARN_STRING(model_adapter_name, "the trained adapter is the one of --adapter");
    WARN_STRING(optim, "the optimizer is AdamW, the same as torch's adamw_torch");
    WARN_STRING(attn_implementation, not_needed);
    WARN_STRING(save_strategy, "use --save_steps");
    WARN_STRING(logging_strategy, "use --logging_steps");
    WARN_STRING(dataset_num_proc, not_needed);
    WARN_STRING(dataloader_num_workers, not_needed);
    WARN_STRING(save_total_limit, "one checkpoint is kept");
    WARN_STRING(run_name, not_needed);
    WARN_STRING(precompute_ref_batch_size, not_needed);
    WARN_STRING(label_pad_token_id, "there is never any padding");
    WARN_STRING(padding_value, "there is never any padding");
    WARN_FLAG(generate_during_eval, "evaluation scores given completions; use pbt generate");
    WARN_FLAG(reference_free, "there is always a reference");
    WARN_FLAG(force_use_ref_model, "the reference is the model with --adapter as given");
    WARN_FLAG(is_encoder_decoder, "only decoder models are trained");
    WARN_FLAG(packing, "examples share passes already, without padding");
    WARN_FLAG(padding_free, "there is never any padding");
    WARN_FLAG(gradient_checkpointing, not_needed);
    WARN_FLAG(bf16, "activations are float32; --dtype sets the frozen weights' type");
    WARN_FLAG(fp16, "activations are float32; --dtype sets the frozen weights' type");
    WARN_FLAG(use_liger_kernel, not_needed);
    WARN_FLAG(group_by_length, "there is never any padding");
    WARN_FLAG(remove_unused_columns, not_needed);
}

/* Older names that still say something. */
static pbt_code take_old_options(const pbt_cli *cli, const pbt_training_options *o, pbt_train_settings *s,
                                 pbt_error *error) {
    double number;
    if (o->old.warmup_ratio) {
        PBT_TRY(to_number("warmup_ratio", o->old.warmup_ratio, &number, error));
        pbt_monitor_message(cli->monitor, 0, "--warmup_ratio is an old name: use --warmup_steps %g", number);
        if (s->warmup_steps == 0) s->warmup_steps = number;
    }
    if (o->old.rpo_alpha) {
        PBT_TRY(to_number("rpo_alpha", o->old.rpo_alpha, &number, error));
        pbt_monitor_message(cli->monitor, 0,
                            "--rpo_alpha is an old name: use --loss_type sigmoid,sft --loss_weights 1,%g",
                            number);
        s->sft_weight += number;
    }
    if (o->old.torch_dtype)
        pbt_monitor_message(cli->monitor, 0, "--torch_dtype is an old name: use --dtype %s",
                            o->old.torch_dtype);
    if (o->old.dataset_name && !o->dataset)
        pbt_monitor_message(cli->monitor, 0, "--dataset_name is taken as --dataset %s, a file",
                            o->old.dataset_name);
    return PBT_OK;
}

/* ---- settings ---- */

static pbt_code check_options(const pbt_training_options *o, pbt_error *error) {
    if (!o->model_name_or_path)
        return pbt_fail(error, PBT_USAGE, "--model_name_or_path is missing: the model to train");
    if (!o->dataset && !o->old.dataset_name)
        return pbt_fail(error, PBT_USAGE, "--dataset is missing: a JSONL file in one of TRL's forms");
    if (!o->output_dir && !o->dry_run)
        return pbt_fail(error, PBT_USAGE, "--output_dir is missing: the folder for the result");
    if (o->full && (o->adapter || o->frozen_adapter || o->load_in_4bit || o->load_in_8bit))
        return pbt_fail(error, PBT_USAGE, "--full trains all weights in float32; it cannot go with --%s",
                        o->adapter          ? "adapter"
                        : o->frozen_adapter ? "frozen_adapter"
                        : o->load_in_4bit   ? "load_in_4bit"
                                            : "load_in_8bit");
    if (o->max_length < 1 || o->max_length > INT32_MAX)
        return pbt_fail(error, PBT_USAGE, "--max_length is %" PRId64 "; expected a positive number of tokens",
                        o->max_length);
    return PBT_OK;
}

static pbt_code make_evaluations(const pbt_cli *cli, const pbt_training_options *o, pbt_train_settings *s,
                                 pbt_error *error) {
    const char *strategy = o->eval_strategy ? o->eval_strategy : o->eval_dataset ? "steps" : "no";
    s->eval_strategy = strcmp(strategy, "steps") == 0   ? PBT_EVAL_STEPS
                       : strcmp(strategy, "epoch") == 0 ? PBT_EVAL_EPOCH
                                                        : PBT_EVAL_NO;
    if (s->eval_strategy != PBT_EVAL_NO && !o->eval_dataset)
        return pbt_fail(error, PBT_USAGE, "--eval_strategy %s needs --eval_dataset", strategy);
    if (s->eval_strategy == PBT_EVAL_NO && o->eval_dataset)
        pbt_monitor_message(cli->monitor, 0, "--eval_dataset has no effect with --eval_strategy no");
    s->load_best_model_at_end = o->load_best_model_at_end;
    if (!(o->eval_steps >= 0 && o->eval_steps < 1e15))
        return pbt_fail(error, PBT_USAGE, "--eval_steps is %g; it must not be negative", o->eval_steps);
    s->eval_steps = o->eval_steps >= 1 ? (int64_t)o->eval_steps : o->logging_steps;
    if (strcmp(o->report_to, "none") != 0 && !strstr(o->report_to, "tensorboard") &&
        strcmp(o->report_to, "all") != 0)
        pbt_monitor_message(
            cli->monitor, 0,
            "--report_to %s: only tensorboard and none are known; metrics go to metrics.jsonl "
            "and TensorBoard's event file",
            o->report_to);
    return pbt_option_to_int32("per_device_eval_batch_size", o->per_device_eval_batch_size, 1,
                               &s->per_device_eval_batch_size, error);
}

static pbt_code make_counts(const pbt_training_options *o, pbt_train_settings *s, pbt_error *error) {
    if (o->seed < 0)
        return pbt_fail(error, PBT_USAGE, "--seed is %" PRId64 "; it must not be negative", o->seed);
    s->seed = (uint64_t)o->seed;
    PBT_TRY(pbt_option_to_int32("per_device_train_batch_size", o->per_device_train_batch_size, 1,
                                &s->per_device_train_batch_size, error));
    PBT_TRY(pbt_option_to_int32("gradient_accumulation_steps", o->gradient_accumulation_steps, 1,
                                &s->gradient_accumulation_steps, error));
    PBT_TRY(pbt_option_to_int32("max_rows", o->max_rows, 0, &s->max_rows, error));
    s->num_train_epochs = o->num_train_epochs;
    s->max_steps = o->max_steps;
    s->logging_steps = o->logging_steps;
    s->save_steps = o->save_steps;
    return PBT_OK;
}

pbt_code pbt_training_settings_make(const pbt_cli *cli, const pbt_training_options *o,
                                    pbt_objective objective, pbt_train_settings *s, pbt_error *error) {
    *s = pbt_train_settings_default(objective);
    warn_old_options(cli, o);
    PBT_TRY(check_options(o, error));
    PBT_TRY(make_counts(o, s, error));
    PBT_TRY(make_evaluations(cli, o, s, error));
    s->learning_rate = o->learning_rate;
    PBT_TRY(pbt_schedule_parse(o->lr_scheduler_type, &s->lr_scheduler_type, error));
    s->warmup_steps = o->warmup_steps;
    s->min_lr_ratio = o->min_lr_ratio;
    s->weight_decay = o->weight_decay;
    s->adam_beta1 = o->adam_beta1;
    s->adam_beta2 = o->adam_beta2;
    s->adam_epsilon = o->adam_epsilon;
    s->max_grad_norm = o->max_grad_norm;
    s->sequential = strcmp(o->train_sampling_strategy, "sequential") == 0;
    s->group_trees = strcmp(o->train_sampling_strategy, "group_by_tree") == 0;
    s->share_prefixes = o->share_prefixes;
    if (objective == PBT_DPO) {
        s->beta = o->beta;
        s->label_smoothing = o->label_smoothing;
        s->sft_weight = o->sft_weight;
        s->disable_dropout = o->disable_dropout;
        PBT_TRY(make_loss(o, s, error));
    }
    PBT_TRY(take_old_options(cli, o, s, error));
    return pbt_train_settings_check(s, error);
}
