#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0
"""
Writes docs/bench/README.md, docs/bench/tables.md and plots from the raw numbers that
tests/bench/run has stored in docs/bench/raw.

Times of an emulated host do not apply to a real one, so the report only gives ratios:
stock's median divided by the module's, of the same boot. Where the clock counts
instructions, it gives their numbers.
"""
import argparse
import json
import math
import statistics
import sys
from pathlib import Path

DOCS = Path(__file__).resolve().parents[2] / "docs/bench"

NS_PER_INSTRUCTION = 16         # lab boot --icount
INVALIDATING = ("0xf808", "0x448")      # H_TLB_INVALIDATE, H_RPT_INVALIDATE

# Phases in their order, and their labels. The percentage is appended for a
# pass.
PHASES = {
    ("populate", "dirty"): "populate",
    ("control", "dirty"): "pass without log",
    ("enable", "enable"): "enable",
    ("first", "dirty"): "first pass: dirty",
    ("first", "get"): "first pass: get",
    ("first", "clear"): "first pass: clear",
    ("pass", "dirty"): "dirty",
    ("pass", "get"): "get",
    ("pass", "clear"): "clear",
    ("disable", "disable"): "disable",
    ("after", "dirty"): "pass after disable",
    ("read", "load"): "enable, then only loads",
    ("read", "get"): "their get",
    ("read", "clear"): "their clear",
}
# Phases of memslots larger than the host's memory.
LARGE_PHASES = {
    ("populate", "dirty"): "populate, a store to each huge page",
    ("enable", "enable"): "enable",
    ("start", "split"): "clear 64 pages at the start, in a huge page",
    ("start", "clear"): "clear 64 pages at the start, stored to",
    ("middle", "clear"): "in the middle",
    ("end", "clear"): "at the end",
    ("whole", "get"): "get",
    ("whole", "clear"): "clear all pages",
    ("word", "get"): "get, 64 pages stored to",
    ("disable", "disable"): "disable",
    ("delete", "delete"): "delete the memslot",
}
# Costs of a page: label, and the phases that contribute.
PER_PAGE = {
    "touched for the first time": [("populate", "dirty", 100)],
    "stored to for the first time since the log was switched on": [("first", "dirty", 100)],
    "stored to again, and collected": [("pass", "dirty", 100), ("pass", "get", 100)],
    "clean, in a collection": [("pass", "get", 0)],
    "stored to for the first time since the log was switched off": [("after", "dirty", 100)],
}
BACKINGS = {"small": "base pages", "thp": "huge pages (THP)", "none": "never touched",
            "repeated": "the same huge pages again and again"}
MODES = {"plain": "KVM_GET_DIRTY_LOG alone",
         "manual": "manual protect",
         "initial": "manual protect, initially set"}
COLORS = {"stock": "#e08a5f", "ours": "#1f5a8c"}
# Different widths keep both lines visible where they coincide.
WIDTHS = {"stock": 4, "ours": 1.5}
NAMES = {"stock": "stock kvm-hv", "ours": "kvm-hv-ext"}
LOADS = ("idle", "moderate", "throttled")


