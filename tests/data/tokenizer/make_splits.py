#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Writes splits.txt: how the pre-tokenizers cut texts, by another regular expression engine.

Needs Debian's python3-regex.  The patterns are the published ones (GPT-2's encoder.py, Llama 3's
tokenizer, llama.cpp's table for "default"), not the library's.  Every line is: pre-tokenizer, text in
hexadecimal, bytes of each word.  Texts keep to characters that Unicode 13 has, so that the answer does
not depend on the age of either engine's tables.

    python3 tests/data/tokenizer/make_splits.py > tests/data/tokenizer/splits.txt
"""
import random
import regex

GPT2 = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"
LLAMA3 = (r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}"
          r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+")
STAGES = {
    "gpt-2": [GPT2],
    "llama-bpe": [LLAMA3],
    "default": [r"[\p{P}\$\+<=>\^~\|]+", GPT2, r"\p{N}+", r"[0-9][0-9][0-9]"],
}

TEXTS = [
    "Hello world", " Hello  world ", "I'll say you're sure we've it's I'm he'd don't",
    "I'LL SAY YOU'RE SURE WE'VE IT'S I'M HE'D DON'T", "'s's'S 'T 're'x '", "rock'n'roll o'clock '90s",
    "'\u017f it'\u017f K'\u212a", "1 12 123 1234 12345 123456 1234567", "3.14159 1,000,000 2024-06-01T12:34:56",
    "x1y22z333", "\u0661\u0662\u0663\u0664 \u00b2\u00b3 \u2163 \u00bd 1\u00bd\u2163\u0664", "a\nb\n\nc\n\n\nd", "a \n b  \n  c\n ", "line\r\nline\r\n\r\nend\r", "\r\r\n\n\r",
    "tab\tseparated\t\tvalues\t", " ", "  ", "   ", "\n", "\n\n", " \n", "\n ", "\t \n\t ", "a ", "a  ", "a   b",
    "   leading", "trailing   ", "\u00a0nbsp\u00a0\u00a0x", "\u2003em\u2003\u2003space \u3000ideographic\u3000", "\u180e\u180ex \u180e", "\u200b zero\u200bwidth", "\u0085next\u0085\u0085line", "\x0b\x0cvt ff\x1c\x1d\x1e\x1f us",
    "\u2028line sep\u2029\u2029para", "caf\u00e9 na\u00efve \u00c5ngstr\u00f6m", "cafe\u0301 e\u0301\u0302x \u0301alone", "\u4f60\u597d\u4e16\u754c\uff0c\u518d\u89c1\u3002", "\u65e5\u672c\u8a9e\u306e\u30c6\u30ad\u30b9\u30c8\u3067\u3059", "\uc548\ub155 \ud558\uc138\uc694",
    "\u041f\u0440\u0438\u0432\u0435\u0442, \u043c\u0438\u0440!", "\u05e9\u05dc\u05d5\u05dd \u05e2\u05d5\u05dc\u05dd", "\u0645\u0631\u062d\u0628\u0627 \u0628\u0627\u0644\u0639\u0627\u0644\u0645", "\u0928\u092e\u0938\u094d\u0924\u0947 \u0926\u0941\u0928\u093f\u092f\u093e", "\u0e2a\u0e27\u0e31\u0e2a\u0e14\u0e35",
    "\U0001f600\U0001f600 \U0001f468\u200d\U0001f469\u200d\U0001f467 \u2764\ufe0f", "emoji\U0001f680rocket \U0001f1fa\U0001f1f8", "\U0001d54f\U0001d7d8\U0001d7d9\U0001d7da\U0001d7db", "a_b-c+d=e<f>g^h|i~j$k", "$100 +5 <tag> a==b x^2 ~/.x |y|",
    "#include <stdio.h>\nint main(void)\n{\n\treturn 0;\n}\n", "def f(x):\n    return x  # comment\n\n\n", "...!!!???---", " ... (a) [b] {c}", "\"quoted\" \u201ccurly\u201d \u2018x\u2019s it\u2019s",
    "<|eot_id|> <|begin_of_text|>", "http://a.b/c?d=e&f#g", "user@example.org", "\x00\x01 null \x7f", "\ufffd\ufffe\uffff\U0010ffff", "\ue000private\uf8ff", "A", "\u00e9", "!", "\u0300",
]

ALPHABET = ["a", "Z", "s", "t", "ve", "LL", "'", "1", "7", "\u00b2", "\u0663", " ", " ", "  ", "\n", "\r", "\t", "\u00a0", "\u3000", "\u0085",
            "\u2028", ".", ",", "$", "+", "<", "_", "\u00e9", "\u0301", "\u4f60", "\u05e9", "\U0001f600", "\u200d", "\x00", "\u180e", "\u017f"]


def split(stages, text):
    pieces = [text]
    for stage in stages:
        after = []
        for piece in pieces:
            end = 0
            for match in regex.finditer(stage, piece):
                after += [piece[end:match.start()], match.group()]
                end = match.end()
            after.append(piece[end:])
        pieces = [piece for piece in after if piece]
    return pieces


def main():
    rng = random.Random(20130)
    texts = TEXTS + ["".join(rng.choices(ALPHABET, k=rng.randint(2, 14))) for _ in range(90)]
    print("# Written by make_splits.py, SPDX-License-Identifier: MIT")
    for name, stages in STAGES.items():
        for text in texts:
            words = split(stages, text)
            assert "".join(words) == text
            print(name, text.encode().hex(), *[len(word.encode()) for word in words])


main()
