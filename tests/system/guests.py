# SPDX-License-Identifier: GPL-2.0
"""
Real guests in QEMUs of this host, for the tests that run inside an emulated
host: a guest and its console, its QEMU, and the test points of a run.

The guest (guest/init.c) continuously rewrites and verifies its memory.
"""
import collections
import contextlib
import fcntl
import functools
import json
import os
import re
import select
import socket
import subprocess
import tempfile
import time
from pathlib import Path

import stuck

HERE = Path(__file__).resolve().parent
MODULE = "kvm_hv_ext"
NAME = "guest"          # of each guest, for QEMU
MACHINE = ("pseries,accel=kvm,cap-cfpc=broken,cap-sbbc=broken,cap-ibs=broken,"
           "cap-ccf-assist=off")
# KVM does not give an HPT guest pages larger than the host pages of its memory.
# QEMU then refuses to start a guest that may use larger pages, even if it will
# use a radix table.
if os.sysconf("SC_PAGE_SIZE") < 0x10000:
    MACHINE += ",cap-hpt-max-page-size=4k"
# A guest that runs nested guests. In a logical partition QEMU would write the
# event queues of XIVE into guest memory, which KVM's dirty log does not show.
NESTED = ",cap-nested-hv=on,ic-mode=xics"
# ioctl of /dev/kvm, and its argument
KVM_CHECK_EXTENSION = 0x2000ae03
KVM_CAP_PPC_AIL_MODE_3 = 210
BARE_METAL = Path("/sys/firmware/opal").exists()
GUEST_KERNEL = "/guest/vmlinux"
ZRAM = Path("/sys/block/zram0")
MIB = 1 << 20
PATIENCE = 400          # seconds to wait for anything
ANSWER = 20             # seconds to wait for the monitor of a QEMU that may hang


class Failure(Exception):
    """Why a test point is not ok."""


class Corruption(Failure):
    """The guest found memory that does not hold what it wrote there."""


class Crash(Failure):
    """The guest's kernel crashed."""


class Silence(Failure):
    """Something did not happen in time."""


class Ended(Failure):
    """QEMU ended by itself."""

    def __init__(self, status, said):
        super().__init__(f"QEMU ended, status {status}: {said}")
        self.status = status            # 0 if the guest shut down


@functools.cache
def interrupts():
    """
    Returns what QEMU must be told on a POWER9 before DD2.2: there KVM lets no guest take
    interrupts with relocation on (AIL). QEMU 7.2 neither asks KVM nor knows the word.
    """
    with open("/dev/kvm", "rb") as kvm:
        if fcntl.ioctl(kvm, KVM_CHECK_EXTENSION, KVM_CAP_PPC_AIL_MODE_3):
            return ""
    said = subprocess.run(["qemu-system-ppc64", "--version"], stdout=subprocess.PIPE, text=True,
                          check=True).stdout
    return "" if int(re.search(r"version (\d+)", said)[1]) < 8 else ",cap-ail-mode-3=off"


class Guest:
    """Interprets the console of the guest, in whichever QEMU the guest runs."""

    CORRUPT = re.compile(r"CORRUPT")
    CRASH = re.compile(r"Kernel panic|Oops|BUG:|Unable to handle kernel")
    # Removed: with it, the guest's messages would be taken for the host's.
    STAMP = re.compile(r"^\[ *\d+\.\d+\] ")
    HEARTBEAT = re.compile(r"pass (\d+) sweep (\d+) log (\d+)$")
    RESIZED = re.compile(r"HPT of order \d+$")

    def __init__(self, goes_on):
        self.goes_on = goes_on          # it corrects wrong pages: only count them
        self.wrong = 0
        self.passes = self.sweeps = self.log_entries = self.resizes = 0
        self.partial = b""
        self.last_lines = collections.deque(maxlen=15)

    def hear(self, data):
        *lines, self.partial = (self.partial + data).split(b"\n")
        for line in lines:
            self._judge(self.STAMP.sub("", line.decode(errors="replace").strip()))

    def _judge(self, line):
        self.last_lines.append(line)
        if self.CORRUPT.search(line):
            if not self.goes_on:
                raise Corruption(line)
            self.wrong += 1
        if self.CRASH.search(line):
            raise Crash(f"the guest crashed: {line}")
        if self.RESIZED.match(line):
            self.resizes += 1
        if beat := self.HEARTBEAT.match(line):
            passes, sweeps, entries = map(int, beat.groups())
            if passes <= self.passes:
                raise Corruption(f"the guest fell back from pass {self.passes} to {passes}")
            self.passes, self.sweeps, self.log_entries = passes, sweeps, entries


