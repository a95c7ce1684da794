# SPDX-License-Identifier: GPL-2.0
"""kvm-hv-ext migration: the rounds of one migration, as the kernel saw them.

In each round the VMM collects the log of every logged memslot once, and then copies what
was dirty. So a round begins when a memslot is collected that the round before has had. A
memslot may be logged all the time, for a display: it begins no round.
"""

import json
import os
import shutil
import subprocess
import time

from kvm_hv_ext import errors, host as hosts, text, trace

EVENTS = ("khx_dirty_log_get", "khx_dirty_log_clear", "khx_log_switch", "khx_fault_failed",
          "khx_flush_refused")


SCHEMA = "kvm-hv-ext migration 1"
# what a file must have of what report() writes
MEMBERS = {"pid", "name", "page_size", "rounds", "ended", "verdict", "switch_ns", "refused",
           "failed_faults", "lost_events"}
MEMBERS_OF_ROUND = {"number", "at", "dirty", "requests", "calls", "ns"}


class Recorder:
    """Puts events together to rounds."""

    def __init__(self, page_size, slots):
        self.page_size = page_size
        self.rounds = []
        logged = {slot["slot"] for slot in slots.values() if slot["logged"]}
        self.largest = max(slots.values(), key=lambda slot: slot["npages"], default=None)
        underway = self.largest is not None and self.largest["logged"]
        self.logged = logged if underway else set()             # for the migration
        self.always = set() if underway else logged             # for something else
        self.ended = False
        self.began = None       # when the first log was switched on, or collected
        self.failures = []
        self.refused = 0
        self.switch_ns = 0

    @classmethod
    def restored(cls, document):
        """One that has recorded what a document of report() has."""
        recorder = cls(document["page_size"], {})
        recorder.rounds = document["rounds"]
        recorder.ended = document["ended"]
        recorder.failures = document["failed_faults"]
        recorder.refused = document["refused"]
        recorder.switch_ns = document["switch_ns"]
        return recorder

    def _new_round(self, at):
        self.rounds.append({"number": len(self.rounds) + 1, "at": round(at - self.began, 6),
                            "dirty": 0, "cleaned": 0, "requests": 0, "calls": 0, "ns": 0,
                            "slots": {}})

    def _get(self, at, fields):
        if fields["err"]:
            return
        slot = str(fields["slot"])
        if self.largest and self.largest["slot"] not in self.logged | {fields["slot"]}:
            # no migration is under way: a display that has come since the beginning
            self.always.add(fields["slot"])
            self.logged.discard(fields["slot"])
        if fields["slot"] not in self.always:
            self.logged.add(fields["slot"])
            if not self.rounds or slot in self.rounds[-1]["slots"]:
                self._new_round(at)
        if self.rounds:
            slots = self.rounds[-1]["slots"]
            slots[slot] = slots.get(slot, 0) + fields["dirty"]
            self.rounds[-1]["dirty"] += fields["dirty"]
        self._work(fields)

    def _work(self, fields):
        if not self.rounds:
            return
        last = self.rounds[-1]
        last["cleaned"] += fields["cleaned"]
        last["requests"] += fields["requests"]
        last["calls"] += 1
        last["ns"] += fields["ns"]

    def _switch(self, fields):
        self.switch_ns += fields["ns"]
        if fields["on"] and self.largest and fields["npages"] >= self.largest["npages"]:
            self.largest = fields
        if fields["slot"] in self.always:
            if not fields["on"]:
                self.always.discard(fields["slot"])     # its number may be used again
        elif fields["on"]:
            self.logged.add(fields["slot"])
        else:
            self.logged.discard(fields["slot"])
            self.ended = bool(self.rounds) and not self.logged

    def add(self, event):
        """Add an event; return whether a round has begun."""
        at, name, fields = event
        before = len(self.rounds)
        if self.began is None:
            self.began = at
        if name == "khx_dirty_log_get":
            self._get(at, fields)
        elif name == "khx_dirty_log_clear":
            self._work(fields)
        elif name == "khx_log_switch":
            self._switch(fields)
        elif name == "khx_flush_refused":
            self.refused += 1
        else:
            self.failures.append(fields)
        return len(self.rounds) > before

    def rate(self, i):
        """Bytes a second that were dirtied between the rounds i - 1 and i, or None."""
        if i < 1:
            return None
        seconds = self.rounds[i]["at"] - self.rounds[i - 1]["at"]
        return self.rounds[i]["dirty"] * self.page_size / seconds if seconds > 0 else None

    def verdict(self):
        """What the rounds say, in a sentence."""
        if len(self.rounds) < 2:
            return "too few rounds to judge"
        if self.ended:
            return f"ended after {len(self.rounds)} rounds"
        tail = [r["dirty"] for r in self.rounds[-4:]]
        if len(self.rounds) >= 5 and min(tail[1:]) > 0.8 * tail[0]:
            return ("does not converge: the guest dirties memory as fast as it is copied; see "
                    "docs/operations.md")
        return "converges so far"