class Measurement:
    """A file of raw numbers."""

    def __init__(self, path):
        self.name = path.stem
        self.raw = json.loads(path.read_text(encoding="utf-8"))
        self.phases = {self._key(phase): phase for phase in self.raw.get("phases", [])}
        self.commits = {self.raw["commit"]}

    def take_in(self, other):
        """Adds migrations that were measured on the same host."""
        self.raw["migrations"] += other.raw["migrations"]
        self.commits |= other.commits

    @staticmethod
    def _key(phase):
        return tuple(phase.get(name) for name in
                     ("subject", "mode", "backing", "mib", "vcpus", "part", "phase", "percent"))

    def find(self, subject, mode, backing, mib, vcpus, part, phase, percent):
        return self.phases.get((subject, mode, backing, mib, vcpus, part, phase, percent))

    def values(self, name, **fixed):
        """Returns the sorted distinct values of a key among phases with these other values."""
        return sorted({phase[name] for phase in self.raw["phases"]
                       if name in phase and all(phase.get(k) == v for k, v in fixed.items())})

    def is_large(self):
        """Did it measure only large memslots (--scale)?"""
        return all(phase["backing"] == "repeated" for phase in self.raw["phases"])

    def about(self):
        if "migrations" in self.raw:
            return "real guests that migrate"
        if self.is_large():
            return f"large memslots, {'holds of mmu_lock' if self.locks() else 'instructions'}"
        if self.locks():
            return "holds of mmu_lock"
        return "instructions" if self.raw["instructions"] else "counts and times"

    def locks(self):
        """Did it measure holds of mmu_lock?"""
        return self.raw.get("of", {}).get("locks", False)

    def title(self):
        told = self.raw["of"] if "of" in self.raw else self.raw["migrations"][0]
        return f"{self.raw['host']}, kernel {told['kernel']}"

    def pages(self, mib):
        return mib * 2**20 // self.raw["of"]["page"]


def median(phase, name):
    return statistics.median(phase[name]) if phase and phase.get(name) else None


def counted(phase, of):
    """Returns the median of of(counts)."""
    if not phase or not phase.get("counts"):
        return None
    values = [of(counts) for counts in phase["counts"]]
    return None if None in values else statistics.median(values)


def invalidations(counts):
    return counts["tlbie"] + sum(counts["hcalls"].get(nr, 0) for nr in INVALIDATING)


def other_hcalls(counts):
    return sum(n for nr, n in counts["hcalls"].items() if nr not in INVALIDATING)


def instructions(phase):
    ns = median(phase, "ns")
    return None if ns is None else ns / NS_PER_INSTRUCTION


def number(value):
    if value is None:
        return "-"
    if value >= 1e7:
        return f"{value / 1e6:,.0f} M"
    if value >= 1e5:
        return f"{value / 1e6:,.2f} M"
    return f"{value:,.0f}"


def ratio(stock, ours):
    if stock is None or not ours:
        return "-"
    value = stock / ours
    return f"{value:.0f}" if value >= 20 else f"{value:.2g}" if value < 1 else f"{value:.1f}"


def table(heading, rows):
    yield f"| {' | '.join(heading)} |"
    yield f"| --- |{' ---: |' * (len(heading) - 1)}"
    for row in rows:
        yield f"| {' | '.join(row)} |"
    yield ""


def phase_rows(m, backing, mib, vcpus, mode):
    """Yields the label of a row, and the phase on stock and on the module. Stock has no
    other mode than plain."""
    for (part, phase), label in PHASES.items():
        for percent in [*m.values("percent", part=part, phase=phase), None]:
            ours = m.find("ours", mode, backing, mib, vcpus, part, phase, percent)
            stock = (m.find("stock", mode, backing, mib, vcpus, part, phase, percent) or
                     m.find("stock", "plain", backing, mib, vcpus, part, phase, percent))
            # Skip the stores to 0 % of the pages.
            if ours and (phase, percent) != ("dirty", 0):
                share = f", {percent} %" if part == "pass" and backing != "none" else ""
                yield label + share, stock, ours


# Columns: heading, and the value of a phase.
COUNTS = {
    "TLB invalidations": lambda p: counted(p, invalidations),
    "guest page faults": lambda p: counted(p, lambda c: c["faults"]),
    "of these for R or C": lambda p: counted(p, lambda c: c.get("set_rc")),
    "other hypercalls": lambda p: counted(p, other_hcalls),
    "pages reported": lambda p: median(p, "reported"),
}
INSTRUCTIONS = {"instructions": instructions}
LOCKS = {
    "holds of mmu_lock": lambda p: counted(p, lambda c: c["mmu_lock"]["holds"]),
    "longest hold, instructions": lambda p: counted(
        p, lambda c: c["mmu_lock"]["longest_ns"] / NS_PER_INSTRUCTION),
    "all holds, instructions": lambda p: counted(
        p, lambda c: c["mmu_lock"]["ns"] / NS_PER_INSTRUCTION),
}


