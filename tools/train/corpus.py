# SPDX-License-Identifier: MIT
"""The training text: the King James Bible as Debian's bible-kjv packages carry it.

The `bible` program (package bible-kjv) prints one verse a line, each behind a
reference such as `Ge1:1`.  Here the reference is dropped, blanks are collapsed,
and every chapter becomes one document: one verse a line, a newline after each.
"""

import re
import shutil
import subprocess

PACKAGE = "bible-kjv"
EVERYTHING = "ge1:1-re22:21"
LINE = re.compile(r"^(\w*?[A-Za-z]+)(\d+):(\d+) (.*)$")


def read_verses():
    """Return the lines that `bible` prints, or leave with a message naming the package."""
    program = shutil.which("bible")
    if program is None:
        raise SystemExit(f"corpus: no `bible` program; apt-get install {PACKAGE} has text and all")
    run = subprocess.run(
        [program, "-f", EVERYTHING],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    lines = run.stdout.splitlines()
    if run.returncode != 0 or len(lines) < 30000:
        raise SystemExit(
            f"corpus: `bible -f {EVERYTHING}` printed {len(lines)} lines, "
            f"expected 31102; is {PACKAGE}-text installed? {run.stderr.strip()}"
        )
    return lines


def chapters(lines):
    """Group verse lines into chapters; returns a list of strings in the order of the books."""
    texts, current, last = [], [], None
    for line in lines:
        match = LINE.match(line)
        if match is None:
            raise SystemExit(f"corpus: not a verse: {line!r}")
        book, chapter, _, verse = match.groups()
        if (book, chapter) != last and current:
            texts.append("".join(current))
            current = []
        last = (book, chapter)
        current.append(" ".join(verse.split()) + "\n")
    texts.append("".join(current))
    return texts


def split(texts, held_out=0.05):
    """Hold out the last chapters, `held_out` of all bytes: returns (train, validation)."""
    total = sum(len(t) for t in texts)
    kept = 0
    for i, text in enumerate(texts):
        kept += len(text)
        if kept >= total * (1.0 - held_out):
            return texts[: i + 1], texts[i + 1 :]
    raise ValueError("nothing is held out")


def load():
    """Return (train chapters, validation chapters)."""
    return split(chapters(read_verses()))


if __name__ == "__main__":
    train, validation = load()
    print(
        f"train {len(train)} chapters, {sum(map(len, train))} bytes; "
        f"validation {len(validation)} chapters, {sum(map(len, validation))} bytes"
    )
    print(f"validation begins: {validation[0][:100]!r}")
