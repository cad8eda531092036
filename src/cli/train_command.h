/*
 * What `pbt sft` and `pbt dpo` have in common: TRL's options, and the way from them to a trained folder.
 */
#ifndef PBT_CLI_TRAIN_COMMAND_H
#define PBT_CLI_TRAIN_COMMAND_H

#include "cli/command.h"
#include "train/trainer.h"

typedef struct pbt_training_options {
    const char *frozen_adapter, *model_name_or_path, *dataset, *output_dir, *adapter, *dtype, *date_string;
    bool full, load_in_4bit, load_in_8bit, use_bnb_nested_quant, dry_run, overwrite_output_dir;
    bool show_tokens;
    const char *bnb_4bit_quant_type;
    int64_t seed, per_device_train_batch_size, gradient_accumulation_steps, max_steps, logging_steps,
        save_steps, max_length, max_rows, lora_r;
    double num_train_epochs, learning_rate, warmup_steps, min_lr_ratio, weight_decay, adam_beta1, adam_beta2,
        adam_epsilon, max_grad_norm, lora_alpha, lora_dropout;
    const char *lr_scheduler_type, *train_sampling_strategy;
    const char *eval_dataset, *eval_strategy, *metric_for_best_model, *greater_is_better, *report_to;
    double eval_steps;
    int64_t per_device_eval_batch_size;
    bool load_best_model_at_end;
    pbt_strings lora_target_modules;
    bool use_rslora, share_prefixes;
    /* sft */
    bool completion_only_loss, assistant_only_loss;
    const char *dataset_text_field;
    /* dpo */
    double beta, label_smoothing, sft_weight;
    pbt_strings loss_type, loss_weights;
    bool precompute_ref_log_probs, disable_dropout;
    const char *export_ref_log_probs;
    /* Options of TRL's that say nothing here or have another name now: read, and warned about. */
    struct {
        const char *warmup_ratio, *max_prompt_length, *max_completion_length, *truncation_mode, *rpo_alpha,
            *ref_adapter_name, *model_adapter_name, *torch_dtype, *dataset_name, *optim, *attn_implementation,
            *save_strategy, *logging_strategy, *dataset_num_proc, *dataloader_num_workers, *save_total_limit,
            *run_name, *precompute_ref_batch_size, *label_pad_token_id, *padding_value;
        bool generate_during_eval, reference_free, force_use_ref_model, is_encoder_decoder, packing,
            padding_free, gradient_checkpointing, bf16, fp16, use_peft, use_liger_kernel, group_by_length,
            remove_unused_columns;
    } old;
} pbt_training_options;

/* Settings of the trainer from the options; warns of old names and of those without effect. */
pbt_code pbt_training_settings_make(const pbt_cli *cli, const pbt_training_options *options,
                                    pbt_objective objective, pbt_train_settings *settings, pbt_error *error);
pbt_code pbt_option_to_int32(const char *name, int64_t value, int64_t least, int32_t *out, pbt_error *error);

pbt_code pbt_training_command_run(const pbt_cli *cli, const pbt_training_options *options,
                                  pbt_objective objective, pbt_error *error);

#define PBT_TRAINING_OPTION(field, type_, value, initial_, help_)                                            \
    {                                                                                                        \
        .name = #field, .type = type_, .offset = offsetof(pbt_training_options, field), .value_name = value, \
        .initial = initial_, .help = help_                                                                   \
    }
#define PBT_TRAINING_CHOICE(field, initial_, choices_, help_)                                                \
    {                                                                                                        \
        .name = #field, .type = PBT_OPTION_STRING, .offset = offsetof(pbt_training_options, field),          \
        .value_name = "NAME", .initial = initial_, .help = help_, .choices = choices_                        \
    }
#define PBT_TRAINING_OLD(field, type_, value)                                                                \
    {                                                                                                        \
        .name = #field, .type = type_, .offset = offsetof(pbt_training_options, old.field),                  \
        .value_name = value, .help = "accepted for compatibility with TRL, with a warning"                   \
    }

#define PBT_TRAINING_STRING(field, initial, help)                                                            \
    PBT_TRAINING_OPTION(field, PBT_OPTION_STRING, "TEXT", initial, help)
#define PBT_TRAINING_INTEGER(field, initial, help)                                                           \
    PBT_TRAINING_OPTION(field, PBT_OPTION_INTEGER, "N", initial, help)
#define PBT_TRAINING_NUMBER(field, initial, help)                                                            \
    PBT_TRAINING_OPTION(field, PBT_OPTION_NUMBER, "X", initial, help)