def columns(m):
    """Returns the columns for a measurement."""
    if m.locks():
        return LOCKS
    if m.raw["instructions"]:
        return INSTRUCTIONS
    if m.raw["of"]["lpar"]:
        return COUNTS
    return {name: of for name, of in COUNTS.items() if name != "other hypercalls"}


def phase_table(m, backing, mib, vcpus, mode):
    chosen = columns(m)
    timed = not m.locks()
    last = "stock / ours" if m.raw["instructions"] else "time, stock / ours"
    heading = ["phase"]
    for name in chosen:
        heading += [f"{name}: stock", "ours"]
    rows = []
    for label, stock, ours in phase_rows(m, backing, mib, vcpus, mode):
        row = [label]
        for of in chosen.values():
            row += [number(of(stock)), number(of(ours))]
        if timed:
            row.append(ratio(median(stock, "ns"), median(ours, "ns")))
        rows.append(row)
    yield from table(heading + ([last] if timed else []), rows)


def large_table(m):
    """Yields tables with a column for each size; stock has no manual protection."""
    of = LOCKS["longest hold, instructions"] if m.locks() else instructions
    sizes = m.values("mib", backing="repeated")
    heading = [""]
    for mib in sizes:
        heading += [f"{mib // 1024:,} GiB: stock", "ours"]
    for mode in ("plain", "initial"):
        rows = []
        for (part, phase), label in LARGE_PHASES.items():
            row = [label]
            for mib in sizes:
                for subject in ("stock", "ours"):
                    row.append(number(of(m.find(subject, mode, "repeated", mib, 1, part,
                                                phase, None))))
            if row[2] != "-":
                rows.append(row)
        yield f"{MODES[mode]}:"
        yield ""
        yield from table(heading, rows)


def per_page_table(measurements):
    """Yields a table of instructions per page, for the largest memslot of base pages."""
    chosen = [m for m in measurements if m.raw["instructions"] and not m.locks() and
              m.values("mib", backing="small", vcpus=1)]
    if not chosen:
        return
    heading = ["a page that is"]
    for m in chosen:
        name = f"{m.raw['host']}, {m.raw['of']['page'] // 1024}K"
        heading += [f"{name}: stock", "ours"]
    rows = []
    for label, phases in PER_PAGE.items():
        row = [label]
        for m in chosen:
            mib = m.values("mib", backing="small", vcpus=1)[-1]
            for subject in ("stock", "ours"):
                took = [instructions(m.find(subject, "plain", "small", mib, 1, *which))
                        for which in phases]
                row.append("-" if None in took else
                           " + ".join(number(value / m.pages(mib)) for value in took))
        rows.append(row)
    yield "## What a page costs"
    yield ""
    yield PER_PAGE_TEXT
    yield from table(heading, rows)


def kinds(m):
    """Yields all combinations that were measured: mode, backing, MiB, vCPUs."""
    for mode in MODES:
        for backing in BACKINGS:
            for vcpus in m.values("vcpus", mode=mode, backing=backing):
                for mib in m.values("mib", mode=mode, backing=backing, vcpus=vcpus):
                    yield mode, backing, mib, vcpus


def describe(mode, backing, mib, vcpus):
    text = f"{mib:,} MiB, {BACKINGS[backing]}"
    if backing != "none":
        text += f", {vcpus} vCPU{'s' if vcpus > 1 else ''}"
    return text if mode == "plain" else f"{text}, {MODES[mode]} (stock: {MODES['plain']})"


def migration_cells(records, load, of):
    cells = []
    for tracking in ("stock", "module"):
        own = [of(record) for record in records
               if record["tracking"] == tracking and record["load"] == load]
        cells.append([value for value in own if value is not None])
    return cells


def mib_stopped(record):
    """Returns MiB sent while the guest was stopped, or None: not every QEMU tells."""
    sent = record.get("downtime_bytes")
    return None if sent is None else sent / 2**20


