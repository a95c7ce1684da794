#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0
"""Runs one command in an emulated POWER host and judges its console.

'scripts/lab boot' calls this script and makes what it needs. The host's init,
scripts/lab.d/init, executes /lab/run, which this script writes for each boot.
/lab/run reports through lines that contain a nonce, so no output of a command
can look like a report.
"""

import argparse
import ctypes
import os
import re
import secrets
import selectors
import shlex
import signal
import subprocess
import sys
import tempfile
import time

FIRMWARE = "/usr/share/qemu"        # of the installed QEMU

# Emulated CPUs stop while this machine runs other work, so the detectors of
# stuck CPUs get the longest timeouts that they accept. What they report then is
# real.
APPEND = ("console=hvc0 loglevel=5 panic=0 watchdog_thresh=60 "
          "rcupdate.rcu_cpu_stall_timeout=180 "
          "sysctl.kernel.hung_task_timeout_secs=300")

# A kernel message (each has a time stamp) that reports a defect. A data race
# that KCSAN finds counts only if the module is part of it.
SPLAT = re.compile(r"\[ *\d+\.\d{6}\].*("
                   r"\bBUG\b(?!: KCSAN: (?!.*\[kvm_hv_ext\]))|"
                   r"WARNING:|\bOops\b|Kernel panic|Call Trace:|"
                   r"Unable to handle|Unrecoverable|INFO: possible|"
                   r"INFO: task .* blocked|INFO: trying to register|"
                   r"suspicious RCU usage|inconsistent lock state|"
                   r"rcu: INFO|detected stall|soft lockup|[Hh]ard LOCKUP|"
                   r"list_(add|del) corruption|scheduling while atomic|"
                   r"sleeping function called|refcount_t:|Bad page|"
                   r"Bad rss-counter|KFENCE:|KASAN:|DEBUG_LOCKS_WARN_ON)")
AFTER_SPLAT = 45        # lines of a report to show

# A report that has nothing to do with the module: kvm-hv's accounting of stolen
# time finds a vCPU in a state in which it cannot have been preempted. It was
# seen once in some hundred runs of 'attach', for a stock VM. It is shown, but
# is no failure.
KNOWN = re.compile(r"WARNING: .* kvmppc_core_vcpu_load_hv\+")
REPORT_END = re.compile(r"---\[ end trace|Mem-Info:")
LINGER = 5              # seconds to wait for the rest of a report
BOOT_LIMIT = 240        # seconds in which the command must start

# Bits of /proc/sys/kernel/tainted that only a defect sets: machine check, bad
# page, die, warning, soft lockup.
TAINT_WARNING = 1 << 9
TAINT_DEFECT = 1 << 4 | 1 << 5 | 1 << 7 | TAINT_WARNING | 1 << 14

EXIT_TIMEOUT, EXIT_SPLAT, EXIT_LAB = 124, 125, 126      # see 'lab boot --help'

RUN = """\
{nonce}() {{ echo "{nonce}: $*"; }}
if ! modprobe kvm-hv || ! [ -c /dev/kvm ]; then
	{nonce} nokvm
else
	{nonce} start
	cd /payload
	({command})
	status=$?
	{nonce} exit $status taint $(cat /proc/sys/kernel/tainted) \\
		lockdep $(grep -o 'debug_locks: *0' /proc/lockdep_stats 2>/dev/null | wc -l)
fi
sleep 1000000
"""


class Archive:
    """A cpio archive (newc) in an unlinked file; the kernel unpacks it."""

    def __init__(self):
        self.file = tempfile.TemporaryFile()
        self.inode = 0

    def append_file(self, path):
        with open(path, "rb") as file:
            while chunk := file.read(1 << 20):
                self.file.write(chunk)
        self.pad()

    def pad(self):
        self.file.write(bytes(-self.file.tell() % 4))

    def add(self, name, mode, data=b""):
        self.inode += 1
        encoded = name.encode() + b"\0"
        fields = (self.inode, mode, 0, 0, 1, 0, len(data), 0, 0, 0, 0,
                  len(encoded), 0)
        self.file.write(b"070701" + b"".join(b"%08X" % f for f in fields) + encoded)
        self.pad()
        self.file.write(data)
        self.pad()

    def add_tree(self, top, name):
        """Adds the tree below top as name/...; links stay links."""
        self.add(name, 0o40755)
        for entry in sorted(os.scandir(top), key=lambda e: e.name):
            inside = f"{name}/{entry.name}"
            if entry.is_symlink():
                self.add(inside, 0o120777, os.readlink(entry.path).encode())
            elif entry.is_dir():
                self.add_tree(entry.path, inside)
            elif entry.is_file():
                with open(entry.path, "rb") as file:
                    self.add(inside, 0o100000 | entry.stat().st_mode & 0o777,
                             file.read())

    def finish(self):
        self.add("TRAILER!!!", 0)
        self.file.flush()
        return self.file.fileno()


