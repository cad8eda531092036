"""Token ids and decoded text equal to tokenizers', sentencepiece's and tiktoken's."""

import json
import os
import shutil
import subprocess
import time

import pytest

pytest.importorskip("transformers")
import token_cases as cases

BINARY = os.environ.get("PBT_BINARY", os.path.join(cases.ROOT, "build", "release", "pbt"))
N = int(os.environ.get("PBT_TEXTS", "100000"))
LLAMA3 = os.path.join(cases.SHARED, "tokenizers", "llama-3", "tokenizer.model")
MISTRAL = os.path.join(cases.SHARED, "tokenizers", "mistral-v1", "tokenizer.model")


def needs(path):
    return pytest.mark.skipif(not os.path.exists(path), reason=f"{path} is not there")


@pytest.fixture(scope="session")
def texts():
    return cases.texts(N)


def ask(folder, rows, *options):
    """pbt's answers to rows of JSON, and the seconds they took."""
    start = time.time()
    done = subprocess.run(
        [BINARY, "tokens", folder, *options], input="".join(json.dumps(row) + "\n" for row in rows).encode(), capture_output=True
    )
    assert done.returncode == 0, done.stderr.decode()
    return [json.loads(line) for line in done.stdout.decode().split("\n") if line], time.time() - start


def compare(tokenizer, folder, texts, name):
    """Ids with and without special tokens; decoded text with and without them. Prints the speed of both."""
    start = time.time()
    expected = tokenizer.encode_batch(texts, add_special_tokens=False)
    theirs = time.time() - start
    found, ours = ask(folder, [{"text": text} for text in texts])
    wrong = [text for text, e, f in zip(texts, expected, found, strict=True) if e.ids != f["ids"]]
    tokens = sum(len(e.ids) for e in expected)
    print(
        f"{name}: {len(texts)} texts, {tokens} tokens, {len(wrong)} differ; pbt tokens {tokens / ours:.0f}/s with JSON, tokenizers {tokens / theirs:.0f}/s"
    )
    assert not wrong, [
        (text, tokenizer.encode(text, add_special_tokens=False).ids, ask(folder, [{"text": text}])[0][0]["ids"]) for text in wrong[:3]
    ]
    few = texts[:: max(1, len(texts) // 20000)]
    ids = [tokenizer.encode(text).ids for text in few]
    assert [row["ids"] for row in ask(folder, [{"text": text} for text in few], "--add_special_tokens")[0]] == ids
    for skip, options in ((False, []), (True, ["--skip_special_tokens"])):
        decoded = [row["text"] for row in ask(folder, [{"ids": i} for i in ids], *options)[0]]
        wrong = [(i, a, b) for i, a, b in zip(ids, tokenizer.decode_batch(ids, skip_special_tokens=skip), decoded, strict=True) if a != b]
        assert not wrong, wrong[:3]


def save(tokenizer, path, specials=()):
    tokenizer.save(os.path.join(path, "tokenizer.json"))
    with open(os.path.join(path, "tokenizer_config.json"), "w") as file:
        json.dump(dict(specials), file)
    return str(path)


@needs(LLAMA3)
def test_llama3(texts, tmp_path):
    tokenizer = cases.llama3(LLAMA3)
    compare(tokenizer, os.path.dirname(LLAMA3), texts, "Llama 3, tokenizer.model")
    compare(tokenizer, save(tokenizer, tmp_path), texts, "Llama 3, tokenizer.json")


@needs(LLAMA3)
def test_llama3_tiktoken(texts):
    tiktoken = pytest.importorskip("tiktoken")
    import base64

    ranks = {base64.b64decode(a): int(b) for a, b in (line.split() for line in open(LLAMA3, "rb") if line.strip())}
    encoding = tiktoken.Encoding("llama3", pat_str=cases.LLAMA3, mergeable_ranks=ranks, special_tokens={})
    plain = [text for text in texts if "<|" not in text][: N // 2]
    found, _ = ask(os.path.dirname(LLAMA3), [{"text": text} for text in plain])
    wrong = [text for text, row in zip(plain, found) if encoding.encode_ordinary(text) != row["ids"]]
    assert not wrong, wrong[:3]


@needs(MISTRAL)
def test_mistral_sentencepiece(texts):
    pytest.importorskip("sentencepiece")
    model, _ = cases.pieces_of(MISTRAL)
    plain = [text for text in texts if cases.without_specials(text)]
    found, _ = ask(os.path.dirname(MISTRAL), [{"text": text} for text in plain])
    wrong = [(text, model.encode(text), row["ids"]) for text, row in zip(plain, found) if model.encode(text) != row["ids"]]
    print(f"Mistral v1, tokenizer.model against sentencepiece: {len(plain)} texts, {len(wrong)} differ")
    assert not wrong, wrong[:3]


@needs(MISTRAL)
@pytest.mark.parametrize("form", ["legacy", "first+whole", "always+whole", "never+whole", "first+split", "always+split"])
def test_mistral(form, texts, tmp_path):
    pytest.importorskip("sentencepiece")
    tokenizer = cases.sentencepiece_bpe(cases.pieces_of(MISTRAL)[1], form)
    some = texts if form == "legacy" else texts[::4]
    compare(tokenizer, save(tokenizer, tmp_path), some, f"Mistral v1 as tokenizer.json, {form}")
    if form in ("legacy", "first+whole"):
        model = tmp_path / "model"
        model.mkdir()
        shutil.copy(MISTRAL, model)
        (model / "tokenizer_config.json").write_text(json.dumps({"legacy": form == "legacy"}))
        compare(tokenizer, str(model), some, f"Mistral v1, tokenizer.model, {form}")


@pytest.mark.parametrize("name", ["gpt2", "gpt2-prefix", "qwen2", "llama3", "lower-nfd"])
def test_byte_level(name, texts, tmp_path):
    from tokenizers import normalizers

    settings = {
        "gpt2": (cases.GPT2, None),
        "gpt2-prefix": (None, None),
        "qwen2": (cases.QWEN2, normalizers.NFC()),
        "llama3": (cases.LLAMA3, None),
        "lower-nfd": (cases.GPT2, normalizers.Sequence([normalizers.NFD(), normalizers.Lowercase()])),
    }
    pattern, normalizer = settings[name]
    tokenizer = cases.byte_level(pattern, texts[:4000], normalizer, ignore_merges=name == "llama3")
    folder = save(tokenizer, tmp_path, {"eos_token": "<|im_end|>"})
    some = texts if name in ("qwen2", "gpt2") else texts[::2]
    compare(tokenizer, folder, [text + " <tool>  naïve x_1  <|im_end|>" if i % 50 == 0 else text for i, text in enumerate(some)], name)
    # The older spelling of merges, "a b".
    data = json.loads((tmp_path / "tokenizer.json").read_text())
    data["model"]["merges"] = [" ".join(merge) for merge in data["model"]["merges"]]
    (tmp_path / "tokenizer.json").write_text(json.dumps(data))
    assert [row["ids"] for row in ask(folder, [{"text": t} for t in texts[:2000]])[0]] == [
        e.ids for e in tokenizer.encode_batch(texts[:2000], add_special_tokens=False)
    ]


@pytest.mark.parametrize("name", ["llama-bpe", "llama-spm"])
def test_llama_cpp(name, tmp_path):
    """llama.cpp's test strings: Llama 3's vocabulary, and Llama 2's, of whose GGUF a SentencePiece model is made."""
    base = os.path.join(cases.SHARED, "tokenizers", name)
    if not os.path.exists(base + ".inp"):
        pytest.skip(base + ".inp is not there")
    folder = os.path.dirname(LLAMA3)
    if name == "llama-spm":
        folder = str(tmp_path)
        pieces = cases.gguf_pieces(os.path.join(cases.SHARED, "tokenizers", "llama-2", "ggml-vocab-llama-spm.gguf"))
        (tmp_path / "tokenizer.model").write_bytes(cases.sentencepiece_bytes(pieces))
    inputs = open(base + ".inp", encoding="utf-8", newline="").read().split("\n__ggml_vocab_test__\n")
    outputs = [[int(i) for i in line.split()] for line in open(base + ".out").read().split("\n")]
    found = [row["ids"] for row in ask(folder, [{"text": text} for text in inputs])[0]]
    assert len(inputs) > 40
    assert found == outputs[: len(inputs)]


@pytest.mark.parametrize("data", [b"a\xffb", b"\xe2\x82", b"\xf0\x9f\x98 x", b"\xed\xa0\x80", b"\xc0\xaf", b"ok \x80\x80"])
@needs(LLAMA3)
def test_invalid_utf8(data):
    """Every maximal invalid part counts as one U+FFFD, as in Python's decode(errors="replace")."""
    done = subprocess.run([BINARY, "tokens", os.path.dirname(LLAMA3), data, "--json"], capture_output=True)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["ids"] == ask(os.path.dirname(LLAMA3), [{"text": data.decode(errors="replace")}])[0][0]["ids"]