# Rows for timed migrations, and for counted ones.
TIMED = {
    "rounds over the guest's memory": lambda r: r["rounds"],
    "MiB transferred": lambda r: r["transferred_bytes"] / 2**20,
    "MiB of it while the guest is stopped": mib_stopped,
    "guest slowed down by at most, %": lambda r: r["throttled_percent"],
}
COUNTED = {
    "TLB invalidations": lambda c: c["tlb_invalidations"],
    "guest page faults": lambda c: c["guest_page_faults"],
    "dirty logs read": lambda c: c["dirty_log_reads"],
}
RATIOS = {
    "total time, stock / ours": lambda r: r["total_ms"],
    "downtime, stock / ours": lambda r: r["downtime_ms"],
}


def loads_of(records):
    return [load for load in LOADS if any(r["load"] == load for r in records)]


def migration_table(m):
    records = m.raw["migrations"]
    loads = loads_of(records)
    heading = [""]
    for load in loads:
        heading += [f"{load}: stock", "ours"]
    rows = []

    def add(title, of):
        row = [title]
        for load in loads:
            row += [number(statistics.median(cell)) if cell else "-"
                    for cell in migration_cells(records, load, of)]
        rows.append(row)

    for title, of in COUNTED.items():
        add(title, lambda r, of=of: of(r["counts"]) if r["counts"] else None)
    for title, of in TIMED.items():
        add(title, lambda r, of=of: None if r["counts"] else of(r))
    for title, of in RATIOS.items():
        row = [title]
        for load in loads:
            cells = migration_cells(records, load, lambda r, of=of: None if r["counts"] else of(r))
            row += ["", ratio(*map(statistics.median, cells)) if all(cells) else "-"]
        rows.append(row)
    yield from table(heading, rows)


