/*
 * From the options of `pbt sft` and `pbt dpo` to a trained folder: opening model, adapter and data, running
 * the trainer, and writing what it leaves.
 */
#include "cli/training.h"

#include "base/file.h"
#include "base/text.h"
#include "train/output.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct training_job {
    const pbt_cli *cli;
    const pbt_training_options *options;
    pbt_trainer trainer;
    pbt_dataset dataset;
    pbt_tokenizer *tokenizer;
    pbt_chat_template *chat;
} training_job;

/* ---- options ---- */

static pbt_code to_int32(const char *name, int64_t value, int64_t least, int32_t *out, pbt_error *error) {
    if (value < least || value > INT32_MAX)
        return pbt_fail(error, PBT_USAGE, "--%s is %" PRId64 "; expected a number from %" PRId64 " to %d",
                        name, value, least, INT32_MAX);
    *out = (int32_t)value;
    return PBT_OK;
}

static pbt_code make_settings(const pbt_training_options *o, pbt_objective objective, pbt_train_settings *s,
                              pbt_error *error) {
    *s = pbt_train_settings_default(objective);
    if (o->seed < 0)
        return pbt_fail(error, PBT_USAGE, "--seed is %" PRId64 "; it must not be negative", o->seed);
    s->seed = (uint64_t)o->seed;
    PBT_TRY(to_int32("per_device_train_batch_size", o->per_device_train_batch_size, 1,
                     &s->per_device_train_batch_size, error));
    PBT_TRY(to_int32("gradient_accumulation_steps", o->gradient_accumulation_steps, 1,
                     &s->gradient_accumulation_steps, error));
    PBT_TRY(to_int32("max_rows", o->max_rows, 0, &s->max_rows, error));
    s->num_train_epochs = o->num_train_epochs;
    s->max_steps = o->max_steps;
    s->learning_rate = o->learning_rate;
    PBT_TRY(pbt_schedule_parse(o->lr_scheduler_type, &s->lr_scheduler_type, error));
    s->warmup_steps = o->warmup_steps;
    s->min_lr_ratio = o->min_lr_ratio;
    s->weight_decay = o->weight_decay;
    s->adam_beta1 = o->adam_beta1;
    s->adam_beta2 = o->adam_beta2;
    s->adam_epsilon = o->adam_epsilon;
    s->max_grad_norm = o->max_grad_norm;
    s->logging_steps = o->logging_steps;
    s->save_steps = o->save_steps;
    s->sequential = strcmp(o->train_sampling_strategy, "sequential") == 0;
    s->group_trees = strcmp(o->train_sampling_strategy, "group_by_tree") == 0;
    s->share_prefixes = o->share_prefixes;
    if (objective != PBT_DPO) return PBT_OK;
    s->beta = o->beta;
    s->label_smoothing = o->label_smoothing;
    s->sft_weight = o->sft_weight;
    s->disable_dropout = o->disable_dropout;
    return pbt_loss_type_parse(o->loss_type, &s->loss_type, error);
}

static void warn_old(const pbt_cli *cli, const char *name, bool given, const char *instead) {
    if (given) pbt_monitor_message(cli->monitor, 0, "--%s has no effect here: %s", name, instead);
}

#define WARN_STRING(name, instead) warn_old(cli, #name, o->old.name != NULL, instead)
#define WARN_FLAG(name, instead)   warn_old(cli, #name, o->old.name, instead)
static void warn_old_options(const pbt_cli *cli, const pbt_training_options *o) {
    static const char *const not_needed = "training needs no such setting";
    WARN_STRING(max_prompt_length, "only max_length counts, and longer examples are left out");
    WARN_STRING(max_completion_length, "only max_length counts, and longer examples are left out");
    WARN_STRING(truncation_mode, "nothing is truncated; longer examples are left out");
    WARN_STRING(rpo_alpha, "use --sft_weight");
    WARN_STRING(warmup_ratio, "use --warmup_steps with a share below 1");
    WARN_STRING(ref_adapter_name, "the reference is the model under --adapter as it was");
    WARN_STRING(torch_dtype, "use --dtype");
    WARN_STRING(dataset_name, "use --dataset with a file");
    WARN_STRING(dataset_text_field, "plain text is read from the field \"text\"");
    WARN_STRING(optim, "the optimizer is AdamW as torch's adamw_torch");
    WARN_STRING(report_to, "metrics go to output_dir/metrics.jsonl");
    WARN_STRING(attn_implementation, not_needed);
    WARN_STRING(eval_strategy, "there is no evaluation during training");
    WARN_STRING(save_strategy, "use --save_steps");
    WARN_STRING(logging_strategy, "use --logging_steps");
    WARN_STRING(dataset_num_proc, not_needed);
    WARN_STRING(dataloader_num_workers, not_needed);
    WARN_STRING(save_total_limit, "one checkpoint is kept");
    WARN_STRING(run_name, not_needed);
    WARN_STRING(precompute_ref_batch_size, not_needed);
    WARN_FLAG(generate_during_eval, "there is no evaluation during training");
    WARN_FLAG(reference_free, "there always is a reference");
    WARN_FLAG(packing, "examples share passes already, without padding");
    WARN_FLAG(padding_free, "there never is padding");
    WARN_FLAG(gradient_checkpointing, not_needed);
    WARN_FLAG(bf16, "activations are float32; --dtype sets the frozen weights' type");
    WARN_FLAG(fp16, "activations are float32; --dtype sets the frozen weights' type");
    WARN_FLAG(use_liger_kernel, not_needed);
    WARN_FLAG(group_by_length, "there never is padding");
    WARN_FLAG(remove_unused_columns, not_needed);
}

