# SPDX-License-Identifier: MIT
"""GGUF version 3, read and written, with the tensor types that BitNet models use.

A GGUF file is: magic, version, tensor count, key count; typed key/value pairs;
for each tensor its name, dimensions (contiguous one first), type and offset;
padding; tensor data, each at a multiple of the alignment.  Here a tensor of
dimensions [K, N] is a numpy array (N, K).

Ternary tensors are passed as Ternary(trits int8 (N, K), scale): one scale a
tensor, which TQ1_0 and TQ2_0 repeat as a half in every 256-wide block and I2_S
stores once as a float.
"""

import dataclasses
import struct

import numpy as np

MAGIC = b"GGUF"
VERSION = 3
ALIGNMENT = 32
F32, F16, Q8_0, TQ1_0, TQ2_0, I2_S = 0, 1, 8, 34, 35, 36
TYPE_NAMES = {F32: "f32", F16: "f16", Q8_0: "q8_0", TQ1_0: "tq1_0", TQ2_0: "tq2_0", I2_S: "i2_s"}
SCALARS = {
    0: "B",
    1: "b",
    2: "H",
    3: "h",
    4: "I",
    5: "i",
    6: "f",
    7: "?",
    10: "Q",
    11: "q",
    12: "d",
}
UINT32, INT32, FLOAT32, BOOL, STRING, ARRAY = 4, 5, 6, 7, 8, 9


@dataclasses.dataclass
class Ternary:
    """Weights scale * trits, trits int8 in {-1, 0, 1} of shape (N, K)."""

    trits: np.ndarray
    scale: float

    @property
    def shape(self):
        return self.trits.shape

    def dense(self):
        """The weights as float32 (N, K)."""
        return self.trits.astype(np.float32) * np.float32(self.scale)


@dataclasses.dataclass
class Blocks:
    """Q8_0 weights: int8 quants (N, K) and half scales (N, K/32)."""

    quants: np.ndarray
    scales: np.ndarray

    @property
    def shape(self):
        return self.quants.shape

    def dense(self):
        """The weights as float32 (N, K)."""
        return self.quants.astype(np.float32) * np.repeat(
            self.scales.astype(np.float32), 32, axis=1
        )


# Packing.  Digits are trits + 1, in {0, 1, 2}, in the order of the tensor (K contiguous).


def pack_tq2_0(digits, scale):
    """256 weights in 66 bytes: two runs of 128 in 32 bytes, then the scale as a half.

    Byte j of a run holds weights j, j+32, j+64 and j+96 from bit 0 up.
    """
    quads = digits.reshape(-1, 2, 4, 32).astype(np.uint8)
    packed = quads[:, :, 0] | quads[:, :, 1] << 2 | quads[:, :, 2] << 4 | quads[:, :, 3] << 6
    return with_half_scale(packed.reshape(-1, 64), scale)


