"""Texts and tokenizers for test_tokens.py."""

import glob
import json
import os
import random
import re
import unicodedata

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
SHARED = os.path.join(ROOT, "..", "shared")

GPT2 = r"""'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"""
LLAMA3 = r"""(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"""
QWEN2 = LLAMA3.replace(r"\p{N}{1,3}", r"\p{N}")


def found_texts():
    """What people wrote: the files of ../shared, and this project's sources."""
    for path in sorted(glob.glob(os.path.join(SHARED, "data", "**", "*.jsonl"), recursive=True)):
        for line in open(path, encoding="utf-8"):
            yield from strings_of(json.loads(line))
    sources = glob.glob(os.path.join(ROOT, "src", "**", "*.[ch]"), recursive=True)
    for path in sorted(sources + glob.glob(os.path.join(ROOT, "tests", "interop", "*.py")) + glob.glob(os.path.join(ROOT, "docs", "*.md"))):
        text = open(path, encoding="utf-8").read()
        yield from text.split("\n")
        yield text[:4000]


def strings_of(value):
    if isinstance(value, str):
        yield value
    elif isinstance(value, (list, dict)):
        for item in value.values() if isinstance(value, dict) else value:
            yield from strings_of(item)


# Assigned in the Unicode versions of all parties: what is newer may be a letter to one and nothing to another.
CHARACTERS = [c for c in range(1, 0x110000) if unicodedata.category(chr(c)) not in ("Cn", "Cs", "Co")]
BLOCKS = [CHARACTERS[i : i + 96] for i in range(0, len(CHARACTERS), 96)]
SPACES = [
    " ",
    "  ",
    "   ",
    "\t",
    "\n",
    "\r\n",
    "\r",
    "\n\n",
    "\u00a0",
    "\u3000",
    "\u2003",
    "\u2028",
    "\u0085",
    "\u200b",
    "\x0b",
    "\x0c",
    "\x1c",
    "\u180e",
    "\ufeff",
]
EMOJI = ["😀", "👨‍👩‍👧‍👦", "🏳️‍🌈", "🇫🇷", "👍🏽", "❤️", "1️⃣", "🧑🏿‍🚀"]
WORDS = [
    "don't",
    "I'LL",
    "we’re",
    "naïve",
    "Ångström",
    "e\u0301te\u0301",
    "ﬁnal",
    "ſtraße",
    "İstanbul",
    "ΣΊΣΥΦΟΣ",
    "x_1",
    "foo(bar)",
    "0x1F",
    "3.14159",
    "1,000,000",
    "http://a.b/c?d=e&f=g",
    "#include",
    "def f(x):",
    "\\n",
    "<s>",
    "</s>",
    "<unk>",
    "<|eot_id|>",
    "<|im_end|>",
    "<0x0A>",
    "▁",
    "▁▁",
    "Ġ",
    "Ċ",
    "한국어",
    "日本語",
    "ไทย",
    "हिन्दी",
    "עברית",
    "العربية",
    "\u1100\u1161\u11a8",
    "a\u0323\u0307",
    "\u0344",
    "२३",
    "Ⅷ",
    "½",
    "²",
    "\u0600",
    "🄰",
]


