"""Every stage of pbt run on folders made by transformers, with real trivia questions and the paper's prompts."""

import collections
import json
import os
import subprocess

import pytest

pytest.importorskip("transformers")
import plumbing_world

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BINARY = os.environ.get("PBT_BINARY", os.path.join(ROOT, "build", "release", "pbt"))
QUESTIONS = os.path.join(os.path.dirname(ROOT), "shared", "data", "opentriviaqa", "questions.jsonl")
EXPERIMENT = f"""
name: plumbing
seeds: [12]
agents:
  a: {{model: a}}
  b: {{model: b}}
prompts: {ROOT}/prompts/paper
questions: {{file: questions.jsonl, split: field}}
trees: {{a_first: 1, b_first: 1, max_new_tokens: 12}}
pairs: {{require_disagreement: false}}
sft: {{max_steps: 2, per_device_train_batch_size: 4}}
dpo: {{num_train_epochs: 1, per_device_train_batch_size: 4}}
eval:
  balanced: {{max_new_tokens: 12}}
  flipflop: {{max_new_tokens: 12}}
  team: {{enabled: true, max_new_tokens: 12}}
"""


def pbt(*arguments, code=0, **options):
    done = subprocess.run([BINARY, *map(str, arguments)], capture_output=True, text=True, **options)
    assert done.returncode == code, done.stderr
    return done.stdout


def read_lines(path):
    with open(path) as file:
        return [json.loads(line) for line in file]


def write_lines(path, rows):
    with open(path, "w") as file:
        file.writelines(json.dumps(row) + "\n" for row in rows)


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    if not os.path.exists(QUESTIONS):
        pytest.skip("the trivia questions (shared/data/opentriviaqa) are not here")
    folder = tmp_path_factory.mktemp("plumbing")
    questions = read_lines(QUESTIONS)[:40]
    for i, question in enumerate(questions):
        question["split"] = ["train", "train", "train", "dev", "test"][i % 5]
    texts = [question["question"] for question in questions]
    for seed, name in enumerate("ab"):
        plumbing_world.make_model(texts, str(folder / name), seed)
    write_lines(folder / "questions.jsonl", questions)
    (folder / "experiment.yaml").write_text(EXPERIMENT)
    return folder


def grow(world, run):
    """The plan, the beginning of a run, and its train trees."""
    plan = json.loads(pbt("run", world / "experiment.yaml", "--dry-run", "--json"))
    assert plan["train"]["questions"] == 24
    pbt("run", world / "experiment.yaml", "--output_dir", run, "--quiet")
    pbt("trees", run, "--output", world / "trees.jsonl", "--quiet")
    return read_lines(world / "trees.jsonl")


def accept_nonsense(world, trees):
    """Random models know no answer. What a part of the nodes said is taken as one, so that there are pairs."""
    said = collections.defaultdict(collections.Counter)
    for tree in trees:
        for node in tree["nodes"]:
            if node["answer"]:
                said[tree["question"]["id"]][node["answer"]] += 1
    everywhere = collections.Counter(answer for answers in said.values() for answer in answers)
    questions = read_lines(world / "questions.jsonl")
    for i, question in enumerate(questions):
        names = [name for name, _ in (said.get(question["question_id"]) or everywhere).most_common(8)]
        question["answer"]["aliases"] += names[i % 2 :: 2]
        question["answer"]["normalized_aliases"] = None
        del question["answer"]["normalized_aliases"]
    write_lines(world / "questions.jsonl", questions)


def test_every_stage(world):
    trees = grow(world, world / "first")
    assert len(trees) == 48
    for tree in trees:
        assert 1 <= len(tree["nodes"]) <= 21 and tree["nodes"][0]["parent"] is None
    assert os.path.exists(world / "first" / "report.json"), "a run without pairs ends with a report too"
    accept_nonsense(world, trees)

    run = world / "second"
    pbt("run", world / "experiment.yaml", "--output_dir", run, "--quiet")
    pairs = json.loads(pbt("pairs", run, "--json", "--quiet"))
    print(json.dumps(pairs)[:2000])
    rows = read_lines(run / "seed-12" / "pairs.jsonl")
    assert {"resist", "accept"} == {row["kind"] for row in rows}
    for row in rows:
        assert row["prompt"][-1]["role"] == "user" and row["chosen"][0]["role"] == row["rejected"][0]["role"] == "assistant"
    report = json.loads((run / "report.json").read_text())
    assert set(report["arms"]) == {"base", "accept", "resist", "pbt"}
    for name, arm in report["arms"].items():
        assert 0 <= arm["balanced"]["overall"]["mean"] <= 100, name
        assert 0 <= arm["flipflop"]["before"]["mean"] <= 100, name
        assert arm["team"]["order_gap"] is not None, name
    assert "no date" not in report and (run / "report.md").exists()

    again = world / "again"
    pbt("run", world / "experiment.yaml", "--output_dir", again, "--quiet", "--threads", 1)
    assert (again / "report.json").read_bytes() == (run / "report.json").read_bytes()