#define PBT_TRAINING_FLAG(field, initial, help)                                                              \
    PBT_TRAINING_OPTION(field, PBT_OPTION_FLAG, NULL, initial, help)

/* The options of both commands; `learning_rate` is the one default that differs. */
#define PBT_TRAINING_OPTIONS(learning_rate_)                                                                 \
    PBT_TRAINING_OPTION(model_name_or_path, PBT_OPTION_STRING, "DIR", NULL, "folder of the model"),          \
        PBT_TRAINING_OPTION(dataset, PBT_OPTION_STRING, "FILE", NULL, "training data, TRL's JSONL"),         \
        PBT_TRAINING_OPTION(output_dir, PBT_OPTION_STRING, "DIR", NULL,                                      \
                            "where adapter, metrics.jsonl and checkpoint go"),                               \
        PBT_TRAINING_OPTION(adapter, PBT_OPTION_STRING, "DIR", NULL,                                         \
                            "continue training this PEFT adapter (its rank, alpha, dropout and targets); "   \
                            "DIR:NAME where the folder holds several"),                                      \
        PBT_TRAINING_OPTION(frozen_adapter, PBT_OPTION_STRING, "DIR", NULL,                                  \
                            "PEFT adapter kept frozen below the trained one, in dpo part of the reference; " \
                            "the sum of both is written"),                                                   \
        PBT_TRAINING_FLAG(full, NULL, "train all weights instead of an adapter; writes a model folder"),     \
        PBT_TRAINING_CHOICE(dtype, "float32", "auto|float32|float16|bfloat16",                               \
                            "type of the frozen weights"),                                                   \
        PBT_TRAINING_FLAG(load_in_4bit, NULL, "quantise the frozen weights to 4 bits (QLoRA)"),              \
        PBT_TRAINING_CHOICE(bnb_4bit_quant_type, "nf4", "nf4|fp4", "4-bit data type"),                       \
        PBT_TRAINING_FLAG(load_in_8bit, NULL, "quantise the frozen weights to int8, one scale per row"),     \
        PBT_TRAINING_FLAG(use_bnb_nested_quant, NULL, "quantise the 4-bit scales too"),                      \
        PBT_TRAINING_INTEGER(seed, "42", "seed seed of data order, new adapter and dropout"),                \
        PBT_TRAINING_INTEGER(per_device_train_batch_size, "8", "examples per micro-batch"),                  \
        PBT_TRAINING_INTEGER(gradient_accumulation_steps, "1", "micro-batches per optimizer step"),          \
        PBT_TRAINING_NUMBER(num_train_epochs, "3", "passes over the data"),                                  \
        PBT_TRAINING_INTEGER(max_steps, "-1", "optimizer steps; above 0 it replaces num_train_epochs"),      \
        PBT_TRAINING_NUMBER(learning_rate, learning_rate_, "peak learning rate of AdamW"),                   \
        PBT_TRAINING_CHOICE(lr_scheduler_type, "linear", "linear|cosine|constant|constant_with_warmup",      \
                            "learning-rate schedule"),                                                       \
        PBT_TRAINING_NUMBER(warmup_steps, "0", "steps of warm-up; below 1: a share of all steps"),           \
        PBT_TRAINING_NUMBER(min_lr_ratio, "0", "floor of linear and cosine, as a share of learning_rate"),   \
        PBT_TRAINING_NUMBER(weight_decay, "0", "weight decay of AdamW, on matrices"),                        \
        PBT_TRAINING_NUMBER(adam_beta1, "0.9", "of AdamW"),                                                  \
        PBT_TRAINING_NUMBER(adam_beta2, "0.999", "of AdamW"),                                                \
        PBT_TRAINING_NUMBER(adam_epsilon, "1e-8", "of AdamW"),                                               \
        PBT_TRAINING_NUMBER(max_grad_norm, "1", "gradients are clipped to this norm; 0: never"),             \
        PBT_TRAINING_CHOICE(train_sampling_strategy, "random", "random|sequential|group_by_tree",            \
                            "shuffle every epoch, keep the order of the file, or shuffle trees (the rows' "  \
                            "\"tree\") as a whole so that more tokens are shared"),                          \
        PBT_TRAINING_INTEGER(logging_steps, "10", "steps between lines of metrics.jsonl"),                   \
        PBT_TRAINING_INTEGER(save_steps, "500", "steps between checkpoints; 0: only at the end"),            \
        PBT_TRAINING_OPTION(eval_dataset, PBT_OPTION_STRING, "FILE", NULL,                                   \
                            "data to evaluate on during training; never trained on"),                        \
        PBT_TRAINING_CHOICE(eval_strategy, NULL, "no|steps|epoch",                                           \
                            "when to evaluate; steps if there is an eval_dataset"),                          \
        PBT_TRAINING_NUMBER(eval_steps, "0",                                                                 \
                            "steps between evaluations; below 1: a share of all steps; 0: logging_steps"),   \
        PBT_TRAINING_INTEGER(per_device_eval_batch_size, "8", "examples per batch in evaluations"),          \
        PBT_TRAINING_FLAG(load_best_model_at_end, NULL,                                                      \
                          "keep what was best in the evaluations instead of the last step"),                 \
        PBT_TRAINING_STRING(                                                                                 \
            metric_for_best_model, "loss",                                                                   \
            "metric that decides metric that decides what is best: loss, rewards/accuracies, ..."),          \
        PBT_TRAINING_CHOICE(greater_is_better, NULL, "true|false|True|False",                                \
                            "whether higher is better; false for a loss, else true"),                        \
        PBT_TRAINING_STRING(report_to, "tensorboard",                                                        \
                            "tensorboard: an event file beside metrics.jsonl; none: only that"),             \
        PBT_TRAINING_INTEGER(max_length, "1024",                                                             \
                             "longest prompt + completion in tokens; longer examples are left out"),         \
        PBT_TRAINING_INTEGER(lora_r, "16", "rank of a new adapter"),                                         \
        PBT_TRAINING_NUMBER(lora_alpha, "32", "scale of a new adapter is alpha / r"),                        \
        PBT_TRAINING_NUMBER(lora_dropout, "0.05", "dropout of a new adapter"),                               \
        PBT_TRAINING_OPTION(lora_target_modules, PBT_OPTION_LIST, "NAMES", NULL,                             \
                            "all-linear (the default), or q_proj,k_proj,..."),                               \
        PBT_TRAINING_FLAG(use_rslora, NULL, "scale a new adapter by alpha / sqrt(r)"),                       \
        PBT_TRAINING_FLAG(share_prefixes, "true", "compute tokens that examples share only once"),           \
        PBT_TRAINING_INTEGER(max_rows, "0",                                                                  \
                             "tokens per forward and backward pass; 0: chosen automatically"),               \
        PBT_TRAINING_STRING(date_string, NULL, "date for chat templates that print one"),                    \
        PBT_TRAINING_FLAG(dry_run, NULL, "print steps, tokens and memory, and stop"),                        \
        PBT_TRAINING_FLAG(show_tokens, NULL, "print the first two examples: ids, pieces, which carry loss"), \
        PBT_TRAINING_FLAG(overwrite_output_dir, NULL,                                                        \
                          "start over, whatever checkpoint is there, and write into output_dir even if it "  \
                          "holds other files")

