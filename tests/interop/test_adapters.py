"""PEFT's adapters in pbt and pbt's in PEFT: the same log-probabilities, for every way to pick modules and ranks; merging."""

import json
import os
import subprocess

import pytest

os.environ.setdefault("CUDA_VISIBLE_DEVICES", "")
os.environ.setdefault("HF_HUB_OFFLINE", "1")
peft = pytest.importorskip("peft")
torch = pytest.importorskip("torch")
import trl_curves
from peft import LoraConfig, PeftModel, get_peft_model
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BINARY = os.environ.get("PBT_BINARY", os.path.join(ROOT, "build", "release", "pbt"))
IDS = [[5, 90, 17, 30, 130, 44, 44, 2, 71, 9, 101, 64, 12, 1], [7, 3, 201, 300, 11]]
LIMIT = 1e-5


def pbt(*arguments, input=None, ok=True):
    done = subprocess.run([BINARY, *map(str, arguments)], capture_output=True, text=True, input=input)
    assert (done.returncode == 0) == ok, done.stderr
    return done.stdout if ok else done.stderr


def scores_of(folder, *options):
    rows = "".join(json.dumps({"id": i, "prompt_ids": ids[:1], "continuation_ids": ids[1:]}) + "\n" for i, ids in enumerate(IDS))
    return [json.loads(line)["logprobs"] for line in pbt("score", folder, *options, input=rows).splitlines()]


def logprobs_of(model):
    result = []
    model.eval()
    for ids in IDS:
        with torch.no_grad():
            rows = torch.log_softmax(model(torch.tensor([ids])).logits[0].double(), -1)
        result.append([rows[i, ids[i + 1]].item() for i in range(len(ids) - 1)])
    return result


def distance(a, b):
    return max(abs(x - y) for left, right in zip(a, b, strict=True) for x, y in zip(left, right, strict=True))


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    folder = str(tmp_path_factory.mktemp("world"))
    torch.set_num_threads(1)
    trl_curves.make_world(folder)
    return folder


def plain(world):
    return AutoModelForCausalLM.from_pretrained(os.path.join(world, "model"), dtype=torch.float32)


# What LoraConfig can say that pbt obeys.
CONFIGS = {
    "two": dict(target_modules=["q_proj", "v_proj"]),
    "all_linear": dict(target_modules="all-linear"),
    "regex": dict(target_modules=r".*layers\.(0|1)\.(self_attn|mlp)\.(q|k|down)_proj"),
    "one_layer_regex": dict(target_modules=r"model\.layers\.1\..*_proj"),
    "whole_names": dict(target_modules=["model.layers.0.self_attn.o_proj", "layers.1.mlp.gate_proj", "k_proj"]),
    "layers": dict(target_modules=["q_proj", "up_proj"], layers_to_transform=[1]),
    "layer_number": dict(target_modules=["q_proj", "up_proj"], layers_to_transform=0, layers_pattern="layers"),
    "excluded": dict(target_modules=["q_proj", "k_proj", "o_proj", "up_proj"], exclude_modules=["layers.0.self_attn.k_proj", "o_proj"]),
    "excluded_regex": dict(target_modules="all-linear", exclude_modules=r".*\.1\.mlp.*"),
    "rslora": dict(target_modules="all-linear", use_rslora=True, r=3, lora_alpha=5),
    "ranks": dict(target_modules="all-linear", rank_pattern={"q_proj": 7, "layers.1.mlp.*": 2, r"0\.self_attn\.[kv]_proj": 3}),
    "alphas": dict(target_modules="all-linear", alpha_pattern={"^model.layers.0.self_attn.q_proj": 32, "down_proj": 1}),
    "patterns_rslora": dict(target_modules=["q_proj", "v_proj", "up_proj"], use_rslora=True, rank_pattern={"v_proj": 9}, alpha_pattern={"up_proj": 24.5}),
    "first_key_wins": dict(target_modules=["q_proj", "v_proj"], rank_pattern={"1.self_attn.v_proj": 5, "v_proj": 2, "proj": 6, ".*q_proj": 1}),
    "gaussian": dict(target_modules=["o_proj"], init_lora_weights="gaussian"),
}