class Plots:
    """Writes SVG files, which are identical for identical numbers."""

    def __init__(self):
        # Imported here, because only benchmarks install it.
        import matplotlib
        matplotlib.use("svg")
        matplotlib.rcParams["svg.hashsalt"] = "kvm-hv-ext"
        matplotlib.rcParams["font.size"] = 9
        from matplotlib import pyplot
        self.pyplot = pyplot
        self.version = None
        self.made = []

    def save(self, figure, name, title):
        figure.suptitle(f"{title}\ncommit {self.version}", fontsize=9)
        figure.tight_layout()
        figure.savefig(DOCS / f"{name}.svg", metadata={"Date": None})
        self.pyplot.close(figure)
        self.made.append((name, title))

    def of(self, m):
        """Draws all plots of a measurement; returns names and titles of the files."""
        self.version = ", ".join(sorted(commit[:12] for commit in m.commits))
        draw(self, m)
        made, self.made = self.made, []
        return made

    def growth(self, m, name, title, unit, of, lines):
        """Plots a value against the size of the memslot, on stock and on the module."""
        backings = [b for b in ("small", "thp") if len(m.values("mib", backing=b)) > 1]
        if not backings:
            return
        figure, axes = self.pyplot.subplots(1, len(backings), squeeze=False, sharey=True,
                                            figsize=(1.8 + 4 * len(backings), 4))
        for axis, backing in zip(axes[0], backings):
            for (label, part, phase, percent), style in zip(lines, ("-", "--", ":", "-.")):
                for subject, color in COLORS.items():
                    self._line(axis, m, of, (subject, backing, part, phase, percent),
                               f"{label}, {NAMES[subject]}", color=color, linestyle=style,
                               linewidth=WIDTHS[subject])
            axis.set_xscale("log", base=2)
            # Only instructions are never 0.
            if unit == "instructions":
                axis.set_yscale("log")
            else:
                axis.set_yscale("symlog", linthresh=1)
            axis.margins(y=0.1)
            sizes = m.values("mib", backing=backing)
            axis.set_xticks(sizes, [f"{size:,}" for size in sizes])
            axis.minorticks_off()
            axis.set_title(BACKINGS[backing])
            axis.set_xlabel("MiB of the memslot")
            axis.grid(alpha=0.3)
        axes[0][0].set_ylabel(unit)
        axes[0][-1].legend(fontsize=7, loc="center left", bbox_to_anchor=(1, 0.5),
                           handlelength=4)
        self.save(figure, name, f"{title}, {m.title()}")

    @staticmethod
    def _line(axis, m, of, which, label, **style):
        subject, backing, *rest = which
        points = []
        for mib in m.values("mib", backing=backing):
            value = of(m.find(subject, "plain", backing, mib, 1, *rest))
            if value is not None:
                points.append((mib, value))
        if points:
            axis.plot(*zip(*points), label=label, marker="o", markersize=3,
                      alpha=0.8, **style)

    def phases(self, m, name, title, unit, of):
        """Plots all phases of the largest memslot of base pages."""
        sizes = m.values("mib", backing="small", vcpus=1)
        if not sizes:
            return
        rows = [(label, of(stock), of(ours))
                for label, stock, ours in phase_rows(m, "small", sizes[-1], 1, "plain")]
        rows = [row for row in rows if None not in row]
        rows.reverse()
        figure, axis = self.pyplot.subplots(figsize=(8, 0.36 * len(rows) + 1.2))
        for offset, subject in ((0.2, "stock"), (-0.2, "ours")):
            values = [row[1 if subject == "stock" else 2] for row in rows]
            axis.barh([i + offset for i in range(len(rows))], values, 0.4,
                      color=COLORS[subject], label=NAMES[subject])
        axis.set_yticks(range(len(rows)), [row[0] for row in rows])
        if unit == "instructions":
            axis.set_xscale("log")
        else:
            axis.set_xscale("symlog", linthresh=1)
            axis.set_xlim(left=0)
        axis.set_xlabel(unit)
        axis.grid(axis="x", alpha=0.3)
        axis.legend(fontsize=8)
        self.save(figure, name, f"{title}, {sizes[-1]:,} MiB, 1 vCPU, {m.title()}")

    def migrations(self, m, name, title):
        records = m.raw["migrations"]
        loads = loads_of(records)
        wanted = ({title: ("counted", of) for title, of in COUNTED.items()
                   if title != "dirty logs read"} |
                  {title: ("timed", of) for title, of in TIMED.items()})
        figure, axes = self.pyplot.subplots(1, len(wanted), figsize=(3 * len(wanted), 3.4))
        for axis, (label, (kind, of)) in zip(axes, wanted.items()):
            for offset, tracking, subject in ((-0.2, "stock", "stock"), (0.2, "module", "ours")):
                heights = []
                for load in loads:
                    values = [of(r["counts"] if kind == "counted" else r) for r in records
                              if r["tracking"] == tracking and r["load"] == load and
                              bool(r["counts"]) == (kind == "counted")]
                    values = [value for value in values if value is not None]
                    heights.append(statistics.median(values) if values else math.nan)
                axis.bar([i + offset for i in range(len(loads))], heights, 0.4,
                         color=COLORS[subject], label=NAMES[subject])
            axis.set_xticks(range(len(loads)), loads)
            axis.set_title(label, fontsize=9)
            if kind == "counted":
                axis.set_yscale("symlog", linthresh=1)
            axis.margins(y=0.15)
            axis.set_ylim(bottom=0)
        axes[0].legend(fontsize=7)
        self.save(figure, name, f"{title}, {m.title()}")


GETS = [(f"get, {percent} % dirty", "pass", "get", percent) for percent in (0, 1, 100)]
SWITCHES = [("enable", "enable", "enable", None), ("disable", "disable", "disable", None)]


