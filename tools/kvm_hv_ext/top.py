# SPDX-License-Identifier: GPL-2.0
"""kvm-hv-ext top: what the tracked VMs of this host do now."""

import curses
import time

from kvm_hv_ext import errors, host as hosts, text

# Column, and the counters whose growth it shows; None: shows them as they are.
RATES = {
    "clean/s": ("log_cleaned",),
    "log/s": ("log_collections", "log_clears"),
    "req/s": ("requests",),
    "map/s": ("fault_map",),
    "gain/s": ("fault_gain",),
    "hpt/s": ("fault_hpt",),
    "rc/s": ("nested_set_rc",),
    "unm/s": ("unmapped",),
}
LEVELS = {"l2": ("nested_entries",), "areas": ("areas",)}
KEYS = """\
q  quit          space  pause
s  sort by the next column     r  reverse
l  show memslots that are logged, or hide them
+ -  longer or shorter interval
h  this text

clean/s    pages whose C bit was cleared: how fast a migrating guest dirties them
log/s      KVM_GET_DIRTY_LOG and KVM_CLEAR_DIRTY_LOG
req/s      TLB invalidations
map/s      faults that installed a leaf; gain/s: that added W, R or C to one
hpt/s      faults of HPT guests; rc/s: of nested guests, for R or C
unm/s      mapped pages that the host has taken
l2, areas  shadow PTEs of nested guests; VPA, SLB shadow and DTL in use"""


class Sampler:
    """Reads the counters of all VMs, and what they grew by since the last time."""

    def __init__(self, host):
        self.host = host
        self.last = {}

    def _read(self):
        read = {}
        for vm in hosts.vms(self.host):
            if not vm.tracked:
                continue
            try:
                read[vm.id] = (time.monotonic(), vm, vm.counters(), vm.slots(),
                               vm.facts()["page_size"])
            except ProcessLookupError:
                continue
        return read

    def sample(self):
        now, last = self._read(), self.last
        self.last = now
        return [_rates(vm_id, now[vm_id], last[vm_id]) for vm_id in now if vm_id in last]


def _rates(vm_id, now, last):
    at, vm, counters, slots, page_size = now
    seconds = at - last[0]

    def per_second(new, old, names):
        return sum(new[name] - old[name] for name in names) / seconds

    row = {"id": vm_id, "pid": vm.pid, "name": vm.name, "page_size": page_size,
           "seconds": round(seconds, 3)}
    row.update({column: round(per_second(counters, last[2], names), 1)
                for column, names in RATES.items()})
    row.update({column: sum(counters[name] for name in names)
                for column, names in LEVELS.items()})
    row["slots"] = [
        {"slot": slot["slot"], "npages": slot["npages"],
         "clean/s": round(per_second(slot, last[3].get(slot["slot"], slot), ("cleaned",)), 1),
         "req/s": round(per_second(slot, last[3].get(slot["slot"], slot), ("requests",)), 1),
         "log/s": round(per_second(slot, last[3].get(slot["slot"], slot),
                                   ("collections", "clears")), 1)}
        for slot in slots.values() if slot["logged"]]
    return row


COLUMNS = (*RATES, *LEVELS)


def lines(rows, sort_by="clean/s", reverse=True, slots=True):
    """The table for people."""
    if not rows:
        return ["no tracked VM ('kvm-hv-ext status' lists all)"]
    cells = [("PID", "NAME", *COLUMNS)]
    for row in sorted(rows, key=lambda row: row[sort_by], reverse=reverse):
        cells.append((row["pid"], (row["name"] or "-")[:8],
                      *(text.count(row[column]) for column in COLUMNS)))
        for slot in row["slots"] if slots else ():
            cells.append(("", f"slot {slot['slot']}", text.count(slot["clean/s"]),
                          text.count(slot["log/s"]), text.count(slot["req/s"]),
                          *[""] * (len(COLUMNS) - 3)))
    return list(text.table(cells, left=(1,), gap=1))


def _batch(args, sampler):
    sampler.sample()
    done = 0
    while not args.iterations or done < args.iterations:
        time.sleep(args.delay)
        rows = sampler.sample()
        if args.json:
            text.dump_line({"schema": "kvm-hv-ext top 1", "time": round(time.time(), 3),
                            "vms": rows})
        else:
            print("\n".join(lines(rows, args.sort)), end="\n\n", flush=True)
        done += 1


class Screen:
    """The interactive display."""

    def __init__(self, window, args, sampler):
        self.window = window
        self.sampler = sampler
        self.delay = args.delay
        self.sort_by = args.sort
        self.reverse = True
        self.slots = True
        self.help = False
        self.paused = False
        self.rows = []

    def draw(self):
        self.window.erase()
        height, width = self.window.getmaxyx()
        head = (f"kvm-hv-ext top  every {self.delay:g} s  by {self.sort_by}"
                f"{'' if self.reverse else ' up'}{'  paused' if self.paused else ''}  h: help")
        body = KEYS.splitlines() if self.help else lines(self.rows, self.sort_by, self.reverse,
                                                         self.slots)
        for y, line in enumerate([head, "", *body][:height]):
            style = curses.A_REVERSE if y == 2 and not self.help and self.rows else curses.A_NORMAL
            self.window.addnstr(y, 0, line, width - 1, style)
        self.window.refresh()

    def press(self, key):
        """Return False to quit."""
        if key == "s":
            self.sort_by = COLUMNS[(COLUMNS.index(self.sort_by) + 1) % len(COLUMNS)]
        elif key == "r":
            self.reverse = not self.reverse
        elif key == "l":
            self.slots = not self.slots
        elif key == "h":
            self.help = not self.help
        elif key == " ":
            self.paused = not self.paused
        elif key == "+":
            self.delay *= 2
        elif key == "-":
            self.delay = max(self.delay / 2, 0.25)
        return key != "q"

    def loop(self):
        self.sampler.sample()
        due = time.monotonic() + self.delay
        while True:
            self.draw()
            self.window.timeout(max(int((due - time.monotonic()) * 1000), 0))
            try:
                key = self.window.getkey()
            except curses.error:        # none in time
                key = None
            if key and not self.press(key):
                return
            if time.monotonic() >= due:
                due = time.monotonic() + self.delay
                if not self.paused:
                    self.rows = self.sampler.sample()


def _interactive(window, args, sampler):
    curses.use_default_colors()
    curses.curs_set(0)
    Screen(window, args, sampler).loop()


def run(args, host):
    if hosts.module(host) is None:
        raise errors.Error("the module is not loaded: no VM has counters (modprobe kvm-hv-ext)",
                           errors.NO)
    sampler = Sampler(host)
    hosts.vms(host)
    try:
        if args.batch or args.json:
            _batch(args, sampler)
        else:
            curses.wrapper(_interactive, args, sampler)
    except KeyboardInterrupt:
        pass
    return errors.OK
