/*
 * From the options of `pbt sft` and `pbt dpo` to a trained folder: opening model, adapter and data, running
 * the trainer, and writing what it leaves.
 */
#include "cli/train_command.h"

#include "base/file.h"
#include "base/hub.h"
#include "base/text.h"
#include "cli/model_files.h"
#include "cli/outputs.h"
#include "cli/show_tokens.h"
#include "model/adapter_folder.h"
#include "train/check_training.h"
#include "train/export.h"
#include "train/training_output.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

typedef struct training_job {
    const pbt_cli *cli;
    const pbt_training_options *options;
    pbt_trainer trainer;
    pbt_adapter *frozen;
    pbt_dataset dataset, eval_dataset;
    char *reference_folder;
    pbt_tokenizer *tokenizer;
    pbt_chat_template *chat;
    /* What --model_name_or_path, --adapter and --frozen_adapter stand for. */
    char *model_folder, *adapter_folder, *frozen_folder;
    pbt_output *output;
} training_job;

static const char *dataset_path(const pbt_training_options *o) {
    return o->dataset ? o->dataset : o->old.dataset_name;
}

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
                                                         &settings, error);
    pbt_key key = pbt_key_named(pbt_key_of_seed((uint64_t)o->seed), "lora");
    if (code == PBT_OK)
        code = pbt_train_memory_check(&job->trainer.model->config, &settings, job->trainer.settings.max_rows,
                                      error);
    if (code == PBT_OK) code = pbt_adapter_create(job->trainer.model, &settings, key, adapter, error);
    pbt_text_free(&targets);
    return code;
}

static pbt_code open_frozen(training_job *job, pbt_error *error) {
    PBT_TRY(pbt_adapter_open(job->frozen_folder, job->trainer.model, &job->frozen, error));
    job->trainer.frozen = job->frozen;
    pbt_cli_warn_base(job->cli, job->frozen, job->trainer.model);
    pbt_monitor_message(job->cli->monitor, 1, "frozen adapter %s, hash %016" PRIx64,
                        job->options->frozen_adapter, pbt_adapter_hash(job->frozen));
    return PBT_OK;
}

static pbt_code open_model(training_job *job, pbt_error *error) {
    const pbt_training_options *o = job->options;
    pbt_model_options options = {.nested_quantization = o->use_bnb_nested_quant,
                                 .writable = o->full,
                                 .prepare = !o->full && !o->load_in_4bit && !o->load_in_8bit,
                                 .training = true};
    PBT_TRY(pbt_cli_load_dtype(o->load_in_4bit, o->bnb_4bit_quant_type, o->load_in_8bit,
                               o->old.torch_dtype ? o->old.torch_dtype : o->dtype, &options.dtype, error));
    if (o->full) options.dtype = PBT_F32;
    PBT_TRY(pbt_model_open(job->model_folder, &options, job->cli->device, &job->trainer.model, error));
    if (o->full) return PBT_OK;
    if (o->frozen_adapter) PBT_TRY(open_frozen(job, error));
    if (o->adapter) {
        PBT_TRY(pbt_adapter_open(job->adapter_folder, job->trainer.model, &job->trainer.adapter, error));
        pbt_cli_warn_base(job->cli, job->trainer.adapter, job->trainer.model);
        return PBT_OK;
    }
    return new_adapter(job, &job->trainer.adapter, error);
}