def unpack_tq2_0(data, count):
    """Digits (count,) and scale of pack_tq2_0's bytes."""
    blocks = np.frombuffer(data, np.uint8).reshape(count // 256, 66)
    shifts = np.array([0, 2, 4, 6], np.uint8)[:, None]
    quads = blocks[:, :64].reshape(-1, 2, 1, 32) >> shifts & 3
    return quads.reshape(-1), one_scale(blocks[:, 64:])


def trit_bytes(digits):
    """Pack five base-3 digits (..., 5, W) into bytes (..., W): value/243 in 256ths, rounded up."""
    value = np.zeros(digits.shape[:-2] + digits.shape[-1:], np.uint32)
    for n in range(5):
        value = value * 3 + digits[..., n, :]
    return ((value * 256 + 242) // 243).astype(np.uint8)


def trit_digits(packed, count=5):
    """The first `count` base-3 digits of bytes (..., W): (..., count, W)."""
    out = []
    for n in range(count):
        rest = (packed.astype(np.uint32) * 3**n) & 0xFF
        out.append((rest * 3 >> 8).astype(np.uint8))
    return np.stack(out, axis=-2)


def pack_tq1_0(digits, scale):
    """256 weights in 54 bytes: 160 in 32, 80 in 16, 16 in 4, then the scale as a half.

    A byte's digits are the weights j, j+W, j+2W, ... of a run in W bytes.
    """
    blocks = digits.reshape(-1, 256)
    wide = trit_bytes(blocks[:, :160].reshape(-1, 5, 32))
    narrow = trit_bytes(blocks[:, 160:240].reshape(-1, 5, 16))
    last = blocks[:, 240:].reshape(-1, 4, 4)
    last = trit_bytes(np.concatenate([last, np.zeros_like(last[:, :1])], axis=1))
    return with_half_scale(np.concatenate([wide, narrow, last], axis=1), scale)


def unpack_tq1_0(data, count):
    """Digits (count,) and scale of pack_tq1_0's bytes."""
    blocks = np.frombuffer(data, np.uint8).reshape(count // 256, 54)
    runs = [(0, 32, 5), (32, 48, 5), (48, 52, 4)]
    parts = [trit_digits(blocks[:, a:b], n) for a, b, n in runs]
    digits = np.concatenate([p.reshape(len(blocks), -1) for p in parts], axis=1)
    return digits.reshape(-1), one_scale(blocks[:, 52:])


def pack_i2_s(digits, scale):
    """128 weights in 32 bytes; after all of them the float scale, padded to 32 bytes.

    Byte j holds weights j, j+32, j+64 and j+96 from bits 7-6 down (the x86 layout).
    """
    quads = digits.reshape(-1, 4, 32).astype(np.uint8)
    packed = quads[:, 0] << 6 | quads[:, 1] << 4 | quads[:, 2] << 2 | quads[:, 3]
    return packed.tobytes() + struct.pack("<f28x", scale)


def unpack_i2_s(data, count):
    """Digits (count,) and scale of pack_i2_s's bytes."""
    packed = np.frombuffer(data, np.uint8, count // 4).reshape(-1, 1, 32)
    quads = packed >> np.array([6, 4, 2, 0], np.uint8)[:, None] & 3
    return quads.reshape(-1), struct.unpack_from("<f", data, count // 4)[0]


def with_half_scale(packed, scale):
    """Append the scale as a half to every block (n, bytes); it must be one exactly."""
    half = np.float16(scale)
    if float(half) != float(scale) or not np.isfinite(half):
        raise ValueError(f"scale {scale} is not a half-precision number")
    column = np.full(len(packed), half, "<f2").view(np.uint8).reshape(-1, 2)
    return np.concatenate([packed, column], axis=1).tobytes()


def one_scale(columns):
    """The scale that all blocks' half columns (n, 2) agree on."""
    scales = np.unique(np.ascontiguousarray(columns).view("<f2"))
    if len(scales) != 1:
        raise ValueError(f"{len(scales)} scales in one tensor, expected one")
    return float(scales[0])


PACK = {
    TQ1_0: (pack_tq1_0, unpack_tq1_0),
    TQ2_0: (pack_tq2_0, unpack_tq2_0),
    I2_S: (pack_i2_s, unpack_i2_s),
}


def pack_q8_0(blocks):
    """32 weights in 34 bytes: half scale, then int8 quants."""
    count = blocks.quants.size // 32
    out = np.empty((count, 34), np.uint8)
    out[:, :2] = blocks.scales.astype("<f2").reshape(-1, 1).view(np.uint8)
    out[:, 2:] = blocks.quants.reshape(-1, 32).view(np.uint8)
    return out.tobytes()


def unpack_q8_0(data, shape):
    rows = np.frombuffer(data, np.uint8).reshape(-1, 34)
    scales = np.ascontiguousarray(rows[:, :2]).view("<f2").reshape(shape[0], shape[1] // 32)
    return Blocks(np.ascontiguousarray(rows[:, 2:]).view(np.int8).reshape(shape), scales)


def encode_tensor(value, kind):
    """Bytes of a tensor (array, Ternary or Blocks) as GGUF type `kind`."""
    if kind == Q8_0:
        return pack_q8_0(value)
    if kind in PACK:
        return PACK[kind][0]((value.trits + 1).astype(np.uint8), value.scale)
    dense = value if isinstance(value, np.ndarray) else value.dense()
    return dense.astype({F32: "<f4", F16: "<f2"}[kind]).tobytes()


def decode_tensor(data, kind, shape):
    """The inverse: float array, Ternary or Blocks of shape (N, K) or (K,)."""
    if kind == Q8_0:
        return unpack_q8_0(data, shape)
    if kind in PACK:
        digits, scale = PACK[kind][1](data, int(np.prod(shape)))
        return Ternary(digits.reshape(shape).astype(np.int8) - np.int8(1), scale)
    return np.frombuffer(data, {F32: "<f4", F16: "<f2"}[kind]).reshape(shape)


def tensor_bytes(kind, shape):
    """Bytes that a tensor takes in the file."""
    count = int(np.prod(shape))
    if kind == I2_S:
        return count // 4 + 32
    width, size = {F32: (1, 4), F16: (1, 2), Q8_0: (32, 34), TQ1_0: (256, 54), TQ2_0: (256, 66)}[
        kind
    ]
    if shape[-1] % width:
        raise ValueError(
            f"rows of {shape[-1]} are not a multiple of {width}, as {TYPE_NAMES[kind]} needs"
        )
    return count // width * size


# The file.


def text(value):
    data = value.encode()
    return struct.pack("<Q", len(data)) + data


def scalar(kind, value):
    return text(value) if kind == STRING else struct.pack("<" + SCALARS[kind], value)


def key_value(name, kind, value):
    """One key: `kind` is a type, or (ARRAY, element type)."""
    if isinstance(kind, tuple):
        body = struct.pack("<IQ", kind[1], len(value)) + b"".join(scalar(kind[1], v) for v in value)
        return text(name) + struct.pack("<I", ARRAY) + body
    return text(name) + struct.pack("<I", kind) + scalar(kind, value)


def pad(data):
    return data + b"\0" * (-len(data) % ALIGNMENT)


def write(path, keys, tensors):
    """Write keys [(name, kind, value)], tensors [(name, type, value)]; returns the file's size."""
    head = MAGIC + struct.pack("<IQQ", VERSION, len(tensors), len(keys))
    head += b"".join(key_value(*k) for k in keys)
    body = b""
    for name, kind, value in tensors:
        data = encode_tensor(value, kind)
        if len(data) != tensor_bytes(kind, value.shape):
            raise ValueError(f"{name}: {len(data)} bytes")
        dims = value.shape[::-1]
        head += text(name) + struct.pack(f"<I{len(dims)}QIQ", len(dims), *dims, kind, len(body))
        body += pad(data)
    with open(path, "wb") as f:
        f.write(pad(head) + body)
        return f.tell()


class Cursor:
    """Reads little-endian values off a buffer."""

    def __init__(self, data):
        self.data, self.at = data, 0

    def take(self, spec):
        values = struct.unpack_from("<" + spec, self.data, self.at)
        self.at += struct.calcsize("<" + spec)
        return values if len(values) > 1 else values[0]

    def text(self):
        size = self.take("Q")
        self.at += size
        return self.data[self.at - size : self.at].decode()

    def value(self, kind):
        if kind == STRING:
            return self.text()
        if kind == ARRAY:
            element, count = self.take("IQ")
            return [self.value(element) for _ in range(count)]
        return self.take(SCALARS[kind])


def read(path):
    """Return (keys as a dict, tensors as a dict name -> (type, decoded value))."""
    with open(path, "rb") as f:
        cursor = Cursor(f.read())
    if cursor.data[:4] != MAGIC:
        raise ValueError(f"{path}: not a GGUF file")
    cursor.at = 4
    version, tensor_count, key_count = cursor.take("IQQ")
    if version != VERSION:
        raise ValueError(f"{path}: GGUF version {version}, expected {VERSION}")
    keys = {}
    for _ in range(key_count):
        name = cursor.text()
        keys[name] = cursor.value(cursor.take("I"))
    entries = []
    for _ in range(tensor_count):
        name = cursor.text()
        dims = [cursor.take("Q") for _ in range(cursor.take("I"))]
        entries.append((name, tuple(dims[::-1]), *cursor.take("IQ")))
    align = keys.get("general.alignment", ALIGNMENT)
    base = -(-cursor.at // align) * align
    tensors = {}
    for name, shape, kind, offset in entries:
        data = cursor.data[base + offset : base + offset + tensor_bytes(kind, shape)]
        tensors[name] = (kind, decode_tensor(data, kind, shape))
    return keys, tensors
