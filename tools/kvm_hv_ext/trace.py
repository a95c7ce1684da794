# SPDX-License-Identifier: GPL-2.0
"""The module's tracepoints, in a tracefs instance of our own."""

import os
import re
import selectors
import time

from kvm_hv_ext import errors

TRACEFS = "/sys/kernel/tracing"
# behind the name of the thread, which may be anything, so the last that looks like it
LINE = re.compile(r".*\[\d+\]\s+\S+\s+(\d+\.\d+): (khx_\w+): (.*)")
HEXADECIMAL = ("gpa", "hva", "gfn", "l2_gpa")


def parse(line):
    """(seconds, event, fields) of a line of trace_pipe, or None."""
    match = LINE.match(line)
    if not match:
        return None
    fields = dict(field.split("=", 1) for field in match[3].split())
    return float(match[1]), match[2], {
        name: int(text, 16) if name in HEXADECIMAL else
        int(text) if text.lstrip("-").isdigit() else text for name, text in fields.items()}


class Trace:
    """A context in which events of one process are recorded."""

    def __init__(self, host, pid, events):
        self.base = host.path(f"{TRACEFS}/instances/kvm-hv-ext-{os.getpid()}")
        self.pid = pid
        self.events = events

    def _write(self, file, content):
        with open(os.path.join(self.base, file), "w", encoding="utf-8") as stream:
            stream.write(content)

    def __enter__(self):
        try:
            os.mkdir(self.base, 0o700)
        except PermissionError:
            raise errors.needs_root(TRACEFS) from None
        except FileNotFoundError:
            raise errors.Error(f"{TRACEFS} is not mounted: mount -t tracefs tracefs {TRACEFS}"
                               ) from None
        try:
            self._write("buffer_size_kb", "1024")
            for event in self.events:
                self._write(f"events/kvm_hv_ext/{event}/filter", f"pid == {self.pid}")
                self._write(f"events/kvm_hv_ext/{event}/enable", "1")
        except FileNotFoundError:
            os.rmdir(self.base)
            raise errors.Error("the loaded module has not the tracepoints of this tool: an "
                               "older one is loaded ('kvm-hv-ext status')") from None
        return self

    def __exit__(self, *exc):
        self._write("events/enable", "0")
        os.rmdir(self.base)

    def lost(self):
        """Events that did not fit into the buffers."""
        total = 0
        for cpu in os.listdir(os.path.join(self.base, "per_cpu")):
            with open(os.path.join(self.base, "per_cpu", cpu, "stats"), encoding="ascii") as file:
                for name, _, number in (line.partition(":") for line in file):
                    if name in ("overrun", "dropped events"):
                        total += int(number)
        return total

    def read(self, until):
        """Yield events as they happen, and None at least once a second. until(): stop?"""
        pipe = os.open(os.path.join(self.base, "trace_pipe"), os.O_RDONLY | os.O_NONBLOCK)
        rest = b""
        try:
            with selectors.DefaultSelector() as selector:
                selector.register(pipe, selectors.EVENT_READ)
                while not until():
                    selector.select(0.2)
                    try:
                        rest += os.read(pipe, 1 << 16)
                    except BlockingIOError:
                        yield None
                        time.sleep(0.05)
                        continue
                    *lines, rest = rest.split(b"\n")
                    yield from filter(None, (parse(line.decode(errors="replace"))
                                             for line in lines))
        finally:
            os.close(pipe)