class Here:
    """This host, as a place for QEMUs."""

    @staticmethod
    def start(command, environment, descriptors):
        """Starts a QEMU; returns its process, control socket and console."""
        ours, theirs = socket.socketpair()
        process = subprocess.Popen(
            [*command, "-serial", "stdio", "-chardev", f"socket,id=qmp,fd={theirs.fileno()}"],
            env=dict(os.environ, **environment), pass_fds=[theirs.fileno(), *descriptors],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        theirs.close()
        return process, ours, process.stdout

    @staticmethod
    def run_tool(*command):
        result = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                                text=True, check=False)
        if result.returncode:
            raise Failure(f"{' '.join(command)}: {result.stdout.strip()}")

    @staticmethod
    def read(path):
        return Path(path).read_text()

    def module_references(self):
        """Returns the module's reference count: its VMs; 0 if it is not loaded."""
        try:
            return int(self.read(f"/sys/module/{MODULE}/refcnt"))
        except FileNotFoundError:
            return 0


HERE_HOST = Here()


class Qemu:
    """One QEMU process: its control socket (QMP) and the console of its guest."""

    def __init__(self, options, *extra, place=HERE_HOST, module=None):
        self.place = place
        environment = {"LD_PRELOAD": str(HERE / "ioctl_filter.so")}
        if options.lose_page:
            environment["LOSE_PAGE"] = "1"
        if BARE_METAL or options.areas:
            environment["HOST_TIME"] = "1"
        self.areas_file = tempfile.NamedTemporaryFile(prefix="areas")
        if options.areas:
            environment["AREAS"] = self.areas_file.name
        initrd, machine = "guest.cpio", MACHINE + interrupts()
        self.copier = copier = None
        if options.nested:
            initrd, machine = "nested.cpio", machine + NESTED
            self.copier, copier = socket.socketpair()
            self.copier.settimeout(PATIENCE)
            environment["LD_PRELOAD"] += f" {HERE / 'copier.so'}"
            environment["COPIER"] = str(copier.fileno())
        words = [*options.words, *["areas"] * options.areas, *["go-on"] * options.lossy]
        references = self._references(place)
        self.process, self.qmp, self.console = place.start(
            ["qemu-system-ppc64", "-name", NAME, "-M", machine, "-cpu", "host",
             "-m", str(options.memory), "-nodefaults", "-display", "none", "-no-reboot",
             "-mon", "chardev=qmp,mode=control",
             "-kernel", options.guest_kernel, "-initrd", str(HERE / initrd),
             "-append", f"console=hvc0 quiet panic=-1 nowatchdog {options.kernel_parameters} -- "
                        f"{options.watched} {options.rewritten} {options.rest} "
                        f"{' '.join(words)}", *extra],
            environment, [copier.fileno()] if copier else [])
        if copier:
            copier.close()
        self.qmp.settimeout(PATIENCE)
        self.replies = b""
        self.migration_status = None
        os.set_blocking(self.console.fileno(), False)
        self._receive()                                 # QMP's greeting
        self.command("qmp_capabilities")
        self._check_owner(references, module)

    @staticmethod
    def _references(place):
        """The module's references, without those that other code holds briefly."""
        readings = [place.module_references()]
        while len(readings) < 5 and readings[-1]:
            time.sleep(0.05)
            readings.append(place.module_references())
        return min(readings)

    def _check_owner(self, before, module):
        """
        Checks that the module tracks the new VM, or does not. The module has one
        reference for each VM that it tracks. Other code may hold one briefly.
        """
        after = later = self.place.module_references()
        give_up = time.monotonic() + 10
        while module and later != before + 1 and time.monotonic() < give_up:
            time.sleep(0.5)
            later = self.place.module_references()
        if module and later != before + 1:
            raise Failure(f"the module does not track the new VM (references: {before} -> {after}, "
                          f"{later} after 10 s)")
        if not module and after:
            raise Failure(f"{MODULE} is in use: the new VM may not run on stock")

    def _take(self, connection):
        if data := connection.recv(65536):
            return data
        status = self.process.wait()
        said = self.console_output().decode(errors="replace").strip()
        raise Ended(status, " ".join(said.split())[-300:])

    def _receive(self):
        while b"\n" not in self.replies:
            self.replies += self._take(self.qmp)
        line, self.replies = self.replies.split(b"\n", 1)
        message = json.loads(line)
        if message.get("event") == "MIGRATION":
            self.migration_status = message["data"]["status"]
        return message

    def receive_event(self):
        """Receives at least one message, while no command waits for an answer."""
        self._receive()
        while b"\n" in self.replies:
            self._receive()

    def command(self, name, **arguments):
        self.qmp.sendall(json.dumps({"execute": name, "arguments": arguments}).encode())
        while True:
            message = self._receive()
            if "error" in message:
                raise Failure(f"{name}: {message['error']['desc']}")
            if "return" in message:
                return message["return"]

    def areas(self):
        """Returns the last value read from each register with the address of an area."""
        lines = self.place.read(self.areas_file.name).splitlines()
        return dict(line.split(" ", 1) for line in lines)

    def copy(self, order):
        """Sends an order to the copier and returns its answer; see copier.c."""
        self.copier.sendall(order.encode())
        return int(self._take(self.copier))

    def stuck(self):
        """Yields what helps to understand why the guest does not go on."""
        if self.place is HERE_HOST:
            yield from stuck.report(self.process.pid)
        try:
            self.qmp.settimeout(ANSWER)
            yield f"status: {self.command('query-status')}"
            yield self.command("human-monitor-command", **{"command-line": "info registers -a"})
        except (OSError, Failure) as failure:
            yield f"the monitor: {failure!r}"

    def console_output(self):
        """Returns what the guest has printed since the last call."""
        return self.console.read() or b""

    def end(self):
        self.process.kill()
        self.process.wait()
        self.qmp.close()
        if self.copier:
            self.copier.close()
        self.console.close()
        self.areas_file.close()


