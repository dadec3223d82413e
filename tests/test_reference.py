#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""The shipped model against an independent implementation: tools/train/reference.py, in numpy.

Through the shared library, on golden: the logits after every token of each prompt and of the
greedy text that follows. They differ by float rounding (about 1e-5 at a root mean square of 9)
until an activation lies so near the middle between two int8 values that float32 and float64
round it apart; from there on by what one such step changes. So at most places the logits agree
to NEAR, at all to FAR, and the text is the same.

usage: tests/test_reference.py [BUILD]
"""

import ctypes
import glob
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "tools", "train"))

import numpy as np  # noqa: E402
from reference import Reference  # noqa: E402

NEAR = 1e-4
FAR = 0.3
TOKENS = 64
PROMPTS = ("And it came to pass", "The LORD said unto", "In the beginning", "Then Jesus answered")


class Runtime:
    """A session of libbitnpu on golden."""

    def __init__(self, build, model):
        self.library = ctypes.CDLL(os.path.join(build, "libbitnpu.so"))
        self.model, self.device = ctypes.c_void_p(), ctypes.c_void_p()
        self.session = ctypes.c_void_p()
        self.call("model_open", model.encode(), 0, ctypes.byref(self.model), None)
        self.call("device_open", b"golden", ctypes.byref(self.device), None)
        self.call(
            "session_create", self.model, self.device, None, ctypes.byref(self.session), None
        )

    def call(self, name, *arguments):
        result = getattr(self.library, "bitnpu_" + name)(*arguments)
        if result:
            raise RuntimeError(f"bitnpu_{name}: {os.strerror(-result)}")

    def tokenize(self, text):
        tokens, count = (ctypes.c_uint32 * 256)(), ctypes.c_size_t()
        text = text.encode()
        self.call(
            "tokenize", self.model, text, len(text), 1, tokens, 256, ctypes.byref(count), None
        )
        return list(tokens[: count.value])

    def logits(self, tokens, vocabulary):
        """Logits (T, vocab) after each of the tokens, from an empty cache."""
        self.library.bitnpu_session_rewind(self.session, 0)
        rows = []
        for token in tokens:
            row = ctypes.POINTER(ctypes.c_float)()
            one = ctypes.c_uint32(token)
            self.call(
                "session_eval", self.session, ctypes.byref(one), 1, ctypes.byref(row), None
            )
            rows.append(np.ctypeslib.as_array(row, (vocabulary,)).copy())
        return np.array(rows)


def main():
    build = sys.argv[1] if len(sys.argv) > 1 else "build"
    path = glob.glob("models/*.gguf")[0]
    reference, runtime = Reference(path), Runtime(build, path)
    vocabulary = len(reference.embedding)
    failed, near = 0, []

    print(f"1..{len(PROMPTS) + 1}")
    for number, prompt in enumerate(PROMPTS, 1):
        ids = reference.prompt(prompt)
        same_ids = runtime.tokenize(prompt) == ids
        text = reference.generate(ids, TOKENS, 0.0, 1)
        expected, got = reference.logits(text), runtime.logits(text, vocabulary)
        distance = abs(expected - got).max(axis=-1)
        # The token after position i is the text's own, wherever the text was generated greedily.
        chosen = got[len(ids) - 1 : len(text) - 1].argmax(axis=-1)
        good = same_ids and distance.max() < FAR and list(chosen) == list(text[len(ids) :])
        failed += not good
        near.extend(distance < NEAR)
        print(f"{'ok' if good else 'not ok'} {number} - {prompt}")
        print(
            f"# {len(text)} places: largest difference {distance.max():.2g}, "
            f"median {np.median(distance):.2g}"
        )
    good = np.mean(near) > 0.5
    print(f"{'ok' if good else 'not ok'} {len(PROMPTS) + 1} - most places agree to {NEAR}")
    print(f"# {np.mean(near):.0%} of {len(near)}")
    return 1 if failed or not good else 0


if __name__ == "__main__":
    sys.exit(main())
