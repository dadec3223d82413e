#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Compare formats of the output head: KL divergence of the logits against float weights.

The hidden states are those of reference.py.  Each format's weights are computed
here, from the rules in docs/packed-format.md and, for Q6_K, from ggml's block
structure: 16 weights of 6 bits a scale, 16 scales of 8 bits a half; its scales are
searched for the least squared error, weighted with the square of the weight.
"""

import argparse
import os

import numpy as np

import reference

TEXT = """In the beginning God created the heaven and the earth. And the earth was without
form, and void; and darkness was upon the face of the deep. And the Spirit of God moved upon the
face of the waters. And God said, Let there be light: and there was light. And God saw the light,
that it was good: and God divided the light from the darkness."""


def rounded_rows(w, bits):
    """Rounded to whole numbers of @bits bits with a scale a row."""
    scale = np.abs(w).max(axis=1, keepdims=True) / (2 ** (bits - 1) - 1)
    return np.rint(w / scale) * scale


def q6_k(w):
    """As Q6_K would hold it; rows are whole blocks of 256."""
    blocks = w.reshape(len(w), -1, 16)
    largest = np.take_along_axis(blocks, np.abs(blocks).argmax(-1)[..., None], -1)[..., 0]
    largest = np.where(largest == 0, 1, largest)
    error, scales = np.full(largest.shape, np.inf), np.zeros(largest.shape)
    for step in range(-9, 10):
        codes = np.clip(np.rint(blocks * (-(32 + 0.1 * step) / largest)[..., None]), -32, 31)
        weight = blocks**2
        scale = (weight * blocks * codes).sum(-1) / np.maximum((weight * codes**2).sum(-1), 1e-30)
        found = (weight * (blocks - scale[..., None] * codes) ** 2).sum(-1)
        scales = np.where(found < error, scale, scales)
        error = np.minimum(found, error)
    super_blocks = scales.reshape(len(w), -1, 16)
    largest = np.take_along_axis(super_blocks, np.abs(super_blocks).argmax(-1)[..., None], -1)
    factor = np.float16(largest / -128.0).astype(float)
    scales = factor * np.clip(np.rint(super_blocks / factor), -128, 127)
    scales = scales.reshape(len(w), -1)[..., None]
    codes = np.clip(np.rint(blocks / np.where(scales == 0, 1, scales)), -32, 31)
    return (codes * scales).reshape(w.shape)


def log_softmax(x):
    x = x - x.max(-1, keepdims=True)
    return x - np.log(np.exp(x).sum(-1, keepdims=True))


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    here = os.path.dirname(os.path.abspath(__file__))
    default = os.path.join(here, "../../models/kjv-800k-tq2_0.gguf")
    parser.add_argument("model", nargs="?", default=default, help="GGUF file")
    model = reference.Reference(parser.parse_args().model)
    ids = np.asarray(model.prompt(" ".join(TEXT.split()))[: model.context])
    hidden = model.embedding[ids]
    for layer in range(model.key("block_count")):
        hidden = model.block(hidden, layer)
    hidden = reference.rms_norm(hidden, model.weights["output_norm.weight"], model.eps)
    codes, factor = reference.quantize_rows(hidden)
    rounded, w = codes / factor, model.embedding
    wanted = log_softmax(hidden @ w.T)

    def report(name, activations, head):
        found = log_softmax(activations @ head.T)
        divergence = (np.exp(wanted) * (wanted - found)).sum(-1)
        error = np.sqrt(((head - w) ** 2).mean() / (w**2).mean())
        print(f"{name:32} KL {divergence.mean():.1e}, at most {divergence.max():.1e}; "
              f"weights {100 * error:.1f} %")

    print(f"{len(ids)} tokens, {len(w)} logits")
    report("float values", rounded, w)
    for bits in (8, 7, 6):
        report(f"{bits} bits, a scale a row", rounded, rounded_rows(w, bits))
    report("Q6_K", rounded, q6_k(w))
    report("Q6_K, float activations", hidden, q6_k(w))


if __name__ == "__main__":
    main()
