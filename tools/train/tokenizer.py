# SPDX-License-Identifier: MIT
"""Byte-level BPE as GPT-2 has it: trainer, encoder, decoder; standard library only.

Bytes are spelled with GPT-2's printable stand-ins, text is cut by GPT-2's
pattern (stdlib `re` spelling: letters are [^\\W\\d_]), and merges never cross
a cut.  Token ids: 0-255 the bytes in stand-in order, then one id a merge,
last the special token that begins and ends documents.
"""

import collections
import re

SPECIAL = "<|endoftext|>"
PIECES = re.compile(r"'s|'t|'re|'ve|'m|'ll|'d| ?[^\W\d_]+| ?\d+| ?(?:[^\s\w]|_)+|\s+(?!\S)|\s+")


def byte_alphabet():
    """Map each byte to the character that stands for it in GPT-2 vocabularies."""
    printable = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = [b for b in range(256) if b not in printable]
    alphabet = {b: chr(b) for b in printable}
    alphabet.update({b: chr(256 + i) for i, b in enumerate(others)})
    return alphabet


ALPHABET = byte_alphabet()
BYTE_OF = {c: b for b, c in ALPHABET.items()}


def merge_pair(symbols, pair):
    """Replace each occurrence of `pair` in a tuple of symbols, left to right."""
    out, i = [], 0
    while i < len(symbols):
        if symbols[i : i + 2] == pair:
            out.append(pair[0] + pair[1])
            i += 2
        else:
            out.append(symbols[i])
            i += 1
    return tuple(out)


def learn_merges(texts, count):
    """Learn `count` merges, most frequent pair first, ties broken by the pair's spelling."""
    words = collections.Counter()
    for text in texts:
        words.update(PIECES.findall(text))
    pieces = {tuple(ALPHABET[b] for b in w.encode()): n for w, n in words.items()}
    merges = []
    while len(merges) < count:
        pairs = collections.Counter()
        for symbols, n in pieces.items():
            for pair in zip(symbols, symbols[1:]):
                pairs[pair] += n
        if not pairs:
            raise ValueError(f"the text has no more than {len(merges)} merges in it, not {count}")
        best = min(pairs, key=lambda p: (-pairs[p], p))
        merges.append(best)
        merged = collections.Counter()
        for symbols, n in pieces.items():
            merged[merge_pair(symbols, best)] += n
        pieces = merged
    return merges


class Tokenizer:
    """Encoder and decoder for a list of merges."""

    def __init__(self, merges):
        self.merges = [tuple(m) for m in merges]
        self.rank = {m: i for i, m in enumerate(self.merges)}
        self.tokens = [c for _, c in sorted(ALPHABET.items())]
        self.tokens += [a + b for a, b in self.merges] + [SPECIAL]
        self.id_of = {t: i for i, t in enumerate(self.tokens)}
        self.special = len(self.tokens) - 1
        self.cache = {}

    @classmethod
    def train(cls, texts, vocab_size):
        """Learn a vocabulary of `vocab_size` tokens, special token included."""
        return cls(learn_merges(texts, vocab_size - 256 - 1))

    def encode_piece(self, piece):
        """Ids of one piece of the cut text: lowest-ranked merge first."""
        symbols = tuple(ALPHABET[b] for b in piece.encode())
        while len(symbols) > 1:
            pair = min(zip(symbols, symbols[1:]), key=lambda p: self.rank.get(p, len(self.rank)))
            if pair not in self.rank:
                break
            symbols = merge_pair(symbols, pair)
        return [self.id_of[s] for s in symbols]

    def encode(self, text):
        """Ids of a text, without the special token."""
        ids = []
        for piece in PIECES.findall(text):
            if piece not in self.cache:
                self.cache[piece] = self.encode_piece(piece)
            ids += self.cache[piece]
        return ids

    def encode_documents(self, texts):
        """Ids of documents, each behind the special token."""
        ids = []
        for text in texts:
            ids.append(self.special)
            ids += self.encode(text)
        return ids

    def decode(self, ids):
        """Text of ids; the special token is spelled out."""
        data = b""
        for i in ids:
            data += (
                SPECIAL.encode() if i == self.special else bytes(BYTE_OF[c] for c in self.tokens[i])
            )
        return data.decode("utf-8", "replace")
