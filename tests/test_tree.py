#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Checks the files of the tree themselves; speaks TAP."""

import os
import re
import shutil
import subprocess
import sys
import unicodedata

# Lines break at 100; a last word may stand out where breaking before it would read worse.
COLUMNS = 110
# Data has no comments to put a licence in; its directory's README or the recipe names it.
DATA = re.compile(r"^(LICENSES/|tests/fuzz/corpus/|tests/data/|models/[^/]+\.(gguf|json|csv)$)"
                  r"|\.(gguf|png|svg|bin|safetensors|json|txt|csv)$")
SPDX = re.compile(r"SPDX-License-Identifier: (\S+)")
FREE_WIDTH = re.compile(r"\.(md|svg)$|^LICENSES/|^docs/man/")


def tracked_files():
    """What git tracks, or in an unpacked archive whatever is there."""
    try:
        listing = subprocess.run(["git", "ls-files", "-co", "--exclude-standard", "-z"],
                                 stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=True)
        names = [os.fsdecode(name) for name in listing.stdout.split(b"\0") if name]
    except (OSError, subprocess.CalledProcessError):
        names = [os.path.relpath(os.path.join(at, name), ".") for at, _, found in os.walk(".")
                 for name in found if not re.match(r"\./(build|\.git)", at)]
    return sorted(name for name in names if os.path.isfile(name) and not os.path.islink(name))


def read(name):
    with open(name, encoding="utf-8") as file:
        return file.read()


def texts(names):
    return [name for name in names if not DATA.search(name)]


def check_licences(names):
    for name in texts(names):
        found = SPDX.search("\n".join(read(name).splitlines()[:5]))
        kernel = name.startswith("kmod/") or name == "Kbuild"
        wanted = "GPL-2.0-only" if kernel else "MIT"
        if not found:
            yield f"{name}: no SPDX-License-Identifier in the first five lines"
        elif found[1] != wanted:
            yield f"{name}: licence {found[1]}, expected {wanted}"


def check_whitespace(names):
    for name in texts(names):
        text = read(name)
        if text and not text.endswith("\n"):
            yield f"{name}: no newline at the end"
        if text.endswith("\n\n"):
            yield f"{name}: blank line at the end"
        for number, line in enumerate(text.split("\n"), 1):
            if line != line.rstrip():
                yield f"{name}:{number}: trailing whitespace"
            if "\r" in line:
                yield f"{name}:{number}: carriage return"


def width(line):
    return sum(2 if unicodedata.east_asian_width(c) in "WF" else not unicodedata.combining(c)
               for c in line.expandtabs(8))


def check_columns(names):
    for name in texts(names):
        if FREE_WIDTH.search(name):
            continue
        for number, line in enumerate(read(name).splitlines(), 1):
            if width(line) > COLUMNS:
                yield f"{name}:{number}: {width(line)} columns, {COLUMNS} at most"


def check_indentation(names):
    for name in names:
        if not re.search(r"\.[ch]$|\.cl$", name):
            continue
        for number, line in enumerate(read(name).splitlines(), 1):
            if re.match(r"\t* {8}", line) or " \t" in re.match(r"\s*", line)[0]:
                yield f"{name}:{number}: indented with spaces"


def check_executables(names):
    for name in names:
        script = open(name, "rb").read(2) == b"#!"
        if script != os.access(name, os.X_OK):
            yield f"{name}: " + ("a script that is not executable" if script else
                                 "executable, but no script")


def anchors(name):
    """GitHub's anchors of a page's headings."""
    found = set()
    text = re.sub(r"^```.*?^```", "", read(name), flags=re.MULTILINE | re.DOTALL)
    for title in re.findall(r"^#+ +(.*?) *$", text, flags=re.MULTILINE):
        title = re.sub(r"\[(.*?)\]\(.*?\)", r"\1", title).lower()
        found.add(re.sub(r" ", "-", re.sub(r"[^\w\- ]", "", title)))
    return found


def check_links(names):
    for name in names:
        if not name.endswith(".md"):
            continue
        text = re.sub(r"^```.*?^```", "", read(name), flags=re.MULTILINE | re.DOTALL)
        text = re.sub(r"`[^`\n]*`", "", text)
        for link in re.findall(r"\[[^\]]*\]\(([^)\s]+)[^)]*\)", text):
            if re.match(r"[a-z]+:", link):
                continue
            path, _, anchor = link.partition("#")
            target = os.path.normpath(os.path.join(os.path.dirname(name), path)) if path else name
            if not os.path.exists(target) or target.startswith(".."):
                yield f"{name}: link to {link}: no such file"
            elif anchor and target.endswith(".md") and anchor not in anchors(target):
                yield f"{name}: link to {link}: no such heading"


def check_make_targets(names):
    makefiles = "".join(read(name) for name in names if re.match(r"Makefile$|make/", name))
    targets = set(" ".join(re.findall(r"^\.PHONY: *(.*)", makefiles, flags=re.MULTILINE)).split())
    for name in names:
        if not name.endswith(".md"):
            continue
        for words in re.findall(r"(?:`|^\s+|\$ )make((?: [A-Za-z_]+=[^\s`]+| -\w+| [a-z-]+)*)",
                                read(name), flags=re.MULTILINE):
            for word in words.split():
                if re.match(r"[a-z][a-z-]*$", word) and word not in targets:
                    yield f"{name}: make {word}: no such target"


def check_manual(names):
    pages = [name for name in names if re.match(r"docs/man/.*\.[1-8]$", name)]
    for page in pages:
        done = subprocess.run(["mandoc", "-T", "lint", "-W", "warning", page], text=True,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
        yield from done.stdout.splitlines()


CHECKS = [
    ("every file names its licence", check_licences, None),
    ("no stray whitespace", check_whitespace, None),
    (f"no line over {COLUMNS} columns", check_columns, None),
    ("C is indented with tabs", check_indentation, None),
    ("scripts and only scripts are executable", check_executables, None),
    ("links between the documents resolve", check_links, None),
    ("make targets in the documents exist", check_make_targets, None),
    ("the manual pages are well-formed", check_manual, "mandoc"),
]


def main():
    names = tracked_files()
    failed = 0
    print(f"1..{len(CHECKS)}")
    for number, (what, function, tool) in enumerate(CHECKS, 1):
        if tool and not shutil.which(tool):
            print(f"ok {number} - {what} # SKIP {tool} is not installed")
            continue
        problems = list(function(names))
        for problem in problems:
            print(f"# {problem}")
        failed += bool(problems)
        print(f"{'not ok' if problems else 'ok'} {number} - {what}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
