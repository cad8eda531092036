"""Makes tests/data/golden/tokens: small tokenizers of every kind, texts, and the ids and decoded texts that tokenizers and
sentencepiece give. Run: .venv/bin/python tokens_golden.py"""

import base64
import io
import json
import os
import shutil

import sentencepiece
import token_cases as cases
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers

OUT = os.path.join(cases.ROOT, "tests", "data", "golden", "tokens")
CORPUS = """The quick brown fox jumps over the lazy dog. Which city is the capital of France? Paris, of course; it's not Lyon.
    def answer(question):\n        return "I don't know" if question is None else question.strip()\n
Ångström naïve façade été cœur straße Größe. Привет, как дела? Что нового? 日本語の文章です。 한국어 문장. مرحبا بالعالم. नमस्ते दुनिया
1234567890 3.14159 1,000,000 2024-07-26 0x1F   spaces     tabs\t\tand\n\n\nlines  """.split("\n")


def texts():
    made = list(cases.made_texts(120, seed=5))
    return made + [
        "",
        " ",
        "  ",
        "Hello world",
        " Hello",
        "Hello ",
        "it's I'LL don’t",
        "<|im_start|>user\nHi<|im_end|>\n",
        "a <tool>  b<tool>",
        "naïve naïvety",
        "x_1  y",
        "1234567",
        "\n\n  \n x",
        "▁a ▁",
        "<s>a</s> b",
        "e\u0301",
        "ÅNGSTRÖM",
        "👨‍👩‍👧‍👦 🇫🇷",
        "é" * 40,
        "a" * 100,
        " " * 33 + "x",
        "\u00a0\u3000\u2028x",
    ]


def write(name, expected, tokenizer=None, config=None, model=None):
    folder = os.path.join(OUT, name)
    os.makedirs(folder)
    if tokenizer:
        data = json.loads(tokenizer.to_str())
        with open(os.path.join(folder, "tokenizer.json"), "w", encoding="utf-8") as file:
            json.dump(data, file, ensure_ascii=False, separators=(",", ":"))
    if model:
        with open(os.path.join(folder, "tokenizer.model"), "wb") as file:
            file.write(model)
    if config:
        with open(os.path.join(folder, "tokenizer_config.json"), "w") as file:
            json.dump(config, file)
    with open(os.path.join(folder, "expected.jsonl"), "w", encoding="utf-8") as file:
        for text in texts():
            row = {"text": text, "ids": expected.encode(text, add_special_tokens=False).ids, "all": expected.encode(text).ids}
            row["decoded"] = expected.decode(row["all"], skip_special_tokens=False)
            row["plain"] = expected.decode(row["all"], skip_special_tokens=True)
            file.write(json.dumps(row, ensure_ascii=False) + "\n")


def main():
    shutil.rmtree(OUT, ignore_errors=True)
    settings = {
        "gpt2": (None, None),
        "qwen2": (cases.QWEN2, normalizers.NFC()),
        "llama3": (cases.LLAMA3, None),
        "lower-nfkd": (cases.GPT2, normalizers.Sequence([normalizers.NFKD(), normalizers.Lowercase(), normalizers.Strip()])),
    }
    for name, (pattern, normalizer) in settings.items():
        tokenizer = cases.byte_level(pattern, CORPUS * 3, normalizer, ignore_merges=name == "llama3", size=420)
        write(name, tokenizer, tokenizer)
    ranked = cases.byte_level(cases.LLAMA3, CORPUS * 3, size=420)
    to_byte = byte_of_character()
    tokens = [t for t, i in sorted(ranked.get_vocab(with_added_tokens=False).items(), key=lambda item: item[1]) if not t.startswith("<|")]
    lines = [base64.b64encode(bytes(to_byte[c] for c in token)) + b" %d\n" % rank for rank, token in enumerate(tokens)]
    write(
        "tiktoken",
        from_ranks(tokens),
        None,
        {
            "bos_token": "<|begin|>",
            "add_bos_token": False,
            "added_tokens_decoder": {str(len(tokens)): {"content": "<|begin|>", "special": True}},
        },
        b"".join(lines),
    )
    model = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter([line for line in CORPUS * 3 if line.strip()]),
        model_writer=model,
        vocab_size=420,
        model_type="bpe",
        byte_fallback=True,
        character_coverage=0.98,
        normalization_rule_name="identity",
        remove_extra_whitespaces=False,
        minloglevel=2,
    )
    processor = sentencepiece.SentencePieceProcessor(model_proto=model.getvalue())
    pieces = [(processor.id_to_piece(i), processor.get_score(i)) for i in range(processor.get_piece_size())]
    write("sentencepiece", cases.sentencepiece_bpe(pieces, "legacy"), None, None, model.getvalue())
    write("sentencepiece-new", cases.sentencepiece_bpe(pieces, "first+whole"), None, {"legacy": False}, model.getvalue())
    for form in ("legacy", "always+split", "never+whole"):
        tokenizer = cases.sentencepiece_bpe(pieces, form)
        write("bytes-" + form.replace("+", "-"), tokenizer, tokenizer)


def byte_of_character():
    """The byte-level alphabet's characters to bytes."""
    plain = list(range(33, 127)) + list(range(161, 173)) + list(range(174, 256))
    other = [b for b in range(256) if b not in plain]
    return {**{chr(b): b for b in plain}, **{chr(256 + i): b for i, b in enumerate(other)}}


def from_ranks(tokens):
    """`tokenizers`' form of tiktoken's ranks, as transformers' converter makes it."""
    vocab = {token: rank for rank, token in enumerate(tokens)}
    merges = [
        (rank, vocab[t[:i]], t[:i], t[i:]) for t, rank in vocab.items() for i in range(1, len(t)) if t[:i] in vocab and t[i:] in vocab
    ]
    tokenizer = Tokenizer(models.BPE(vocab=vocab, merges=[m[2:] for m in sorted(merges)], ignore_merges=True))
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Split(Regex(cases.LLAMA3), "isolated"), pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)]
    )
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens([AddedToken("<|begin|>", special=True, normalized=False)])
    return tokenizer


if __name__ == "__main__":
    main()
