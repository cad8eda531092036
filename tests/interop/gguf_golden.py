"""Makes tests/data/golden/gguf with gguf-py: blocks.bin, random blocks of every type beside the floats that gguf-py makes
of them, and train.gguf, the model of golden/train as llama.cpp's converter writes one (architecture llama: rows of q and k
in its order). Run it from tests/interop: .venv/bin/python gguf_golden.py"""

import json
import pathlib
import struct

import gguf
import gguf.quants
import numpy
from safetensors.numpy import load_file

DATA = pathlib.Path(__file__).resolve().parent.parent / "data" / "golden"
TYPES = "F32 F16 BF16 Q4_0 Q4_1 Q5_0 Q5_1 Q8_0 Q2_K Q3_K Q4_K Q5_K Q6_K IQ4_NL IQ4_XS".split()
# Where the half-precision scales of a block stand: random bits there would often be no finite number.
SCALES = {"Q4_0": [0], "Q4_1": [0, 2], "Q5_0": [0], "Q5_1": [0, 2], "Q8_0": [0], "Q2_K": [80, 82], "Q3_K": [108],
          "Q4_K": [0, 2], "Q5_K": [0, 2], "Q6_K": [208], "IQ4_NL": [0], "IQ4_XS": [0]}


def random_blocks(name, rows, blocks, random, plain_scale=1):
    """[rows, bytes] of random blocks of the type; plain_scale: of plain numbers."""
    elements, size = gguf.GGML_QUANT_SIZES[gguf.GGMLQuantizationType[name]]
    if elements == 1:
        values = (plain_scale * random.normal(size=(rows, 32 * blocks))).astype(numpy.float32)
        if name == "F16":
            values = values.astype(numpy.float16)
        if name == "BF16":
            values = (values.view(numpy.uint32) >> 16).astype(numpy.uint16)
        return values.view(numpy.uint8).reshape(rows, -1)
    raw = random.integers(0, 256, size=(rows, blocks, size), dtype=numpy.uint8)
    for at in SCALES[name]:
        halves = random.normal(size=(rows, blocks)).astype(numpy.float16)
        raw[:, :, at : at + 2] = halves.view(numpy.uint8).reshape(rows, blocks, 2)
    return raw.reshape(rows, -1)


def write_blocks(path):
    random = numpy.random.default_rng(20)
    with open(path, "wb") as file:
        for name in TYPES:
            kind = gguf.GGMLQuantizationType[name]
            raw = random_blocks(name, 1, 2, random)
            floats = numpy.asarray(gguf.quants.dequantize(raw, kind), dtype=numpy.float32)
            file.write(struct.pack("<III", int(kind), raw.size, floats.size) + raw.tobytes() + floats.tobytes())


def interleave(weight, heads):
    """convert_hf_to_gguf's permute: of every head the rows of its two halves in turn."""
    return weight.reshape(heads, 2, weight.shape[0] // heads // 2, *weight.shape[1:]).swapaxes(1, 2).reshape(weight.shape)


NAMES = {"self_attn.q_proj": "attn_q", "self_attn.k_proj": "attn_k", "self_attn.v_proj": "attn_v",
         "self_attn.o_proj": "attn_output", "mlp.gate_proj": "ffn_gate", "mlp.up_proj": "ffn_up",
         "mlp.down_proj": "ffn_down", "input_layernorm": "attn_norm", "post_attention_layernorm": "ffn_norm"}


def tensors_of(model, config):
    """The tensors of a folder under ggml's names."""
    for name, value in load_file(model / "model.safetensors").items():
        whole = {"model.embed_tokens.weight": "token_embd.weight", "model.norm.weight": "output_norm.weight",
                 "lm_head.weight": "output.weight"}.get(name)
        if whole is None:
            _, _, layer, *middle, kind = name.split(".")
            part = ".".join(middle)
            whole = f"blk.{layer}.{NAMES[part]}.{kind}"
            if part.endswith("q_proj"):
                value = interleave(value, config["num_attention_heads"])
            if part.endswith("k_proj"):
                value = interleave(value, config["num_key_value_heads"])
        yield whole, value


def write_model(path, model):
    config = json.loads((model / "config.json").read_text())
    tokenizer = json.loads((model / "tokenizer.json").read_text())
    added = {token["id"] for token in tokenizer["added_tokens"]}
    pieces = sorted(tokenizer["model"]["vocab"].items(), key=lambda item: item[1])
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_block_count(config["num_hidden_layers"])
    writer.add_context_length(config["max_position_embeddings"])
    writer.add_embedding_length(config["hidden_size"])
    writer.add_feed_forward_length(config["intermediate_size"])
    writer.add_head_count(config["num_attention_heads"])
    writer.add_head_count_kv(config["num_key_value_heads"])
    writer.add_key_length(config["head_dim"])
    writer.add_value_length(config["head_dim"])
    writer.add_rope_dimension_count(config["head_dim"])
    writer.add_layer_norm_rms_eps(config["rms_norm_eps"])
    writer.add_rope_freq_base(config["rope_parameters"]["rope_theta"])
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("gpt-2")
    writer.add_token_list([piece for piece, _ in pieces])
    writer.add_token_types([gguf.TokenType.CONTROL if number in added else gguf.TokenType.NORMAL for _, number in pieces])
    merges = tokenizer["model"]["merges"]
    writer.add_token_merges([merge if isinstance(merge, str) else " ".join(merge) for merge in merges])
    writer.add_eos_token_id(config["eos_token_id"])
    writer.add_pad_token_id(config["pad_token_id"])
    writer.add_add_bos_token(False)
    writer.add_chat_template((model / "chat_template.jinja").read_text())
    for name, value in tensors_of(model, config):
        writer.add_tensor(name, value)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


if __name__ == "__main__":
    (DATA / "gguf").mkdir(exist_ok=True)
    write_blocks(DATA / "gguf" / "blocks.bin")
    write_model(DATA / "gguf" / "train.gguf", DATA / "train" / "model")
