# SPDX-License-Identifier: GPL-2.0
"""
Runs the tool kvm-hv-ext while a guest migrates, and compares what it says with what
QEMU says, and what it says with itself.
"""
import json
import os
import subprocess
import sys
import tempfile
import threading

from guests import Failure, Silence

TOOL = os.path.join(os.path.dirname(os.path.realpath(__file__)), "tool/sbin/kvm-hv-ext")
PATIENCE = 60           # seconds to wait for the tool to begin, or to end
ROUNDING = 1            # pages in one sample of top


def show(text):
    """Prints lines of the tool, for report.py."""
    for line in text.splitlines():
        print(f"# tool: {line}", flush=True)


def command(*arguments):
    """The tool may return a status other than 0, and still know what is asked."""
    return subprocess.run([sys.executable, TOOL, *arguments], stdout=subprocess.PIPE,
                          text=True, check=False).stdout


class Observer:
    """
    A context in which the migration of a QEMU, which ends with that QEMU, is recorded.
    Prints what the tool prints, as it does.
    """

    def __init__(self, qemu, name):
        self.pid = qemu.process.pid
        self.name = name
        self.document = None
        self.samples = []
        self.first = None
        self.began = threading.Event()

    def __enter__(self):
        show(command("status"))
        vms = {vm["pid"]: vm for vm in json.loads(command("status", "--json"))["vms"]}
        vm = vms.get(self.pid, {})
        if (vm.get("name"), vm.get("tracked")) != (self.name, True):
            raise Failure(f"the tool does not know QEMU {self.pid}, {self.name}: {vms}")
        self.saved = tempfile.NamedTemporaryFile(prefix="migration")
        self.process = self._start("migration", str(self.pid), "--save", self.saved.name)
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()
        self.top = self._start("top", "--json", "--delay", "1")
        # what it counts begins with its first sample
        self.first = self.top.stdout.readline()
        if not self.began.wait(PATIENCE):
            self._stop()
            raise Silence("the tool does not begin to record")
        return self

    @staticmethod
    def _start(*arguments):
        return subprocess.Popen([sys.executable, TOOL, *arguments], stdout=subprocess.PIPE,
                                stderr=subprocess.STDOUT, text=True)

    def _read(self):
        for line in self.process.stdout:
            show(line)
            if line.startswith("ROUND"):
                self.began.set()

    def _stop(self):
        for process in self.process, self.top:
            process.kill()
            process.wait()

    def __exit__(self, kind, *exception):
        with self.saved:
            if kind:
                self._stop()
                return
            try:
                status = self.process.wait(PATIENCE)
            except subprocess.TimeoutExpired:
                raise Silence("the tool does not notice that the migration has ended") from None
            finally:
                self._stop()
            self.reader.join()
            if status:
                raise Failure(f"the tool failed, status {status}")
            self.document = json.load(self.saved)
            self.samples = [vm for line in [self.first, *self.top.stdout]
                            for vm in json.loads(line)["vms"] if vm["pid"] == self.pid]

    def compare(self, figures):
        """Compares the rounds with those of QEMU's figures; returns what they are."""
        rounds = self.document["rounds"]
        if self.document["lost_events"]:
            raise Failure(f"the tool has lost {self.document['lost_events']} events")
        if not self.document["ended"]:
            raise Failure("for the tool the migration has not ended")
        if len(rounds) != figures["rounds"]:
            raise Failure(f"{len(rounds)} rounds for the tool, {figures['rounds']} for QEMU")
        dirty = sum(done["dirty"] for done in rounds)
        # It samples until the VM ends: the last rounds may be in no sample.
        cleaned = sum(done["cleaned"] for done in rounds)
        seen = sum(vm["clean/s"] * vm["seconds"] for vm in self.samples)
        if not cleaned / 2 <= seen <= cleaned + ROUNDING * len(self.samples):
            raise Failure(f"top has seen {seen:.0f} of {cleaned} pages cleaned: {self.samples}")
        return (f"{len(rounds)} rounds, {dirty * self.document['page_size'] / (1 << 20):.0f} MiB "
                f"dirtied, {cleaned} pages cleaned, for top {seen:.0f}")