def test_trained_adapters_load_in_peft(world):
    """Each arm's adapter gives, in PEFT, the log-probabilities that pbt gives with it."""
    torch = pytest.importorskip("torch")
    peft = pytest.importorskip("peft")
    transformers = pytest.importorskip("transformers")
    run = world / "second"
    if not run.exists():
        pytest.skip("the run is made by the test before")
    prompt, continuation = [5, 80, 41, 300, 7, 9, 12], [33, 64, 100, 2]
    for arm in ("accept", "resist", "pbt"):
        adapters = [place for place, _, files in os.walk(run / "seed-12" / arm) if "adapter_config.json" in files]
        assert adapters, arm
        for adapter in adapters:
            model = transformers.AutoModelForCausalLM.from_pretrained(world / "a", dtype=torch.float32)
            model = peft.PeftModel.from_pretrained(model, adapter).eval()
            with torch.no_grad():
                logprobs = torch.log_softmax(model(torch.tensor([prompt + continuation])).logits[0], -1)
            theirs = [logprobs[len(prompt) - 1 + i, token].item() for i, token in enumerate(continuation)]
            request = json.dumps({"id": 1, "prompt_ids": prompt, "continuation_ids": continuation})
            ours = json.loads(pbt("score", world / "a", "--adapter", adapter, input=request + "\n"))["logprobs"]
            assert max(abs(a - b) for a, b in zip(ours, theirs)) < 2e-4, adapter


def test_messages_through_the_template(world):
    """pbt score and pbt generate on messages: the ids of transformers' template, its log-probabilities, its greedy text."""
    torch = pytest.importorskip("torch")
    transformers = pytest.importorskip("transformers")
    model = transformers.AutoModelForCausalLM.from_pretrained(world / "a", dtype=torch.float32)
    tokenizer = transformers.AutoTokenizer.from_pretrained(world / "a")
    messages = [
        {"role": "user", "content": "Which of these is a river?"},
        {"role": "assistant", "content": "I think that it is the Rhine."},
        {"role": "user", "content": "Are you sure? My answer is Paris."},
    ]
    answer = "Yes, the answer is Rhine."
    prompt = tokenizer.apply_chat_template(messages, add_generation_prompt=True, tokenize=True, return_dict=False)
    whole = tokenizer.apply_chat_template(messages + [{"role": "assistant", "content": answer}], tokenize=True, return_dict=False)
    end = tokenizer.convert_tokens_to_ids("<|im_end|>")
    continuation = whole[len(prompt) : len(whole) - whole[::-1].index(end)]
    with torch.no_grad():
        logprobs = torch.log_softmax(model(torch.tensor([prompt + continuation])).logits[0], -1)
    theirs = [logprobs[len(prompt) - 1 + i, token].item() for i, token in enumerate(continuation)]
    row = json.loads(pbt("score", world / "a", input=json.dumps({"id": "x", "messages": messages, "continuation": answer}) + "\n"))
    assert row["ids"] == continuation
    assert max(abs(a - b) for a, b in zip(row["logprobs"], theirs, strict=True)) < 2e-4
    out = model.generate(torch.tensor([prompt]), do_sample=False, max_new_tokens=24, attention_mask=torch.ones(1, len(prompt), dtype=torch.long))
    row = json.loads(
        pbt("generate", world / "a", "--temperature", 0, "--max_new_tokens", 24, input=json.dumps({"id": "x", "messages": messages}) + "\n")
    )
    assert row["ids"] == out[0, len(prompt) :].tolist()
    assert row["text"] == tokenizer.decode(row["ids"], skip_special_tokens=True)
