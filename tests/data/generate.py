#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Writes tests/data/gguf/*.gguf with llama.cpp's gguf package (gguf-py) and numpy.

usage: tests/data/generate.py [DIRECTORY]

Each file holds matrices "X.weight" in one tensor type and, as F32 tensors "X.expected", the values
that an independent decoder gives: gguf-py's dequantize(), and for the two types that gguf-py does not
know (I2_S, Q1_0) plain numpy after the documented layouts.  metadata.gguf holds a value of every type.

The files are committed; run this only to change them.  The numbers come from a fixed seed.
"""

import os
import sys

import numpy as np

import gguf
from gguf import GGMLQuantizationType as Type
from gguf.quants import dequantize, quantize

I2_S, Q1_0 = 36, 41
ROWS, COLUMNS = 3, 512


def new_writer(directory, name):
    return gguf.GGUFWriter(os.path.join(directory, name + ".gguf"), "test")


def finish(writer):
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def add_pair(writer, name, shape, raw, number, expected):
    """Adds X.weight, whose bytes are raw, and X.expected.

    gguf-py takes int8 data as it is, with the shape given, in every version; uint8 it does not.
    """
    data = np.frombuffer(raw.tobytes(), dtype=np.int8)
    writer.add_tensor(name + ".weight", data, raw_shape=shape, raw_dtype=number)
    writer.add_tensor(name + ".expected", expected.astype(np.float32).reshape(shape))


def ternary(rng, shape, scale):
    return (rng.integers(-1, 2, shape) * scale).astype(np.float32)


def add_quantized(writer, name, values, kind):
    raw = quantize(values, kind)
    add_pair(writer, name, values.shape, raw, kind, dequantize(raw, kind))


def write_ternary_blocks(directory, rng, name, kind):
    """TQ1_0 and TQ2_0: scales that differ by block, one for all, one a row; blocks of zeros."""
    writer = new_writer(directory, name)
    shape = (ROWS, COLUMNS)
    blocks = np.repeat(rng.uniform(0.01, 2, (ROWS, COLUMNS // 256)), 256, axis=1)
    add_quantized(writer, "blocks", ternary(rng, shape, blocks), kind)
    uniform = ternary(rng, shape, 0.0625)
    uniform[1, :256] = 0
    add_quantized(writer, "uniform", uniform, kind)
    rows = ternary(rng, shape, rng.uniform(0.01, 2, (ROWS, 1)))
    rows[2] = 0
    add_quantized(writer, "rows", rows, kind)
    add_quantized(writer, "zero", np.zeros(shape, dtype=np.float32), kind)
    finish(writer)


def write_q8_0(directory, rng):
    writer = new_writer(directory, "q8_0")
    add_quantized(writer, "random", rng.normal(0, 1, (ROWS, 96)).astype(np.float32), Type.Q8_0)
    finish(writer)


def write_q6_k(directory, rng):
    """gguf-py cannot quantize to Q6_K: random bytes with a small scale are as good a tensor."""
    writer = new_writer(directory, "q6_k")
    blocks = rng.integers(0, 256, (ROWS, COLUMNS // 256, 210), dtype=np.uint8)
    blocks[..., 208:] = rng.uniform(0.0001, 0.01, (ROWS, COLUMNS // 256, 1)).astype(
        np.float16).view(np.uint8)
    raw = blocks.reshape(ROWS, -1)
    add_pair(writer, "random", (ROWS, COLUMNS), raw, Type.Q6_K, dequantize(raw, Type.Q6_K))
    finish(writer)


def write_floats(directory, rng, name, kind):
    """Plain floats, ternary ones with one scale, and ternary ones with a scale a row."""
    writer = new_writer(directory, name)
    shape = (ROWS, 100)
    random = rng.normal(0, 1, shape)
    random[0, :8] = [0, -0.0, 1, -1, 2.0**-14, 2.0**-24, -(2.0**-16), 65504]
    cases = {"random": random, "uniform": ternary(rng, shape, 0.75),
             "rows": ternary(rng, shape, np.array([[0.5], [2], [0.375]]))}
    for case, values in cases.items():
        values = np.ascontiguousarray(values, dtype=np.float32)
        raw = quantize(values, kind)
        add_pair(writer, case, shape, raw, kind, dequantize(raw, kind))
    finish(writer)


def write_i2_s(directory, rng):
    """BitNet on x86: 32 bytes hold 4 runs of 32 elements, the first in the top bits; code w + 1."""
    writer = new_writer(directory, "i2_s")
    for name, scale in (("random", np.float32(0.0703)), ("minus", np.float32(-1.5))):
        values = rng.integers(-1, 2, (ROWS, COLUMNS))
        codes = (values + 1).astype(np.uint8).reshape(-1, 4, 32)
        packed = codes[:, 0] << 6 | codes[:, 1] << 4 | codes[:, 2] << 2 | codes[:, 3]
        tail = np.zeros(32, dtype=np.uint8)
        tail[:4] = np.frombuffer(scale.tobytes(), dtype=np.uint8)
        raw = np.concatenate([packed.reshape(-1), tail])
        add_pair(writer, name, (ROWS, COLUMNS), raw, I2_S, values * scale)
    finish(writer)


def write_q1_0(directory, rng):
    """128 elements: a half, then 16 bytes; bit j of byte i is element 8 i + j, set for +scale."""
    writer = new_writer(directory, "q1_0")
    bits = rng.integers(0, 2, (ROWS, COLUMNS // 128, 128), dtype=np.uint8)
    scales = rng.uniform(0.01, 2, (ROWS, COLUMNS // 128, 1)).astype(np.float16)
    packed = np.packbits(bits, axis=-1, bitorder="little")
    raw = np.concatenate([scales.view(np.uint8), packed], axis=-1)
    add_pair(writer, "random", (ROWS, COLUMNS), raw, Q1_0,
             (bits.astype(np.float32) * 2 - 1) * scales.astype(np.float32))
    finish(writer)


def write_metadata(directory):
    writer = new_writer(directory, "metadata")
    writer.add_uint8("t.uint8", 200)
    writer.add_int8("t.int8", -100)
    writer.add_uint16("t.uint16", 60000)
    writer.add_int16("t.int16", -30000)
    writer.add_uint32("t.uint32", 4000000000)
    writer.add_int32("t.int32", -2000000000)
    writer.add_uint64("t.uint64", 1 << 63)
    writer.add_int64("t.int64", -(1 << 62))
    writer.add_float32("t.float32", 0.1)
    writer.add_float64("t.float64", 0.1)
    writer.add_bool("t.bool", True)
    writer.add_string("t.string", "\u00fc\u4e2d\U0001f600")
    writer.add_array("t.ints", [1, -2, 3])
    writer.add_array("t.floats", [0.5, -1.5])
    writer.add_array("t.strings", ["a", "", "\u4e2d", "long " * 20])
    writer.add_array("t.nested", [[1, 2], [3]])
    writer.add_tensor("vector", np.arange(5, dtype=np.float32))
    writer.add_tensor("cube", np.arange(24, dtype=np.float16).reshape(2, 3, 4))
    writer.add_tensor("integers", np.arange(6, dtype=np.int32))
    finish(writer)


def main():
    directory = sys.argv[1] if len(sys.argv) > 1 else os.path.join(
        os.path.dirname(os.path.abspath(__file__)), "gguf")
    rng = np.random.default_rng(1)
    write_ternary_blocks(directory, rng, "tq1_0", Type.TQ1_0)
    write_ternary_blocks(directory, rng, "tq2_0", Type.TQ2_0)
    write_q8_0(directory, rng)
    write_q6_k(directory, rng)
    for name in ("F32", "F16", "BF16"):
        write_floats(directory, rng, name.lower(), Type[name])
    write_i2_s(directory, rng)
    write_q1_0(directory, rng)
    write_metadata(directory)


if __name__ == "__main__":
    main()
