/*
 * pbt sft: supervised fine-tuning of an adapter or of all weights.
 */
#include "cli/train_command.h"

#include <stddef.h>

static pbt_code run(const pbt_cli *cli, const void *settings, int n_arguments, char **arguments,
                    pbt_error *error) {
    (void)n_arguments, (void)arguments;
    return pbt_training_command_run(cli, settings, PBT_SFT, error);
}

static const pbt_option options[] = {
    PBT_TRAINING_OPTIONS("2e-5"),
    PBT_TRAINING_FLAG(completion_only_loss, "true",
                      "rows with a prompt: loss on the completion only (else on the prompt too)"),
    PBT_TRAINING_FLAG(
        assistant_only_loss, NULL,
        "rows with messages: loss on the assistant's tokens only, those that the template marks "
        "with {% generation %} or else its turns"),
    PBT_TRAINING_STRING(dataset_text_field, "text", "rows of plain text: the field that holds it"),
    PBT_TRAINING_OLD_OPTIONS,
    PBT_TRAINING_OLD_FLAG(packing),
};

const pbt_command pbt_command_sft = {
    .name = "sft",
    .summary = "Fine-tune on given completions (TRL's SFTTrainer)",
    .usage = "--model_name_or_path DIR --dataset FILE --output_dir DIR [options]",
    .details =
        "Trains a LoRA adapter (or, with --full, all weights) on the rows of a JSONL file in TRL's formats: "
        "{\"prompt\", \"completion\"} as strings or messages, {\"messages\"}, {\"text\"}; a preference row's "
        "\"chosen\" serves as its completion. Option names and defaults are TRL's.\n\n"
        "The loss is the mean over all tokens of an optimizer step that carry loss, however the step is "
        "split into micro-batches. Examples longer than max_length are left out and listed. When "
        "interrupted, the same "
        "command continues from the last checkpoint and ends with the same bits.\n\n"
        "Example:\n  pbt sft --model_name_or_path models/small --dataset chosen.jsonl --output_dir runs/sft "
        "--learning_rate 5e-4 --max_steps 240",
    .options = options,
    .n_options = sizeof options / sizeof *options,
    .settings_size = sizeof(pbt_training_options),
    .run = run,
};