/* A folder without a template will do for rows without messages. */
static pbt_code read_data(training_job *job, const char *path, const pbt_error *no_template, bool preference,
                          pbt_dataset *dataset, pbt_error *error) {
    const pbt_training_options *o = job->options;
    dataset->text_field = o->dataset_text_field;
    dataset->assistant_only_loss = o->assistant_only_loss;
    dataset->whole_text_loss = !preference && !o->completion_only_loss;
    pbt_code code =
        pbt_dataset_read(path, job->tokenizer, job->chat, preference, (int32_t)o->max_length, dataset, error);
    if (code != PBT_OK && !job->chat && error && error->reason == PBT_NO_CHAT_TEMPLATE)
        *error = *no_template; /* the rows have messages: why there is no template is the real trouble */
    if (code != PBT_OK) return code;
    if (dataset->dropped_long > 0)
        pbt_monitor_message(
            job->cli->monitor, 0,
            "%s: %zu examples are longer than max_length (%" PRId64 " tokens) and left out: %.900s", path,
            dataset->dropped_long, o->max_length, pbt_text_string(&dataset->dropped_list));
    if (dataset->same > 0)
        pbt_monitor_message(job->cli->monitor, 0,
                            "%s: in %zu examples chosen and rejected are the same, so nothing can be learned "
                            "from them: %.900s",
                            path, dataset->same, pbt_text_string(&dataset->same_list));
    if (dataset->half_references > 0)
        pbt_monitor_message(
            job->cli->monitor, 0,
            "%s: %zu examples have only one of ref_chosen_logps and ref_rejected_logps, which says "
            "nothing without the other; both are computed: %.900s",
            path, dataset->half_references, pbt_text_string(&dataset->half_list));
    if (dataset->unmarked_templates > 0)
        pbt_monitor_message(
            job->cli->monitor, 0,
            "assistant_only_loss: the chat template has no {%% generation %%} markers; loss falls on "
            "each assistant turn from the end of its generation prompt to the end of its turn, "
            "found by rendering the conversation turn by turn");
    if (dataset->cut_prompts > 0)
        pbt_monitor_message(
            job->cli->monitor, 0,
            "%s: in %zu examples the tokens of the prompt are not the beginning of prompt and "
            "completion together; the completion begins where they diverge",
            path, dataset->cut_prompts);
    return PBT_OK;
}