def made_texts(n, seed=1):
    """Random text: every block of Unicode, mixed scripts, runs of white space, words that are hard."""
    rng = random.Random(seed)
    for i in range(n):
        kind = i % 6
        parts = []
        for _ in range(rng.randint(1, 12)):
            if kind == 0:
                parts.append("".join(chr(rng.choice(BLOCKS[i // 6 % len(BLOCKS)])) for _ in range(rng.randint(1, 8))))
            elif kind == 1:
                parts.append(chr(rng.choice(CHARACTERS)))
            elif kind == 2:
                parts.append(rng.choice(WORDS))
            elif kind == 3:
                parts.append(rng.choice(SPACES) * rng.randint(1, 4))
            elif kind == 4:
                parts.append(rng.choice(rng.choice([EMOJI, WORDS, SPACES])))
            else:
                parts.append("".join(chr(rng.randint(33, 126)) for _ in range(rng.randint(1, 10))))
            if rng.random() < 0.5:
                parts.append(rng.choice(SPACES[:6]))
        yield "".join(parts)


def texts(n):
    """n different texts, a third of them found where ../shared is there."""
    seen = dict.fromkeys(text for text in found_texts() if text)
    seen = dict.fromkeys(random.Random(7).sample(list(seen), min(len(seen), n // 2)))
    for text in made_texts(4 * n):
        if len(seen) >= n:
            break
        seen[text] = None
    return list(seen)


def byte_level(pattern, corpus, normalizer=None, ignore_merges=False, size=3000):
    """A byte-level tokenizer as the published ones are, trained on the corpus."""
    tokenizer = Tokenizer(models.BPE(ignore_merges=ignore_merges))
    if pattern is None:
        tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=True)
    else:
        tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
            [pre_tokenizers.Split(Regex(pattern), "isolated"), pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)]
        )
    if normalizer:
        tokenizer.normalizer = normalizer
    tokenizer.decoder = decoders.ByteLevel()
    special = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
    tokenizer.train_from_iterator(
        corpus,
        trainers.BpeTrainer(
            vocab_size=size, special_tokens=special, initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False
        ),
    )
    tokenizer.add_tokens(
        [
            AddedToken("naïve", single_word=True),
            AddedToken("<tool>", lstrip=True),
            AddedToken(" x_1", rstrip=True, normalized=False),
            AddedToken("ÅNGSTRÖM"),
        ]
    )
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<|im_start|> $A <|im_end|>", special_tokens=[("<|im_start|>", 1), ("<|im_end|>", 2)]
    )
    return tokenizer


def llama3(path):
    """The converter's tokenizer of tiktoken's file; the ranks with it."""
    import base64

    from transformers.convert_slow_tokenizer import TikTokenConverter

    ranks = {base64.b64decode(a): int(b) for a, b in (line.split() for line in open(path, "rb") if line.strip())}
    TikTokenConverter.load_tiktoken_bpe = staticmethod(lambda file: ranks)
    names = [
        "<|begin_of_text|>",
        "<|end_of_text|>",
        "<|reserved_special_token_0|>",
        "<|reserved_special_token_1|>",
        "<|finetune_right_pad_id|>",
        "<|reserved_special_token_2|>",
        "<|start_header_id|>",
        "<|end_header_id|>",
        "<|eom_id|>",
        "<|eot_id|>",
        "<|python_tag|>",
    ]
    names += [f"<|reserved_special_token_{i}|>" for i in range(3, 3 + 256 - len(names))]
    tokenizer = TikTokenConverter(vocab_file=path, pattern=LLAMA3, extra_special_tokens=names).converted()
    tokenizer.post_processor = processors.TemplateProcessing(single="<|begin_of_text|> $A", special_tokens=[("<|begin_of_text|>", 128000)])
    return tokenizer


def pieces_of(path):
    """Pieces, scores and types of a SentencePiece model."""
    import sentencepiece

    model = sentencepiece.SentencePieceProcessor(model_file=path)
    return model, [(model.id_to_piece(i), model.get_score(i)) for i in range(model.get_piece_size())]


def sentencepiece_bpe(pieces, form):
    """`tokenizers`' form of a SentencePiece BPE model: "legacy" as Llama 2's and Mistral's tokenizer.json, else Metaspace with that scheme."""
    vocab = {piece: i for i, (piece, _) in enumerate(pieces)}
    merges = []
    for piece, score in pieces[259:]:
        for cut in range(1, len(piece)):
            if piece[:cut] in vocab and piece[cut:] in vocab:
                merges.append((-score, vocab[piece], piece[:cut], piece[cut:]))
    merges = [(left, right) for _, _, left, right in sorted(merges, key=lambda m: m[:2])]
    tokenizer = Tokenizer(models.BPE(vocab=vocab, merges=merges, unk_token="<unk>", fuse_unk=True, byte_fallback=True))
    if form == "legacy":
        tokenizer.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
        tokenizer.decoder = decoders.Sequence(
            [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)]
        )
    else:
        scheme, split = form.split("+")
        tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme=scheme, split=split == "split")
        tokenizer.decoder = (
            decoders.Sequence([decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)])
            if split == "whole"
            else decoders.Metaspace(prepend_scheme=scheme)
        )
    tokenizer.add_special_tokens([AddedToken(t, normalized=False, special=True) for t in ("<unk>", "<s>", "</s>")])
    tokenizer.post_processor = processors.TemplateProcessing(single="<s> $A", special_tokens=[("<s>", 1)])
    return tokenizer


def without_specials(text):
    return not re.search(r"<s>|</s>|<unk>|<\|", text)


def gguf_pieces(path):
    """Pieces, scores and types of a GGUF vocabulary (SentencePiece's numbers of types)."""
    import struct

    data = open(path, "rb").read()
    at = 24
    found = {}

    def take(form):
        nonlocal at
        value = struct.unpack_from("<" + form, data, at)[0]
        at += struct.calcsize("<" + form)
        return value

    def string():
        nonlocal at
        n = take("Q")
        at += n
        return data[at - n : at].decode()

    def value(kind):
        forms = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q", 12: "d"}
        if kind == 8:
            return string()
        if kind == 9:
            inner, n = take("I"), take("Q")
            return [value(inner) for _ in range(n)]
        return take(forms[kind])

    for _ in range(struct.unpack_from("<Q", data, 16)[0]):
        key = string()
        found[key] = value(take("I"))
    return list(zip(found["tokenizer.ggml.tokens"], found["tokenizer.ggml.scores"], found["tokenizer.ggml.token_type"]))


def sentencepiece_bytes(pieces):
    """The bytes of a SentencePiece BPE model with byte fallback, of (text, score, type)."""
    import struct

    def number(n):
        out = b""
        while n > 127:
            out += bytes([n & 127 | 128])
            n >>= 7
        return out + bytes([n])

    def message(field, body):
        return number(field << 3 | 2) + number(len(body)) + body

    out = b"".join(
        message(1, message(1, text.encode()) + b"\x15" + struct.pack("<f", score) + b"\x18" + number(kind)) for text, score, kind in pieces
    )
    trainer = number(3 << 3) + number(2) + number(35 << 3) + number(1)
    normalizer = message(1, b"identity") + number(3 << 3) + number(1) + number(4 << 3) + number(0) + number(5 << 3) + number(1)
    return out + message(2, trainer) + message(3, normalizer)
