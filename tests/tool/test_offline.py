#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0
"""Tests what tools/kvm-hv-ext makes of given events and files; needs no POWER host.

Prints KTAP.
"""

import json
import os
import re
import sys
import tempfile
import unittest
import unittest.mock

import ktap

TOP = os.path.join(os.path.dirname(os.path.realpath(__file__)), "../..")
sys.path.insert(0, os.path.join(TOP, "tools"))

from kvm_hv_ext import cli, host, migration, text, top, trace    # noqa: E402

PAGE = 65536
MAIN, DISPLAY = 0, 3


def slots(main_logged=0):
    return {MAIN: {"slot": MAIN, "npages": 4096, "logged": main_logged},
            DISPLAY: {"slot": DISPLAY, "npages": 16, "logged": 1}}


def get(at, slot, dirty, err=0):
    line = (f"  qemu-42      [001] .....  {at:.6f}: khx_dirty_log_get: pid=42 lpid=1 slot={slot} "
            f"npages=4096 dirty={dirty} cleaned={dirty} requests=1 ns=1000 err={err}")
    return trace.parse(line)


def switch(at, slot, on):
    return trace.parse(f"  qemu-42      [001] .....  {at:.6f}: khx_log_switch: pid=42 lpid=1 "
                       f"slot={slot} gfn=0 npages=4096 on={on} ns=500")


class Rounds(unittest.TestCase):
    def record(self, events, main_logged=0):
        recorder = migration.Recorder(PAGE, slots(main_logged))
        for event in events:
            recorder.add(event)
        return recorder

    def test_rounds(self):
        recorder = self.record([switch(10, MAIN, 1), get(10.5, MAIN, 4096), get(12.5, MAIN, 100),
                                switch(13, MAIN, 0)])
        self.assertEqual([r["dirty"] for r in recorder.rounds], [4096, 100])
        self.assertEqual([r["at"] for r in recorder.rounds], [0.5, 2.5])
        self.assertEqual(recorder.rate(1), 100 * PAGE / 2)
        self.assertIsNone(recorder.rate(0))
        self.assertTrue(recorder.ended)
        self.assertEqual(recorder.switch_ns, 1000)

    def test_display(self):
        """A memslot that is logged all the time begins no round, and ends no migration."""
        recorder = self.record([get(9, DISPLAY, 2), switch(10, MAIN, 1), get(10.5, MAIN, 50),
                                get(10.6, DISPLAY, 3), get(10.7, DISPLAY, 4),
                                get(11, MAIN, 20)])
        self.assertEqual([r["dirty"] for r in recorder.rounds], [57, 20])
        self.assertFalse(recorder.ended)
        recorder.add(switch(12, MAIN, 0))
        self.assertTrue(recorder.ended)

    def test_underway(self):
        recorder = self.record([get(5, MAIN, 9), get(5.1, DISPLAY, 1), get(6, MAIN, 9)], 1)
        self.assertEqual([r["dirty"] for r in recorder.rounds], [10, 9])

    def test_failed_collection(self):
        recorder = self.record([switch(1, MAIN, 1), get(2, MAIN, 7, err=-14), get(3, MAIN, 7)])
        self.assertEqual(len(recorder.rounds), 1)

    def test_verdicts(self):
        for dirty, words in (([10], "too few"), ([500] * 6, "does not converge"),
                             ([1000, 500, 250, 125, 60], "converges so far")):
            events = [switch(0, MAIN, 1)] + [get(i + 1, MAIN, n) for i, n in enumerate(dirty)]
            self.assertIn(words, self.record(events).verdict())


class Events(unittest.TestCase):
    def test_numbers(self):
        _, name, fields = trace.parse("  x-1 [000] d..1.     1.5: khx_fault_failed: pid=7 lpid=2 "
                                      "vcpu=0 gpa=1f0000 hva=7fff0000 write=1 nested=0 err=-14")
        self.assertEqual(name, "khx_fault_failed")
        self.assertEqual((fields["gpa"], fields["err"]), (0x1f0000, -14))

    def test_others(self):
        self.assertIsNone(trace.parse("CPU:1 [LOST 12 EVENTS]"))

    def test_documented(self):
        """kvm-hv-ext(4) names each tracepoint of the source, and no other."""
        with open(os.path.join(TOP, "include/trace.h"), encoding="ascii") as file:
            source = set(re.findall(r"(?:TRACE_EVENT\(|DEFINE_EVENT\(\w+, )(khx_\w+)", file.read()))
        with open(os.path.join(TOP, "tools/man/kvm-hv-ext.4"), encoding="ascii") as file:
            page = set(re.findall(r"\bkhx_\w+", file.read()))
        self.assertEqual(page, source)


