/*
 * pbt dpo: direct preference optimization of an adapter or of all weights.
 */
#include "cli/train_command.h"

#include <stddef.h>

static pbt_code run(const pbt_cli *cli, const void *settings, int n_arguments, char **arguments,
                    pbt_error *error) {
    (void)n_arguments, (void)arguments;
    return pbt_training_command_run(cli, settings, PBT_DPO, error);
}

static const pbt_option options[] = {
    PBT_TRAINING_OPTIONS("1e-6"),
    PBT_TRAINING_NUMBER(beta, "0.1", "how strongly the policy is kept near the reference"),
    PBT_TRAINING_OPTION(loss_type, PBT_OPTION_LIST, "NAMES", NULL,
                        "sigmoid (the default), ipo, hinge, robust, apo_zero, apo_down, sigmoid_norm, sft; "
                        "several, separated by commas, are summed"),
    PBT_TRAINING_OPTION(loss_weights, PBT_OPTION_LIST, "NUMBERS", NULL,
                        "a weight for each name of loss_type (by default 1 each)"),
    PBT_TRAINING_NUMBER(label_smoothing, "0", "share of labels taken to be flipped (robust)"),
    PBT_TRAINING_NUMBER(sft_weight, "0",
                        "adds this much of the loss sft, the chosen completions' mean token loss"),
    PBT_TRAINING_FLAG(disable_dropout, "true", "train without the adapter's dropout"),
    PBT_TRAINING_FLAG(
        precompute_ref_log_probs, NULL,
        "keep the reference's log-probabilities in the user's cache ($XDG_CACHE_HOME/pbt), for every "
        "training on the same data, model and adapter; else in output_dir. They are always computed once, "
        "before the first step"),
    PBT_TRAINING_OPTION(export_ref_log_probs, PBT_OPTION_STRING, "FILE", NULL,
                        "write the dataset with the columns ref_chosen_logps and ref_rejected_logps"),
    PBT_TRAINING_OLD_OPTIONS,
    PBT_TRAINING_OLD_STRING(precompute_ref_batch_size),
    PBT_TRAINING_OLD_STRING(max_prompt_length),
    PBT_TRAINING_OLD_STRING(max_completion_length),
    PBT_TRAINING_OLD_STRING(rpo_alpha),
    PBT_TRAINING_OLD_STRING(ref_adapter_name),
    PBT_TRAINING_OLD_FLAG(generate_during_eval),
    PBT_TRAINING_OLD_FLAG(reference_free),
    PBT_TRAINING_OLD_FLAG(force_use_ref_model),
    PBT_TRAINING_OLD_FLAG(is_encoder_decoder),
    PBT_TRAINING_OLD_STRING(model_adapter_name),
    PBT_TRAINING_OLD_STRING(label_pad_token_id),
    PBT_TRAINING_OLD_STRING(padding_value),
};

const pbt_command pbt_command_dpo = {
    .name = "dpo",
    .summary = "Fine-tune on preference pairs (TRL's DPOTrainer)",
    .usage = "--model_name_or_path DIR --dataset FILE --output_dir DIR [--adapter A] [options]",
    .details =
        "Trains a LoRA adapter (or, with --full, all weights) on preference pairs in TRL's JSONL formats: "
        "{\"prompt\", \"chosen\", \"rejected\"} as strings or messages, or without \"prompt\" where chosen "
        "and rejected share their beginning; ref_chosen_logps and ref_rejected_logps are used where present. "
        "Option names and defaults are TRL's.\n\n"
        "The reference is the model at the start of training: with --adapter, under that adapter as given. "
        "Its "
        "log-probabilities are computed once. Before the first step, margin 0 and loss ln 2 are checked and "
        "printed. Prompts that pairs share are computed once, forward and backward.\n\n"
        "Example:\n  pbt dpo --model_name_or_path models/small --adapter runs/sft --dataset pairs.jsonl "
        "--output_dir runs/dpo --learning_rate 1e-5",
    .options = options,
    .n_options = sizeof options / sizeof *options,
    .settings_size = sizeof(pbt_training_options),
    .run = run,
};
