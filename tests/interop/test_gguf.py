"""GGUF files against transformers' reading of them: log-probabilities of tiny models of every type and architecture."""

import json
import pathlib
import subprocess

import gguf
import numpy
import pytest
import torch
import transformers

from gguf_golden import SCALES, TYPES, random_blocks

PBT = pathlib.Path(__file__).resolve().parents[2] / "build" / "release" / "pbt"
# Heads of 128: transformers reads no other width of qwen3 out of a GGUF file.
WIDTH, INNER, HEADS, KV_HEADS, LAYERS, WORDS = 256, 512, 2, 1, 2, 300
HEAD = WIDTH // HEADS


def metadata(writer, architecture):
    writer.add_block_count(LAYERS)
    writer.add_context_length(512)
    writer.add_embedding_length(WIDTH)
    writer.add_feed_forward_length(INNER)
    writer.add_head_count(HEADS)
    writer.add_head_count_kv(KV_HEADS)
    writer.add_layer_norm_rms_eps(1e-6)
    writer.add_rope_freq_base(10000.0)
    if architecture == "qwen3":
        writer.add_key_length(HEAD)
        writer.add_value_length(HEAD)
    letters = [chr(256 + i) if i < 33 or 126 < i < 161 or i == 173 else chr(i) for i in range(256)]
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("qwen2" if architecture.startswith("qwen") else "smollm")
    tokens = sorted(set(letters)) + [f"<{i}>" for i in range(WORDS)]
    writer.add_token_list(tokens[:WORDS])
    writer.add_token_types([1] * WORDS)
    writer.add_token_merges([])
    writer.add_eos_token_id(WORDS - 1)
    writer.add_bos_token_id(WORDS - 2)


def layer_shapes(architecture):
    shapes = {"attn_q.weight": (WIDTH, WIDTH), "attn_k.weight": (KV_HEADS * HEAD, WIDTH),
              "attn_v.weight": (KV_HEADS * HEAD, WIDTH), "attn_output.weight": (WIDTH, WIDTH),
              "ffn_gate.weight": (INNER, WIDTH), "ffn_up.weight": (INNER, WIDTH), "ffn_down.weight": (WIDTH, INNER),
              "attn_norm.weight": (WIDTH,), "ffn_norm.weight": (WIDTH,)}
    if architecture == "qwen2":
        shapes |= {"attn_q.bias": (WIDTH,), "attn_k.bias": (KV_HEADS * HEAD,), "attn_v.bias": (KV_HEADS * HEAD,)}
    if architecture == "qwen3":
        shapes |= {"attn_q_norm.weight": (HEAD,), "attn_k_norm.weight": (HEAD,)}
    return shapes


def add(writer, name, shape, kind, random):
    if len(shape) == 1:
        values = random.normal(size=shape).astype(numpy.float32) * 0.1 + (0 if name.endswith("bias") else 1)
        writer.add_tensor(name, values.astype(numpy.float32))
        return
    elements, _ = gguf.GGML_QUANT_SIZES[gguf.GGMLQuantizationType[kind]]
    raw = random_blocks(kind, shape[0], shape[1] // max(elements, 32), random, 1 / 16)
    if elements == 1:
        view = {"F32": numpy.float32, "F16": numpy.float16}.get(kind)
        if view:
            writer.add_tensor(name, raw.view(view).reshape(shape))
            return
    else:
        shrink(raw, kind)
    writer.add_tensor(name, raw, raw_dtype=gguf.GGMLQuantizationType[kind])


def shrink(raw, kind):
    """Scales so small that a few layers of the blocks still give a softmax that says something."""
    _, size = gguf.GGML_QUANT_SIZES[gguf.GGMLQuantizationType[kind]]
    blocks = raw.reshape(raw.shape[0], -1, size)
    for at in SCALES[kind]:
        halves = blocks[:, :, at : at + 2].copy().view(numpy.float16)
        halves /= 32 * {"Q8_0": 64, "IQ4_NL": 64, "Q2_K": 16, "Q3_K": 64, "Q4_K": 256, "Q5_K": 512, "Q6_K": 2048,
                        "IQ4_XS": 2048}.get(kind, 8)
        blocks[:, :, at : at + 2] = halves.view(numpy.uint8)


def make(path, architecture, kind):
    random = numpy.random.default_rng(7)
    writer = gguf.GGUFWriter(path, architecture)
    metadata(writer, architecture)
    add(writer, "token_embd.weight", (WORDS, WIDTH), kind, random)
    for layer in range(LAYERS):
        for name, shape in layer_shapes(architecture).items():
            add(writer, f"blk.{layer}.{name}", shape, kind, random)
    add(writer, "output_norm.weight", (WIDTH,), kind, random)
    add(writer, "output.weight", (WORDS, WIDTH), kind, random)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def theirs(path, ids):
    model = transformers.AutoModelForCausalLM.from_pretrained(path.parent, gguf_file=path.name, dtype=torch.float32).eval()
    with torch.no_grad():
        logits = torch.log_softmax(model(torch.tensor([ids])).logits[0].double(), -1)
    return [logits[i - 1, ids[i]].item() for i in range(1, len(ids))]


def ours(path, ids, *options):
    line = json.dumps({"id": 0, "prompt_ids": ids[:1], "continuation_ids": ids[1:]})
    result = subprocess.run([PBT, "score", path, *options], input=line, capture_output=True, text=True, check=True)
    return json.loads(result.stdout)["logprobs"]


CASES = [("llama", kind) for kind in TYPES] + [("qwen2", "Q4_K"), ("qwen2", "F32"), ("qwen3", "Q8_0"), ("qwen3", "F16")]


@pytest.mark.parametrize("architecture,kind", CASES)
def test_log_probabilities(tmp_path, architecture, kind):
    path = tmp_path / "model.gguf"
    make(path, architecture, kind)
    ids = [int(i) for i in numpy.random.default_rng(3).integers(0, WORDS, size=40)]
    worst = max(abs(a - b) for a, b in zip(ours(path, ids), theirs(path, ids)))
    assert worst < 1e-4, worst
