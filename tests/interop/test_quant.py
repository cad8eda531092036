"""Weights in 4 and 8 bits against bitsandbytes and transformers on a CPU: bytes, bits, logits, QLoRA training."""

import json
import os
import subprocess

import pytest

os.environ.setdefault("CUDA_VISIBLE_DEVICES", "")
os.environ.setdefault("HF_HUB_OFFLINE", "1")
pytest.importorskip("bitsandbytes")
torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")
import bitsandbytes
import numpy
import trl_curves
from bitsandbytes import functional
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM, BitsAndBytesConfig, LlamaConfig, LlamaForCausalLM

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BINARY = os.environ.get("PBT_BINARY", os.path.join(ROOT, "build", "release", "pbt"))
KINDS = ["nf4", "nf4_nested", "fp4", "fp4_nested", "int8"]
DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}


def pbt(*arguments, input=None):
    done = subprocess.run([BINARY, *map(str, arguments)], capture_output=True, text=True, input=input)
    assert done.returncode == 0, done.stderr
    return done.stdout


def settings_of(kind):
    if kind == "int8":
        return BitsAndBytesConfig(load_in_8bit=True)
    return BitsAndBytesConfig(
        load_in_4bit=True, bnb_4bit_quant_type=kind[:3], bnb_4bit_use_double_quant="nested" in kind, bnb_4bit_compute_dtype=torch.float32
    )


def options_of(kind):
    """As pbt's options for loading."""
    if kind == "int8":
        return ["--load_in_8bit"]
    return ["--load_in_4bit", "--bnb_4bit_quant_type", kind[:3]] + (["--use_bnb_nested_quant"] if "nested" in kind else [])


def load(folder, **more):
    """bitsandbytes in float32: its 4-bit inference on some CPUs would multiply in bfloat16, its int8 round activations."""
    model = AutoModelForCausalLM.from_pretrained(folder, **more)
    for module in model.modules():
        if isinstance(module, bitsandbytes.nn.Linear4bit):
            module.support_avx512bf16_for_cpu = False
    return model


def logits_of(model, ids):
    for parameter in model.parameters():
        if parameter.dtype in (torch.bfloat16, torch.float16):
            parameter.data = parameter.data.float()  # int8 models keep theirs, whatever dtype says
    for module in model.modules():
        if isinstance(module, bitsandbytes.nn.Linear8bitLt):
            module.train()  # the way that multiplies by the dequantised weights
    with torch.no_grad():
        return torch.log_softmax(model(torch.tensor([ids])).logits[0].double(), -1)


def score(folder, ids, *options):
    """pbt's log-probabilities of ids[1:] given what is before."""
    request = json.dumps({"id": 0, "prompt_ids": ids[:1], "continuation_ids": ids[1:]})
    return json.loads(pbt("score", folder, *options, input=request))["logprobs"]


IDS = [3, 90, 17, 5, 130, 44, 44, 2, 71, 9, 101, 64, 12, 1]


@pytest.fixture(scope="module", params=list(DTYPES))
def model(request, tmp_path_factory):
    """A random model stored in one of the types. Widths are multiples of 64: where they are not, but are of 16, the
    AVX-512 code of bitsandbytes 0.50 takes the scales of other blocks."""
    folder = str(tmp_path_factory.mktemp(request.param))
    torch.manual_seed(4)
    torch.set_num_threads(1)
    config = LlamaConfig(
        hidden_size=128, intermediate_size=192, num_hidden_layers=2, num_attention_heads=4, num_key_value_heads=2, vocab_size=131,
        max_position_embeddings=128, tie_word_embeddings=False, initializer_range=0.1, bos_token_id=1, eos_token_id=2,
    )
    LlamaForCausalLM(config).to(DTYPES[request.param]).save_pretrained(folder)
    return folder, request.param


def bytes_of(tensor):
    return tensor.contiguous().flatten().view(torch.uint8).numpy().tobytes() if tensor.numel() else b""


