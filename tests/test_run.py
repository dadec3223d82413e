#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Feeds tests/run crafted programs and compares what it counts; speaks TAP."""

import os
import re
import subprocess
import sys
import tempfile

RUN = os.path.join(os.path.dirname(os.path.abspath(__file__)), "run")


def say(*lines, then="exit 0"):
    return "printf '%s\\n' " + " ".join(f"'{line}'" for line in lines) + "; " + then


# name, arguments, (passed, failed, skipped), something the output must contain
CASES = [
    ("all pass", [say("1..2", "ok 1 - a", "ok 2 - b")], (2, 0, 0), "2 passed"),
    ("plan at the end", [say("ok 1 - a", "ok 2", "1..2")], (2, 0, 0), ""),
    ("version line, diagnostics", [say("TAP version 13", "1..1", "# note", "ok 1")], (1, 0, 0), ""),
    ("a failure", [say("1..2", "ok 1 - a", "not ok 2 - broken", then="exit 1")], (1, 1, 0),
     "failed: broken"),
    ("a failure, exit status 0", [say("1..1", "not ok 1 - broken")], (0, 1, 0), "broken"),
    ("skip with a reason", [say("1..1", "ok 1 - a # SKIP no device")], (0, 0, 1), "a: no device"),
    ("skip as cmocka 1.1.5 has it", [say("1..1", "no device", "not ok 1 # SKIP a")], (0, 0, 1),
     "a: no device"),
    ("skip as cmocka 1.1.7 has it", [say("1..1", "ok 1 # SKIP a")], (0, 0, 1), "a: skip"),
    ("whole program skipped", [say("1..0 # SKIP not here")], (0, 0, 1), "not here"),
    ("two cmocka groups", [say("1..1", "ok 1 - a", "1..2", "ok 1 - b", "ok 2 - c")], (3, 0, 0), ""),
    ("too few tests", [say("1..3", "ok 1 - a")], (1, 1, 0), "planned 3 tests, reported 1"),
    ("too many tests", [say("1..1", "ok 1 - a", "ok 2 - b")], (2, 1, 0), "planned 1"),
    ("a number missing", [say("1..2", "ok 1 - a", "ok 3 - c")], (2, 1, 0), "test 3 where test 2"),
    ("no plan", [say("ok 1 - a")], (1, 1, 0), "no plan"),
    ("no tests", [say("1..0")], (0, 1, 0), "no tests"),
    ("silence", ["true"], (0, 1, 0), "no plan"),
    ("a result after other text", [say("1..2", "ok 1 - a", "debugok 2 - b")], (1, 1, 0), ""),
    ("bail out", [say("1..1", "ok 1 - a", "Bail out! disk full")], (1, 1, 0), "disk full"),
    ("crash before the end", [say("1..2", "ok 1 - a", then="kill -SEGV $$")], (1, 1, 0), "SIGSEGV"),
    ("crash after the end", [say("1..1", "ok 1 - a", then="kill -ABRT $$")], (1, 1, 0), "SIGABRT"),
    ("exit status alone", [say("1..1", "ok 1 - a", then="exit 3")], (1, 1, 0), "exit status 3"),
    ("crash of a child", ["printf '1..1\\nok 1\\n'; sh -c 'kill -SEGV $$'"], (1, 1, 0), "SIGSEGV"),
    ("no such program", ["/nonexistent/program"], (0, 1, 0), "exit status 127"),
    ("timeout", ["-t", "0.3", say("1..1", then="sleep 60")], (0, 1, 0), "timed out after 0.3 s"),
    ("timeout of a deaf program", ["-t", "0.3", "trap '' TERM; sleep 60; sleep 60"], (0, 1, 0),
     "timed out"),
    ("a background process", ["sleep 60 & " + say("1..1", "ok 1 - a")], (1, 0, 0), ""),
    ("output that is not UTF-8", ["printf '1..1\\n\\377\\nok 1 - a\\n'"], (1, 0, 0), ""),
    ("exit status 0", ["-x", "true"], (1, 0, 0), ""),
    ("named after its last command", ["-x", "false; /bin/true here"], (1, 0, 0), ": true here "),
    ("exit status 77", ["-x", "echo no such tool; exit 77"], (0, 0, 1), "no such tool"),
    ("exit status 1", ["-x", "echo why; false"], (0, 1, 0), "| why"),
    ("mixed", ["-s", "a", say("1..1", "ok 1"), "-s", "b", "-x", "false", "true"], (2, 1, 0), "b "),
    ("nothing to run", [], (0, 0, 0), ""),
]


def check(args, counts, text):
    with tempfile.TemporaryDirectory() as directory:
        done = subprocess.run([RUN, "-o", directory, *args], stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True, timeout=30, check=False)
    lines = done.stdout.splitlines()
    expected = "{} passed, {} failed, {} skipped".format(*counts)
    status = 1 if counts[1] or not (counts[0] or counts[2]) else 0
    if lines and lines[-1] == expected and text in done.stdout and done.returncode == status:
        return True
    print(re.sub("^", "# ", f"expected: {expected}; {text}; status {status}\n{done.stdout}"
                 f"status {done.returncode}", flags=re.MULTILINE))
    return False


def main():
    failed = 0
    print(f"1..{len(CASES)}")
    for number, (name, args, counts, text) in enumerate(CASES, 1):
        passed = check(args, counts, text)
        failed += not passed
        print(f"{'ok' if passed else 'not ok'} {number} - {name}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