def draw(plots, m):
    name = m.name
    if "migrations" in m.raw:
        plots.migrations(m, name, "Migrations by load")
    elif m.locks():
        plots.growth(m, f"{name}-longest", "Longest hold of mmu_lock", "instructions",
                     LOCKS["longest hold, instructions"], [GETS[2], *SWITCHES])
    elif m.raw["instructions"]:
        plots.growth(m, f"{name}-growth", "Instructions of a collection", "instructions",
                     instructions, GETS)
        plots.growth(m, f"{name}-switch", "Instructions of switching the log", "instructions",
                     instructions, SWITCHES)
        plots.phases(m, f"{name}-phases", "Instructions of each phase", "instructions",
                     instructions)
    else:
        plots.growth(m, f"{name}-growth", "TLB invalidations", "TLB invalidations",
                     COUNTS["TLB invalidations"], [GETS[1], GETS[2], *SWITCHES])
        plots.phases(m, f"{name}-faults", "Guest page faults of each phase",
                     "guest page faults", COUNTS["guest page faults"])


def note_missing(m):
    """Yields what the host could not provide, one line for each reason."""
    reasons = {}
    for record in m.raw.get("missing", []):
        reasons.setdefault(record["why"], set()).add(BACKINGS[record["backing"]])
    for why, backings in reasons.items():
        yield f"Not measured on {m.title()}: {', '.join(sorted(backings))} ({why})."
        yield ""


README_HEAD = """\
# Benchmarks

What tracking a guest's memory costs, on stock kvm-hv and on kvm-hv-ext, in the same
boot of an emulated host. `make bench` makes all of this anew; the raw numbers are in
[raw](raw), tables of everything in [tables.md](tables.md).

{versions}

How to read it:

- The phases are those of the kernel's dirty_log_perf_test: the guest stores once to each
  page (populate), the log is switched on (enable), passes in which the guest stores
  to some percentage of the pages (dirty) and the log is read (get), and cleared where
  userspace does that by itself (clear); the log is switched off (disable). And some
  more: a pass that nobody logs, the first pass after enable, which finds what enable
  has left, the first after disable, and a log of a guest that has only loaded.
- Counts come from the kernel's own tracepoints and probes, in rounds of their own. A
  TLB invalidation is a hypercall of a partition, a `tlbie` on bare metal. Faults for R
  or C are those where the page is mapped, and the processor leaves it to software to
  note that it is used or changed: the first store to a page after a collection.
- Instructions are those of the whole emulated machine, which has one CPU then, by a
  clock that counts them. What a `tlbie` or a hypercall takes elsewhere is not in them:
  to collect a dirty page is one hypercall more on stock, which counts as one
  instruction.
- kvm->slots_lock is held as long as the ioctl of a phase takes (enable, get, clear,
  disable), on both.
- Times are given as stock / ours only: more than 1 means that ours takes less. The
  hosts are emulated and share a machine with other work: differences of some ten
  per cent in a time mean nothing, and a `tlbie` or hypercall costs far less there than
  on a machine.
- mmu_lock is watched on the kernel that has lockdep, by its lock events. A hold
  counts from before the lock is waited for, and the events take some 13,000
  instructions of each, so that many short holds look worse than they are.
- Large memslots are larger than the host's memory: the same few huge pages are mapped
  again and again. One `KVM_CLEAR_DIRTY_LOG` of 64 pages is asked for at the start, in
  the middle and at the end.
"""


PER_PAGE_TEXT = """\
Instructions of the host, without those of hypercalls and `tlbie`. Of these stock makes
one for each page that is collected while it is dirty, ours one for all of a collection:
whatever they cost on a machine, it adds to stock's.
"""


