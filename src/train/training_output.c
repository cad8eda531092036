/*
 * The folder a training leaves: adapter or model, tokenizer files, a short model card.
 */
#include "train/training_output.h"

#include "base/file.h"
#include "base/memory.h"
#include "gguf/gguf.h"
#include "model/activations.h"
#include "train/batch.h"
#include "train/learning_schedule.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

static pbt_code copy_file(const char *from_folder, const char *to_folder, const char *name,
                          pbt_error *error) {
    char *from = pbt_path_join(from_folder, name), *to = pbt_path_join(to_folder, name), *data = NULL;
    size_t length = 0;
    pbt_code code = PBT_OK;
    if (!from || !to)
        code = pbt_fail_memory(error, strlen(from_folder) + strlen(to_folder), "a path");
    else if (pbt_file_exists(from) && strcmp(from, to) != 0) {
        code = pbt_file_read(from, (size_t)512 << 20, &data, &length, error);
        if (code == PBT_OK) code = pbt_file_write(to, data, length, error);
    }
    free(data);
    free(from);
    free(to);
    return code;
}

pbt_code pbt_tokenizer_files_copy(const char *from_folder, const char *to_folder, pbt_error *error) {
    static const char *const names[] = {PBT_TOKENIZER_FILES};
    /* An adapter goes with its base model, whose tokenizer it does not replace: one that cannot be written as
     * files is left out. */
    if (pbt_gguf_is(from_folder)) {
        pbt_code code = pbt_tokenizer_write_gguf(from_folder, to_folder, error);
        return code == PBT_BAD_INPUT ? PBT_OK : code;
    }
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        PBT_TRY(copy_file(from_folder, to_folder, names[i], error));
    return PBT_OK;
}

pbt_code pbt_model_text_files_copy(const char *from_folder, const char *to_folder, pbt_error *error) {
    if (pbt_gguf_is(from_folder)) return pbt_tokenizer_write_gguf(from_folder, to_folder, error);
    PBT_TRY(pbt_tokenizer_files_copy(from_folder, to_folder, error));
    return copy_file(from_folder, to_folder, PBT_GENERATION_CONFIG_FILE, error);
}

/* Front matter as PEFT and TRL write it, then what was done, without times and paths. */
static void write_card(const pbt_trainer *trainer, const char *base_model, pbt_text *card) {
    const pbt_train_settings *s = &trainer->settings;
    const char *objective = s->objective == PBT_DPO ? "dpo" : "sft";
    pbt_text_addf(card, "---\nbase_model: %s\nlibrary_name: %s\ntags:\n- %s%s\n---\n\n",
                  base_model ? base_model : "unknown", trainer->adapter ? "peft" : "transformers", objective,
                  trainer->adapter ? "\n- lora" : "");
    pbt_text_addf(card, "Trained with pbt %s, %s.\n\n", PBT_VERSION,
                  s->objective == PBT_DPO ? "direct preference optimization (Rafailov et al., 2023)"
                                          : "supervised fine-tuning");
    pbt_text_addf(card,
                  "| setting | value |\n|---|---|\n| learning_rate | %g |\n| lr_scheduler_type | %s |\n"
                  "| warmup_steps | %g |\n| batch | %d x %d |\n| seed | %" PRIu64 " |\n",
                  s->learning_rate, pbt_schedule_name(s->lr_scheduler_type), s->warmup_steps,
                  s->per_device_train_batch_size, s->gradient_accumulation_steps, s->seed);
    if (s->max_steps > 0)
        pbt_text_addf(card, "| max_steps | %" PRId64 " |\n", s->max_steps);
    else
        pbt_text_addf(card, "| num_train_epochs | %g |\n", s->num_train_epochs);
    if (s->objective == PBT_DPO) {
        pbt_text_addf(card, "| beta | %g |\n| loss_type | ", s->beta);
        pbt_loss_mix_text(&s->loss, card);
        pbt_text_add(card, " |\n");
    }
    if (trainer->adapter)
        pbt_text_addf(card, "| LoRA r, alpha, dropout | %d, %g, %g |\n", trainer->adapter->settings.r,
                      trainer->adapter->settings.alpha, trainer->adapter->settings.dropout);
    if (trainer->frozen)
        pbt_text_addf(card,
                      "| frozen adapter below | r %d, hash %016" PRIx64
                      " |\n\nThe adapter here is the sum of the frozen and the trained one.\n",
                      pbt_adapter_rank(trainer->frozen), pbt_adapter_hash(trainer->frozen));
}

