#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""A plain numpy forward pass of a bitnet-b1.58 GGUF file, to check other runtimes against.

It shares no arithmetic with the trainer or the C library.  Activations are
rounded to int8 a row, and every product with a ternary, Q8_0 or f16 matrix is
taken on those integers; all else is float64.  The whole sequence is computed
anew for each token: slow, and with nothing to go wrong in a cache.
"""

import argparse

import numpy as np

import ggufio
from tokenizer import Tokenizer

ARCH = "bitnet-b1.58"


def quantize_rows(x):
    """Rows (T, K) to whole numbers in [-128, 127], ties to even, and the factors (T, 1) applied."""
    factor = 127.0 / np.maximum(np.abs(x).max(axis=-1, keepdims=True), 1e-5)
    return np.clip(np.rint(x * factor), -128, 127), factor


def product(x, weight):
    """x (T, K) rounded to int8, times a weight (N, K): (T, N).  Ternary sums are exact integers."""
    q, factor = quantize_rows(x)
    if isinstance(weight, ggufio.Ternary):
        return q @ weight.trits.astype(np.float64).T * weight.scale / factor
    return q @ dense(weight).T / factor


def dense(weight):
    """A weight's values as float64 (N, K)."""
    if isinstance(weight, ggufio.Blocks):
        return weight.quants.astype(np.float64) * np.repeat(
            weight.scales.astype(np.float64), 32, axis=1
        )
    return weight.astype(np.float64)


def rms_norm(x, gain, eps):
    """Rows (T, K) scaled to unit mean square, times a gain (K,)."""
    return x / np.sqrt((x * x).mean(axis=-1, keepdims=True) + eps) * gain.astype(np.float64)


def rotary(x, theta):
    """Rotate (T, H, D) by position: pairs (i, i + D/2), angle position * theta^(-2i/D)."""
    half = x.shape[-1] // 2
    angle = np.arange(len(x))[:, None, None] * theta ** (-np.arange(half) / half)
    a, b = x[..., :half], x[..., half:]
    return np.concatenate(
        [a * np.cos(angle) - b * np.sin(angle), b * np.cos(angle) + a * np.sin(angle)], axis=-1
    )


