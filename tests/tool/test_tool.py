#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0
"""Tests tools/kvm-hv-ext in a POWER host: compares what it says with what a VM did.

Runs as root, where the module is not loaded. Prints KTAP.
"""

import json
import os
import re
import shutil
import subprocess
import sys
import time
import unittest
from pathlib import Path

import ktap
from vm import Load

HERE = os.path.dirname(os.path.realpath(__file__))
TOOL = "/tmp/tool/sbin/kvm-hv-ext"
MODULE = os.environ.get("KTAP_MODULE", "/lab/modules/kvm-hv-ext.ko")
NR_PAGES = 512
SLOT = "1"
NOBODY = 65534
INSTANCES = Path("/sys/kernel/tracing/instances")
LAST_EVENT = "events/kvm_hv_ext/khx_flush_refused/enable"   # that the tool enables


def tool(*arguments, status=0, user=None):
    """Run the tool; return what it prints."""
    done = subprocess.run([sys.executable, TOOL, *arguments], capture_output=True, text=True,
                          check=False, timeout=60, user=user)
    assert done.returncode == status, (arguments, done)
    return done.stdout + done.stderr


def tool_json(*arguments, status=0):
    return json.loads(tool(*arguments, "--json", status=status))


def insmod():
    subprocess.run(["insmod", MODULE], check=True)


def rmmod():
    subprocess.run(["rmmod", "kvm_hv_ext"], check=True)


class WithoutModule(unittest.TestCase):
    def test_status(self):
        self.assertIn("not loaded (modprobe kvm-hv-ext)", tool("status", status=1))
        self.assertIsNone(tool_json("status", status=1)["module"])

    def test_top(self):
        self.assertIn("the module is not loaded", tool("top", "-b", "-n", "1", status=1))

    def test_wrong_arguments(self):
        for arguments in ((), ("no-such",), ("migration",), ("top", "-d", "0")):
            tool(*arguments, status=2)

    def test_help_fits(self):
        for command in ("status", "top", "migration", "report", "check"):
            text = tool(command, "--help")
            self.assertLessEqual(max(map(len, text.splitlines())), 80, text)

    def test_check(self):
        facts = {fact["name"]: fact for fact in tool_json("check", status=4)["facts"]}
        self.assertEqual(facts["kvm-hv"]["verdict"], "yes")
        # this root has neither the kernel's configuration nor modinfo
        self.assertEqual(facts["configuration"]["verdict"], "?")

    def test_kill_switch(self):
        """A copy of this host's /proc and /sys, in which one fact is another."""
        root = "/tmp/copy"
        for path, text in (("proc/cmdline", "quiet kvm_hv_ext=off"),
                           ("proc/sys/kernel/osrelease", "6.1.0-test"),
                           ("proc/sys/kernel/arch", "ppc64le"),
                           ("boot/config-6.1.0-test", "CONFIG_KPROBES=y\n")):
            os.makedirs(os.path.dirname(f"{root}/{path}"), exist_ok=True)
            with open(f"{root}/{path}", "w", encoding="ascii") as file:
                file.write(text)
        checked = tool_json("check", "--root", root, status=1)
        facts = {fact["name"]: fact for fact in checked["facts"]}
        self.assertIs(checked["can_load"], False)
        self.assertEqual(facts["kill switch"]["verdict"], "NO")
        self.assertIn("CONFIG_KVM_BOOK3S_64_HV", facts["configuration"]["detail"])
        self.assertNotIn("CONFIG_KPROBES", facts["configuration"]["detail"])