/* What was trained; over a frozen adapter, both as one, so that no half is used alone. */
static pbt_code save_adapter(const pbt_trainer *trainer, const char *folder, const char *base_model,
                             pbt_error *error) {
    pbt_adapter *both;
    if (!trainer->frozen) return pbt_adapter_save(trainer->adapter, folder, base_model, error);
    PBT_TRY(pbt_adapter_stack(trainer->frozen, trainer->adapter, &both, error));
    pbt_code code = pbt_adapter_save(both, folder, base_model, error);
    pbt_adapter_free(both);
    return code;
}

pbt_code pbt_train_save(const pbt_trainer *trainer, const char *model_folder, const char *base_model,
                        pbt_error *error) {
    const char *folder = trainer->folder;
    PBT_TRY(trainer->adapter ? save_adapter(trainer, folder, base_model, error)
                             : pbt_model_save(trainer->model, folder, PBT_F32, error));
    if (model_folder)
        PBT_TRY(trainer->adapter ? pbt_tokenizer_files_copy(model_folder, folder, error)
                                 : pbt_model_text_files_copy(model_folder, folder, error));
    pbt_text card = {0};
    write_card(trainer, base_model, &card);
    char *path = pbt_path_join(folder, "README.md");
    pbt_code code = path && !card.failed ? pbt_file_write(path, card.data, card.length, error)
                                         : pbt_fail_memory(error, card.length, "README.md");
    free(path);
    pbt_text_free(&card);
    return code;
}

/* ---- the plan ---- */

static int64_t trained_parameters(const pbt_trainer *trainer) {
    const pbt_adapter *adapter = trainer->adapter;
    if (!adapter) return pbt_config_parameters(&trainer->model->config);
    int64_t n = 0;
    for (int32_t layer = 0; layer < adapter->n_layers; layer++)
        for (int l = 0; l < PBT_LINEARS; l++) {
            const pbt_lora *lora = &adapter->lora[layer][l];
            const pbt_matrix *W = &trainer->model->layers[layer].linear[l];
            if (lora->A) n += (int64_t)lora->r * ((int64_t)W->rows + W->cols);
        }
    return n;
}

/* Tokens of the first epoch, batch by batch: before merging, and in the tries. */
static pbt_code count_tokens(const pbt_trainer *trainer, pbt_train_plan *plan, pbt_error *error) {
    const pbt_train_settings *s = &trainer->settings;
    const pbt_dataset *dataset = trainer->dataset;
    size_t size = (size_t)s->per_device_train_batch_size * (size_t)s->gradient_accumulation_steps;
    uint32_t *order = pbt_alloc(2 * dataset->count + 1, sizeof *order);
    const pbt_example **examples = pbt_alloc(dataset->count + 1, sizeof *examples);
    pbt_code code = order && examples ? PBT_OK : pbt_fail_memory(error, dataset->count * 12, "the plan");
    if (code == PBT_OK && s->group_trees) code = pbt_example_groups(dataset, order + dataset->count, error);
    if (code == PBT_OK) code = pbt_epoch_order(s, 0, order + dataset->count, order, dataset->count, error);
    for (size_t first = 0; first < dataset->count && code == PBT_OK; first += size) {
        size_t n = dataset->count - first < size ? dataset->count - first : size;
        pbt_batch batch;
        for (size_t i = 0; i < n; i++) examples[i] = &dataset->items[order[first + i]];
        code = pbt_batch_plan(examples, n, s->objective == PBT_DPO, s->share_prefixes, plan->rows, &batch,
                              error);
        for (size_t p = 0; code == PBT_OK && p < batch.n_passes; p++) {
            pbt_trie trie;
            code = pbt_batch_trie(&batch, p, s->share_prefixes, &trie, error);
            if (code != PBT_OK) break;
            plan->tokens += trie.n_tokens;
            plan->unique_tokens += trie.layout.n_rows;
            pbt_trie_free(&trie);
        }
        pbt_batch_free(&batch);
    }
    free(order);
    free(examples);
    return code;
}

int64_t pbt_train_pass_bytes(const pbt_config *config, int32_t rows, int32_t rank) {
    const int64_t width = (int64_t)config->n_kv_heads * config->head_dim,
                  logits = (int64_t)pbt_logit_rows(config) * (config->vocab_size + config->hidden_size);
    return (int64_t)pbt_activations_bytes(config, rows, rank, true) + rows * pbt_kv_row_bytes(config) +
           (2 * rows * width + logits) * (int64_t)sizeof(float);
}