class Console:
    """Reads the console and keeps the state of the run."""

    def __init__(self, nonce, expected, allowed, log):
        self.report = re.compile(rf"{nonce}: (\w+)(?: (\d+) taint (\d+) lockdep (\d+))?")
        self.expected = expected
        self.allowed = allowed      # begins a report that is no failure
        self.log = log
        self.partial = ""
        self.lines = []
        self.started = False
        self.verdict = None         # of the command: (status, taint, lockdep)
        self.nokvm = False
        self.splat = None           # index of the line that starts the report
        self.known = False          # a KNOWN report was seen
        self.passing = False        # the end of a report that is none was not seen yet
        self.expected_seen = False
        self.end = None             # time to stop waiting for the command

    def feed(self, data):
        text = self.partial + data.decode(errors="replace").replace("\r", "")
        *lines, self.partial = text.split("\n")
        for line in lines:
            self.line(line)

    def line(self, line):
        report = self.report.search(line)
        if not report:
            self.text(line)
            return
        if report.start():              # the output before it had no newline
            self.text(line[:report.start()])
        if report[1] == "start":
            self.started = True
        elif report[1] == "nokvm":
            self.nokvm = True
        elif report[2]:
            self.verdict = tuple(map(int, report.groups()[1:]))

    def text(self, line):
        self.lines.append(line)
        if self.log:
            print(line, file=self.log, flush=True)
        if self.started:
            print(line, flush=True)
        if KNOWN.search(line):
            self.known = self.passing = True
        if self.allowed and self.allowed.search(line):
            self.passing = True
        if self.passing:
            self.passing = not REPORT_END.search(line)
        elif SPLAT.search(line):
            if not self.expected and self.splat is None:
                self.splat = len(self.lines) - 1
            elif self.expected and self.expected.search(line):
                self.expected_seen = True
            if not self.expected or "Kernel panic" in line:
                self.end = self.end or time.monotonic() + LINGER

    def finished(self):
        return (self.verdict or self.nokvm or
                self.end and time.monotonic() > self.end)


def die_with_parent():
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)      # PR_SET_PDEATHSIG


def say(text):
    print(f"lab: {text}", file=sys.stderr, flush=True)


def run(args, console, command, fd):
    """Runs QEMU until console.finished(). Returns None then, or the exit status and
    the reason if QEMU ended or a timeout expired before."""
    try:
        qemu = subprocess.Popen(command, stdin=subprocess.DEVNULL,
                                stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                pass_fds=[fd], preexec_fn=die_with_parent)
    except OSError as error:
        return EXIT_LAB, f"cannot run {command[0]}: {error.strerror}"
    start = time.monotonic()
    complaints = b""
    try:
        with selectors.DefaultSelector() as selector:
            selector.register(qemu.stdout, selectors.EVENT_READ)
            selector.register(qemu.stderr, selectors.EVENT_READ)
            while selector.get_map() and not console.finished():
                elapsed = time.monotonic() - start
                if elapsed > args.timeout:
                    return EXIT_TIMEOUT, f"no end after {args.timeout} s"
                if not console.started and elapsed > BOOT_LIMIT:
                    return EXIT_TIMEOUT, f"hung boot: nothing started in {BOOT_LIMIT} s"
                for key, _ in selector.select(timeout=0.5):
                    data = os.read(key.fd, 65536)
                    if not data:
                        selector.unregister(key.fileobj)
                    elif key.fileobj is qemu.stdout:
                        console.feed(data)
                    else:
                        complaints += data
        if console.finished():
            return None
        reason = complaints.decode(errors="replace").strip() or f"status {qemu.wait()}"
        return EXIT_LAB, f"QEMU ended by itself: {reason}"
    finally:
        qemu.kill()
        qemu.wait()


def show(lines):
    print("\n".join("    " + line for line in lines), file=sys.stderr)