def peft_adapter(world, name, folder):
    """A model with such an adapter whose B is not zero, saved."""
    torch.manual_seed(11)
    model = get_peft_model(plain(world), LoraConfig(**{"r": 4, "lora_alpha": 8, "task_type": "CAUSAL_LM", **CONFIGS[name]}))
    for key, parameter in model.named_parameters():
        if "lora_B" in key:
            torch.nn.init.normal_(parameter, std=0.2)
    model.save_pretrained(folder)
    return model


@pytest.mark.parametrize("name", CONFIGS)
def test_peft_to_pbt_and_back(world, name, tmp_path):
    """PEFT's folder gives PEFT's log-probabilities; what pbt writes after it gives the same again in PEFT."""
    theirs, ours, base = str(tmp_path / "theirs"), str(tmp_path / "ours"), os.path.join(world, "model")
    expected = logprobs_of(peft_adapter(world, name, theirs))
    assert distance(expected, logprobs_of(plain(world))) > 1e-2
    found = distance(scores_of(base, "--adapter", theirs), expected)
    # One step at a learning rate of 0 reads the adapter into the trainer and writes it.
    pbt("sft", "--model_name_or_path", base, "--adapter", theirs, "--dataset", os.path.join(world, "sft.jsonl"), "--output_dir", ours,
        "--max_steps", 1, "--learning_rate", 0, "--quiet")
    a, b = load_file(os.path.join(theirs, "adapter_model.safetensors")), load_file(os.path.join(ours, "adapter_model.safetensors"))
    assert set(a) == set(b) and all(torch.equal(a[key], b[key]) for key in a)
    back = distance(logprobs_of(PeftModel.from_pretrained(plain(world), ours)), expected)
    merged = str(tmp_path / "merged")
    pbt("model", "merge", base, "--adapter", ours, "--output_dir", merged)
    in_transformers = logprobs_of(AutoModelForCausalLM.from_pretrained(merged, dtype=torch.float32))
    by_peft = logprobs_of(PeftModel.from_pretrained(plain(world), theirs).merge_and_unload())
    merging = distance(in_transformers, by_peft)
    print(f"{name}: PEFT in pbt {found:.2g}, pbt in PEFT {back:.2g}, merged {merging:.2g}")
    assert max(found, back, merging) <= LIMIT
    config = json.load(open(os.path.join(ours, "adapter_config.json")))
    assert list(config) == sorted(config) and config["base_model_name_or_path"] == base
    for file in ("README.md", "tokenizer.json", "tokenizer_config.json"):
        assert os.path.exists(os.path.join(ours, file)), file
    assert open(os.path.join(ours, "README.md")).read().startswith("---\nbase_model: " + base)


def test_new_adapter_in_peft(world, tmp_path):
    """Adapters that pbt begins: fields, rslora, targets; trained a few steps, equal in PEFT."""
    base = os.path.join(world, "model")
    for i, options in enumerate((["--lora_r", 5, "--lora_alpha", 7.5, "--use_rslora"], ["--lora_target_modules", "q_proj,down_proj"], [],
                                 ["--lora_target_modules", r"model\.layers\.[1-9]\.self_attn\.(q|v)_proj"])):
        out = str(tmp_path / str(i))
        pbt("sft", "--model_name_or_path", base, "--dataset", os.path.join(world, "sft.jsonl"), "--output_dir", out, "--max_steps", 5,
            "--learning_rate", 0.05, "--quiet", *options)
        config = peft.LoraConfig.from_pretrained(out)
        assert config.use_rslora == (i == 0) and config.r == (5 if i == 0 else 16)
        assert i != 1 or set(config.target_modules) == {"q_proj", "down_proj"}
        if i == 3:  # a text is a regular expression of whole names: the same modules as PEFT picks
            assert config.target_modules == options[1]
            made = peft.get_peft_model(plain(world), peft.LoraConfig(target_modules=options[1], task_type="CAUSAL_LM"))
            names = {name.replace(".default", "") for name in peft.get_peft_model_state_dict(made)}
            assert names == set(load_file(os.path.join(out, "adapter_model.safetensors")))
        expected = scores_of(base, "--adapter", out)
        assert distance(expected, scores_of(base)) > 1e-2
        found = distance(logprobs_of(PeftModel.from_pretrained(plain(world), out)), expected)
        print(f"{options}: {found:.2g}")
        assert found <= LIMIT