static pbt_code open_data(training_job *job, bool preference, pbt_error *error) {
    const pbt_training_options *o = job->options;
    pbt_error no_template;
    PBT_TRY(pbt_tokenizer_open(job->model_folder, &job->tokenizer, error));
    if (pbt_chat_template_open(job->model_folder, job->tokenizer, o->date_string, &job->chat, &no_template) !=
        PBT_OK) {
        job->chat = NULL;
        pbt_monitor_message(job->cli->monitor, 2, "no chat template: %s", no_template.message);
    }
    PBT_TRY(read_data(job, dataset_path(o), &no_template, preference, &job->dataset, error));
    if (job->trainer.settings.eval_strategy == PBT_EVAL_NO) return PBT_OK;
    PBT_TRY(read_data(job, o->eval_dataset, &no_template, preference, &job->eval_dataset, error));
    job->trainer.eval_dataset = &job->eval_dataset;
    if (o->eval_steps > 0 && o->eval_steps < 1) {
        double steps = (double)pbt_train_steps(&job->trainer.settings, job->dataset.count);
        job->trainer.settings.eval_steps = (int64_t)ceil(o->eval_steps * steps);
    }
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
    const char *exported = job->options->export_ref_log_probs;
    if (exported && pbt_cli_is_stdout(exported)) return PBT_OK; /* the rows have it */
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

/* $XDG_CACHE_HOME/pbt/reference, or ~/.cache/pbt/reference; NULL where neither is known. */
static char *cache_folder(void) {
    const char *cache = getenv("XDG_CACHE_HOME"), *home = getenv("HOME");
    if (cache && cache[0] == '/') return pbt_string_format("%s/pbt/reference", cache);
    return home && home[0] == '/' ? pbt_string_format("%s/.cache/pbt/reference", home) : NULL;
}

static pbt_code export_reference(void *user, const double *chosen, const double *rejected, pbt_error *error) {
    const training_job *job = user;
    const pbt_training_options *o = job->options;
    PBT_TRY(pbt_dataset_export_reference(dataset_path(o), &job->dataset, chosen, rejected,
                                         o->export_ref_log_probs, error));
    pbt_monitor_message(job->cli->monitor, 1, "%zu examples with reference log-probabilities in %s",
                        job->dataset.count, o->export_ref_log_probs);
    return PBT_OK;
}

static void make_outputs(training_job *job) {
    const pbt_training_options *o = job->options;
    pbt_trainer *trainer = &job->trainer;
    trainer->folder = o->output_dir;
    trainer->resume = !o->overwrite_output_dir;
    trainer->base_model = o->model_name_or_path;
    trainer->no_events = strcmp(o->report_to, "none") == 0;
    trainer->metric_for_best_model = o->metric_for_best_model;
    trainer->greater_is_better = o->greater_is_better ? strcasecmp(o->greater_is_better, "true") == 0
                                                      : !pbt_string_ends(o->metric_for_best_model, "loss");
    if (o->export_ref_log_probs) {
        trainer->reference_ready = export_reference;
        trainer->reference_ready_user = job;
    }
    if (o->precompute_ref_log_probs) trainer->reference_folder = job->reference_folder = cache_folder();
}

/* Checks where output_dir and exported data would go, and with `open` takes hold of output_dir. */
static pbt_code look_at_outputs(training_job *job, bool open, pbt_error *error) {
    const pbt_training_options *o = job->options;
    const pbt_output_kind *kind = job->trainer.settings.objective == PBT_DPO
                                      ? (o->full ? &pbt_output_dpo_full : &pbt_output_dpo)
                                      : (o->full ? &pbt_output_sft_full : &pbt_output_sft);
    const pbt_output_input inputs[] = {
        {"--model_name_or_path", job->model_folder, NULL}, {"--adapter", job->adapter_folder, NULL},
        {"--frozen_adapter", job->frozen_folder, NULL},    {"--dataset", dataset_path(o), NULL},
        {"--eval_dataset", o->eval_dataset, NULL},         {"--output_dir", o->output_dir, kind->names}};
    enum { READ = sizeof inputs / sizeof *inputs - 1 }; /* output_dir is none for itself */
    const pbt_output_request folder = {"--output_dir", o->output_dir, kind,
                                       inputs,         READ,          o->overwrite_output_dir};
    const pbt_output_request file = {
        "--export_ref_log_probs", o->export_ref_log_probs, NULL, inputs, READ + 1, false};
    if (o->export_ref_log_probs) PBT_TRY(pbt_cli_check_file(&file, &folder, error));
    if (!o->output_dir) return PBT_OK;
    return open ? pbt_output_open(&folder, job->cli->monitor, &job->output, error)
                : pbt_output_check(&folder, error);
}

static pbt_code find_inputs(training_job *job, pbt_error *error) {
    const pbt_training_options *o = job->options;
    PBT_TRY(pbt_hub_folder(o->model_name_or_path, &job->model_folder, error));
    if (o->adapter) PBT_TRY(pbt_adapter_folder(o->adapter, &job->adapter_folder, error));
    if (o->frozen_adapter) PBT_TRY(pbt_adapter_folder(o->frozen_adapter, &job->frozen_folder, error));
    return look_at_outputs(job, false, error);
}

static pbt_code run_job(training_job *job, pbt_error *error) {
    const pbt_training_options *o = job->options;
    pbt_trainer *trainer = &job->trainer;
    pbt_metrics last = {0};
    PBT_TRY(find_inputs(job, error));
    PBT_TRY(open_data(job, trainer->settings.objective == PBT_DPO, error));
    if (o->show_tokens) PBT_TRY(pbt_cli_show_examples(job->cli, job->tokenizer, &job->dataset, error));
    PBT_TRY(open_model(job, error));
    trainer->dataset = &job->dataset;
    if (!o->dry_run) PBT_TRY(look_at_outputs(job, true, error));
    make_outputs(job);
    PBT_TRY(pbt_trainer_check(trainer, error));
    if (o->dry_run) return print_plan(job, error);
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
    pbt_output_close(job.output);
    pbt_dataset_free(&job.dataset);
    pbt_dataset_free(&job.eval_dataset);
    free(job.reference_folder);
    if (job.trainer.adapter) pbt_adapter_free(job.trainer.adapter);
    pbt_adapter_free(job.frozen);
    if (job.trainer.model) pbt_model_free(job.trainer.model);
    if (job.chat) pbt_chat_template_free(job.chat);
    if (job.tokenizer) pbt_tokenizer_free(job.tokenizer);
    free(job.model_folder);
    free(job.adapter_folder);
    free(job.frozen_folder);
    return code;
}
