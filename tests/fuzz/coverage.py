#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0
"""Tells how much of the module the programs of some logs have reached.

usage: coverage.py MODULE LOG...

MODULE is the kvm-hv-ext.ko that ran ('lab modules KERNEL coverage' prints its
directory). KCOV knows basic blocks, here 'places'; those of inline functions
count for the file that contains the call.
"""

import os
import re
import subprocess
import sys

TRACER = "__sanitizer_cov_trace_pc"
TOOLS = "" if os.uname().machine == "ppc64le" else "powerpc64le-linux-gnu-"


def output(*command, **options):
    return subprocess.run(command, check=True, capture_output=True, text=True, **options).stdout


def all_places(module):
    """The return address of each call of the tracer, as an offset in .text."""
    relocations = output(TOOLS + "objdump", "-r", "-j", ".text", module)
    return {int(line.split()[0], 16) + 4 for line in relocations.splitlines()
            if line.endswith(TRACER)}


def files_of(module, places):
    """The source file of each place."""
    text = output(TOOLS + "addr2line", "-a", "-i", "-j", ".text", "-e", module,
                  input="".join(f"{place - 4:#x}\n" for place in places))
    files, place = {}, None
    for line in text.splitlines():
        if line.startswith("0x"):
            place = int(line, 16) + 4
        else:
            files[place] = line.split(":")[0].rsplit("/", 1)[-1]
    return files


def reached_places(log):
    with open(log, encoding="utf-8", errors="replace") as file:
        for line in file:
            if match := re.match(r"# reached ([0-9a-f ]+)$", line):
                yield from (int(word, 16) for word in match[1].split())


def main():
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    module, *logs = sys.argv[1:]
    places = all_places(module)
    reached = {place for log in logs for place in reached_places(log)}
    if not reached <= places:
        sys.exit(f"{len(reached - places)} places of the logs are not in {module}")
    counts = {}
    for place, name in files_of(module, sorted(places)).items():
        count = counts.setdefault(name, [0, 0])
        count[0] += place in reached
        count[1] += 1
    print("| file | places | reached | |\n| --- | ---: | ---: | ---: |")
    for name, (hit, total) in [*sorted(counts.items()), ("all", (len(reached), len(places)))]:
        print(f"| {name} | {total} | {hit} | {100 * hit // total} % |")


if __name__ == "__main__":
    main()
