"""Model folders made by transformers, in pbt: log-probabilities, greedy continuations, and folders back again."""

import json
import os
import subprocess

import pytest

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")
import model_folders
from model_folders import CONTINUATION, MODELS, PROMPT

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BINARY = os.environ.get("PBT_BINARY", os.path.join(ROOT, "build", "release", "pbt"))
TOLERANCE = 2e-4
transformers.logging.set_verbosity_error()
transformers.logging.disable_progress_bar()


def pbt(*arguments, requests=None, code=0, environment=None):
    text = None if requests is None else "".join(json.dumps(request) + "\n" for request in requests)
    done = subprocess.run([BINARY, *map(str, arguments)], input=text, capture_output=True, text=True, env={**os.environ, **(environment or {})})
    assert done.returncode == code, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()] if code == 0 and requests is not None else done


def every_logprob(folder, prompt, continuation, *options):
    """Log-probabilities of every vocabulary entry at every place of the continuation and after it, one request each."""
    vocabulary = json.load(open(os.path.join(folder, "config.json")))["vocab_size"]
    requests = [
        {"id": f"{i} {token}", "prompt_ids": prompt + continuation[:i], "continuation_ids": [token]}
        for i in range(len(continuation) + 1)
        for token in range(vocabulary)
    ]
    rows = pbt("score", folder, *options, requests=requests)
    assert [row["id"] for row in rows] == [request["id"] for request in requests]
    return torch.tensor([row["logprobs"][0] for row in rows]).view(len(continuation) + 1, vocabulary)


@pytest.mark.parametrize("name", MODELS)
def test_logprobs(name, tmp_path):
    model = model_folders.make_folder(name, str(tmp_path))
    prompt, continuation = model_folders.ids_of(name)
    _, prefill = model_folders.log_probabilities(model, prompt, continuation)
    _, steps = model_folders.log_probabilities(model, prompt, continuation, stepwise=True)
    ours = every_logprob(str(tmp_path), prompt, continuation)
    worst = (ours - prefill).abs().max().item(), (ours - steps).abs().max().item()
    # In one go: the places of the continuation out of one request.
    row = pbt("score", tmp_path, requests=[{"id": 1, "prompt_ids": prompt, "continuation_ids": continuation}])[0]
    expected = prefill[torch.arange(CONTINUATION), torch.tensor(continuation)]
    together = (torch.tensor(row["logprobs"]) - expected).abs().max().item()
    print(name, f"prefill {worst[0]:.1e}, step by step {worst[1]:.1e}, one request {together:.1e}")
    assert max(*worst, together) < TOLERANCE
    assert abs(row["sum"] - expected.sum().item()) < CONTINUATION * TOLERANCE


@pytest.mark.parametrize("name", MODELS)
def test_greedy(name, tmp_path):
    model = model_folders.make_folder(name, str(tmp_path))
    prompts = [model_folders.ids_of(f"{name} {i}")[0][: 1 + 13 * i] for i in range(4)]
    rows = pbt(
        "generate", tmp_path, "--temperature", 0, "--max_new_tokens", model_folders.NEW, requests=[{"id": i, "prompt_ids": ids} for i, ids in enumerate(prompts)]
    )
    for row, prompt in zip(rows, prompts, strict=True):
        theirs = model_folders.greedy(model, prompt)
        assert row["ids"] == theirs
        assert row["finish_reason"] == ("stop" if theirs[-1] == 2 else "length")


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
@pytest.mark.parametrize("name", ["llama", "mistral_window", "qwen2", "qwen3"])
def test_sixteen_bits(name, dtype, tmp_path):
    """Weights of 16 bits, activations of 32: the logits of these very weights in fp32, and nearer to them than
    transformers' own 16-bit computation."""
    model_folders.make_folder(name, str(tmp_path), dtype)
    prompt, continuation = model_folders.ids_of(name)
    exact = transformers.AutoModelForCausalLM.from_pretrained(str(tmp_path), dtype=torch.float32)
    rounded = transformers.AutoModelForCausalLM.from_pretrained(str(tmp_path), dtype=getattr(torch, dtype))
    _, wide = model_folders.log_probabilities(exact, prompt, continuation)
    _, narrow = model_folders.log_probabilities(rounded, prompt, continuation)
    error = (narrow - wide).abs().max().item()
    for asked in ("auto", dtype, "float32"):
        ours = every_logprob(str(tmp_path), prompt, continuation, "--dtype", asked)
        distance = (ours - wide).abs().max().item()
        print(name, dtype, asked, f"from fp32 {distance:.1e}; transformers in {dtype} {error:.1e}")
        assert distance < TOLERANCE
        assert (ours - narrow).abs().max().item() <= 1.05 * error + TOLERANCE