@pytest.mark.parametrize("kind", KINDS)
def test_stored_form(model, kind, tmp_path):
    """pbt model quantize writes what transformers writes, tensor by tensor to the byte, and transformers loads it."""
    folder, dtype = model
    theirs, ours = str(tmp_path / "theirs"), str(tmp_path / "ours")
    load(folder, quantization_config=settings_of(kind), dtype=DTYPES[dtype]).save_pretrained(theirs)
    nested = ["--use_bnb_nested_quant"] if "nested" in kind else []
    printed = json.loads(pbt("model", "quantize", folder, "--quantize", kind[:3] if kind != "int8" else kind, *nested, "--output_dir", ours, "--json"))
    assert 0 < printed["divergence"]["mean_kl"] < 0.2
    a, b = load_file(os.path.join(theirs, "model.safetensors")), load_file(os.path.join(ours, "model.safetensors"))
    assert set(a) == set(b)
    for name in a:
        assert a[name].dtype == b[name].dtype and a[name].shape == b[name].shape, name
        assert bytes_of(a[name]) == bytes_of(b[name]), name
    read = [json.load(open(os.path.join(f, "config.json")))["quantization_config"] for f in (theirs, ours)]
    for key in ("quant_method", "load_in_4bit", "load_in_8bit", "bnb_4bit_use_double_quant", "llm_int8_skip_modules", "llm_int8_threshold"):
        assert read[0][key] == read[1][key], key
    assert kind == "int8" or read[0]["bnb_4bit_quant_type"] == read[1]["bnb_4bit_quant_type"]
    # Each reads the other's folder, and both compute the same.
    expected = logits_of(load(theirs, dtype=torch.float32), IDS)
    assert torch.equal(expected, logits_of(load(ours, dtype=torch.float32), IDS))
    found = score(theirs, IDS)
    assert found == score(ours, IDS)
    assert found == score(folder, IDS, *options_of(kind))
    worst = max(abs(found[i] - expected[i, IDS[i + 1]].item()) for i in range(len(IDS) - 1))
    print(f"{kind} {dtype}: log-probabilities differ by {worst:.2g}, mean KL of the quantisation {printed['divergence']['mean_kl']:.3g}")
    assert worst < 2e-4


def zero_adapter(folder, base):
    """A PEFT adapter that adds nothing: merging it gives the weights back."""
    from peft import LoraConfig, get_peft_model

    get_peft_model(AutoModelForCausalLM.from_pretrained(base), LoraConfig(r=1, target_modules="all-linear", task_type="CAUSAL_LM")).save_pretrained(folder)


@pytest.mark.parametrize("kind", KINDS)
def test_dequantised_bits(model, kind, tmp_path):
    """float32 to the bit; rounded to 16 bits it is what bitsandbytes gives in these types."""
    folder, dtype = model
    quantised, floats = str(tmp_path / "quantised"), str(tmp_path / "floats")
    load(folder, quantization_config=settings_of(kind), dtype=DTYPES[dtype]).save_pretrained(quantised)
    zero_adapter(str(tmp_path / "adapter"), folder)
    pbt("model", "merge", quantised, "--adapter", tmp_path / "adapter", "--dtype", "float32", "--output_dir", floats)
    found = load_file(os.path.join(floats, "model.safetensors"))
    checked = 0
    for name, module in load(quantised, dtype=torch.float32).named_modules():
        if isinstance(module, bitsandbytes.nn.Linear4bit):
            state = module.weight.quant_state
            for compute in DTYPES.values():
                state.dtype = compute
                expected = functional.dequantize_4bit(module.weight.data, state)
                assert bytes_of(expected) == bytes_of(found[name + ".weight"].to(compute)), (name, compute)
            checked += 1
        elif isinstance(module, bitsandbytes.nn.Linear8bitLt):
            expected = functional.int8_vectorwise_dequant(module.weight.data, module.weight.SCB)
            assert bytes_of(expected) == bytes_of(found[name + ".weight"]), name
            checked += 1
    assert checked == 14
    assert "quantization_config" not in json.load(open(os.path.join(floats, "config.json")))