class Files(unittest.TestCase):
    """A copy of another host's files."""

    COUNTERS = ("log_collections", "log_clears", "log_cleaned", "requests", "fault_map",
                "fault_gain", "fault_hpt", "nested_set_rc", "unmapped", "nested_entries",
                "areas")

    def setUp(self):
        self.root = tempfile.TemporaryDirectory()
        self.addCleanup(self.root.cleanup)
        self.vm = "sys/kernel/debug/kvm/42-9/hv_ext"
        self.put(f"{self.vm}/vm", "pid 42\npage_size 65536\nmmu hpt\n")
        self.put_counters(0)
        self.put("proc/42/cmdline", "qemu-system-ppc64\0-name\0guest=db,debug-threads=on\0")
        os.makedirs(f"{self.root.name}/sys/kernel/debug/kvm/50-9")

    def put(self, path, content):
        path = f"{self.root.name}/{path}"
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w", encoding="ascii") as file:
            file.write(content)

    def put_counters(self, by):
        self.put(f"{self.vm}/counters", "".join(f"{name} {100 + by}\n" for name in
                                                self.COUNTERS))
        self.put(f"{self.vm}/slots", "slot gfn npages logged collections clears cleaned requests"
                 f"\n0 10 4096 1 0 0 {by} 0\n1 2000 16 0 0 0 0 0\n")

    def test_vms(self):
        vms = host.vms(host.Host(self.root.name))
        self.assertEqual([(vm.pid, vm.tracked, vm.name) for vm in vms],
                         [(42, True, "db"), (50, False, None)])
        self.assertEqual(vms[0].slots()[0]["gfn"], 16)

    @unittest.mock.patch("time.monotonic", side_effect=(10, 12))
    def test_rates(self, _):
        sampler = top.Sampler(host.Host(self.root.name))
        self.assertEqual(sampler.sample(), [])
        self.put_counters(50)
        (row,) = sampler.sample()
        self.assertEqual((row["clean/s"], row["log/s"], row["req/s"]), (25, 50, 25))
        self.assertEqual(row["slots"][0]["clean/s"], 25)
        self.assertEqual(row["l2"], 150)
        self.assertEqual([slot["slot"] for slot in row["slots"]], [0])
        self.assertLessEqual(max(map(len, top.lines([row]))), text.WIDTH)

    def test_name_without_key(self):
        self.put("proc/42/cmdline", "qemu\0-name\0plain\0")
        self.assertEqual(host.guest_name(host.Host(self.root.name), 42), "plain")
        self.put("proc/42/cmdline", "qemu\0-name\0debug-threads=on\0")
        self.assertIsNone(host.guest_name(host.Host(self.root.name), 42))


class Schema(unittest.TestCase):
    """schema.json has what the documents have; jsonschema judges the rest, if installed."""

    @classmethod
    def setUpClass(cls):
        with open(os.path.join(TOP, "tools/schema.json"), encoding="ascii") as file:
            cls.schema = json.load(file)

    def test_migration(self):
        class Vm:
            id, pid, name = "42-9", 42, None
        recorder = migration.Recorder(PAGE, slots())
        recorder.add(switch(1, MAIN, 1))
        recorder.add(get(2, MAIN, 5))
        document = migration.report(None, Vm, recorder, 0, None)
        self.assertEqual(set(document), set(self.schema["$defs"]["migration"]["required"]))
        self.validate(document)

    def validate(self, document):
        try:
            import jsonschema           # pylint: disable=import-outside-toplevel
        except ImportError:
            return
        jsonschema.Draft202012Validator(self.schema).validate(document)

    def test_columns(self):
        required = self.schema["$defs"]["top"]["properties"]["vms"]["items"]["required"]
        self.assertLessEqual(set(top.COLUMNS), set(required))

    def test_commands(self):
        self.assertEqual(set(self.schema["$defs"]) & {"status", "top", "migration", "check"},
                         set(cli.parser()._subparsers._group_actions[0].choices))


if __name__ == "__main__":
    sys.exit(ktap.run(sys.modules["__main__"]))
