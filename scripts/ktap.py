#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Count the results in a stream of KTAP while showing it.

usage: ktap.py [--quiet] COUNTS < output

Copies the stream to standard output (with --quiet, only results that are not
ok and the diagnostics before them) and appends one line, 'passed failed
skipped', to the file COUNTS. Does not count a result that summarizes the
subtests before it. Lines may begin with the time stamps of a console. Also
parses the results that kunit.py prints.
"""
import re
import sys

RESULT = re.compile(r"^(\s*)(not ok|ok)(?: \d+\b|:)(.*)$")
KUNIT = re.compile(r"^\[\d\d:\d\d:\d\d\] \[(PASSED|FAILED|SKIPPED|CRASHED|ERROR)\](.*)$")
STAMP = re.compile(r"^\[ *\d+\.\d+\] ?")
SKIP = re.compile(r"#\s*SKIP", re.I)


def results(lines):
    """
    Yields for each line: its text; the kind of result ('passed', 'failed', 'skipped'),
    or None if it is no result; whether it summarizes the subtests before it; and the
    name of the test.
    """
    deepest = []    # indents of the results that no result has summarized yet

    for line in lines:
        text = STAMP.sub("", line.rstrip("\r\n"))
        found = RESULT.match(text)
        kunit = KUNIT.match(text)
        if kunit:
            word = {"PASSED": "ok:", "SKIPPED": "ok: # SKIP"}.get(kunit[1], "not ok:")
            found = RESULT.match(word + kunit[2])
        if not found:
            yield text, None, False, ""
            continue
        indent = len(found[1].expandtabs())
        summary = any(i > indent for i in deepest)
        deepest = [i for i in deepest if i <= indent] + [indent]
        if SKIP.search(found[3]):
            kind = "skipped"
        else:
            kind = "passed" if found[2] == "ok" else "failed"
        yield text, kind, summary, found[3].strip()


def main(args):
    quiet = args[:1] == ["--quiet"]
    counts = {"passed": 0, "failed": 0, "skipped": 0}
    held = []       # diagnostics, printed only if their result is not ok

    for text, kind, summary, _ in results(sys.stdin):
        if not quiet:
            print(text, flush=True)
        elif not kind:
            held = (held + [text])[-40:]
        elif kind == "failed":
            print("\n".join(held + [text]), flush=True)
        if kind:
            held = []
            if not summary:
                counts[kind] += 1

    with open(args[quiet], "a", encoding="ascii") as out:
        print(*counts.values(), file=out)
    return 1 if counts["failed"] else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
