"""Training curves of TRL on a tiny random Llama: the yardstick of test_trl.py and the source of
tests/data/golden/train.

    python tests/interop/trl_curves.py tests/data/golden/train     # writes the golden files anew

Everything is fp32, without dropout, in the order of the file, from the same PEFT adapter.
"""

import json
import os
import sys

os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "")

CHATML = (
    "{% for message in messages %}{{'<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>'"
    " + '\n'}}{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)
WORDS = "the a sky sea sun moon is was blue green red old new big small what which who where one two city river".split()
STEPS = 20

# Settings by TRL's names; what differs from these stands in CASES.
COMMON = {
    "per_device_train_batch_size": 4,
    "gradient_accumulation_steps": 2,
    "learning_rate": 5e-3,
    "lr_scheduler_type": "cosine",
    "warmup_steps": 4,
    "max_steps": STEPS,
    "logging_steps": 1,
    "max_length": 256,
    "weight_decay": 0.01,
    "max_grad_norm": 1.0,
    "train_sampling_strategy": "sequential",
}
LOSSES = {
    "sigmoid": {},
    "ipo": {},
    "hinge": {},
    "robust": {"label_smoothing": 0.1},
    "apo_zero": {},
    "apo_down": {},
    "sigmoid_norm": {"beta": 0.5},
    "sigmoid,sft": {"loss_weights": [1.0, 0.1]},
    "apo_zero,ipo": {"loss_weights": [0.8, -0.01]},
}
# name: (command, data file, settings); "full": all weights are trained, no adapter.
CASES = {
    "sft": ("sft", "sft.jsonl", {}),
    "sft_text": ("sft", "text.jsonl", {"lr_scheduler_type": "linear", "gradient_accumulation_steps": 1}),
    "sft_full": ("sft", "sft.jsonl", {"full": True, "learning_rate": 1e-3}),
    "dpo": ("dpo", "dpo.jsonl", {}),
    "sft_eval": ("sft", "sft.jsonl", {"eval_dataset": "sft_eval.jsonl", "eval_strategy": "steps", "eval_steps": 4,
                                      "per_device_eval_batch_size": 3}),
    "dpo_eval": ("dpo", "dpo.jsonl", {"eval_dataset": "dpo_eval.jsonl", "eval_strategy": "epoch",
                                      "per_device_eval_batch_size": 4, "loss_type": ["sigmoid", "sft"],
                                      "gradient_accumulation_steps": 1, "per_device_train_batch_size": 8}),
    "dpo_plain": ("dpo", "plain.jsonl", {"max_grad_norm": 0.05, "lr_scheduler_type": "constant"}),
    "dpo_implicit": ("dpo", "implicit.jsonl", {"lr_scheduler_type": "linear"}),
    "dpo_implicit_plain": ("dpo", "implicit_plain.jsonl", {}),
    "dpo_full": ("dpo", "dpo.jsonl", {"full": True, "learning_rate": 1e-3}),
    "dpo_full_precomputed": ("dpo", "dpo.jsonl", {"full": True, "learning_rate": 1e-3, "precompute_ref_log_probs": True}),
}
for _name, _changes in LOSSES.items():
    _changes = {"loss_type": _name.split(","), **_changes}
    _key = "dpo_" + _name.replace(",", "_")
    # Accumulation, cosine with warm-up. TRL averages the term "sft" over micro-batches, pbt over the tokens of the step, so
    # that this term has one micro-batch a step.
    _steps = {"gradient_accumulation_steps": 1} if "sft" in _name else {}
    CASES[_key] = ("dpo", "dpo.jsonl", {**_changes, **_steps})
    CASES[_key + "_precomputed"] = ("dpo", "dpo.jsonl", {**_changes, **_steps, "precompute_ref_log_probs": True})
    # One batch a step, constant after warm-up, both forms of reference.
    _other = {"lr_scheduler_type": "constant_with_warmup", "gradient_accumulation_steps": 1, "per_device_train_batch_size": 5}
    CASES[_key + "_constant"] = ("dpo", "plain.jsonl", {**_changes, **_other, "precompute_ref_log_probs": True})
GOLDEN = ["sft", "sft_text", "sft_full", "dpo", "dpo_plain", "dpo_full"] + ["dpo_" + name.replace(",", "_") for name in LOSSES if name != "sigmoid"]
# The names both logs share, and how each is compared (relative, with an absolute floor).
KEYS = ["loss", "learning_rate", "grad_norm", "num_tokens", "entropy", "mean_token_accuracy"]
DPO_KEYS = ["rewards/chosen", "rewards/rejected", "rewards/margins", "rewards/accuracies", "logps/chosen", "logps/rejected", "logits/chosen", "logits/rejected"]


def make_tokenizer(folder):
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=320,
        special_tokens=["<pad>", "</s>", "<|im_start|>", "<|im_end|>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator([" ".join(WORDS), "user assistant system\n"] * 3, trainer)
    fast = PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token="</s>", pad_token="<pad>")
    fast.chat_template = CHATML
    fast.save_pretrained(folder)
    return fast


def make_model(folder, vocab_size):
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    torch.manual_seed(1)
    config = LlamaConfig(
        vocab_size=vocab_size, hidden_size=24, intermediate_size=40, num_hidden_layers=2, num_attention_heads=4,
        num_key_value_heads=2, max_position_embeddings=512, tie_word_embeddings=True, initializer_range=0.2,
        bos_token_id=None, eos_token_id=1, pad_token_id=0,
    )
    LlamaForCausalLM(config).to(torch.float32).save_pretrained(folder)


def make_adapter(model_folder, folder):
    """A LoRA adapter whose B is not zero, so that the reference is not the base model."""
    import torch
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM

    torch.manual_seed(2)
    model = AutoModelForCausalLM.from_pretrained(model_folder, dtype=torch.float32)
    model = get_peft_model(model, LoraConfig(r=4, lora_alpha=8, lora_dropout=0.0, target_modules="all-linear", task_type="CAUSAL_LM"))
    for name, parameter in model.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(parameter, std=0.05)
    model.save_pretrained(folder)
    path = os.path.join(folder, "adapter_config.json")
    with open(path) as file:
        config = json.load(file)
    config["base_model_name_or_path"] = "model"
    with open(path, "w") as file:
        json.dump(config, file, indent=2, sort_keys=True)
    os.remove(os.path.join(folder, "README.md"))


def make_data(folder):
    import random

    rng = random.Random(3)

    def text(least, most):
        return " ".join(rng.choice(WORDS) for _ in range(rng.randint(least, most)))

    rows = {name + ".jsonl": [] for name in ("sft", "text", "dpo", "plain", "implicit", "implicit_plain")}
    for i in range(STEPS * 4 + 12):
        if i % 3 == 0:
            prompt = [{"role": "user", "content": text(3, 12)}]
            if i % 2 == 0:
                prompt += [{"role": "assistant", "content": text(2, 5)}, {"role": "user", "content": text(2, 5)}]
        chosen, rejected = text(1, 8), text(1, 8)
        answer = lambda content: [{"role": "assistant", "content": content}]
        rows["sft.jsonl"].append({"prompt": prompt, "completion": answer(chosen)})
        rows["text.jsonl"].append({"text": text(3, 20)})
        rows["dpo.jsonl"].append({"prompt": prompt, "chosen": answer(chosen), "rejected": answer(rejected)})
        rows["plain.jsonl"].append({"prompt": prompt[0]["content"], "chosen": " " + chosen, "rejected": " " + rejected})
        rows["implicit.jsonl"].append({"chosen": prompt + answer(chosen), "rejected": prompt + answer(rejected + " x")})
        rows["implicit_plain.jsonl"].append({"chosen": prompt[0]["content"] + " " + chosen, "rejected": prompt[0]["content"] + " " + rejected + " x"})
    for name in ("sft", "dpo"):  # 12 rows that are not trained on
        rows[name + "_eval.jsonl"] = rows[name + ".jsonl"][STEPS * 4:]
    for name, lines in rows.items():
        if not name.endswith("_eval.jsonl"):
            lines = lines[:STEPS * 4]
        with open(os.path.join(folder, name), "w") as file:
            file.writelines(json.dumps(line) + "\n" for line in lines)


def make_world(folder):
    """FOLDER/model, FOLDER/adapter and the data files."""
    model = os.path.join(folder, "model")
    os.makedirs(model, exist_ok=True)
    tokenizer = make_tokenizer(model)
    make_model(model, len(tokenizer))
    make_adapter(model, os.path.join(folder, "adapter"))
    make_data(folder)


def settings_of(case):
    command, data, changes = CASES[case]
    return command, data, {**COMMON, **changes}


def train_with_trl(world, case, output):
    """TRL's log, one dict a step, reduced to the shared names."""
    log, keys = trl_log(world, case, output)
    return [{"step": line["step"], "epoch": line["epoch"], **{key: line[key] for key in keys}} for line in log if "loss" in line]


def trl_log(world, case, output):
    """TRL's log as it is, and the names both logs share."""
    import torch
    import transformers
    from datasets import Dataset
    from peft import PeftModel
    from transformers import AutoModelForCausalLM, AutoTokenizer
    from trl import DPOConfig, DPOTrainer, SFTConfig, SFTTrainer

    transformers.logging.set_verbosity_error()
    torch.set_num_threads(1)
    command, data, settings = settings_of(case)
    model_folder = os.path.join(world, "model")
    model = AutoModelForCausalLM.from_pretrained(model_folder, dtype=torch.float32)
    if not settings.pop("full", False):
        model = PeftModel.from_pretrained(model, os.path.join(world, "adapter"), is_trainable=True)
    with open(os.path.join(world, data)) as file:
        dataset = Dataset.from_list([json.loads(line) for line in file])
    evaluation = {}
    if "eval_dataset" in settings:
        with open(os.path.join(world, settings.pop("eval_dataset"))) as file:
            evaluation = {"eval_dataset": Dataset.from_list([json.loads(line) for line in file])}
    common = dict(
        output_dir=output, bf16=False, fp16=False, use_cpu=True, gradient_checkpointing=False, report_to="none",
        disable_tqdm=True, **{"save_strategy": "no", **settings},
    )
    config, trainer = (DPOConfig, DPOTrainer) if command == "dpo" else (SFTConfig, SFTTrainer)
    trainer = trainer(
        model=model, args=config(**common), train_dataset=dataset, **evaluation,
        processing_class=AutoTokenizer.from_pretrained(model_folder),
    )
    trainer.train()
    keys = KEYS + (DPO_KEYS if command == "dpo" else [])
    return trainer.state.log_history, keys


def main(folder):
    make_world(folder)
    for name in ("implicit.jsonl", "implicit_plain.jsonl", "sft_eval.jsonl", "dpo_eval.jsonl"):
        os.remove(os.path.join(folder, name))
    for case in GOLDEN:
        command, data, settings = settings_of(case)
        curve = train_with_trl(folder, case, "/tmp/trl_curves_output")
        with open(os.path.join(folder, case + ".json"), "w") as file:
            json.dump({"command": command, "dataset": data, "settings": settings, "curve": curve}, file, indent=1)
            file.write("\n")
    import peft
    import transformers
    import trl

    with open(os.path.join(folder, "README.md"), "w") as file:
        file.write(
            "# Training curves of TRL\n\n"
            "A tiny random Llama, a LoRA adapter, data, and TRL's log of 20 steps for each case (fp32, no dropout, file\n"
            "order). Written by `python tests/interop/trl_curves.py tests/data/golden/train` with "
            f"trl {trl.__version__},\ntransformers {transformers.__version__}, peft {peft.__version__}.\n"
        )


if __name__ == "__main__":
    main(sys.argv[1])