def _show_round(recorder, i):
    done, rate = recorder.rounds[i], recorder.rate(i)
    return (f"{done['number']:5}  {done['at']:8.2f} s  {done['dirty']:9}  "
            f"{text.size(done['dirty'] * recorder.page_size):>9}  "
            f"{text.size(rate) + '/s' if rate is not None else '-':>11}  "
            f"{done['requests']:8}  {done['calls']:5}  {text.duration(done['ns']):>9}")


HEAD = "ROUND       BEGAN      DIRTY       SIZE         RATE  REQUESTS  CALLS  LOG TIME"


def report(vm, recorder, lost):
    return {
        "schema": SCHEMA,
        "id": vm.id,
        "pid": vm.pid,
        "name": vm.name,
        "page_size": recorder.page_size,
        "rounds": recorder.rounds,
        "ended": recorder.ended,
        "verdict": recorder.verdict(),
        "switch_ns": recorder.switch_ns,
        "refused": recorder.refused,
        "failed_faults": recorder.failures,
        "lost_events": lost,
        "plot": None,
    }


def _bars(recorder):
    """A plot of text."""
    most = max((r["dirty"] for r in recorder.rounds), default=0) or 1
    for done in recorder.rounds:
        bar = "#" * round(48 * done["dirty"] / most)
        yield f"{done['number']:5}  {text.size(done['dirty'] * recorder.page_size):>9}  {bar}"


PLOTS = (("dirty", "dirty pages", 1), ("requests", "TLB invalidations", 1),
         ("ns", "log calls (ms)", 1e6))


def _plot_matplotlib(recorder, title, path):
    import matplotlib                                   # pylint: disable=C0415
    matplotlib.use("Agg")
    from matplotlib import pyplot                       # pylint: disable=C0415
    figure, axes = pyplot.subplots(len(PLOTS), sharex=True, figsize=(8, 7))
    numbers = [r["number"] for r in recorder.rounds]
    for axis, (name, label, unit) in zip(axes, PLOTS):
        axis.bar(numbers, [r[name] / unit for r in recorder.rounds], color="0.35")
        axis.set_ylabel(label)
        axis.grid(axis="y", alpha=0.3)
        axis.set_axisbelow(True)
    axes[0].set_title(title)
    axes[-1].set_xlabel("round")
    axes[-1].xaxis.get_major_locator().set_params(integer=True)
    figure.tight_layout()
    figure.savefig(path)


def _plot_gnuplot(recorder, title, path):
    kind = "svg" if path.endswith(".svg") else "pngcairo"
    script = [f"set terminal {kind} size 800,700", f"set output '{path}'",
              "set style fill solid 0.6", "set boxwidth 0.8", "set grid y", "set yrange [0:*]",
              "set lmargin 12", "set xlabel 'round'", f"set xrange [0.5:{len(recorder.rounds)}.5]",
              f"set xtics {len(recorder.rounds) // 16 + 1}",
              f"set multiplot layout {len(PLOTS)},1 title '{title}'", "unset key"]
    for name, label, unit in PLOTS:
        script += [f"set ylabel '{label}'", "plot '-' with boxes lc rgb '#555555'",
                   *(f"{r['number']} {r[name] / unit}" for r in recorder.rounds), "e"]
    subprocess.run(["gnuplot"], input="\n".join(script) + "\n", text=True, check=True)