def test_shards(tmp_path):
    model = model_folders.make_folder("llama", str(tmp_path), max_shard_size="8KB")
    assert len([name for name in os.listdir(tmp_path) if name.startswith("model-0")]) > 2
    prompt, continuation = model_folders.ids_of("llama")
    _, theirs = model_folders.log_probabilities(model, prompt, continuation)
    assert (every_logprob(str(tmp_path), prompt, continuation) - theirs).abs().max().item() < TOLERANCE


def test_older_configuration(tmp_path):
    """rope_theta and rope_scaling beside the rest, torch_dtype, as transformers 4 wrote them."""
    for name in ("llama_linear", "llama_llama3", "llama_yarn", "qwen3"):
        folder = str(tmp_path / name)
        model = model_folders.make_folder(name, folder)
        path = os.path.join(folder, "config.json")
        with open(path) as file:
            config = json.load(file)
        rope = config.pop("rope_parameters")
        config["rope_theta"] = rope.pop("rope_theta")
        config["torch_dtype"] = config.pop("dtype")
        config["rope_scaling"] = None if rope["rope_type"] == "default" else {("type" if name == "llama_linear" else "rope_type"): rope.pop("rope_type"), **rope}
        with open(path, "w") as file:
            json.dump(config, file)
        prompt, continuation = model_folders.ids_of(name)
        _, theirs = model_folders.log_probabilities(model, prompt, continuation)
        assert (every_logprob(folder, prompt, continuation) - theirs).abs().max().item() < TOLERANCE, name


@pytest.mark.parametrize("name", MODELS)
def test_folder_written_by_pbt(name, tmp_path):
    """model random --like a folder: transformers opens it without a missing or unexpected tensor, with equal logits."""
    first, second = str(tmp_path / "first"), str(tmp_path / "second")
    model_folders.make_folder(name, first)
    pbt("model", "random", "--like", first, "--seed", 5, "--std", 0.3, "--output_dir", second, "--quiet")
    model, info = transformers.AutoModelForCausalLM.from_pretrained(second, dtype=torch.float32, output_loading_info=True)
    assert not any(info[key] for key in ("missing_keys", "unexpected_keys", "mismatched_keys")), info
    prompt, continuation = model_folders.ids_of(name)
    _, theirs = model_folders.log_probabilities(model, prompt, continuation)
    assert (every_logprob(second, prompt, continuation) - theirs).abs().max().item() < TOLERANCE


def test_head_of_its_own_beside_tied_embeddings(tmp_path):
    """A configuration that says tied over a file with another head: transformers believes the file, and so does pbt."""
    from safetensors.torch import load_file, save_file

    model_folders.make_folder("llama_tied", str(tmp_path))
    path = str(tmp_path / "model.safetensors")
    tensors = load_file(path)
    tensors["lm_head.weight"] = torch.randn(tensors["model.embed_tokens.weight"].shape) * 0.3
    save_file(tensors, path, {"format": "pt"})
    model = transformers.AutoModelForCausalLM.from_pretrained(str(tmp_path))
    prompt, continuation = model_folders.ids_of("llama_tied")
    _, theirs = model_folders.log_probabilities(model, prompt, continuation)
    assert (every_logprob(str(tmp_path), prompt, continuation) - theirs).abs().max().item() < TOLERANCE


def test_hub_cache(tmp_path):
    """An id is looked up in the cache as huggingface_hub lays it out, by refs/main."""
    cache, commit = tmp_path / "home" / "hub" / "models--some--model", "0123456789abcdef0123456789abcdef01234567"
    snapshot = cache / "snapshots" / commit
    model_folders.make_folder("llama", str(tmp_path / "made"))
    (cache / "refs").mkdir(parents=True)
    (cache / "refs" / "main").write_text(commit)
    snapshot.mkdir(parents=True)
    (cache / "blobs").mkdir()
    for name in os.listdir(tmp_path / "made"):
        os.rename(tmp_path / "made" / name, cache / "blobs" / name)
        os.symlink(os.path.join("..", "..", "blobs", name), snapshot / name)
    request = [{"id": 1, "prompt_ids": [1, 5, 9], "continuation_ids": [4, 7]}]
    for environment in ({"HF_HOME": str(tmp_path / "home")}, {"HF_HUB_CACHE": str(tmp_path / "home" / "hub")}):
        row = pbt("score", "some/model", requests=request, environment=environment)[0]
        assert row == pbt("score", snapshot, requests=request)[0]
    done = pbt("score", "some/other", requests=None, code=3, environment={"HF_HOME": str(tmp_path / "home")})
    assert "some/other" in done.stderr and "models--some--other" in done.stderr
