# SPDX-License-Identifier: MIT
"""Tests of the packers, the GGUF file and the tokenizer.

Run: python3 -m unittest discover -s tools/train
"""

import os
import tempfile
import unittest

import numpy as np

import corpus
import ggufio
from tokenizer import Tokenizer


def random_ternary(rows, columns, seed=0):
    trits = np.random.default_rng(seed).integers(-1, 2, (rows, columns)).astype(np.int8)
    return ggufio.Ternary(trits, 0.0625)


def one_hot(index, value):
    """256 zero weights but for one."""
    trits = np.zeros((1, 256), np.int8)
    trits[0, index] = value
    return ggufio.Ternary(trits, 1.0)


class Packing(unittest.TestCase):
    def test_round_trip(self):
        weight = random_ternary(6, 512)
        for kind in ggufio.PACK:
            data = ggufio.encode_tensor(weight, kind)
            self.assertEqual(len(data), ggufio.tensor_bytes(kind, weight.shape))
            found = ggufio.decode_tensor(data, kind, weight.shape)
            np.testing.assert_array_equal(found.trits, weight.trits)
            self.assertEqual(found.scale, weight.scale)

    def test_tq2_0_bytes(self):
        data = ggufio.encode_tensor(one_hot(128 + 64 + 5, 1), ggufio.TQ2_0)
        self.assertEqual(data[:37], b"\x55" * 37)
        self.assertEqual(data[37], 0b01100101)
        self.assertEqual(data[64:], b"\x00\x3c")

    def test_i2_s_bytes(self):
        data = ggufio.encode_tensor(one_hot(128 + 64 + 5, 1), ggufio.I2_S)
        self.assertEqual(data[37], 0b01011001)
        self.assertEqual(data[64:], b"\x00\x00\x80\x3f" + bytes(28))

    def test_tq1_0_bytes(self):
        # Five zero weights are 121 of 243, four and an empty digit 120: 127.5 and 126.4 256ths.
        zeros = ggufio.encode_tensor(one_hot(0, 0), ggufio.TQ1_0)
        self.assertEqual(zeros, b"\x80" * 48 + b"\x7f" * 4 + b"\x00\x3c")
        first = ggufio.encode_tensor(one_hot(0, 1), ggufio.TQ1_0)
        self.assertEqual(first[0], -(-(121 + 81) * 256 // 243))

    def test_scale_must_be_a_half(self):
        with self.assertRaises(ValueError):
            ggufio.encode_tensor(ggufio.Ternary(np.zeros((1, 256), np.int8), 0.1), ggufio.TQ2_0)

    def test_file(self):
        blocks = ggufio.Blocks(
            np.arange(-64, 64, dtype=np.int8).reshape(2, 64), np.full((2, 2), 0.5, np.float16)
        )
        keys = [("a", ggufio.STRING, "x"), ("b", (ggufio.ARRAY, ggufio.INT32), [1, -2])]
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "a.gguf")
            tensors = [("t", ggufio.TQ2_0, random_ternary(3, 256)), ("q", ggufio.Q8_0, blocks)]
            ggufio.write(path, keys, tensors)
            found_keys, found = ggufio.read(path)
        self.assertEqual(found_keys, {"a": "x", "b": [1, -2]})
        np.testing.assert_array_equal(found["q"][1].quants, blocks.quants)
        np.testing.assert_array_equal(found["t"][1].trits, tensors[0][2].trits)


class Text(unittest.TestCase):
    def test_tokenizer_round_trip(self):
        tokenizer = Tokenizer.train(["the cat and the hat\nthat the cat's\n"] * 3, 264)
        text = "the hat, and\n\n  caf\u00e9 that\u2019s 42\n"
        self.assertEqual(tokenizer.decode(tokenizer.encode(text)), text)
        self.assertLess(len(tokenizer.encode(" the the")), 5)
        self.assertEqual(len(tokenizer.tokens), 264)

    def test_chapters(self):
        lines = ["Ge1:1 In the  beginning", "Ge1:2 And the", "1Sm2:1 And Hannah"]
        self.assertEqual(corpus.chapters(lines), ["In the beginning\nAnd the\n", "And Hannah\n"])


if __name__ == "__main__":
    unittest.main()