#define PBT_TRAINING_OLD_STRING(field) PBT_TRAINING_OLD(field, PBT_OPTION_STRING, "TEXT")
#define PBT_TRAINING_OLD_FLAG(field)   PBT_TRAINING_OLD(field, PBT_OPTION_FLAG, NULL)
#define PBT_TRAINING_OLD_OPTIONS                                                                             \
    PBT_TRAINING_OLD_STRING(warmup_ratio), PBT_TRAINING_OLD_STRING(truncation_mode),                         \
        PBT_TRAINING_OLD_STRING(torch_dtype), PBT_TRAINING_OLD_STRING(dataset_name),                         \
        PBT_TRAINING_OLD_STRING(optim), PBT_TRAINING_OLD_STRING(attn_implementation),                        \
        PBT_TRAINING_OLD_STRING(save_strategy), PBT_TRAINING_OLD_STRING(logging_strategy),                   \
        PBT_TRAINING_OLD_STRING(dataset_num_proc), PBT_TRAINING_OLD_STRING(dataloader_num_workers),          \
        PBT_TRAINING_OLD_STRING(save_total_limit), PBT_TRAINING_OLD_STRING(run_name),                        \
        PBT_TRAINING_OLD_FLAG(padding_free), PBT_TRAINING_OLD_FLAG(gradient_checkpointing),                  \
        PBT_TRAINING_OLD_FLAG(bf16), PBT_TRAINING_OLD_FLAG(fp16), PBT_TRAINING_OLD_FLAG(use_peft),           \
        PBT_TRAINING_OLD_FLAG(use_liger_kernel), PBT_TRAINING_OLD_FLAG(group_by_length),                     \
        PBT_TRAINING_OLD_FLAG(remove_unused_columns)

#endif
