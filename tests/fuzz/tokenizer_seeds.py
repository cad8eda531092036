"""Writes the seeds of fuzz_tokenizer: small tokenizers of every kind that pbt reads, made here.

The first byte says which file the rest is: "0" tokenizer.json, "1" tokenizer.model.
Usage: python3 tests/fuzz/tokenizer_seeds.py"""

import base64
import json
import os
import struct

FOLDER = os.path.join(os.path.dirname(os.path.abspath(__file__)), "corpus", "fuzz_tokenizer")


def put(name, kind, data):
    with open(os.path.join(FOLDER, name), "wb") as file:
        file.write(kind + data)


# byte-level BPE, a few bytes and merges
chars = list("abehilortHW .,!0123")
chars = [c if c != " " else "\u0120" for c in chars]
vocab = {c: i for i, c in enumerate(chars)}
merges = [["h", "e"], ["l", "l"], ["he", "ll"], ["hell", "o"], ["\u0120", "a"]]
for a, b in merges: vocab[a + b] = len(vocab)
n = len(vocab)
special = lambda i, t: {"id": i, "content": t, "single_word": False, "lstrip": False, "rstrip": False, "normalized": False, "special": True}
bytelevel = {"version": "1.0", "added_tokens": [special(n, "<s>"), special(n + 1, "</s>")], "normalizer": None,
  "pre_tokenizer": {"type": "Sequence", "pretokenizers": [
     {"type": "Split", "pattern": {"Regex": "(?i:'s|'t)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}{1,3}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s+"}, "behavior": "Isolated", "invert": False},
     {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": False}]},
  "post_processor": {"type": "TemplateProcessing", "single": [{"SpecialToken": {"id": "<s>", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}}],
     "pair": [{"Sequence": {"id": "A", "type_id": 0}}, {"Sequence": {"id": "B", "type_id": 1}}],
     "special_tokens": {"<s>": {"id": "<s>", "ids": [n], "tokens": ["<s>"]}}},
  "decoder": {"type": "ByteLevel", "add_prefix_space": True, "trim_offsets": True, "use_regex": True},
  "model": {"type": "BPE", "dropout": None, "unk_token": None, "continuing_subword_prefix": None, "end_of_word_suffix": None, "fuse_unk": False, "byte_fallback": False, "ignore_merges": True, "vocab": vocab, "merges": merges}}
put("byte-level", b"0", json.dumps(bytelevel, ensure_ascii=False).encode())
old = json.loads(json.dumps(bytelevel)); old["model"]["merges"] = [" ".join(m) for m in merges]; old["pre_tokenizer"] = {"type": "ByteLevel", "add_prefix_space": True, "trim_offsets": True}
old["post_processor"] = {"type": "ByteLevel", "add_prefix_space": True, "trim_offsets": False}
old["normalizer"] = {"type": "NFC"}
put("byte-level-old", b"0", json.dumps(old, ensure_ascii=False).encode())
# SentencePiece-like with byte fallback
v = {"<unk>": 0, "<s>": 1, "</s>": 2}
for b in range(0, 256, 16): v["<0x%02X>" % b] = len(v)
for c in ["\u2581", "h", "e", "l", "o", "he", "ll", "\u2581he", "\u2581hell", "\u2581hello"]: v[c] = len(v)
fallback = {"version": "1.0", "added_tokens": [special(i, t) for i, t in enumerate(["<unk>", "<s>", "</s>"])],
  "normalizer": {"type": "Sequence", "normalizers": [{"type": "Prepend", "prepend": "\u2581"}, {"type": "Replace", "pattern": {"String": " "}, "content": "\u2581"}]},
  "pre_tokenizer": None, "post_processor": None,
  "decoder": {"type": "Sequence", "decoders": [{"type": "Replace", "pattern": {"String": "\u2581"}, "content": " "}, {"type": "ByteFallback"}, {"type": "Fuse"}, {"type": "Strip", "content": " ", "start": 1, "stop": 0}]},
  "model": {"type": "BPE", "dropout": None, "unk_token": "<unk>", "continuing_subword_prefix": None, "end_of_word_suffix": None, "fuse_unk": True, "byte_fallback": True, "vocab": v,
    "merges": ["h e", "l l", "\u2581 he", "\u2581he ll", "\u2581hell o"]}}
put("byte-fallback", b"0", json.dumps(fallback, ensure_ascii=False).encode())
meta = json.loads(json.dumps(fallback)); meta["normalizer"] = None
meta["pre_tokenizer"] = {"type": "Metaspace", "replacement": "\u2581", "prepend_scheme": "first", "split": False}
meta["decoder"] = {"type": "Metaspace", "replacement": "\u2581", "prepend_scheme": "first", "split": False}
put("metaspace", b"0", json.dumps(meta, ensure_ascii=False).encode())
# tiktoken's text
lines = [base64.b64encode(bytes([b])).decode() + f" {b}" for b in range(256)]
lines += [base64.b64encode(t).decode() + f" {256 + i}" for i, t in enumerate([b"he", b"ll", b"hell", b"hello", b" a"])]
put("tiktoken", b"1", "\n".join(lines).encode() + b"\n")
# SentencePiece's protobuf
def varint(x):
    o = b""
    while x > 127: o += bytes([x & 127 | 128]); x >>= 7
    return o + bytes([x])
def field(i, w, d): return varint(i << 3 | w) + (varint(len(d)) + d if w == 2 else d)
def piece(t, score, kind): return field(1, 2, field(1, 2, t.encode()) + field(2, 5, struct.pack("<f", score)) + field(3, 0, varint(kind)))
pb = piece("<unk>", 0, 2) + piece("<s>", 0, 3) + piece("</s>", 0, 3)
for b in range(256): pb += piece("<0x%02X>" % b, 0, 6)
for i, t in enumerate(["\u2581", "h", "e", "l", "o", "he", "ll", "\u2581he", "\u2581hell", "\u2581hello"]): pb += piece(t, -float(i), 1)
trainer = field(3, 0, varint(2)) + field(35, 0, varint(1))
norm = field(1, 2, b"identity") + field(3, 0, varint(1)) + field(4, 0, varint(0)) + field(5, 0, varint(1))
pb += field(2, 2, trainer) + field(3, 2, norm)
put("sentencepiece", b"1", pb)