pbt_code pbt_train_memory_check(const pbt_config *config, const pbt_adapter_settings *lora, int32_t max_rows,
                                pbt_error *error) {
    int64_t parameters, most = (int64_t)pbt_memory_physical();
    PBT_TRY(pbt_adapter_parameters(config, lora, &parameters, error));
    int64_t optimizer = 4 * parameters * (int64_t)sizeof(float), /* value, gradient, two moments */
        passes = pbt_train_pass_bytes(config, pbt_train_rows_of(config, max_rows, lora->r), lora->r);
    if (most <= 0 || optimizer + passes <= most) return PBT_OK;
    return pbt_fail(error, PBT_FAILED,
                    "training an adapter of rank %d takes %.1f GB (the adapter with gradients and moments "
                    "%.1f, activations %.1f) and this machine has %.1f GB; lower lora_r",
                    lora->r, 1e-9 * (double)(optimizer + passes), 1e-9 * (double)optimizer,
                    1e-9 * (double)passes, 1e-9 * (double)most);
}

pbt_code pbt_train_plan_make(const pbt_trainer *trainer, pbt_train_plan *plan, pbt_error *error) {
    const pbt_config *config = &trainer->model->config;
    memset(plan, 0, sizeof *plan);
    plan->examples = trainer->dataset->count;
    plan->dropped_long = trainer->dataset->dropped_long;
    plan->steps = pbt_train_steps(&trainer->settings, plan->examples);
    plan->epochs = pbt_epoch_after(&trainer->settings, plan->examples, plan->steps);
    plan->rows = pbt_train_rows(trainer);
    plan->trained_parameters = trained_parameters(trainer);
    size_t bits = (size_t)pbt_dtype_bits(trainer->model->layers[0].linear[0].dtype);
    plan->weight_bytes = (size_t)pbt_config_parameters(config) * bits / 8;
    plan->gradient_bytes = (size_t)plan->trained_parameters * sizeof(float);
    plan->moment_bytes = 2 * plan->gradient_bytes;
    int32_t rank = pbt_adapter_rank(trainer->adapter);
    plan->pass_bytes = (size_t)pbt_train_pass_bytes(config, plan->rows, rank);
    return count_tokens(trainer, plan, error);
}

json_t *pbt_train_plan_json(const pbt_train_plan *plan) {
    json_t *memory = json_object(), *json = json_object();
    json_object_set_new(json, "examples", json_integer((json_int_t)plan->examples));
    json_object_set_new(json, "dropped_long", json_integer((json_int_t)plan->dropped_long));
    json_object_set_new(json, "steps", json_integer(plan->steps));
    json_object_set_new(json, "epochs", json_real(plan->epochs));
    json_object_set_new(json, "tokens_per_epoch", json_integer(plan->tokens));
    json_object_set_new(json, "unique_tokens_per_epoch", json_integer(plan->unique_tokens));
    json_object_set_new(json, "trained_parameters", json_integer(plan->trained_parameters));
    json_object_set_new(json, "rows_per_pass", json_integer(plan->rows));
    json_object_set_new(memory, "weights", json_integer((json_int_t)plan->weight_bytes));
    json_object_set_new(memory, "gradients", json_integer((json_int_t)plan->gradient_bytes));
    json_object_set_new(memory, "optimizer", json_integer((json_int_t)plan->moment_bytes));
    json_object_set_new(memory, "activations", json_integer((json_int_t)plan->pass_bytes));
    json_object_set_new(json, "memory_bytes", memory);
    return json;
}

static double mebibytes(size_t bytes) {
    return (double)bytes / (1 << 20);
}

void pbt_train_plan_text(const pbt_train_plan *plan, pbt_text *text) {
    pbt_text_addf(text, "examples            %zu (%zu left out as longer than max_length)\n", plan->examples,
                  plan->dropped_long);
    pbt_text_addf(text, "steps               %" PRId64 " (%.2f epochs)\n", plan->steps, plan->epochs);
    pbt_text_addf(text, "tokens per epoch    %" PRId64 ", %" PRId64 " of them computed (%.2f x shared)\n",
                  plan->tokens, plan->unique_tokens,
                  plan->unique_tokens > 0 ? (double)plan->tokens / (double)plan->unique_tokens : 1.0);
    pbt_text_addf(text, "trained parameters  %" PRId64 "\n", plan->trained_parameters);
    pbt_text_addf(
        text,
        "memory (MiB)        weights %.1f, gradients %.1f, optimizer %.1f, activations %.1f for "
        "%d rows; total %.1f\n",
        mebibytes(plan->weight_bytes), mebibytes(plan->gradient_bytes), mebibytes(plan->moment_bytes),
        mebibytes(plan->pass_bytes), plan->rows,
        mebibytes(plan->weight_bytes + plan->gradient_bytes + plan->moment_bytes + plan->pass_bytes));
}
