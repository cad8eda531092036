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
FLOOR = {"rewards/chosen": 1e-5, "rewards/rejected": 1e-5, "rewards/margins": 1e-5, "learning_rate": 1e-15, "loss": 1e-6}


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
    for name, value in settings.items():
        arguments.append("--" + name)
        arguments += [str(one) for one in value] if isinstance(value, list) else [str(value)]
    done = subprocess.run(arguments, capture_output=True, text=True, env={**os.environ, "OMP_NUM_THREADS": "1"})
    assert done.returncode == 0, done.stderr
    with open(os.path.join(output, "metrics.jsonl")) as file:
        return [json.loads(line) for line in file]


def distances(expected, found):
    """The largest relative distance of every name over all steps."""
    worst = {}
    for theirs, ours in zip(expected, found, strict=True):
        assert theirs["step"] == ours["step"]
        for key, value in theirs.items():
            floor = FLOOR.get(key, 0) / TOLERANCE
            distance = abs(ours[key] - value) / max(abs(value), floor, 1e-30)
            worst[key] = max(worst.get(key, 0), 0 if ours[key] == value else distance)
    return worst


@pytest.mark.parametrize("case", trl_curves.CASES)
def test_curve(world, case, tmp_path):
    expected = trl_curves.train_with_trl(world, case, str(tmp_path / "trl"))
    found = train_with_pbt(world, case, str(tmp_path / "pbt"))
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
