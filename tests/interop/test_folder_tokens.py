"""What a folder says outside of tokenizer.json, and masks of assistant tokens: as transformers has them."""

import json
import os
import random
import subprocess

import pytest

transformers = pytest.importorskip("transformers")
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers, processors

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BINARY = os.environ.get("PBT_BINARY", os.path.join(ROOT, "build", "release", "pbt"))


def token(content, **flags):
    return {"content": content, "lstrip": False, "rstrip": False, "normalized": False, "single_word": False, "special": True, **flags}


def typed(content, **flags):
    return {"__type": "AddedToken", **token(content, **flags)}


def backend(**byte_level):
    made = Tokenizer(models.BPE(vocab={c: i for i, c in enumerate(sorted(pre_tokenizers.ByteLevel.alphabet()))}, merges=[]))
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.decoder = decoders.ByteLevel()
    if byte_level:
        made.post_processor = processors.ByteLevel(**byte_level)
    made.add_tokens([AddedToken(t, special=True, normalized=False) for t in ("<|end|>", "<|im_start|>", "<|im_end|>")])
    return made


DECODER = "added_tokens_decoder"
CONFIGS = [
    {DECODER: {"259": token("<extra>")}},
    {DECODER: {"300": token("<extra>"), "280": token("<b>", special=False, normalized=True)}},
    {DECODER: {"64": token("a"), "65": token("b", lstrip=True, rstrip=True)}},
    *({DECODER: {"258": token("<|im_end|>", **{flag: not token("")[flag]})}} for flag in token("") if flag != "content"),
    *({DECODER: {"259": token("<extra>", **{flag: not token("")[flag]})}} for flag in token("") if flag != "content"),
    {"additional_special_tokens": ["<extra>", "<b>", "<|im_end|>"]},
    {"additional_special_tokens": [typed("<extra>", rstrip=True), "<b>"]},
    {"extra_special_tokens": ["<extra>"], "additional_special_tokens": ["<b>"]},
    {"extra_special_tokens": [], "additional_special_tokens": ["<b>"]},
    {"extra_special_tokens": {"image_token": "<extra>", "b_token": "<b>"}},
    {"image_token": "<extra>"},
    {"bos_token": "<extra>", "add_bos_token": True, "add_eos_token": True},
    {"eos_token": "b"},
    {"eos_token": typed("<extra>", lstrip=True)},
    {"eos_token": "<extra>", DECODER: {"259": token("<extra>", special=False)}},
    {"split_special_tokens": True, DECODER: {"259": token("<extra>"), "260": token("<b>", special=False)}},
    {"additional_special_tokens": None, "extra_special_tokens": None, "bos_token": None},
    {DECODER: {"259": token("<extra>", rstrip=True), "260": token(" b"), "261": token("  ")}},
    {DECODER: {"259": token("<extra>", rstrip=True), "260": token("<b>", lstrip=True), "261": token(" ")}},
]
MAP = "special_tokens_map.json"
ADDED = "added_tokens.json"
CASES = [(config, {}) for config in CONFIGS] + [
    ({}, {ADDED: {"<extra>": 261, "<b>": 260}}),
    ({"bos_token": "<extra>"}, {ADDED: {"<extra>": 259, "<b>": 260}}),
    ({DECODER: {"259": token("<b>")}}, {ADDED: {"<extra>": 259}}),
    ({}, {MAP: {"eos_token": "<|end|>", "bos_token": "<extra>"}}),
    ({}, {MAP: {"eos_token": token("<|im_end|>", rstrip=True), "image_token": "<extra>"}}),
    ({}, {MAP: {"additional_special_tokens": ["<extra>"]}}),
    ({"extra_special_tokens": ["<b>"]}, {MAP: {"extra_special_tokens": ["<extra>"]}}),
    ({DECODER: {}, "eos_token": "<|im_end|>"}, {MAP: {"eos_token": "<|end|>", "bos_token": "<extra>"}}),
]
TEXTS = [
    "a<extra>b",
    "a <extra> b <b> c",
    "<|im_start|>user\nHi<|im_end|> x  <|im_end|>\n",
    "x<extra>  b<extra> b",
    "abab b a <b><extra>   <b>",
    "<extra>   bb",
    "wa <extra>x <|im_end|>y",
]