class Session:
    """A guest, and the QEMU in which it currently runs."""

    def __init__(self, options):
        self.options = options
        self.patience = PATIENCE
        self.guest = Guest(options.lossy)
        self.qemus = contextlib.ExitStack()
        self.qemu = self._start()

    def _start(self, *extra, place=HERE_HOST):
        module = self.options.module if place is HERE_HOST else self.options.peer_module
        qemu = Qemu(self.options, *extra, place=place, module=module)
        self.qemus.callback(qemu.end)
        return qemu

    def wait(self, done, what):
        """Handles output of the guest and its QEMU until done()."""
        deadline = time.monotonic() + self.patience
        while not done():
            if time.monotonic() > deadline:
                raise Silence(f"gave up after waiting {self.patience} s for {what}")
            ready, _, _ = select.select([self.qemu.console, self.qemu.qmp], [], [], 1)
            self.guest.hear(self.qemu.console_output())
            if self.qemu.qmp in ready:
                self.qemu.receive_event()

    def wait_verified(self):
        """Waits until the guest has verified all of its memory once more."""
        target = self.guest.sweeps + 2
        self.wait(lambda: self.guest.sweeps >= target, "the guest to verify its memory")

    def stuck(self):
        """Yields what helps to understand why the guest does not go on."""
        return self.qemu.stuck()

    def end(self):
        self.qemus.close()


class Run:
    """
    The test points of one run, in order: those that a test adds, between those
    that all tests have in common.
    """

    def __init__(self, options):
        self.options = options
        self.session = None
        self.refusals = Refusals(options) if options.refuse else None

    def points(self):
        if self.refusals:
            yield "invalidations can be refused", self.refusals.load
        if self.options.module:
            yield "the module is inserted", self.load
        yield "the guest comes up", self.start
        yield from self.own_points()
        if self.options.module:
            yield "the module is removed", self.unload
        if self.refusals:
            yield "no invalidation is refused any more", self.refusals.unload

    def own_points(self):
        """Yields pairs of a title and a function that returns the rest of the title."""
        raise NotImplementedError

    def make_session(self):
        return Session(self.options)

    def load(self):
        run_tool("insmod", self.options.module, *self.options.parameters.split())
        return "it tracks VMs created from now on"

    def unload(self):
        self.session.end()
        run_tool("rmmod", MODULE)
        return "it tracked no VM any more"

    def start(self):
        self.session = self.make_session()
        self.session.wait_verified()
        if self.options.hpt and not hpt_in_use():
            raise Failure("no guest has a hash page table in use")
        return f"{self.options.watched} MiB of its memory verified"

    def execute(self):
        """Runs all points and prints KTAP; true if all pass. A failure ends the run."""
        points = list(self.points())
        print(f"KTAP version 1\n1..{len(points)}", flush=True)
        failed = False
        for number, (title, point) in enumerate(points, 1):
            title = f"{self.options.host}: {title}"
            if failed:
                print(f"not ok {number} {title}: not reached", flush=True)
                continue
            try:
                print(f"ok {number} {title}: {point()}", flush=True)
            except (Failure, OSError) as failure:
                failed = True
                print(f"not ok {number} {title}: {failure}", flush=True)
                self.explain(failure)
        if self.session:
            self.session.end()
        return not failed

    def explain(self, failure):
        """Prints what helps to understand a failure."""
        if not self.session:
            return
        diagnostic("last lines of the guest's console:\n" +
                   "\n".join(self.session.guest.last_lines))
        if isinstance(failure, Silence):
            for piece in self.session.stuck():
                diagnostic(piece)


