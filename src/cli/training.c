/*
 * From the options of `pbt sft` and `pbt dpo` to a trained folder: opening model, adapter and data, running
 * the trainer, and writing what it leaves.
 */
#include "cli/training.h"

#include "base/file.h"
#include "base/hub.h"
#include "base/text.h"
#include "cli/model_files.h"
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
    char *model_folder, *adapter_folder; /* what --model_name_or_path and --adapter stand for */
} training_job;

/* ---- model, adapter, data ---- */

static pbt_code new_adapter(const training_job *job, pbt_adapter **adapter, pbt_error *error) {
    const pbt_training_options *o = job->options;
    pbt_adapter_settings settings = {
        .alpha = o->lora_alpha, .dropout = o->lora_dropout, .rslora = o->use_rslora};
    PBT_TRY(pbt_option_to_int32("lora_r", o->lora_r, 1, &settings.r, error));
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
    pbt_model_options options = {.nested_quantization = o->use_bnb_nested_quant, .writable = o->full};
    PBT_TRY(pbt_cli_load_dtype(o->load_in_4bit, o->bnb_4bit_quant_type, o->load_in_8bit,
                               o->old.torch_dtype ? o->old.torch_dtype : o->dtype, &options.dtype, error));
    if (o->full) options.dtype = PBT_F32;
    PBT_TRY(pbt_model_open(job->model_folder, &options, pbt_ops_cpu(), &job->trainer.model, error));
    if (o->full) return PBT_OK;
    if (o->adapter)
        return pbt_adapter_open(job->adapter_folder, job->trainer.model, &job->trainer.adapter, error);
    return new_adapter(job, &job->trainer.adapter, error);
}

/* A folder without a template will do for rows without messages. */
static pbt_code open_data(training_job *job, bool preference, pbt_error *error) {
    const pbt_training_options *o = job->options;
    pbt_error no_template;
    PBT_TRY(pbt_tokenizer_open(job->model_folder, &job->tokenizer, error));
    if (pbt_chat_template_open(job->model_folder, job->tokenizer, o->date_string, &job->chat, &no_template) !=
        PBT_OK) {
        job->chat = NULL;
        pbt_monitor_message(job->cli->monitor, 2, "no chat template: %s", no_template.message);
    }
    job->dataset.text_field = o->dataset_text_field;
    job->dataset.assistant_only_loss = o->assistant_only_loss;
    job->dataset.whole_text_loss = !preference && !o->completion_only_loss;
    pbt_code code = pbt_dataset_read(o->dataset ? o->dataset : o->old.dataset_name, job->tokenizer, job->chat,
                                     preference, (int32_t)o->max_length, &job->dataset, error);
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
    PBT_TRY(pbt_hub_folder(o->model_name_or_path, &job->model_folder, error));
    if (o->adapter) PBT_TRY(pbt_hub_folder(o->adapter, &job->adapter_folder, error));
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
    PBT_TRY(pbt_train_save(trainer, job->model_folder, o->model_name_or_path, error));
    return print_result(job, pbt_train_steps(&trainer->settings, job->dataset.count), &last, error);
}

pbt_code pbt_training_command_run(const pbt_cli *cli, const pbt_training_options *options,
                                  pbt_objective objective, pbt_error *error) {
    training_job job = {.cli = cli, .options = options};
    PBT_TRY(pbt_training_settings_make(cli, options, objective, &job.trainer.settings, error));
    pbt_code code = run_job(&job, error);
    pbt_dataset_free(&job.dataset);
    if (job.trainer.adapter) pbt_adapter_free(job.trainer.adapter);
    if (job.trainer.model) pbt_model_free(job.trainer.model);
    if (job.chat) pbt_chat_template_free(job.chat);
    if (job.tokenizer) pbt_tokenizer_free(job.tokenizer);
    free(job.model_folder);
    free(job.adapter_folder);
    return code;
}
