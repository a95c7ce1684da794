#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Count the results in a stream of KTAP while showing it.

usage: ktap.py [--quiet] COUNTS < output

Shows the stream on standard output (with --quiet, only results that are not
ok and the diagnostics before them) and appends one line, 'passed failed
skipped', to the file COUNTS. A result that sums up the subtests before it is
not counted. Lines may begin with a console's time stamps. The results that
kunit.py shows are understood as well.
"""
import re
import sys

RESULT = re.compile(r"^(\s*)(not ok|ok)(?: \d+\b|:)(.*)$")
KUNIT = re.compile(r"^\[\d\d:\d\d:\d\d\] \[(PASSED|FAILED|SKIPPED|CRASHED|ERROR)\](.*)$")
STAMP = re.compile(r"^\[ *\d+\.\d+\] ?")
SKIP = re.compile(r"#\s*SKIP", re.I)


def main(args):
    quiet = args[:1] == ["--quiet"]
    counts = args[1 if quiet else 0]
    passed = failed = skipped = 0
    deepest = []    # indents of results seen since each enclosing result
    held = []       # diagnostics, shown if their result is not ok

    for line in sys.stdin:
        text = STAMP.sub("", line.rstrip("\r\n"))
        found = RESULT.match(text)
        kunit = KUNIT.match(text)
        if kunit:
            word = {"PASSED": "ok:", "SKIPPED": "ok: # SKIP"}.get(kunit[1], "not ok:")
            found = RESULT.match(word + kunit[2])
        if not quiet:
            print(text, flush=True)
        elif not found:
            held = (held + [text])[-40:]
        if not found:
            continue

        indent = len(found[1].expandtabs())
        summary = any(i > indent for i in deepest)
        deepest = [i for i in deepest if i <= indent] + [indent]
        bad = found[2] == "not ok"
        if quiet and bad:
            print("\n".join(held + [text]), flush=True)
        held = []
        if summary:
            continue
        if SKIP.search(found[3]):
            skipped += 1
        elif bad:
            failed += 1
        else:
            passed += 1

    with open(counts, "a", encoding="ascii") as out:
        print(passed, failed, skipped, file=out)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