def in_short(m):
    """Yields table rows for the largest memslot of base pages: title, stock, ours."""
    mib = m.values("mib", backing="small", vcpus=1)[-1]

    def both(of, *which, backing="small", size=mib):
        return [of(m.find(subject, "plain", backing, size, 1, *which))
                for subject in ("stock", "ours")]

    def took(*which, **where):
        return both(lambda phase: median(phase, "ns"), *which, **where)

    faults = COUNTS["guest page faults"]
    if not m.raw["instructions"]:
        counts = {
            "guest page faults after the log is switched on": both(faults, "first", "dirty", 100),
            "guest page faults after it is switched off": both(faults, "after", "dirty", 100),
            "pages reported that the guest has only read":
                both(COUNTS["pages reported"], "read", "get", 100),
            "TLB invalidations to read a log with all pages dirty":
                both(COUNTS["TLB invalidations"], "pass", "get", 100),
        }
        for title, values in counts.items():
            yield title, *map(number, values)
    unit = "instructions" if m.raw["instructions"] else "time"
    ratios = {
        "to read a log with all pages dirty": took("pass", "get", 100),
        "to switch the log on and off, with the page faults after that": map(
            sum, zip(took("enable", "enable", None), took("first", "dirty", 100),
                     took("disable", "disable", None), took("after", "dirty", 100))),
    }
    for size in m.values("mib", backing="none")[-1:]:
        ratios[f"to read a log of {size:,} MiB never touched"] = took(
            "pass", "get", 0, backing="none", size=size)
    for title, values in ratios.items():
        yield f"{unit} {title}, stock / ours", "", ratio(*values)


def gather(files):
    """Yields measurements, with all migrations of a host merged into one."""
    hosts = {}
    for m in files:
        if "migrations" not in m.raw:
            yield m
        elif m.raw["host"] not in hosts:
            hosts[m.raw["host"]] = m
            m.name = f"{m.raw['host']}-migrations"
        else:
            hosts[m.raw["host"]].take_in(m)
    yield from hosts.values()


def readme(files, plots):
    made = {}
    for m in files:
        made.setdefault(m.raw["commit"], []).append(f"[{m.name}](raw/{m.name}.json)")
    yield README_HEAD.format(versions="\n".join(
        f"Made from commit {version}: {', '.join(names)}." for version, names in made.items()))
    measurements = list(gather(files))
    yield from per_page_table([m for m in measurements if "phases" in m.raw])
    for m in measurements:
        yield f"## {m.title()}: {m.about()}"
        yield ""
        if "migrations" in m.raw:
            yield from migration_table(m)
        elif m.is_large():
            yield from note_missing(m)
            yield from large_table(m)
            continue
        else:
            yield from note_missing(m)
            if not m.locks():
                yield from table(["in short", "stock", "ours"], in_short(m))
            for backing in BACKINGS:
                sizes = m.values("mib", backing=backing, vcpus=1)
                if sizes:
                    kind = ("plain", backing, sizes[-1], 1)
                    yield f"{describe(*kind)}:"
                    yield ""
                    yield from phase_table(m, *kind[1:], kind[0])
        for name, title in plots.of(m):
            yield f"![{title}]({name}.svg)"
            yield ""


def all_tables(measurements):
    yield "# All that was measured"
    yield ""
    yield "See [README.md](README.md) for what it means."
    yield ""
    for m in measurements:
        if "migrations" in m.raw or m.is_large():
            continue
        yield f"## {m.title()}: {m.about()}"
        yield ""
        yield f"Made from commit {m.raw['commit']}."
        yield ""
        yield from note_missing(m)
        for mode, backing, mib, vcpus in kinds(m):
            yield f"### {describe(mode, backing, mib, vcpus)}"
            yield ""
            yield from phase_table(m, backing, mib, vcpus, mode)


def main():
    argparse.ArgumentParser(description=__doc__,
                            formatter_class=argparse.RawDescriptionHelpFormatter).parse_args()
    order = ("pseries9", "exact-pseries9", "powernv9", "exact9", "exact-papr10")
    measurements = sorted((Measurement(path) for path in (DOCS / "raw").glob("*.json")),
                          key=lambda m: ("migrations" in m.raw, m.raw["instructions"],
                                         m.locks(), "phases" in m.raw and m.is_large(),
                                         order.index(m.raw["host"]),
                                         -m.raw.get("of", {}).get("page", 0)))
    if not measurements:
        print(f"{DOCS}/raw has no numbers: run tests/bench/run first",
              file=sys.stderr)
        return 1
    for stale in DOCS.glob("*.svg"):
        stale.unlink()
    for name, lines in (("README.md", readme(measurements, Plots())),
                        ("tables.md", all_tables(measurements))):
        text = "\n".join(lines).rstrip() + "\n"
        (DOCS / name).write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