static pbt_code check_options(const pbt_training_options *o, pbt_error *error) {
    if (!o->model_name_or_path)
        return pbt_fail(error, PBT_USAGE, "--model_name_or_path is missing: the model to train");
    if (!o->dataset)
        return pbt_fail(error, PBT_USAGE, "--dataset is missing: a JSONL file in one of TRL's forms");
    if (!o->output_dir && !o->dry_run)
        return pbt_fail(error, PBT_USAGE, "--output_dir is missing: the folder for the result");
    if (o->full && (o->adapter || o->load_in_4bit))
        return pbt_fail(error, PBT_USAGE, "--full trains all weights in float32; it cannot go with --%s",
                        o->adapter ? "adapter" : "load_in_4bit");
    if (o->max_length < 1 || o->max_length > INT32_MAX)
        return pbt_fail(error, PBT_USAGE, "--max_length is %" PRId64 "; expected a positive number of tokens",
                        o->max_length);
    return PBT_OK;
}

/* ---- model, adapter, data ---- */

static pbt_dtype dtype_of(const pbt_training_options *o) {
    if (o->load_in_4bit) return strcmp(o->bnb_4bit_quant_type, "fp4") == 0 ? PBT_FP4 : PBT_NF4;
    if (o->full || strcmp(o->dtype, "float32") == 0) return PBT_F32;
    if (strcmp(o->dtype, "float16") == 0) return PBT_F16;
    return strcmp(o->dtype, "bfloat16") == 0 ? PBT_BF16 : PBT_DTYPES;
}

static pbt_code new_adapter(const training_job *job, pbt_adapter **adapter, pbt_error *error) {
    const pbt_training_options *o = job->options;
    pbt_adapter_settings settings = {
        .alpha = o->lora_alpha, .dropout = o->lora_dropout, .rslora = o->use_rslora};
    PBT_TRY(to_int32("lora_r", o->lora_r, 1, &settings.r, error));
    if (!(o->lora_dropout >= 0 && o->lora_dropout < 1))
        return pbt_fail(error, PBT_USAGE, "--lora_dropout is %g; expected 0 <= lora_dropout < 1",
                        o->lora_dropout);
    pbt_text targets = {0};
    for (size_t i = 0; i < o->lora_target_modules.count; i++)
        pbt_text_addf(&targets, "%s%s", i > 0 ? "," : "", o->lora_target_modules.items[i]);
    pbt_code code = targets.failed ? pbt_fail_memory(error, targets.length, "lora_target_modules")
                                   : pbt_adapter_targets(targets.length > 0 ? targets.data : "all-linear",
                                                         settings.targets, error);
    pbt_text_free(&targets);
    if (code != PBT_OK) return code;
    pbt_key key = pbt_key_named(pbt_key_of_seed((uint64_t)o->seed), "lora");
    return pbt_adapter_create(job->trainer.model, &settings, key, adapter, error);
}

static pbt_code open_model(training_job *job, pbt_error *error) {
    const pbt_training_options *o = job->options;
    pbt_model_options options = {
        .dtype = dtype_of(o), .nested_quantization = o->use_bnb_nested_quant, .writable = o->full};
    PBT_TRY(pbt_model_open(o->model_name_or_path, &options, pbt_ops_cpu(), &job->trainer.model, error));
    if (o->full) return PBT_OK;
    if (o->adapter) return pbt_adapter_open(o->adapter, job->trainer.model, &job->trainer.adapter, error);
    return new_adapter(job, &job->trainer.adapter, error);
}