def softmax(x):
    """Shares along the last axis."""
    e = np.exp(x - x.max(axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True)


class Reference:
    """A model read from a GGUF file; half_cache keeps keys and values as IEEE halves, as runtimes do."""

    def __init__(self, path, half_cache=True):
        self.half_cache = half_cache
        self.keys, tensors = ggufio.read(path)
        if self.keys["general.architecture"] != ARCH:
            found = self.keys["general.architecture"]
            raise SystemExit(f"{path}: architecture {found}, expected {ARCH}")
        self.weights = {name: value for name, (_, value) in tensors.items()}
        self.tokenizer = Tokenizer(m.split(" ") for m in self.keys["tokenizer.ggml.merges"])
        if self.tokenizer.tokens != self.keys["tokenizer.ggml.tokens"]:
            raise SystemExit(f"{path}: not a vocabulary of this trainer")
        self.context = self.key("context_length")
        self.heads, self.kv_heads = self.key("attention.head_count"), self.key(
            "attention.head_count_kv"
        )
        self.eps, self.theta = self.key("attention.layer_norm_rms_epsilon"), self.key(
            "rope.freq_base"
        )
        self.embedding = dense(self.weights["token_embd.weight"])

    def key(self, name):
        return self.keys[f"{ARCH}.{name}"]

    def attention(self, q, k, v):
        """Causal attention: q (T, H, D) on k, v (T, KV, D); head h reads key head h * KV // H."""
        length, heads, width = q.shape
        k, v = (np.float64(np.float16(x)) if self.half_cache else x for x in (k, v))
        out = np.empty_like(q)
        future = np.triu(np.full((length, length), -np.inf), 1)
        for h in range(heads):
            g = h * self.kv_heads // heads
            out[:, h] = softmax(q[:, h] @ k[:, g].T / np.sqrt(width) + future) @ v[:, g]
        return out.reshape(length, heads * width)

    def block(self, x, i):
        """One transformer block on (T, embd)."""

        def w(name):
            return self.weights[f"blk.{i}.{name}.weight"]

        a = rms_norm(x, w("attn_norm"), self.eps)
        q, k, v = (
            product(a, w(n)).reshape(len(x), n_heads, -1)
            for n, n_heads in (
                ("attn_q", self.heads),
                ("attn_k", self.kv_heads),
                ("attn_v", self.kv_heads),
            )
        )
        a = self.attention(rotary(q, self.theta), rotary(k, self.theta), v)
        x = x + product(rms_norm(a, w("attn_sub_norm"), self.eps), w("attn_output"))
        a = rms_norm(x, w("ffn_norm"), self.eps)
        hidden = np.square(np.maximum(product(a, w("ffn_gate")), 0.0)) * product(a, w("ffn_up"))
        return x + product(rms_norm(hidden, w("ffn_sub_norm"), self.eps), w("ffn_down"))

    def logits(self, ids):
        """Logits (T, vocab) after each of the ids (T,)."""
        x = self.embedding[np.asarray(ids)]
        for i in range(self.key("block_count")):
            x = self.block(x, i)
        x = rms_norm(x, self.weights["output_norm.weight"], self.eps)
        return product(x, self.weights["token_embd.weight"])

    def prompt(self, text):
        """Ids of a prompt, behind the special token."""
        return [self.tokenizer.special, *self.tokenizer.encode(text)]

    def generate(self, ids, count, temperature, seed):
        """Extend ids by up to `count` tokens within the context, up to the special token.

        Temperature 0 is greedy.
        """
        ids, rng = list(ids), np.random.default_rng(seed)
        while count > 0 and len(ids) < self.context:
            last = self.logits(ids)[-1]
            if temperature == 0:
                token = int(last.argmax())
            else:
                token = int(rng.choice(len(last), p=softmax(last / temperature)))
            if token == self.tokenizer.special:
                break
            ids.append(token)
            count -= 1
        return ids

    def loss(self, ids):
        """Mean nats a token over successive windows of the whole context."""
        total, count = 0.0, (len(ids) - 1) // self.context
        for i in range(count):
            window = ids[i * self.context : (i + 1) * self.context + 1]
            share = softmax(self.logits(window[:-1]))
            total -= np.log(share[np.arange(self.context), window[1:]]).sum()
        return total / (count * self.context)


def held_out_loss(model):
    """Print the file's loss on the corpus' held-out chapters."""
    import corpus

    _, validation = corpus.load()
    ids, size = model.tokenizer.encode_documents(validation), sum(map(len, validation))
    loss = model.loss(ids)
    print(f"held out: {loss:.4f} nats/token, {loss * len(ids) / size / np.log(2.0):.4f} bits/byte")


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("model", help="GGUF file")
    parser.add_argument("-p", "--prompt", default="And God said", help="text to go on from")
    parser.add_argument("-n", "--tokens", type=int, default=0, help="tokens to generate")
    parser.add_argument("--temperature", type=float, default=0.0, help="0 is greedy")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument(
        "--top", type=int, default=0, help="print the largest logits after the prompt"
    )
    parser.add_argument(
        "--logits", metavar="FILE", help="write all logits of the prompt: float32 (tokens, vocab)"
    )
    parser.add_argument(
        "--loss", action="store_true", help="print the loss on the held-out chapters instead"
    )
    parser.add_argument(
        "--exact-cache",
        action="store_true",
        help="keep keys and values as they are instead of as IEEE halves",
    )
    args = parser.parse_args()
    model = Reference(args.model, half_cache=not args.exact_cache)
    if args.loss:
        held_out_loss(model)
        return
    ids = model.prompt(args.prompt)
    if args.logits or args.top:
        logits = model.logits(ids)
        print("ids:", *ids)
        for token in np.argsort(-logits[-1], kind="stable")[: args.top]:
            print(f"{token:5d} {logits[-1, token]:10.5f} {model.tokenizer.decode([token])!r}")
        if args.logits:
            logits.astype("<f4").tofile(args.logits)
    if args.tokens:
        print(
            model.tokenizer.decode(
                model.generate(ids, args.tokens, args.temperature, args.seed)[1:]
            )
        )


if __name__ == "__main__":
    main()
