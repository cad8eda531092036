"""What a training of pbt leaves for other programs to read: TensorBoard's event file, transformers' trainer_state.json."""

import glob
import json
import math
import os
import subprocess

import pytest

pytest.importorskip("trl")
import trl_curves

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BINARY = os.environ.get("PBT_BINARY", os.path.join(ROOT, "build", "release", "pbt"))


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A folder that `pbt dpo` wrote, interrupted once on the way."""
    folder = str(tmp_path_factory.mktemp("world"))
    trl_curves.make_world(folder)
    output = os.path.join(folder, "output")
    command = [BINARY, "dpo", "--model_name_or_path", os.path.join(folder, "model"), "--adapter", os.path.join(folder, "adapter"),
               "--dataset", os.path.join(folder, "dpo.jsonl"), "--output_dir", output, "--logging_steps", "1", "--save_steps", "2",
               "--max_steps", "12", "--quiet"]
    started = subprocess.Popen(command)
    try:
        started.wait(0.4)
    except subprocess.TimeoutExpired:
        started.kill()
        started.wait()
    subprocess.run(command, check=True)
    with open(os.path.join(output, "metrics.jsonl")) as file:
        return output, [json.loads(line) for line in file]


def test_tensorboard_reads_the_events(trained):
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    output, lines = trained
    files = glob.glob(os.path.join(output, "events.out.tfevents.*"))
    assert len(files) == 1
    accumulator = EventAccumulator(output)
    accumulator.Reload()
    assert accumulator.file_version == 2.0
    tags = accumulator.Tags()["scalars"]
    assert {"train/loss", "train/rewards/margins", "train/logps/chosen", "train/grad_norm"} <= set(tags)
    for tag in tags:
        points = [(event.step, event.value) for event in accumulator.Scalars(tag)]
        name = "eval_" + tag[5:] if tag.startswith("eval/") else tag[len("train/"):]
        expected = [(line["step"], line[name]) for line in lines if name in line]
        assert [step for step, _ in points] == [step for step, _ in expected]
        for (_, found), (_, number) in zip(points, expected):
            assert math.isclose(found, number, rel_tol=1e-6, abs_tol=1e-30)


def test_transformers_reads_the_state(trained):
    from transformers import TrainerState

    output, lines = trained
    state = TrainerState.load_from_json(os.path.join(output, "trainer_state.json"))
    assert state.global_step == state.max_steps == 12
    assert state.log_history == lines
    assert [line["step"] for line in lines] == list(range(1, 13))