/* A folder without a template will do for rows without messages. */
static pbt_code open_data(training_job *job, bool preference, pbt_error *error) {
    const pbt_training_options *o = job->options;
    pbt_error no_template;
    PBT_TRY(pbt_tokenizer_open(o->model_name_or_path, &job->tokenizer, error));
    if (pbt_chat_template_open(o->model_name_or_path, job->tokenizer, o->date_string, &job->chat,
                               &no_template) != PBT_OK) {
        job->chat = NULL;
        pbt_monitor_message(job->cli->monitor, 2, "no chat template: %s", no_template.message);
    }
    job->dataset.assistant_only_loss = o->assistant_only_loss;
    job->dataset.whole_text_loss = !preference && !o->completion_only_loss;
    pbt_code code = pbt_dataset_read(o->dataset, job->tokenizer, job->chat, preference,
                                     (int32_t)o->max_length, &job->dataset, error);
    if (code != PBT_OK && !job->chat && error && strstr(error->message, "no chat template"))
        *error = no_template; /* the rows have messages: why there is no template is the real trouble */
    if (code != PBT_OK) return code;
    if (job->dataset.dropped_long > 0)
        pbt_monitor_message(
            job->cli->monitor, 0,
            "%zu examples are longer than max_length (%" PRId64 " tokens) and left out: %.900s",
            job->dataset.dropped_long, o->max_length, pbt_text_string(&job->dataset.dropped_list));
    if (job->dataset.cut_prompts > 0)
        pbt_monitor_message(job->cli->monitor, 0,
                            "in %zu examples the tokens of the prompt are not the beginning of prompt and "
                            "completion together; the completion begins where they part",
                            job->dataset.cut_prompts);
    return PBT_OK;
}

/* ---- the work ---- */

static pbt_code print_plan(const training_job *job, pbt_error *error) {
    pbt_train_plan plan;
    PBT_TRY(pbt_train_plan_make(&job->trainer, &plan, error));
    if (job->cli->json) return pbt_cli_print_json(pbt_train_plan_json(&plan), error);
    pbt_text text = {0};
    pbt_train_plan_text(&plan, &text);
    fputs(pbt_text_string(&text), stdout);
    pbt_text_free(&text);
    return PBT_OK;
}

static pbt_code keep_last(void *user, int64_t step, const pbt_metrics *metrics, pbt_error *error) {
    (void)step, (void)error;
    *(pbt_metrics *)user = *metrics;
    return PBT_OK;
}

static pbt_code print_result(const training_job *job, int64_t steps, const pbt_metrics *last,
                             pbt_error *error) {
    if (!job->cli->json) {
        if (!job->cli->quiet)
            printf("%" PRId64 " steps; %s in %s\n", steps, job->trainer.adapter ? "adapter" : "model",
                   job->options->output_dir);
        return PBT_OK;
    }
    json_t *result = json_object();
    json_object_set_new(result, "output_dir", json_string(job->options->output_dir));
    json_object_set_new(result, "steps", json_integer(steps));
    if (last->step > 0) {
        json_object_set_new(result, "loss", json_real(last->loss));
        json_object_set_new(result, "num_tokens", json_integer(last->num_tokens));
        json_object_set_new(result, "unique_tokens", json_integer(last->unique_tokens));
    }
    return pbt_cli_print_json(result, error);
}

static pbt_code run_job(training_job *job, pbt_error *error) {
    const pbt_training_options *o = job->options;
    pbt_trainer *trainer = &job->trainer;
    pbt_metrics last = {0};
    PBT_TRY(open_data(job, trainer->settings.objective == PBT_DPO, error));
    PBT_TRY(open_model(job, error));
    trainer->dataset = &job->dataset;
    if (o->dry_run) return print_plan(job, error);
    trainer->folder = o->output_dir;
    trainer->resume = !o->overwrite_output_dir;
    trainer->after_step = keep_last;
    trainer->after_step_user = &last;
    trainer->monitor = job->cli->monitor;
    if (trainer->adapter)
        pbt_monitor_message(job->cli->monitor, 1, "adapter %s, hash %016" PRIx64,
                            o->adapter ? o->adapter : "new", pbt_adapter_hash(trainer->adapter));
    PBT_TRY(pbt_train(trainer, error));
    PBT_TRY(pbt_train_save(trainer, o->model_name_or_path, o->model_name_or_path, error));
    return print_result(job, pbt_train_steps(&trainer->settings, job->dataset.count), &last, error);
}

pbt_code pbt_training_command_run(const pbt_cli *cli, const pbt_training_options *options,
                                  pbt_objective objective, pbt_error *error) {
    training_job job = {.cli = cli, .options = options};
    warn_old_options(cli, options);
    PBT_TRY(check_options(options, error));
    PBT_TRY(make_settings(options, objective, &job.trainer.settings, error));
    pbt_code code = run_job(&job, error);
    pbt_dataset_free(&job.dataset);
    if (job.trainer.adapter) pbt_adapter_free(job.trainer.adapter);
    if (job.trainer.model) pbt_model_free(job.trainer.model);
    if (job.chat) pbt_chat_template_free(job.chat);
    if (job.tokenizer) pbt_tokenizer_free(job.tokenizer);
    return code;
}
