"""What bitsandbytes makes of one matrix: the source of tests/data/golden/quantize.

    python tests/interop/quantize_golden.py tests/data/golden/quantize     # writes the golden file anew
"""

import os
import sys

os.environ.setdefault("CUDA_VISIBLE_DEVICES", "")

ROWS, COLS, SHOWN = 130, 128, 8  # 260 blocks: more than one block of scales


def matrix():
    """Weights of very different sizes, with rows and blocks of zeros."""
    import torch

    generator = torch.Generator().manual_seed(5)
    values = torch.randn(ROWS, COLS, generator=generator) * 0.02
    values *= torch.exp(torch.randn(ROWS, 1, generator=generator))
    values[torch.rand(ROWS, COLS, generator=generator) < 0.05] = 0
    values[3] = 0
    values[4, :64] = 0
    return values


def quantised(values):
    """Tensors by name: codes, scales, and the first rows given back as floats."""
    import torch
    from bitsandbytes import functional

    torch.set_num_threads(1)
    tensors = {}
    for kind in ("nf4", "fp4"):
        for nested in (False, True):
            codes, state = functional.quantize_4bit(values, quant_type=kind, compress_statistics=nested)
            name = kind + ("_nested" if nested else "")
            tensors[name + ".codes"] = codes.flatten()
            tensors[name + ".absmax"] = state.absmax
            if nested:
                tensors[name + ".nested_absmax"] = state.state2.absmax
                tensors[name + ".nested_quant_map"] = state.state2.code
                tensors[name + ".offset"] = state.offset.reshape(1)
            tensors[name + ".floats"] = functional.dequantize_4bit(codes, state)[:SHOWN].clone()
    codes, scales, _ = functional.int8_vectorwise_quant(values.half())
    tensors["int8.codes"], tensors["int8.absmax"] = codes, scales
    tensors["int8.floats"] = functional.int8_vectorwise_dequant(codes, scales)[:SHOWN].clone()
    return tensors


def main(folder):
    import bitsandbytes
    import torch
    from safetensors.torch import save_file

    values = matrix()
    tensors = {"values": values, **quantised(values)}
    save_file({name: tensor.contiguous().clone() for name, tensor in tensors.items()}, os.path.join(folder, "blocks.safetensors"))
    with open(os.path.join(folder, "README.md"), "w") as file:
        file.write(
            "# Quantised blocks\n\nOne matrix and what bitsandbytes makes of it on a CPU: codes, scales, and the first rows given back as\n"
            "floats. Written by `python tests/interop/quantize_golden.py tests/data/golden/quantize` with\n"
            f"bitsandbytes {bitsandbytes.__version__}, torch {torch.__version__}.\n"
        )


if __name__ == "__main__":
    main(sys.argv[1])
