"""Tiny random models of every architecture and RoPE variant, made by transformers, and what transformers computes
with them: the yardstick of test_model.py and the source of tests/data/golden/model.

    python tests/interop/model_folders.py tests/data/golden/model     # writes the golden files anew

Weights are rounded to bfloat16 values and computed with in fp32, so that a folder stored in either type has the
same logits.
"""

import json
import os
import sys

os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "")

SHAPE = {
    "vocab_size": 64,
    "hidden_size": 16,
    "intermediate_size": 24,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 256,
    "bos_token_id": 1,
    "eos_token_id": 2,
}
LLAMA3 = {
    "rope_type": "llama3",
    "rope_theta": 500000.0,
    "factor": 8.0,
    "low_freq_factor": 1.0,
    "high_freq_factor": 4.0,
    "original_max_position_embeddings": 16,
}
YARN = {"rope_type": "yarn", "rope_theta": 10000.0, "factor": 4.0, "original_max_position_embeddings": 16}
DEFAULT = {"rope_type": "default", "rope_theta": 10000.0}
# name: (class prefix, what differs from SHAPE)
MODELS = {
    "llama": ("Llama", {}),
    "llama_tied": ("Llama", {"tie_word_embeddings": True}),
    "llama_biases": ("Llama", {"attention_bias": True, "mlp_bias": True}),
    "llama_head_dim": ("Llama", {"head_dim": 8, "num_key_value_heads": 1}),
    "llama_linear": ("Llama", {"rope_parameters": {"rope_type": "linear", "rope_theta": 10000.0, "factor": 4.0}}),
    "llama_llama3": ("Llama", {"rope_parameters": LLAMA3, "head_dim": 16}),
    "llama_yarn": ("Llama", {"rope_parameters": YARN, "head_dim": 16}),
    "mistral": ("Mistral", {"sliding_window": None}),
    "mistral_window": ("Mistral", {"sliding_window": 7}),
    "qwen2": ("Qwen2", {"tie_word_embeddings": True, "rope_parameters": {**DEFAULT, "rope_theta": 1e6}}),
    "qwen2_window": ("Qwen2", {"use_sliding_window": True, "sliding_window": 5, "max_window_layers": 1}),
    "qwen2_yarn": ("Qwen2", {"rope_parameters": {**YARN, "beta_fast": 16.0, "mscale": 1.0, "mscale_all_dim": 0.7}}),
    "qwen3": ("Qwen3", {"head_dim": 8, "rope_parameters": {**DEFAULT, "rope_theta": 1e6}}),
    "qwen3_layer_types": (
        "Qwen3",
        {
            "head_dim": 8,
            "attention_bias": True,
            "tie_word_embeddings": True,
            "use_sliding_window": True,
            "sliding_window": 6,
            "layer_types": ["sliding_attention", "full_attention"],
        },
    ),
}
GOLDEN = ["llama_tied", "llama_linear", "llama_llama3", "llama_yarn", "mistral_window", "qwen2", "qwen2_window", "qwen3_layer_types"]
PROMPT, CONTINUATION, NEW = 40, 12, 24


def make_model(name, changes=None, seed=0):
    """In fp32, every parameter random (norms and biases too), of bfloat16 values."""
    import torch
    import transformers

    prefix, special = MODELS[name]
    config = getattr(transformers, prefix + "Config")(**{**SHAPE, **special, **(changes or {})})
    torch.manual_seed(seed)
    model = getattr(transformers, prefix + "ForCausalLM")(config).eval()
    with torch.no_grad():
        for key, parameter in model.named_parameters():
            spread = 0.3 if parameter.dim() == 2 else 0.1
            value = torch.randn(parameter.shape) * spread + (1.0 if "norm" in key else 0.0)
            parameter.copy_(value.to(torch.bfloat16).float())
    return model


def make_folder(name, folder, dtype="float32", changes=None, seed=0, **options):
    import torch

    make_model(name, changes, seed).to(getattr(torch, dtype)).save_pretrained(folder, **options)
    return make_model(name, changes, seed)  # not the one above: its rotary frequencies were rounded too


def ids_of(name, vocabulary=64):
    """A prompt and a continuation, without end tokens."""
    import random

    chance = random.Random(name)
    draw = [chance.randrange(3, vocabulary) for _ in range(PROMPT + CONTINUATION)]
    return draw[:PROMPT], draw[PROMPT:]


def log_probabilities(model, prompt, continuation, stepwise=False):
    """Of every vocabulary entry at the places of the continuation, and after it: [n + 1, V] logits, log-softmax."""
    import torch

    with torch.no_grad():
        if not stepwise:
            logits = model(torch.tensor([prompt + continuation])).logits[0, len(prompt) - 1 :]
        else:
            rows, cache, ids = [], None, prompt
            for token in continuation + [None]:
                out = model(torch.tensor([ids]), past_key_values=cache, use_cache=True)
                cache, ids = out.past_key_values, [token]
                rows.append(out.logits[0, -1])
            logits = torch.stack(rows)
    return logits.float(), torch.log_softmax(logits.float(), -1)


def greedy(model, prompt, new=NEW):
    import torch

    out = model.generate(torch.tensor([prompt]), do_sample=False, max_new_tokens=new, pad_token_id=0, attention_mask=torch.ones(1, len(prompt), dtype=torch.long))
    return out[0, len(prompt) :].tolist()


def write_golden(folder):
    for name in GOLDEN:
        place = os.path.join(folder, name)
        os.makedirs(place, exist_ok=True)
        model = make_folder(name, place, "bfloat16")
        prompt, continuation = ids_of(name)
        logits, logprobs = log_probabilities(model, prompt, continuation)
        expected = {
            "prompt_ids": prompt,
            "continuation_ids": continuation,
            "logprobs": [round(logprobs[i, token].item(), 6) for i, token in enumerate(continuation)],
            "last_logits": [round(value, 6) for value in logits[-1].tolist()],
            "greedy_ids": greedy(model, prompt),
        }
        with open(os.path.join(place, "expected.json"), "w") as file:
            json.dump(expected, file)
            file.write("\n")


if __name__ == "__main__":
    write_golden(sys.argv[1])
