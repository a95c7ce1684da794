#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0
"""Tests what tools/kvm-hv-ext makes of given events and files; needs no POWER host.

Prints KTAP.
"""

import contextlib
import io
import json
import os
import re
import shutil
import sys
import tempfile
import threading
import time
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
                       f"slot={slot} gfn=0 npages={16 if slot == DISPLAY else 4096} "
                       f"on={on} ns=500")


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

    def test_display_later(self):
        """A display that appears and goes while a migration is awaited is none."""
        recorder = migration.Recorder(PAGE, {MAIN: slots()[MAIN]})
        for event in [switch(1, DISPLAY, 1), get(2, DISPLAY, 5), get(3, DISPLAY, 5),
                      switch(4, DISPLAY, 0), switch(5, DISPLAY, 1), get(6, DISPLAY, 5)]:
            recorder.add(event)
        self.assertEqual(recorder.rounds, [])
        self.assertFalse(recorder.ended)
        for event in [switch(10, MAIN, 1), get(11, MAIN, 50), get(11.5, DISPLAY, 7),
                      get(12, MAIN, 20), switch(13, MAIN, 0)]:
            recorder.add(event)
        self.assertEqual([r["dirty"] for r in recorder.rounds], [57, 20])
        self.assertTrue(recorder.ended)

    def test_order_of_switches(self):
        """QEMU switches the logs on one by one, before it collects any."""
        recorder = migration.Recorder(PAGE, {0: slots()[MAIN],
                                             1: {"slot": 1, "npages": 64, "logged": 0}})
        for event in [switch(1, 1, 1), switch(2, MAIN, 1), get(3, 1, 1), get(3, MAIN, 10),
                      get(4, 1, 2), get(4, MAIN, 20), switch(5, MAIN, 0), switch(5, 1, 0)]:
            recorder.add(event)
        self.assertEqual([r["dirty"] for r in recorder.rounds], [11, 22])
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

    def test_names_of_threads(self):
        """A thread of QEMU may have any name, and need not be UTF-8."""
        for name in ("a 1.0: khx_b: c", "[000] d 1.0: khx_b: c=1", "khx_log_switch:"):
            at, event, fields = trace.parse(f"  {name}-42  [001] ...1.  7.250000: khx_flush_refused: "
                                            "pid=42 lpid=1")
            self.assertEqual((at, event, fields["pid"]), (7.25, "khx_flush_refused", 42))

    def test_pieces(self):
        """What trace_pipe returns may end within a character."""
        pipe = tempfile.NamedTemporaryFile()
        self.addCleanup(pipe.close)
        line = "  qé-42  [001] ...1.  7.5: khx_flush_refused: pid=42 lpid=1\n".encode()
        recorded = trace.Trace(host.Host(), 42, ())
        recorded.base = tempfile.mkdtemp()
        self.addCleanup(shutil.rmtree, recorded.base)
        pieces = [line[:4], line[4:], b"  q\xff" + line[5:]]
        events = []
        os.mkfifo(f"{recorded.base}/trace_pipe")
        writer = os.open(f"{recorded.base}/trace_pipe", os.O_RDWR)
        self.addCleanup(os.close, writer)
        os.write(writer, pieces[0])
        for event in recorded.read(lambda: len(events) == 2):
            if event:
                events.append(event)
            elif len(pieces) > 1:
                pieces.pop(0)
                os.write(writer, pieces[0])
        self.assertEqual([at for at, _, _ in events], [7.5, 7.5])

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
        self.put("sys/module/kvm_hv_ext/version", "0.1.0\n")
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


class FakeTracefs:
    """An instance of tracefs, made of files, whose trace_pipe yields given events."""

    def __init__(self, root, events):
        self.root = root
        self.events = events
        self.enabled = []
        self.mkdir, self.rmdir = os.mkdir, os.rmdir
        os.makedirs(f"{root}{trace.TRACEFS}/instances")

    def make(self, path, mode=0o777):
        """What the kernel makes for mkdir."""
        self.mkdir(path, mode)
        if os.path.dirname(path) != f"{self.root}{trace.TRACEFS}/instances":
            return
        for event in migration.EVENTS:
            os.makedirs(f"{path}/events/kvm_hv_ext/{event}")
        os.makedirs(f"{path}/per_cpu/cpu0")
        with open(f"{path}/per_cpu/cpu0/stats", "w", encoding="ascii") as file:
            file.write("entries: 0\noverrun: 3\nnow ts: 17.5\ndropped events: 1\n")
        os.mkfifo(f"{path}/trace_pipe")
        self.writer = threading.Thread(target=self.write, args=(path,))
        self.writer.start()

    def write(self, path):
        with open(f"{path}/trace_pipe", "w", encoding="ascii") as pipe:
            for name in os.listdir(f"{path}/events/kvm_hv_ext"):
                with open(f"{path}/events/kvm_hv_ext/{name}/filter", encoding="ascii") as file:
                    self.enabled.append((name, file.read()))
            # a line may arrive in pieces
            text_of_all = "".join(self.events)
            pipe.write(text_of_all[:100])
            pipe.flush()
            time.sleep(0.2)
            pipe.write(text_of_all[100:])

    def remove(self, path):
        """rmdir of an instance removes all of it."""
        self.writer.join()
        with unittest.mock.patch("os.rmdir", self.rmdir):
            shutil.rmtree(path)