def test_several_adapters(world, tmp_path):
    """PEFT puts further adapters into sub-folders: one must be named."""
    base, folder = os.path.join(world, "model"), str(tmp_path / "several")
    model = peft_adapter(world, "two", folder)
    model.add_adapter("second", LoraConfig(r=2, lora_alpha=8, target_modules=["up_proj"], task_type="CAUSAL_LM"))
    for key, parameter in model.named_parameters():
        if "lora_B.second" in key:
            torch.nn.init.normal_(parameter, std=0.2)
    model.save_pretrained(folder)
    said = pbt("score", base, "--adapter", folder, input="", ok=False)
    assert "holds several adapters (default, second)" in said
    for name in ("default", "second"):
        model.set_adapter(name)
        assert distance(scores_of(base, "--adapter", f"{folder}:{name}"), logprobs_of(model)) <= LIMIT


def test_other_base_is_warned_of(world, tmp_path):
    folder = str(tmp_path / "adapter")
    peft_adapter(world, "two", folder)
    path = os.path.join(folder, "adapter_config.json")
    config = json.load(open(path))
    config["base_model_name_or_path"] = "meta-llama/Llama-3.1-8B-Instruct"
    json.dump(config, open(path, "w"))
    row = json.dumps({"prompt_ids": [1], "continuation_ids": [2]})
    done = subprocess.run([BINARY, "score", os.path.join(world, "model"), "--adapter", folder], capture_output=True, text=True, input=row)
    assert done.returncode == 0 and "made for meta-llama/Llama-3.1-8B-Instruct" in done.stderr


@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "float16"])
def test_merge_in_16_bits(world, dtype, tmp_path):
    """Rounded once from float32: within the type's own error of PEFT's merge in float32."""
    theirs, merged, base = str(tmp_path / "theirs"), str(tmp_path / "merged"), os.path.join(world, "model")
    peft_adapter(world, "all_linear", theirs)
    printed = json.loads(pbt("model", "merge", base, "--adapter", theirs, "--output_dir", merged, "--dtype", dtype, "--json"))
    full = PeftModel.from_pretrained(plain(world), theirs).merge_and_unload().state_dict()
    found = load_file(os.path.join(merged, "model.safetensors"))
    kind = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}[dtype]
    for name, tensor in found.items():
        assert tensor.dtype == kind, name
        step = {"float32": 1e-6, "bfloat16": 2**-8, "float16": 2**-11}[dtype]
        assert torch.allclose(tensor.float(), full[name], rtol=1.01 * step, atol=1e-6), name
    model = AutoModelForCausalLM.from_pretrained(merged, dtype="auto")
    assert model.dtype == kind
    assert distance(scores_of(merged, "--dtype", "float32"), logprobs_of(model.float())) <= LIMIT
    print(dtype, printed["divergence"])
    assert printed["divergence"]["mean_kl"] < (1e-9 if dtype == "float32" else 1e-3)


