#include "cli/outputs.h"

#include "base/file.h"
#include "train/training_output.h"

#include <unistd.h>

#define TOKENIZER_NAMES PBT_TOKENIZER_FILES, PBT_GENERATION_CONFIG_FILE
#define MODEL_NAMES     "config.json", "model.safetensors", "model-*.safetensors", "model.safetensors.index.json"

static const char *const model_names[] = {MODEL_NAMES, TOKENIZER_NAMES, NULL};
static const char *const tokenizer_names[] = {TOKENIZER_NAMES, NULL};
static const char *const training_names[] = {
    MODEL_NAMES,          TOKENIZER_NAMES,   "adapter_config.json",   "adapter_model.safetensors",
    "README.md",          "metrics.jsonl",   "checkpoint.pbt",        "checkpoint-*",
    "trainer_state.json", "reference-*.bin", "events.out.tfevents.*", NULL};
static const char *const pocket_train_names[] = {MODEL_NAMES, TOKENIZER_NAMES, "training", NULL};
static const char *const pocket_make_names[] = {"agent-a", "agent-b", NULL};

#define LOCK PBT_OUTPUT_LOCK
/* transformers, and pbt, take a folder with an adapter in it for that adapter over its own base model. */
#define ADAPTER "adapter_config.json"

const pbt_output_kind pbt_output_sft = {"sft", LOCK, "checkpoint.pbt", training_names, NULL};
const pbt_output_kind pbt_output_sft_full = {"sft", LOCK, "checkpoint.pbt", training_names, ADAPTER};
const pbt_output_kind pbt_output_dpo = {"dpo", LOCK, "checkpoint.pbt", training_names, NULL};
const pbt_output_kind pbt_output_dpo_full = {"dpo", LOCK, "checkpoint.pbt", training_names, ADAPTER};
const pbt_output_kind pbt_output_model_random = {"model random", LOCK, NULL, model_names, ADAPTER};
const pbt_output_kind pbt_output_model_merge = {"model merge", LOCK, NULL, model_names, ADAPTER};
const pbt_output_kind pbt_output_model_quantize = {"model quantize", LOCK, NULL, model_names, ADAPTER};
const pbt_output_kind pbt_output_pocket_make = {"pocket make", LOCK, "agent-a/training/checkpoint.pbt",
                                                pocket_make_names, NULL};
const pbt_output_kind pbt_output_pocket_train = {"pocket train", LOCK, "training/checkpoint.pbt",
                                                 pocket_train_names, ADAPTER};
const pbt_output_kind pbt_output_pocket_tokenizer = {"pocket tokenizer", LOCK, NULL, tokenizer_names, NULL};

static const char *const report_names[] = {"report.json", "report.md", "report.html", NULL};
const pbt_output_kind pbt_output_report = {"report", LOCK, NULL, report_names, NULL};

bool pbt_cli_is_stdout(const char *path) {
    return pbt_path_descriptor(path) == STDOUT_FILENO;
}