class Recorded(Files):
    """The whole command, on a fake tracefs."""

    EVENTS = ["  q-42 [000] ...1.  1.0: khx_log_switch: pid=42 lpid=1 slot=1 gfn=0 npages=16 on=1 "
              "ns=5\n"]
    for at, dirty in enumerate((16, 8, 2)):
        EVENTS.append(f"  q-42 [000] ...1.  {at + 2}.0: khx_dirty_log_get: pid=42 lpid=1 slot=1 "
                      f"npages=16 dirty={dirty} cleaned=0 requests=0 ns=1000 err=0\n")
        EVENTS.append(f"  q-42 [001] ...1.  {at + 2}.5: khx_dirty_log_clear: pid=42 lpid=1 slot=1 "
                      f"first=0 npages=16 named={dirty} cleaned={dirty} requests=1 ns=500\n")
    EVENTS.append("  q-42 [000] ...1.  5.0: khx_log_switch: pid=42 lpid=1 slot=1 gfn=0 npages=16 "
                  "on=0 ns=7\n")

    def setUp(self):
        super().setUp()
        # slot 0, which is smaller, is not logged
        self.put(f"{self.vm}/slots", "slot gfn npages logged collections clears cleaned requests"
                 "\n0 10 8 0 0 0 0 0\n1 2000 16 0 0 0 0 0\n")
        self.tracefs = FakeTracefs(self.root.name, self.EVENTS)
        for name, by in (("mkdir", self.tracefs.make), ("rmdir", self.tracefs.remove)):
            patch = unittest.mock.patch(f"os.{name}", by)
            patch.start()
            self.addCleanup(patch.stop)

    def output(self, *arguments, status=0):
        with contextlib.redirect_stdout(io.StringIO()) as output:
            self.assertEqual(cli.main(list(arguments)), status)
        return output.getvalue()

    def command(self, *arguments):
        return self.output("migration", "42", "--root", self.root.name, *arguments)

    def test_migration_json(self):
        document = json.loads(self.command("--json"))
        self.assertEqual([r["dirty"] for r in document["rounds"]], [16, 8, 2])
        self.assertEqual([r["cleaned"] for r in document["rounds"]], [16, 8, 2])
        self.assertEqual([r["requests"] for r in document["rounds"]], [1, 1, 1])
        self.assertEqual([(r["calls"], r["ns"]) for r in document["rounds"]], [(2, 1500)] * 3)
        self.assertEqual((document["ended"], document["switch_ns"]), (True, 12))
        self.assertEqual(document["lost_events"], 4)
        self.assertEqual({limit for _, limit in self.tracefs.enabled}, {"pid == 42"})
        self.assertEqual(os.listdir(f"{self.root.name}{trace.TRACEFS}/instances"), [])

    def test_migration_text(self):
        output = self.command()
        self.assertEqual(re.findall(r"(?m)^ +(\d) +[\d.]+ s +(\d+) ", output),
                         [("1", "16"), ("2", "8"), ("3", "2")])
        self.assertIn("verdict      ended after 3 rounds", output)
        self.assertIn("lost         4 events", output)
        self.assertLessEqual(max(map(len, output.splitlines())), text.WIDTH, output)

    def test_plot(self):
        path = f"{self.root.name}/plot.svg"
        output = self.command("--plot", path)
        if os.path.exists(path):
            with open(path, encoding="utf-8") as file:
                self.assertIn("<svg", file.read())
            self.assertIn(f"plot         {path}", output)
        else:
            self.assertIn("plot         as text", output)

    def test_report(self):
        """What was saved says the same later: only the line before the rounds differs."""
        path = f"{self.root.name}/saved.json"
        shown = self.command("--save", path)
        self.assertEqual(self.output("report", path).splitlines()[1:], shown.splitlines()[1:])
        with open(path, encoding="utf-8") as file:
            self.assertEqual(json.loads(self.output("report", path, "--json")), json.load(file))

    def test_no_report(self):
        path = f"{self.root.name}/other.json"
        document = json.loads(self.command("--json"))
        incomplete = {**document, "rounds": [{}]}
        del document["page_size"]
        for other in ("", "[]", '{"schema": "kvm-hv-ext top 1"}', json.dumps(document),
                      json.dumps(incomplete)):
            with open(path, "w", encoding="ascii") as file:
                file.write(other)
            with contextlib.redirect_stderr(io.StringIO()) as complaint:
                self.output("report", path, status=1)
            self.assertIn("not written by", complaint.getvalue())


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
        document = migration.report(Vm, recorder, 0)
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
                         # report prints what migration prints
                         set(cli.parser()._subparsers._group_actions[0].choices) - {"report"})


if __name__ == "__main__":
    sys.exit(ktap.run(sys.modules["__main__"]))
