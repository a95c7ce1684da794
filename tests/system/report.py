#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""
Prints what tests/system/migrate and cases have measured: tables that compare stock
with kvm-hv-ext, from the "# migration {json}" and "# case {json}" lines of their output.
"""
import argparse
import itertools
import json
import re
import statistics
import sys
import time

RECORD = re.compile(r"# (?:migration|case) (\{.*\})$")
TOOL = re.compile(r"# tool:( .*|)$")
POINT = re.compile(r"(ok|not ok) \d+ [^:]*: (.*)$")
COLUMNS = {"stock": "stock kvm-hv", "module": "kvm-hv-ext"}


def timed(key, unit=""):
    """Median over the migrations without counted kernel events."""
    def cell(records):
        values = [r[key] for r in records if r["intact"] and r["counts"] is None]
        return f"{statistics.median(values):,.0f}{unit}" if values else "-"
    return cell


def counted(key):
    """Median over the migrations with counted kernel events."""
    def cell(records):
        values = [r["counts"][key] for r in records if r["intact"] and r["counts"]]
        return f"{statistics.median(values):,.0f}" if values else "-"
    return cell


def intact(records):
    good = sum(r["intact"] for r in records)
    return f"{'yes' if good == len(records) else 'NO'}, {good} of {len(records)}"


ROWS = [
    ("migration, total time", timed("total_ms", " ms")),
    ("of it, guest stopped (downtime)", timed("downtime_ms", " ms")),
    ("rounds over the guest's memory", timed("rounds")),
    ("pages sent (4 KiB)", timed("pages_sent")),
    ("TLB invalidations", counted("tlb_invalidations")),
    ("guest page faults", counted("guest_page_faults")),
    ("dirty logs read", counted("dirty_log_reads")),
    ("dirty logs cleared, before pages are sent", counted("dirty_log_clears")),
    ("guest memory intact", intact),
]


def records_of(lines):
    return [json.loads(found[1]) for found in map(RECORD.search, lines) if found]


def cells(records):
    """Yields the rows of one host's table, heading first."""
    by_tracking = {tracking: [r for r in records if r["tracking"] == tracking]
                   for tracking in COLUMNS}
    present = {tracking: own for tracking, own in by_tracking.items() if own}
    yield ["", *(COLUMNS[tracking] for tracking in present)]
    for title, cell in ROWS:
        yield [title, *(cell(own) for own in present.values())]


def case_cells(records):
    """Yields the rows of one host's cases, heading first: each figure of each case."""
    yield ["case", *COLUMNS.values()]
    figures = {}
    for record in records:
        for name, value in (record["figures"] or {"": "passed"}).items():
            row = figures.setdefault((record["case"], name), {})
            row[record["tracking"]] = value
    for (case, name), row in figures.items():
        yield [f"{case} {name}".strip(), *(str(row.get(tracking, "-")) for tracking in COLUMNS)]


def plain(rows):
    widths = [max(map(len, column)) for column in zip(*rows)]
    for first, *rest in rows:
        yield "  ".join([first.ljust(widths[0]),
                         *(cell.rjust(width) for cell, width in zip(rest, widths[1:]))])


def markdown(rows):
    heading, *rest = rows
    yield f"| {' | '.join(heading)} |"
    yield f"| --- |{' ---: |' * (len(heading) - 1)}"
    for row in rest:
        yield f"| {' | '.join(row)} |"


def tables(records, style):
    """Yields the lines of one table per host and kernel."""
    def place(record):
        return record["host"], record["kernel"]
    for (host, kernel), own in itertools.groupby(sorted(records, key=place), place):
        own = list(own)
        for title, some, make in (
                ("A guest migrated", [r for r in own if "case" not in r], cells),
                ("Cases", [r for r in own if "case" in r], case_cells)):
            if some:
                yield f"{title} on {host}, kernel {kernel}:"
                yield ""
                yield from style(list(make(some)))
                yield ""


def narrate(lines):
    """Prints progress in plain words as it happens; yields the lines unchanged."""
    start, tracking = time.monotonic(), None
    for line in lines:
        yield line
        line = line.rstrip()
        if line.startswith("KTAP"):
            tracking = COLUMNS["stock"]
        if said := TOOL.match(line):
            print(f"         |{said[1]}", flush=True)
        point = POINT.match(line)
        if not point or point[2].endswith("not reached"):
            continue
        if point[2].startswith("the module is inserted"):
            tracking = COLUMNS["module"]
        seconds = int(time.monotonic() - start)
        print(f"  [{seconds // 60}:{seconds % 60:02}] {tracking}: "
              f"{'FAILED: ' if point[1] != 'ok' else ''}{point[2]}", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--markdown", action="store_true", help="print Markdown tables")
    parser.add_argument("--narrate", action="store_true",
                        help="also print progress while the tests run")
    options = parser.parse_args()
    lines = narrate(sys.stdin) if options.narrate else sys.stdin
    records = records_of(lines)
    if not records:
        print("No migration took place.", file=sys.stderr)
        return 1
    print()
    print("\n".join(tables(records, markdown if options.markdown else plain)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