class WithModule(unittest.TestCase):
    """One VM is older than the module."""

    @classmethod
    def setUpClass(cls):
        cls.old = Load("old")
        insmod()

    @classmethod
    def tearDownClass(cls):
        cls.old.end()
        rmmod()

    def setUp(self):
        self.vm = Load("web1")

    def tearDown(self):
        self.vm.end()

    def described(self):
        return {vm["name"]: vm for vm in tool_json("status")["vms"]}

    def counters(self):
        return self.described()["web1"]["counters"]

    def test_kinds(self):
        vms = self.described()
        self.assertEqual(set(vms), {"old", "web1"})
        self.assertEqual((vms["old"]["pid"], vms["old"]["tracked"]), (self.old.pid, False))
        self.assertEqual((vms["web1"]["pid"], vms["web1"]["tracked"]), (self.vm.pid, True))
        self.assertEqual(vms["web1"]["facts"]["pid"], self.vm.pid)
        self.assertEqual(vms["web1"]["facts"]["mmu"], "radix")
        text = tool("status")
        self.assertRegex(text, rf"(?m)^ *{self.old.pid} +old +stock")
        self.assertRegex(text, rf"(?m)^ *{self.vm.pid} +web1 +tracked +radix")
        self.assertLessEqual(max(map(len, text.splitlines())), 80, text)

    def test_module(self):
        module = tool_json("status")["module"]
        self.assertEqual(module["references"], 1)
        self.assertIs(module["parameters"]["paging"], True)
        self.assertEqual(module["parameters"]["flush_ceiling"], 0)

    def test_counters(self):
        before = self.counters()
        self.vm.do("store 100")
        reported = int(self.vm.do("collect"))
        self.vm.do("store 7")
        reported += int(self.vm.do("collect"))
        self.vm.do("drop 5")
        after = self.counters()
        self.assertEqual(reported, 107)
        for name, by in (("log_collections", 2), ("log_cleaned", reported), ("log_clears", 0),
                         ("unmapped", 5), ("fault_failed", 0)):
            self.assertEqual(after[name] - before[name], by, name)
        histograms = self.described()["web1"]["histograms"]
        self.assertEqual(sum(count for _, count in histograms["log_ns"]),
                         after["log_collections"])

    def test_unprivileged(self):
        self.assertIn("needs root", tool("status", status=3, user=NOBODY))
        self.assertIs(json.loads(tool("status", "--json", status=3, user=NOBODY))["complete"],
                      False)
        self.assertIn("run this as root", tool("top", "-b", "-n", "1", status=3, user=NOBODY))
        self.assertIn("run this as root",
                      tool("migration", str(self.vm.pid), status=3, user=NOBODY))

    def test_top(self):
        # pylint: disable=consider-using-with
        top = subprocess.Popen([sys.executable, TOOL, "top", "--batch", "--json", "-n", "4",
                                "-d", "3"], stdout=subprocess.PIPE, text=True)
        first = top.stdout.readline()
        before = self.counters()
        for _ in range(4):
            self.vm.do("store 100")
            self.vm.do("collect")
        after = self.counters()
        lines = [json.loads(line) for line in [first, *top.stdout]]
        self.assertEqual(top.wait(), 0)
        self.assertEqual(len(lines), 4)
        rows = [row for line in lines for row in line["vms"]]
        self.assertEqual({row["name"] for row in rows}, {"web1"})
        for column, name in (("clean/s", "log_cleaned"), ("log/s", "log_collections")):
            seen = sum(row[column] * row["seconds"] for row in rows)
            self.assertAlmostEqual(seen, after[name] - before[name], delta=1.0, msg=column)
        slots = sum(row["slots"][0]["clean/s"] * row["seconds"] for row in rows)
        self.assertAlmostEqual(slots, 400, delta=1.0)
        self.assertEqual({str(row["slots"][0]["slot"]) for row in rows}, {SLOT})

    def test_top_text(self):
        text = tool("top", "--batch", "-n", "1", "-d", "0.2")
        self.assertRegex(text, rf"(?m)^ *{self.vm.pid} +web1 ")
        self.assertRegex(text, r"(?m)^ +slot 1 ")
        self.assertLessEqual(max(map(len, text.splitlines())), 80, text)

    def migrate(self, dirty):
        """What QEMU does: log on, rounds, log off. Return what was reported in each."""
        self.vm.do("log on")
        rounds = []
        for pages in dirty:
            self.vm.do(f"store {pages}")
            rounds.append(int(self.vm.do("collect")))
        self.vm.do("log off")
        return rounds

    def record(self, *arguments):
        """Start the tool; return when it records."""
        process = subprocess.Popen([sys.executable, TOOL, "migration", str(self.vm.pid),
                                    *arguments], stdout=subprocess.PIPE, text=True)
        give_up = time.monotonic() + 60
        while not any(file.read_text() == "1\n" for file in INSTANCES.glob(f"*/{LAST_EVENT}")):
            self.assertLess(time.monotonic(), give_up, "the tool does not record")
            time.sleep(0.1)
        return process

    def recorded(self, dirty, *arguments):
        self.vm.do("log off")
        tool_process = self.record(*arguments)
        before = self.counters()
        rounds = self.migrate(dirty)
        after = self.counters()
        output = tool_process.communicate(timeout=60)[0]
        self.assertEqual(tool_process.returncode, 0, output)
        return rounds, output, after["log_requests"] - before["log_requests"]

    def test_migration(self):
        rounds, output, requests = self.recorded([400, 100, 30, 4], "--json")
        document = json.loads(output)
        self.assertEqual([r["dirty"] for r in document["rounds"]], rounds)
        self.assertEqual([r["slots"] for r in document["rounds"]],
                         [{SLOT: pages} for pages in rounds])
        self.assertEqual(rounds[1:], [100, 30, 4])
        self.assertEqual(sum(r["requests"] for r in document["rounds"]), requests)
        self.assertTrue(all(r["ns"] > 0 and r["calls"] == 1 for r in document["rounds"]))
        self.assertTrue(document["ended"])
        self.assertEqual(document["lost_events"], 0)
        self.assertEqual(document["pid"], self.vm.pid)
        self.assertEqual(list(INSTANCES.iterdir()), [])

    def test_migration_text(self):
        rounds, output, _ = self.recorded([200, 50, 9])
        shown = re.findall(r"(?m)^ +(\d+) +[\d.]+ s +(\d+) ", output)
        self.assertEqual(shown, [(str(i + 1), str(pages)) for i, pages in enumerate(rounds)])
        self.assertIn("ended after 3 rounds", output)
        self.assertLessEqual(max(map(len, output.splitlines())), 80, output)

    def test_does_not_converge(self):
        _, output, _ = self.recorded([NR_PAGES] * 6, "--timeout", "60")
        self.assertIn("ended after 6 rounds", output)
        # the same, and the log stays on
        self.vm.do("log off")
        process = self.record("--timeout", "12")
        self.vm.do("log on")
        for _ in range(6):
            self.vm.do(f"store {NR_PAGES}")
            self.vm.do("collect")
        self.assertIn("does not converge", process.communicate(timeout=60)[0])

    def test_failed_fault(self):
        self.vm.do("log off")
        process = self.record("--json")
        self.vm.do("log on")
        self.vm.do("collect")
        gpa = int(self.vm.do("hole"))
        self.vm.do("log off")
        failed = json.loads(process.communicate(timeout=60)[0])["failed_faults"]
        self.assertEqual([(f["gpa"], f["err"], f["write"]) for f in failed], [(gpa, -14, 1)])

    def test_no_such_vm(self):
        self.assertIn("has no VM", tool("migration", "1", status=1))
        self.assertIn("is on stock", tool("migration", str(self.old.pid), status=1))

    def test_no_migration(self):
        self.assertIn("no migration was seen",
                      tool("migration", str(self.vm.pid), "-t", "1", status=1))


def main():
    # where everybody may read it
    shutil.copytree(os.path.join(HERE, "tool"), "/tmp/tool")
    os.chmod("/tmp/tool", 0o755)
    return ktap.run(sys.modules["__main__"])


if __name__ == "__main__":
    sys.exit(main())