def judge(args, console, ended):
    """Prints what went wrong, if anything, and returns the exit status."""
    if console.splat is not None:
        say("the kernel reported a defect:")
        show(console.lines[console.splat:console.splat + AFTER_SPLAT])
        return EXIT_SPLAT
    if ended and not console.end:
        status, reason = ended
        say(f"{reason}; the last lines of the console:")
        show(console.lines[-15:] + [console.partial])
        return status
    if console.nokvm:
        say("kvm-hv could not be loaded on this host")
        return EXIT_LAB
    if args.expect_splat and not console.expected_seen:
        say(f"no kernel report of a defect matched {args.expect_splat!r}")
        return EXIT_SPLAT
    if console.end:
        return 0                        # the host went down as expected
    status, taint, lockdep = console.verdict
    if console.known:
        say("kvm-hv printed a report that is no failure; see KNOWN in boot.py")
        taint &= ~TAINT_WARNING
    if not args.expect_splat and (taint & TAINT_DEFECT or lockdep):
        say(f"the kernel reported a defect that the console does not show completely "
            f"(taint {taint:#x}, lockdep {'off' if lockdep else 'on'})")
        return EXIT_SPLAT
    return status


def accelerator(icount):
    """With icount, the clock counts 16 ns for each instruction executed."""
    if icount:
        return ["-accel", "tcg,thread=single", "-icount", "shift=4,sleep=off"]
    return ["-accel", "tcg,thread=multi"]


def network(own, peer, machine):
    """A network card, connected to that of one other host by two Unix sockets."""
    bus, bridges = "pci.0", []
    if machine.startswith("powernv"):
        bus = "pcie.0"
        bridges = ["-device", "pnv-phb,id=phb,chip-id=0,index=0",
                   "-device", "pnv-phb-root-port,bus=phb"]
    # Each end needs an address of its own.
    last = 1 if own < peer else 2
    return [*bridges, "-netdev", f"dgram,id=net,local.type=unix,local.path={own},"
                       f"remote.type=unix,remote.path={peer}",
            "-device", f"virtio-net-pci,bus={bus},romfile=,netdev=net,mac=52:54:00:00:00:0{last}"]


def main():
    parser = argparse.ArgumentParser(prog="lab boot", allow_abbrev=False)
    parser.error = lambda text: sys.exit(say(text) or EXIT_LAB)
    parser.add_argument("--name", required=True)
    parser.add_argument("--machine", required=True)
    parser.add_argument("--cpu", required=True)
    parser.add_argument("--qemu", default="qemu-system-ppc64")
    parser.add_argument("--firmware", default=FIRMWARE)
    parser.add_argument("--vmlinux", required=True)
    parser.add_argument("--initrd", action="append", default=[])
    parser.add_argument("--modules")
    parser.add_argument("--payload")
    parser.add_argument("--mem", type=int, default=2048)
    parser.add_argument("--cpus", type=int, default=2)
    parser.add_argument("--append", action="append", default=[])
    parser.add_argument("--timeout", type=int, default=600)
    parser.add_argument("--console", type=argparse.FileType("w"))
    parser.add_argument("--net")
    parser.add_argument("--icount", action="store_true")
    parser.add_argument("--expect-splat")
    parser.add_argument("--allow-report")
    parser.add_argument("command", nargs="+")
    args = parser.parse_args()

    if args.payload and not os.path.isdir(args.payload):
        parser.error(f"--payload {args.payload}: no such directory")
    nonce = "lab_" + secrets.token_hex(8)
    archive = Archive()
    for path in args.initrd:
        archive.append_file(path)
    archive.add("lab", 0o40755)
    archive.add("lab/run", 0o100755,
                RUN.format(nonce=nonce, command=shlex.join(args.command)).encode())
    if args.modules:
        archive.add_tree(args.modules, "lab/modules")
    if args.payload:
        archive.add_tree(args.payload, "payload")
    fd = archive.finish()

    command = [args.qemu, "-L", args.firmware, "-M", args.machine, "-cpu", args.cpu,
               *accelerator(args.icount), "-smp", str(args.cpus),
               "-m", f"{args.mem}M", "-nodefaults", "-display", "none",
               "-serial", "stdio", "-no-reboot",
               "-kernel", args.vmlinux, "-initrd", f"/dev/fd/{fd}",
               "-append", " ".join([APPEND, *args.append])]
    if args.net:
        command += network(*args.net.split(","), args.machine)
    # sys.exit() unwinds through run(), which kills QEMU.
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda number, frame: sys.exit(128 + number))
    say(f"booting {args.name}")
    start = time.monotonic()
    try:
        for again in (True, False):
            console = Console(nonce, args.expect_splat and re.compile(args.expect_splat),
                              args.allow_report and re.compile(args.allow_report), args.console)
            ended = run(args, console, command, fd)
            # what hangs before the command starts tests nothing
            if console.started or not ended or ended[0] != EXIT_TIMEOUT or not again:
                break
            say(f"{ended[1]}; once more")
    except KeyboardInterrupt:
        return 128 + signal.SIGINT
    status = judge(args, console, ended)
    say(f"{args.name}: status {status} after {time.monotonic() - start:.0f} s")
    return status


if __name__ == "__main__":
    sys.exit(main())
