"""Chat templates: rendered as transformers renders them, byte for byte, or refused."""

import json
import os
import subprocess

import pytest

pytest.importorskip("transformers")
import chat_cases
import chat_fuzz
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast
from transformers.utils import chat_template_utils

ROOT = chat_cases.ROOT
BINARY = os.environ.get("PBT_BINARY", os.path.join(ROOT, "build", "release", "pbt"))
SPECIALS = {"bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>", "pad_token": "<pad>"}
FUZZED = int(os.environ.get("PBT_TEMPLATES", "1000"))
DATE = "26 Jul 2024"
TEMPLATES = chat_cases.templates()


@pytest.fixture(scope="session")
def folder(tmp_path_factory):
    """A folder with a tokenizer of single bytes, for any text."""
    path = str(tmp_path_factory.mktemp("tokenizer"))
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    tokenizer = Tokenizer(models.BPE(vocab={c: i for i, c in enumerate(alphabet)}, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    PreTrainedTokenizerFast(tokenizer_object=tokenizer, **SPECIALS).save_pretrained(path)
    return path


@pytest.fixture(scope="session")
def reference(folder):
    return PreTrainedTokenizerFast.from_pretrained(folder)


def expected_text(tokenizer, template, case, prompt):
    """What transformers renders, or None where it refuses."""
    kwargs = {"date_string": DATE, **case.get("chat_template_kwargs", {})}
    try:
        return tokenizer.apply_chat_template(
            case["messages"], chat_template=template, tools=case.get("tools"), tokenize=False, add_generation_prompt=prompt, **kwargs
        )
    except Exception:
        return None


def ours(folder, template, rows):
    """The rendered texts, and the sentence of a refusal in the place of a text."""
    with open(os.path.join(folder, "chat_template.jinja"), "w", encoding="utf-8", newline="") as file:
        file.write(template)
    answers = []
    while len(answers) < len(rows):
        text = "".join(json.dumps(row) + "\n" for row in rows[len(answers) :])
        done = subprocess.run([BINARY, "tokens", folder, "--date_string", DATE], input=text.encode(), capture_output=True)
        answers += [("text", json.loads(line)["text"]) for line in done.stdout.decode().split("\n") if line]
        if done.returncode == 0:
            break
        assert done.returncode == 3, done.stderr
        answers.append(("refusal", done.stderr.decode()))
    return answers


def compare(reference, folder, template, cases):
    """How many texts were equal, and the refusals of what transformers renders. Fails where a text differs."""
    rows = [{**case, "add_generation_prompt": prompt} for case in cases for prompt in (False, True)]
    equal, unsupported = 0, []
    for row, (kind, text) in zip(rows, ours(folder, template, rows), strict=True):
        wanted = expected_text(reference, template, row, row["add_generation_prompt"])
        if kind == "text":
            assert text == wanted, json.dumps(row)
            equal += 1
        elif wanted is not None:
            unsupported.append((text, row))
    return equal, unsupported


@pytest.fixture(autouse=True)
def pinned_date(monkeypatch):
    """transformers' strftime_now on the pinned date."""
    import datetime as real

    class Pinned(real.datetime):
        @classmethod
        def now(cls, tz=None):
            return cls(2024, 7, 26, 12)

    monkeypatch.setattr(chat_template_utils, "datetime", Pinned)


@pytest.mark.parametrize("name", TEMPLATES)
def test_template(name, reference, folder):
    equal, unsupported = compare(reference, folder, TEMPLATES[name], list(chat_cases.chats()))
    print(name, equal, "equal", len(unsupported), "refused by pbt alone")
    for sentence in sorted({text for text, _ in unsupported}):
        print("   ", sentence.strip())
    if not name.startswith("trl/"):
        assert not unsupported, unsupported[:3]


def test_random_templates(reference, folder):
    """Random templates: equal text, or refused by both; pbt may refuse more, and must not render what Jinja refuses."""
    talk = [{"role": "user", "content": "Hi a, b "}, {"role": "assistant", "content": "  é 12\n"}]
    case = {"messages": talk, "add_generation_prompt": True}
    counts = {"equal": 0, "both refuse": 0, "pbt refuses": 0}
    for seed in range(FUZZED):
        template = chat_fuzz.template(seed)
        wanted = expected_text(reference, template, case, True)
        kind, text = ours(folder, template, [case])[0]
        if kind == "text":
            assert text == wanted, (seed, template)
            counts["equal"] += 1
        else:
            counts["both refuse" if wanted is None else "pbt refuses"] += 1
    print(counts)
    assert counts["pbt refuses"] < 0.1 * FUZZED and counts["equal"] > 0.3 * FUZZED


def test_named_templates(folder, tmp_path):
    """A folder that transformers writes with several templates: which one is taken, with tools and without."""
    tokenizer = PreTrainedTokenizerFast.from_pretrained(folder)
    default = "{% for m in messages %}{{ m.role }}: {{ m.content }};{% endfor %}"
    tools = [{"type": "function", "function": {"name": "f", "description": "d", "parameters": {}}}]
    row = {"messages": [{"role": "user", "content": "Hi"}], "add_generation_prompt": False}
    named = {"default": default, "tool_use": default + "{{ tools | length }}", "rag": "rag"}
    for files in (True, False):
        path = str(tmp_path / str(files))
        tokenizer.chat_template = named
        tokenizer.save_pretrained(path, save_jinja_files=files)
        assert os.path.exists(os.path.join(path, "additional_chat_templates")) == files
        again = PreTrainedTokenizerFast.from_pretrained(path)
        for case in (row, {**row, "tools": tools}, {**row, "tools": None}):
            done = subprocess.run([BINARY, "tokens", path], input=json.dumps(case).encode(), capture_output=True, check=True)
            text = again.apply_chat_template(row["messages"], tools=case.get("tools"), tokenize=False)
            assert json.loads(done.stdout)["text"] == text, (files, case)