@pytest.mark.parametrize("kind", ["nf4", "fp4", "int8"])
def test_merge_into_quantised(world, kind, tmp_path):
    """QLoRA's two merges: into the floats the quantised base stands for, and back into the same type."""
    bitsandbytes = pytest.importorskip("bitsandbytes")
    from bitsandbytes import functional

    theirs, base = str(tmp_path / "theirs"), os.path.join(world, "model")
    peft_adapter(world, "all_linear", theirs)
    load = ["--load_in_8bit"] if kind == "int8" else ["--load_in_4bit", "--bnb_4bit_quant_type", kind]
    floats, back = str(tmp_path / "floats"), str(tmp_path / "back")
    first = json.loads(pbt("model", "merge", base, "--adapter", theirs, "--output_dir", floats, *load, "--json"))["divergence"]
    second = json.loads(pbt("model", "merge", base, "--adapter", theirs, "--output_dir", back, *load, "--quantize", kind, "--json"))["divergence"]
    print(kind, "floats", first["mean_kl"], "quantised again", second["mean_kl"], second["top1_agreement"])
    assert first["mean_kl"] < 1e-9 < second["mean_kl"]
    assert distance(scores_of(base, "--adapter", theirs, *load), scores_of(floats)) < 1e-5
    # Back in 4 bits: bitsandbytes' blocks of the merged floats.
    whole, packed = load_file(os.path.join(floats, "model.safetensors")), load_file(os.path.join(back, "model.safetensors"))
    name = "model.layers.1.mlp.up_proj.weight"
    if kind == "int8":
        codes, scales, _ = functional.int8_vectorwise_quant(whole[name].half())
        assert torch.equal(codes, packed[name]) and torch.equal(scales, packed[name.replace("weight", "SCB")])
    else:
        codes, state = functional.quantize_4bit(whole[name], quant_type=kind)
        assert torch.equal(codes, packed[name]) and torch.equal(state.absmax, packed[name + ".absmax"])
    model = AutoModelForCausalLM.from_pretrained(back, dtype=torch.float32)
    for module in model.modules():
        if isinstance(module, bitsandbytes.nn.Linear4bit):
            module.support_avx512bf16_for_cpu = False
    if kind != "int8":
        assert distance(scores_of(back), logprobs_of(model)) <= LIMIT


def test_trained_over_a_frozen_adapter(world, tmp_path):
    """DPO over a frozen SFT adapter: the losses of DPO on the merged model; what is written is the sum, in PEFT too."""
    base, frozen = os.path.join(world, "model"), os.path.join(world, "adapter")
    merged, one, two = str(tmp_path / "merged"), str(tmp_path / "one"), str(tmp_path / "two")
    pbt("model", "merge", base, "--adapter", frozen, "--output_dir", merged, "--dtype", "float32")
    options = ["--dataset", os.path.join(world, "dpo.jsonl"), "--max_steps", 6, "--learning_rate", 0.02, "--logging_steps", 1,
               "--train_sampling_strategy", "sequential", "--lora_r", 3, "--lora_dropout", 0]
    pbt("dpo", "--model_name_or_path", merged, "--output_dir", one, "--quiet", *options)
    done = subprocess.run([BINARY, *map(str, ["dpo", "--model_name_or_path", base, "--frozen_adapter", frozen, "--output_dir", two, "--verbose", *options])],
                          capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert f"frozen adapter {frozen}, hash " in done.stderr and "adapter new, hash " in done.stderr
    curves = [[json.loads(line) for line in open(os.path.join(folder, "metrics.jsonl"))] for folder in (one, two)]
    assert len(curves[0]) == 6 and curves[1][0]["rewards/margins"] == 0
    for a, b in zip(*curves):
        for key in ("loss", "grad_norm", "logps/chosen"):
            assert abs(a[key] - b[key]) < 2e-5 * max(1, abs(a[key])), key
    expected = scores_of(merged, "--adapter", one)
    assert distance(expected, scores_of(merged)) > 1e-3
    assert distance(expected, scores_of(base, "--adapter", two)) < 2e-5
    found = distance(logprobs_of(PeftModel.from_pretrained(plain(world), two)), scores_of(base, "--adapter", two))
    print(f"stacked in PEFT {found:.2g}")
    assert found <= LIMIT