run_tool = HERE_HOST.run_tool


def diagnostic(text):
    for line in text.splitlines():
        print(f"# {line}", flush=True)


class Refusals:
    """Makes the hypervisor refuse some TLB invalidations, by tests/modules/refuse.c."""

    NAME = "kvm_hv_ext_refuse"
    PARAMETERS = Path("/sys/module") / NAME / "parameters"

    def __init__(self, options):
        self.options = options
        self.before = 0, 0

    def load(self):
        run_tool("insmod", self.options.refuse_by,
                 f"every={self.options.refuse if self.options.refuse_early else 0}")
        return "from now on" if self.options.refuse_early else "later"

    def begin(self):
        (self.PARAMETERS / "every").write_text(str(self.options.refuse))
        self.before = self._counts()

    def account(self):
        calls, refused = (now - before for now, before in zip(self._counts(), self.before))
        if not refused:
            raise Failure(f"none of {calls} invalidations was refused")
        return f"{refused} of {calls} invalidations refused"

    def _read(self, name):
        return int((self.PARAMETERS / name).read_text())

    def _counts(self):
        return self._read("calls"), self._read("refused")

    def unload(self):
        run_tool("rmmod", self.NAME)
        return "done"


def hpt_in_use():
    """Does a guest use an HPT? KVM's debugfs shows an empty HPT for radix guests."""
    return any(table.read_bytes() for table in Path("/sys/kernel/debug/kvm").glob("*/htab"))


def swap_on(mib):
    """Enables swap to compressed memory, until the end of the boot."""
    if ZRAM.exists():
        return
    run_tool("modprobe", "zram")
    (ZRAM / "disksize").write_text(f"{mib}M")
    run_tool("mkswap", "/dev/zram0")
    run_tool("swapon", "/dev/zram0")


def swapped_mib():
    """Returns how much was swapped out and in since the host booted."""
    with open("/proc/vmstat", encoding="ascii") as file:
        pages = dict(line.split() for line in file)
    size = os.sysconf("SC_PAGESIZE")
    return {way: int(pages[f"pswp{way}"]) * size // MIB for way in ("out", "in")}


def add_options(parser):
    """Adds the options that Qemu, Session and Run use."""
    parser.add_argument("--host", default="host", help="name of this host in the output")
    parser.add_argument("--module", metavar="FILE", nargs="?", const="/lab/modules/kvm-hv-ext.ko",
                        help="load this module (%(const)s), test with it, unload it; "
                             "without this option, test stock")
    parser.add_argument("--parameters", default="", help="parameters of the module")
    parser.add_argument("--guest-kernel", metavar="FILE", default=GUEST_KERNEL,
                        help="the guest's kernel (%(default)s)")
    parser.add_argument("--hpt", action="store_true",
                        help="require an HPT guest, on a host that runs no others")
    parser.add_argument("--areas", action="store_true",
                        help="let the guest have a dispatch trace log and check its areas")
    parser.add_argument("--lose-page", action="store_true",
                        help="hide one dirty page from QEMU")
    parser.add_argument("--memory", type=int, default=512, metavar="MIB",
                        help="guest memory (%(default)s)")
    parser.add_argument("--watched", type=int, default=256, metavar="MIB",
                        help="guest memory that the guest verifies (%(default)s)")
    parser.add_argument("--rewritten", type=int, default=8, metavar="MIB",
                        help="verified memory that each pass rewrites (%(default)s)")
    parser.add_argument("--rest", type=int, default=20, metavar="MS",
                        help="pause of the guest after each pass (%(default)s)")
    parser.add_argument("--lossy", action="store_true",
                        help="the host is known to lose stores: count wrong pages instead "
                             "of failing")
    parser.set_defaults(nested=False, refuse=0, peer_module=None, words=(),
                        kernel_parameters="")
