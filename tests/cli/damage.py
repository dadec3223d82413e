#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Make a bad GGUF file of a good one.

usage: damage.py HOW IN OUT

HOW is one of
  truncate=N      keep N bytes (negative: drop the last -N)
  flip=N          flip a bit in the byte at offset N (negative: from the end)
  architecture    an architecture that nobody knows
  tensors         claim 2^60 tensors
  metadata        claim 2^60 metadata entries
  version         claim GGUF version 99
  dimension       make the first dimension of the first matrix huge
  zero-dimension  make it zero
  offset          put the first tensor past the end of the file
  rename          rename a tensor that every model needs
  control         put control characters into general.name
  chatml          not bad: a chat template in ChatML's style
  type            give the first matrix a type that nobody knows
"""

import struct
import sys

MATRIX = b"blk.0.attn_q.weight"


def replaced(data, at, new):
    return data[:at] + new + data[at + len(new):]


def tensor_info(data, name=MATRIX):
    """Offset of what follows a tensor's name: u32 n_dims, u64 dims[], u32 type, u64 offset."""
    return data.index(struct.pack("<Q", len(name)) + name) + 8 + len(name)


def string_value(data, key):
    """Offset and length of the value of a string entry."""
    at = data.index(key) + len(key)
    kind, length = struct.unpack_from("<IQ", data, at)
    assert kind == 8
    return at + 12, length


def with_string(data, key, text):
    """Another string entry, spaces at its end so that what follows stays aligned."""
    entry = struct.pack("<Q", len(key)) + key + struct.pack("<I", 8)
    text += b" " * (-(len(entry) + 8 + len(text)) % 32)
    entries, = struct.unpack_from("<Q", data, 16)
    return (data[:16] + struct.pack("<Q", entries + 1) + entry +
            struct.pack("<Q", len(text)) + text + data[24:])


def damage(how, data):
    how, _, number = how.partition("=")
    if how == "truncate":
        return data[:int(number)]
    if how == "flip":
        at = int(number) % len(data)
        return replaced(data, at, bytes([data[at] ^ 0x10]))
    if how == "architecture":
        at, length = string_value(data, b"general.architecture")
        return replaced(data, at, b"unheard-of-architecture"[:length])
    if how == "tensors":
        return replaced(data, 8, struct.pack("<Q", 1 << 60))
    if how == "metadata":
        return replaced(data, 16, struct.pack("<Q", 1 << 60))
    if how == "version":
        return replaced(data, 4, struct.pack("<I", 99))
    if how in ("dimension", "zero-dimension"):
        return replaced(data, tensor_info(data) + 4,
                        struct.pack("<Q", 0 if how[0] == "z" else (1 << 62) + 256))
    if how == "type":
        return replaced(data, tensor_info(data) + 20, struct.pack("<I", 999))
    if how == "offset":
        return replaced(data, tensor_info(data) + 24, struct.pack("<Q", 1 << 40))
    if how == "rename":
        return data.replace(b"output_norm.weight", b"output_form.weight")
    if how == "chatml":
        return with_string(data, b"tokenizer.chat_template", b"{# <|im_start|> <|im_end|> #}")
    if how == "control":
        at, length = string_value(data, b"general.name")
        return replaced(data, at, b"\x1b[31m\x07\x7f\xc2\x9b"[:length])
    raise SystemExit(f"damage.py: {how}: unknown way")


def main():
    how, source, target = sys.argv[1:]
    with open(source, "rb") as file:
        data = file.read()
    with open(target, "wb") as file:
        file.write(damage(how, data))


if __name__ == "__main__":
    main()