def ask(folder, rows, *options):
    done = subprocess.run(
        [BINARY, "tokens", str(folder), *options], input="".join(json.dumps(r) + "\n" for r in rows), capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def write(folder, made, config, files):
    made.save(str(folder / "tokenizer.json"))
    config = {"tokenizer_class": "PreTrainedTokenizerFast", "pad_token": "<|end|>", "eos_token": "<|im_end|>", **config}
    for name, value in {"tokenizer_config.json": config, **files}.items():
        (folder / name).write_text(json.dumps(value))
    return transformers.AutoTokenizer.from_pretrained(str(folder))


@pytest.mark.parametrize("config, files", CASES, ids=[json.dumps(case)[:60] for case in CASES])
def test_tokens(tmp_path, config, files):
    tokenizer = write(tmp_path, backend(), config, files)
    for options, special in (([], False), (["--add_special_tokens"], True)):
        expected = [tokenizer(text, add_special_tokens=special)["input_ids"] for text in TEXTS]
        assert [row["ids"] for row in ask(tmp_path, [{"text": text} for text in TEXTS], *options)] == expected
    decoded = [tokenizer.decode(ids, skip_special_tokens=True) for ids in expected]
    assert [row["text"] for row in ask(tmp_path, [{"ids": ids} for ids in expected], "--skip_special_tokens")] == decoded


@pytest.mark.parametrize("prefix, trim", [(True, True), (False, True), (False, False)])
def test_assistant_masks(tmp_path, prefix, trim):
    (tmp_path / "chat_template.jinja").write_text(
        "{% for m in messages %}{% if m.role == 'assistant' %}A: {% generation %}{{ m.content }} {% endgeneration %}next"
        "{% else %}{{ m.role }}: {{ m.content }}\n{% endif %}{% endfor %}"
    )
    added = {"300": token("  ", special=False), "301": token(" next", special=False), "302": token("b  ", special=False)}
    tokenizer = write(tmp_path, backend(add_prefix_space=prefix, trim_offsets=trim), {DECODER: added}, {})
    draw = random.Random(1)
    rows = [
        {
            "messages": [
                {"role": draw.choice(["user", "assistant"]), "content": "".join(draw.choice("ab  é\n") for _ in range(draw.randint(0, 7)))}
                for _ in range(draw.randint(1, 4))
            ]
        }
        for _ in range(60)
    ]
    for row, found in zip(rows, ask(tmp_path, rows, "--show_tokens", "--json"), strict=True):
        expected = tokenizer.apply_chat_template(row["messages"], return_dict=True, return_assistant_tokens_mask=True)
        assert (found["ids"], found["mask"]) == (expected["input_ids"], expected["assistant_masks"]), row


CONTINUED = [
    "{% for m in messages %}[{{ m.role }}] {{ m.content }}\n{% endfor %}{% if add_generation_prompt %}[assistant] {% endif %}",
    "{% for m in messages %}[{{ m.role }}] {{ m.content | trim }}\n{% endfor %}",
    "{% for m in messages %}[{{ m.role }}] {{ m.reasoning_content }}|{{ m.content }}\n{% endfor %}",
]


@pytest.mark.parametrize("template", CONTINUED)
def test_continue_final_message(tmp_path, template):
    tokenizer = write(tmp_path, backend(), {}, {})
    (tmp_path / "chat_template.jinja").write_text(template)
    for content in ("Yes", "Yes  ", " Yes\n", "a b"):
        messages = [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": content}]
        expected = tokenizer.apply_chat_template(messages, chat_template=template, tokenize=False, continue_final_message=True)
        assert ask(tmp_path, [{"messages": messages, "continue_final_message": True}])[0]["text"] == expected
    if "reasoning" in template:
        messages[-1]["thinking"] = "Hm"
        expected = tokenizer.apply_chat_template(messages, chat_template=template, tokenize=False, continue_final_message="reasoning_content")
        messages[-1]["reasoning_content"] = "Hm"
        assert ask(tmp_path, [{"messages": messages, "continue_final_message": "reasoning_content"}])[0]["text"] == expected
