# SPDX-License-Identifier: GPL-2.0
"""Text for people: tables and numbers that fit in 80 columns."""

import json

WIDTH = 80


def size(amount):
    """Bytes with a binary unit, in at most 8 characters."""
    for unit in ("B", "KiB", "MiB", "GiB"):
        if abs(amount) < 1024:
            digits = 0 if amount >= 100 or unit == "B" else 1
            return f"{amount:.{digits}f} {unit}"
        amount /= 1024
    return f"{amount:.1f} TiB"


def count(number):
    """A count in at most 5 characters."""
    if number is None:
        return "?"
    if number < 100 and number != int(number):
        return f"{number:.1f}"
    for unit in ("", "k", "M", "G"):
        if abs(number) < 10000:
            return f"{number:.0f}{unit}"
        number /= 1000
    return f"{number:.0f}T"


def duration(ns):
    for unit, factor in (("s", 1e9), ("ms", 1e6), ("us", 1e3)):
        if ns >= factor:
            return f"{ns / factor:.1f} {unit}"
    return f"{ns} ns"


def table(rows, left=(), gap=2):
    """Lines of a table; the first row is its head. Columns in left are left-aligned."""
    rows = [[str(cell) for cell in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(*rows)]
    for row in rows:
        cells = (cell.ljust(width) if i in left else cell.rjust(width)
                 for i, (cell, width) in enumerate(zip(row, widths)))
        yield (" " * gap).join(cells).rstrip()[:WIDTH]


def yes(fact):
    return {None: "unknown", True: "yes", False: "no"}[fact]


def dump(document):
    print(json.dumps(document, indent=2), flush=True)


def dump_line(document):
    print(json.dumps(document), flush=True)
