#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Export a checkpoint of train.py as GGUF (architecture bitnet-b1.58), or check such a file.

The linear layers become --type (tq2_0, tq1_0, i2_s: the very trits and scale
that the forward pass of training used; f16: their float product).  Embedding
and head are one Q8_0 tensor (f16 with --type f16), norm gains are f32.
With --check FILE nothing is written: FILE is decoded and each weight compared
with the checkpoint, bit for bit.
"""

import argparse
import sys

import numpy as np
import torch

import ggufio
from ggufio import ARRAY, BOOL, FLOAT32, INT32, STRING, UINT32
from model import Config, Model, q8_0_parts, ternary_parts
from tokenizer import SPECIAL, Tokenizer

ARCH = "bitnet-b1.58"
NORMAL, CONTROL = 1, 3
LINEAR_TYPES = {
    "tq2_0": ggufio.TQ2_0,
    "tq1_0": ggufio.TQ1_0,
    "i2_s": ggufio.I2_S,
    "f16": ggufio.F16,
}
FILE_TYPES = {"tq2_0": 37, "tq1_0": 36, "i2_s": 40, "f16": 1}


def load_checkpoint(path):
    """Return (model, tokenizer) of a checkpoint."""
    saved = torch.load(path, map_location="cpu")
    model = Model(Config(**saved["config"]))
    model.load_state_dict(saved["state"])
    if not model.config.ternary:
        raise SystemExit(f"{path}: a float baseline has no ternary weights to export")
    return model, Tokenizer(saved["merges"])


def metadata(config, tokenizer, name, file_type):
    """The GGUF keys, as (name, kind, value)."""
    shape = [
        ("vocab_size", UINT32, config.vocab),
        ("context_length", UINT32, config.context),
        ("embedding_length", UINT32, config.embd),
        ("block_count", UINT32, config.layers),
        ("feed_forward_length", UINT32, config.ff),
        ("attention.head_count", UINT32, config.heads),
        ("attention.head_count_kv", UINT32, config.kv_heads),
        ("attention.layer_norm_rms_epsilon", FLOAT32, config.eps),
        ("rope.dimension_count", UINT32, config.head_dim),
        ("rope.freq_base", FLOAT32, config.rope_theta),
    ]
    types = [CONTROL if t == SPECIAL else NORMAL for t in tokenizer.tokens]
    return [
        ("general.architecture", STRING, ARCH),
        ("general.name", STRING, name),
        ("general.license", STRING, "mit"),
        ("general.file_type", UINT32, file_type),
        ("general.quantization_version", UINT32, 2),
        *[(f"{ARCH}.{key}", kind, value) for key, kind, value in shape],
        ("tokenizer.ggml.model", STRING, "gpt2"),
        ("tokenizer.ggml.pre", STRING, "gpt-2"),
        ("tokenizer.ggml.tokens", (ARRAY, STRING), tokenizer.tokens),
        ("tokenizer.ggml.token_type", (ARRAY, INT32), types),
        ("tokenizer.ggml.merges", (ARRAY, STRING), [" ".join(m) for m in tokenizer.merges]),
        ("tokenizer.ggml.bos_token_id", UINT32, tokenizer.special),
        ("tokenizer.ggml.eos_token_id", UINT32, tokenizer.special),
        ("tokenizer.ggml.add_bos_token", BOOL, True),
        ("tokenizer.ggml.add_eos_token", BOOL, False),
    ]


def quantized(name, weight):
    """A parameter as it is used in the forward pass: Blocks, Ternary or a float32 gain vector."""
    if name == "token_embd.weight":
        quants, scales = q8_0_parts(weight)
        quants = quants.view_as(weight).numpy().astype(np.int8)
        return ggufio.Blocks(quants, scales[..., 0].numpy().astype(np.float16))
    if weight.dim() == 2:
        trits, scale = ternary_parts(weight)
        return ggufio.Ternary(trits.numpy().astype(np.int8), float(scale))
    return weight.numpy().astype(np.float32)


def tensors(model, linear):
    """The tensors as (name, type, value): embedding, then blocks, then the last norm."""
    embedding = ggufio.F16 if linear == ggufio.F16 else ggufio.Q8_0
    out = []
    for name, parameter in model.state_dict().items():
        if name == "token_embd.weight":
            kind = embedding
        else:
            kind = linear if parameter.dim() == 2 else ggufio.F32
        out.append((name, kind, quantized(name, parameter)))
    return out


def equal(kind, expected, found):
    """True if a decoded tensor is bit for bit what was to be written."""
    if isinstance(found, ggufio.Ternary):
        return np.array_equal(expected.trits, found.trits) and expected.scale == found.scale
    if isinstance(found, ggufio.Blocks):
        return np.array_equal(expected.quants, found.quants) and np.array_equal(
            expected.scales.view(np.uint16), found.scales.view(np.uint16)
        )
    dense = expected if isinstance(expected, np.ndarray) else expected.dense()
    return np.array_equal(dense.astype(found.dtype), found)


def check(path, model, tokenizer):
    """Compare a file with the checkpoint; returns the list of differences."""
    keys, found = ggufio.read(path)
    linear = found["blk.0.attn_q.weight"][0]
    problems = []
    wanted = metadata(model.config, tokenizer, keys["general.name"], keys["general.file_type"])
    for key, _, value in wanted:
        value = float(np.float32(value)) if isinstance(value, float) else value
        if value != keys.get(key):
            problems.append(f"key {key}: {keys.get(key)!r}")
    wanted = tensors(model, linear)
    if [n for n, _, _ in wanted] != list(found):
        problems.append("tensor names differ")
    for name, kind, value in wanted:
        if name not in found or found[name][0] != kind or not equal(kind, value, found[name][1]):
            problems.append(f"tensor {name} differs")
    return problems


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("checkpoint", help="checkpoint.pt of train.py")
    parser.add_argument("-o", "--output", help="GGUF file to write")
    parser.add_argument(
        "--type", choices=LINEAR_TYPES, default="tq2_0", help="type of the linear layers"
    )
    parser.add_argument("--name", default="KJV 800k", help="general.name")
    parser.add_argument("--check", metavar="FILE", help="compare FILE with the checkpoint")
    args = parser.parse_args()
    model, tokenizer = load_checkpoint(args.checkpoint)
    if args.check:
        problems = check(args.check, model, tokenizer)
        print("\n".join(problems) or f"{args.check}: every key and weight equals the checkpoint")
        return 1 if problems else 0
    if not args.output:
        parser.error("either --output or --check is needed")
    keys = metadata(model.config, tokenizer, args.name, FILE_TYPES[args.type])
    size = ggufio.write(args.output, keys, tensors(model, LINEAR_TYPES[args.type]))
    print(f"{args.output}: {size} bytes")
    return 0


if __name__ == "__main__":
    sys.exit(main())