def test_blocks_of_many_shapes(tmp_path):
    """A million weights of many sizes and shapes, among them odd numbers and blocks of zeros, to the byte."""
    torch.set_num_threads(1)
    generator = torch.Generator().manual_seed(1)
    # The shapes of a model's layers are not free: heads of 2 and odd widths everywhere else.
    for hidden, feed, heads in ((66, 35, 33), (128, 1021, 4), (1030, 258, 5)):
        folder, out = str(tmp_path / f"{hidden}"), str(tmp_path / f"{hidden}-q")
        config = LlamaConfig(
            hidden_size=hidden, intermediate_size=feed, num_hidden_layers=1, num_attention_heads=heads, num_key_value_heads=heads,
            vocab_size=11, max_position_embeddings=64, tie_word_embeddings=False,
        )
        network = LlamaForCausalLM(config)
        for name, parameter in network.named_parameters():
            if "proj" in name:
                values = torch.randn(parameter.shape, generator=generator) * torch.exp(2 * torch.randn(parameter.shape, generator=generator)) * 0.01
                values[torch.rand(parameter.shape, generator=generator) < 0.1] = 0
                values[: max(1, len(values) // 8)] = 0
                parameter.data = values
        network.save_pretrained(folder)
        weights = load_file(os.path.join(folder, "model.safetensors"))
        for kind in KINDS:
            nested = "nested" in kind
            pbt("model", "quantize", folder, "--quantize", kind[:3] if kind != "int8" else kind, *(["--use_bnb_nested_quant"] if nested else []), "--output_dir", out)
            found = load_file(os.path.join(out, "model.safetensors"))
            for name, weight in weights.items():
                if "proj" not in name:
                    continue
                if kind == "int8":
                    codes, scales, _ = functional.int8_vectorwise_quant(weight.half())
                    assert torch.equal(codes, found[name]) and torch.equal(scales, found[name.replace("weight", "SCB")]), name
                    continue
                codes, state = functional.quantize_4bit(weight, quant_type=kind[:3], compress_statistics=nested)
                assert torch.equal(codes, found[name]), (name, kind)
                assert torch.equal(state.absmax, found[name + ".absmax"]), (name, kind)
                if nested:
                    assert torch.equal(state.state2.absmax, found[name + ".nested_absmax"]), (name, kind)


def test_skip_modules(model, tmp_path):
    """llm_int8_skip_modules of transformers' folder is obeyed, and written so that transformers obeys it."""
    folder, dtype = model
    if dtype != "float32":
        pytest.skip("once is enough")
    skipped = ["lm_head", "o_proj", "model.layers.1.mlp"]
    theirs, ours = str(tmp_path / "theirs"), str(tmp_path / "ours")
    quantised = load(folder, quantization_config=BitsAndBytesConfig(load_in_4bit=True, bnb_4bit_quant_type="nf4", llm_int8_skip_modules=skipped), dtype=torch.float32)
    quantised.save_pretrained(theirs)
    pbt("model", "quantize", folder, "--llm_int8_skip_modules", ",".join(skipped), "--output_dir", ours)
    a, b = load_file(os.path.join(theirs, "model.safetensors")), load_file(os.path.join(ours, "model.safetensors"))
    assert set(a) == set(b) and all(bytes_of(a[name]) == bytes_of(b[name]) for name in a)
    assert torch.equal(logits_of(load(ours, dtype=torch.float32), IDS), logits_of(load(theirs, dtype=torch.float32), IDS))
    assert score(theirs, IDS) == score(ours, IDS)


# ---- QLoRA ----


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    folder = str(tmp_path_factory.mktemp("world"))
    trl_curves.make_world(folder)
    return folder


def curve_of_pbt(world, case, kind, output):
    command, data, settings = trl_curves.settings_of(case)
    arguments = [command, "--model_name_or_path", os.path.join(world, "model"), "--adapter", os.path.join(world, "adapter"), "--dataset",
                 os.path.join(world, data), "--output_dir", output, "--quiet", *options_of(kind)]
    for name, value in settings.items():
        arguments += ["--" + name, str(value)]
    pbt(*arguments)
    with open(os.path.join(output, "metrics.jsonl")) as file:
        return [json.loads(line) for line in file]


def train_with_trl(world, case, kind, output, monkeypatch):
    """TRL over bitsandbytes in float32: trl_curves opens model and adapter through these."""
    import peft

    open_model, open_adapter = AutoModelForCausalLM.from_pretrained, peft.PeftModel.from_pretrained

    def with_adapter(*arguments, **more):
        model = open_adapter(*arguments, **more)
        model.is_loaded_in_4bit = model.is_loaded_in_8bit = False  # else TRL rounds the adapter to bfloat16
        return model

    monkeypatch.setattr(
        AutoModelForCausalLM, "from_pretrained", lambda folder, **more: open_model(folder, quantization_config=settings_of(kind), **more)
    )
    monkeypatch.setattr(peft.PeftModel, "from_pretrained", with_adapter)
    return trl_curves.train_with_trl(world, case, output)


@pytest.mark.parametrize("kind", ["nf4", "nf4_nested", "fp4", "int8"])
@pytest.mark.parametrize("case", ["sft", "dpo"])
def test_qlora_curve(world, case, kind, tmp_path, monkeypatch):
    """Twenty steps of PEFT + bitsandbytes under TRL: losses, gradient norms and log-probabilities."""
    theirs = train_with_trl(world, case, kind, str(tmp_path / "trl"), monkeypatch)
    ours = curve_of_pbt(world, case, kind, str(tmp_path / "pbt"))
    assert len(theirs) == len(ours) == trl_curves.STEPS
    worst = {}
    for a, b in zip(theirs, ours):
        for key in ("loss", "grad_norm", "logps/chosen", "logps/rejected"):
            if key in a:
                worst[key] = max(worst.get(key, 0), abs(a[key] - b[key]) / max(abs(a[key]), 1e-2))
    print(case, kind, {key: float(f"{value:.2g}") for key, value in worst.items()}, "loss", ours[0]["loss"], "->", ours[-1]["loss"])
    assert all(value < 5e-4 for value in worst.values()), worst
