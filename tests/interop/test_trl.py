"""pbt sft and pbt dpo against TRL: same model, adapter, data and order; fp32, no dropout; 20 steps."""

import json
import os
import subprocess

import pytest

pytest.importorskip("trl")
import trl_curves

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BINARY = os.environ.get("PBT_BINARY", os.path.join(ROOT, "build", "release", "pbt"))
TOLERANCE = 1e-4  # relative
# Absolute floors. A reward is beta times the difference of two sums of about 60 nats, of which float32 keeps 4e-6; a loss or a
# gradient norm may pass through zero.
FLOOR = {"rewards/chosen": 1e-5, "rewards/rejected": 1e-5, "rewards/margins": 1e-5, "logits/chosen": 1e-6, "logits/rejected": 1e-6, "learning_rate": 1e-15, "loss": 1e-6}


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    folder = str(tmp_path_factory.mktemp("world"))
    trl_curves.make_world(folder)
    return folder


def train_with_pbt(world, case, output):
    command, data, settings = trl_curves.settings_of(case)
    arguments = [BINARY, command, "--model_name_or_path", os.path.join(world, "model"), "--dataset", os.path.join(world, data),
                 "--output_dir", output, "--quiet"]
    if not settings.get("full"):
        arguments += ["--adapter", os.path.join(world, "adapter")]
    if "eval_dataset" in settings:
        settings["eval_dataset"] = os.path.join(world, settings["eval_dataset"])
    for name, value in settings.items():
        arguments.append("--" + name)
        arguments += [str(one) for one in value] if isinstance(value, list) else [str(value)]
    done = subprocess.run(arguments, capture_output=True, text=True, env={**os.environ, "OMP_NUM_THREADS": "1"})
    assert done.returncode == 0, done.stderr
    with open(os.path.join(output, "metrics.jsonl")) as file:
        return [json.loads(line) for line in file]


def training_lines(lines):
    return [line for line in lines if "loss" in line]


def distances(expected, found):
    """The largest relative distance of every name over all steps."""
    worst = {}
    for theirs, ours in zip(expected, found, strict=True):
        assert theirs["step"] == ours["step"]
        for key, value in theirs.items():
            floor = FLOOR.get(key.removeprefix("eval_"), 0) / TOLERANCE
            distance = abs(ours[key] - value) / max(abs(value), floor, 1e-30)
            worst[key] = max(worst.get(key, 0), 0 if ours[key] == value else distance)
    return worst


@pytest.mark.parametrize("case", trl_curves.CASES)
def test_curve(world, case, tmp_path):
    expected = trl_curves.train_with_trl(world, case, str(tmp_path / "trl"))
    found = training_lines(train_with_pbt(world, case, str(tmp_path / "pbt")))
    assert len(expected) == trl_curves.STEPS
    worst = distances(expected, found)
    print(case, {key: float(f"{value:.2g}") for key, value in worst.items()})
    assert all(value <= TOLERANCE for value in worst.values()), worst


def test_adapter_loads_in_peft(world, tmp_path):
    """The adapter pbt writes gives, in PEFT, the log-probabilities that pbt's next step starts from."""
    import torch
    from peft import PeftModel
    from transformers import AutoModelForCausalLM

    train_with_pbt(world, "sft", str(tmp_path))
    model = AutoModelForCausalLM.from_pretrained(os.path.join(world, "model"), dtype=torch.float32)
    before = {name: value.clone() for name, value in PeftModel.from_pretrained(model, os.path.join(world, "adapter")).state_dict().items()}
    model = AutoModelForCausalLM.from_pretrained(os.path.join(world, "model"), dtype=torch.float32)
    after = PeftModel.from_pretrained(model, str(tmp_path)).state_dict()
    lora = [name for name in after if "lora_" in name]
    assert lora and set(before) == set(after)
    assert all(not torch.equal(before[name], after[name]) for name in lora)


@pytest.mark.parametrize("case", ["sft_eval", "dpo_eval"])
def test_evaluations(world, case, tmp_path):
    log, _ = trl_curves.trl_log(world, case, str(tmp_path / "trl"))
    names = ["step", "epoch", "eval_loss", "eval_entropy", "eval_mean_token_accuracy"]
    if case == "dpo_eval":
        names += ["eval_" + key for key in trl_curves.DPO_KEYS]
    expected = [{name: line[name] for name in names} for line in log if "eval_loss" in line]
    found = [line for line in train_with_pbt(world, case, str(tmp_path / "pbt")) if "eval_loss" in line]
    assert len(expected) >= 2
    worst = distances(expected, found)
    print(case, {key: float(f"{value:.2g}") for key, value in worst.items()})
    assert all(value <= TOLERANCE for value in worst.values()), worst


def test_exported_reference(world, tmp_path):
    """The columns pbt writes are what TRL computes, and training on them is the same training."""
    exported = str(tmp_path / "exported.jsonl")
    command = [BINARY, "dpo", "--model_name_or_path", os.path.join(world, "model"), "--adapter", os.path.join(world, "adapter"), "--quiet"]
    lines = []
    for dataset, more in ((os.path.join(world, "dpo.jsonl"), ["--export_ref_log_probs", exported]), (exported, [])):
        output = str(tmp_path / f"output{len(lines)}")
        subprocess.run(command + ["--dataset", dataset, "--output_dir", output, "--max_steps", "3", "--logging_steps", "1"] + more, check=True)
        with open(os.path.join(output, "metrics.jsonl")) as file:
            lines.append([{**json.loads(line), "step_time": 0} for line in file])
    assert lines[0] == lines[1]
    rows = [json.loads(line) for line in open(exported)]
    assert len(rows) == len(list(open(os.path.join(world, "dpo.jsonl"))))
    import torch
    from peft import PeftModel
    from transformers import AutoModelForCausalLM, AutoTokenizer

    model = AutoModelForCausalLM.from_pretrained(os.path.join(world, "model"), dtype=torch.float32)
    model = PeftModel.from_pretrained(model, os.path.join(world, "adapter")).eval()
    tokenizer = AutoTokenizer.from_pretrained(os.path.join(world, "model"))
    for row in rows[:5]:
        prompt = tokenizer.apply_chat_template(row["prompt"], add_generation_prompt=True, return_dict=True)["input_ids"]
        full = tokenizer.apply_chat_template(row["prompt"] + row["chosen"], return_dict=True)["input_ids"]
        logits = model(torch.tensor([full])).logits.log_softmax(-1)[0]
        total = sum(logits[i - 1, full[i]].item() for i in range(len(prompt), len(full)))
        assert abs(total - row["ref_chosen_logps"]) < 1e-4 * abs(total)