def _draw(recorder, document, path):
    """Draw the plot; return its path, or None where no library can."""
    path = os.path.abspath(path)
    title = f"migration of {document['name'] or document['pid']}"
    try:
        _plot_matplotlib(recorder, title, path)
    except ImportError:
        if not shutil.which("gnuplot"):
            return None
        _plot_gnuplot(recorder, title.replace("'", ""), path)
    return path


def _record(args, host, vm, recorder):
    """Record until the migration ends; return the number of lost events."""
    deadline = time.monotonic() + args.timeout if args.timeout else None

    def over():
        # QEMU does not switch logs off when it has migrated the VM away, it ends
        recorder.ended |= not host.exists(f"/proc/{vm.pid}")
        return recorder.ended or (deadline is not None and time.monotonic() > deadline)

    with trace.Trace(host, vm.pid, EVENTS) as events:
        if not args.json:
            print(f"waiting for a migration of {vm.name or vm.pid} (Ctrl-C ends it)\n\n{HEAD}",
                  flush=True)
        try:
            for event in events.read(over):
                if event and recorder.add(event) and not args.json and len(recorder.rounds) > 1:
                    print(_show_round(recorder, len(recorder.rounds) - 2), flush=True)
        except KeyboardInterrupt:
            pass
        return events.lost()


def _show_last(recorder, document, plot_asked):
    """The last round, which is complete only now, and what all of them amount to."""
    print(_show_round(recorder, -1 % len(recorder.rounds)))
    print()
    print(f"verdict      {document['verdict']}")
    print(f"dirty        {text.size(sum(r['dirty'] for r in recorder.rounds) * recorder.page_size)}"
          f" in {len(recorder.rounds)} rounds")
    print(f"log calls    {text.duration(sum(r['ns'] for r in recorder.rounds))}, switching "
          f"{text.duration(recorder.switch_ns)}")
    if recorder.refused:
        print(f"refused      {recorder.refused} TLB invalidations: pages were reported again")
    if recorder.failures:
        print(f"failed       {len(recorder.failures)} page faults, the first at gpa "
              f"{recorder.failures[0]['gpa']:#x}")
    if document["lost_events"]:
        print(f"lost         {document['lost_events']} events: the numbers are too low")
    if document["plot"]:
        print(f"plot         {document['plot']}")
        return
    if plot_asked:
        print("plot         as text: neither python3-matplotlib nor gnuplot is installed")
    print()
    print("\n".join(_bars(recorder)))


def _check_plot(args):
    if args.plot and not args.plot.endswith((".svg", ".png")):
        raise errors.Error("--plot: the file must end in .svg or .png", errors.USAGE)


def run(args, host):
    vm = hosts.vm_of_pid(host, args.pid)
    _check_plot(args)
    recorder = Recorder(vm.facts()["page_size"], vm.slots())
    lost = _record(args, host, vm, recorder)
    if not recorder.rounds:
        raise errors.Error("no migration was seen", errors.NO)
    document = report(vm, recorder, lost)
    if args.plot:
        document["plot"] = _draw(recorder, document, args.plot)
    if args.save:
        with open(args.save, "w", encoding="utf-8") as file:
            json.dump(document, file)
    if args.json:
        text.dump(document)
    else:
        _show_last(recorder, document, args.plot)
    return errors.OK


def _read(path):
    """Read what --save or --json has written."""
    try:
        with open(path, encoding="utf-8") as file:
            document = json.load(file)
        if (document["schema"] == SCHEMA and document["rounds"] and MEMBERS <= set(document) and
                all(MEMBERS_OF_ROUND <= set(each) for each in document["rounds"])):
            return document
    except (ValueError, KeyError, TypeError):
        pass
    raise errors.Error(f"{path}: not written by 'kvm-hv-ext migration --save'", errors.NO)


def run_report(args, _host):
    """kvm-hv-ext report: the report of a recorded migration, here or on another host."""
    _check_plot(args)
    document = _read(args.file)
    recorder = Recorder.restored(document)
    document["plot"] = _draw(recorder, document, args.plot) if args.plot else None
    if args.json:
        text.dump(document)
        return errors.OK
    print(f"migration of {document['name'] or document['pid']}\n\n{HEAD}")
    for i in range(len(recorder.rounds) - 1):
        print(_show_round(recorder, i))
    _show_last(recorder, document, args.plot)
    return errors.OK
