# SPDX-License-Identifier: GPL-2.0
"""Reads what the kernel says about itself, the module and its VMs."""

import os
import re
import subprocess

from kvm_hv_ext import errors

MODULE = "kvm_hv_ext"
FILE = "kvm-hv-ext"
PARAMETERS = ("areas", "dirty_log", "notifiers", "nested", "paging", "flush_ceiling")


class Host:
    """A host, which is this one, or a copy of another's /proc and /sys below root."""

    def __init__(self, root="/"):
        self.root = root

    def path(self, path):
        return os.path.join(self.root, path.lstrip("/"))

    def exists(self, path):
        return os.path.exists(self.path(path))

    def read(self, path):
        """Return the text of a file, or None if there is none or it may not be read."""
        try:
            with open(self.path(path), encoding="utf-8", errors="replace") as file:
                return file.read()
        except OSError:
            return None

    def line(self, path):
        text = self.read(path)
        return None if text is None else text.strip()

    def list(self, path):
        try:
            return sorted(os.listdir(self.path(path)))
        except (FileNotFoundError, NotADirectoryError):
            return []
        except PermissionError:
            raise errors.needs_root(path) from None

    @property
    def is_this(self):
        return self.path("/") == "/"

    def release(self):
        return self.line("/proc/sys/kernel/osrelease")

    def machine(self):
        return os.uname().machine if self.is_this else self.line("/proc/sys/kernel/arch")

    def modinfo(self, module, field):
        """Return a field of the module on disk, None if that has none or there is none."""
        if not self.is_this:
            return None
        try:
            done = subprocess.run(["modinfo", "-F", field, module], capture_output=True,
                                  text=True, check=False)
        except FileNotFoundError:
            return None
        return done.stdout.strip() or None if done.returncode == 0 else None


def value(text):
    """The value of a parameter or counter: bool, int or text."""
    if text in ("Y", "N"):
        return text == "Y"
    return int(text) if re.fullmatch(r"-?\d+", text) else text


def pairs(text):
    """Parse lines "name value"."""
    return {name: value(rest) for name, _, rest in
            (line.partition(" ") for line in text.splitlines())}


def module(host):
    """The loaded module, or None."""
    base = f"/sys/module/{MODULE}"
    if not host.exists(base):
        return None
    parameters = {name: value(text) for name in PARAMETERS
                  if (text := host.line(f"{base}/parameters/{name}")) is not None}
    loaded = host.line(f"{base}/srcversion")
    on_disk = host.modinfo(FILE, "srcversion")
    return {
        "version": host.line(f"{base}/version"),
        "version_on_disk": host.modinfo(FILE, "version"),
        "srcversion": loaded,
        "upgrade_pending": None if not on_disk else on_disk != loaded,
        "references": value(host.line(f"{base}/refcnt") or "-1"),
        "parameters": parameters,
    }


def kernel(host):
    return {
        "release": host.release(),
        "machine": host.machine(),
        "kvm_hv_loaded": host.exists("/sys/module/kvm_hv"),
        "tainted": value(host.line("/proc/sys/kernel/tainted") or "0"),
        "on_disk": host.modinfo(FILE, "version"),
    }


def arguments(host, pid):
    text = host.read(f"/proc/{pid}/cmdline")
    return [] if text is None else text.rstrip("\0").split("\0")


def guest_name(host, pid):
    """The name that QEMU was given by -name, or None."""
    args = arguments(host, pid)
    for option, name in zip(args, args[1:]):
        if option in ("-name", "--name"):
            return next((part.removeprefix("guest=") for part in name.split(",")
                         if "=" not in part or part.startswith("guest=")), None)
    return None


def program(host, pid):
    return host.line(f"/proc/{pid}/comm")


class Vm:
    """A VM: KVM's directory of it in debugfs."""

    DEBUGFS = "/sys/kernel/debug/kvm"

    def __init__(self, host, name):
        self.host = host
        self.id = name
        self.pid = int(name.split("-")[0])
        self.name = guest_name(host, self.pid)
        self.tracked = host.exists(f"{self.DEBUGFS}/{name}/hv_ext")

    def _read(self, file):
        text = self.host.read(f"{self.DEBUGFS}/{self.id}/hv_ext/{file}")
        if text is None:
            raise ProcessLookupError(self.id)
        return text

    def facts(self):
        return pairs(self._read("vm"))

    def counters(self):
        return pairs(self._read("counters"))

    def slots(self):
        """The memslots by id."""
        head, *lines = (line.split() for line in self._read("slots").splitlines())
        slots = {}
        for line in lines:
            slot = {name: int(text, 16 if name == "gfn" else 10)
                    for name, text in zip(head, line)}
            slots[slot["slot"]] = slot
        return slots

    def histograms(self):
        """{name: [[from, count], ...]}"""
        result = {}
        for name, begin, count in map(str.split, self._read("histograms").splitlines()):
            result.setdefault(name, []).append([int(begin), int(count)])
        return result


def vms(host):
    """All VMs of the host, in the order of their processes."""
    if not host.exists("/sys/kernel/debug/kvm"):
        if host.is_this and os.geteuid() and host.exists("/sys/kernel/debug"):
            raise errors.needs_root(Vm.DEBUGFS)
        return []
    found = [Vm(host, name) for name in host.list(Vm.DEBUGFS)
             if re.fullmatch(r"\d+-\d+", name)]
    return sorted(found, key=lambda vm: vm.pid)


def vm_of_pid(host, pid):
    found = [vm for vm in vms(host) if vm.pid == pid]
    if not found:
        raise errors.Error(f"process {pid} has no VM: 'kvm-hv-ext status' lists those of this "
                           "host", errors.NO)
    if not found[0].tracked:
        raise errors.Error(f"the VM of process {pid} is on stock: it was created before the "
                           "module was loaded. Migrate it, or stop and start it, to have it "
                           "tracked", errors.NO)
    return found[0]


def qemu_processes(host):
    """Processes that look like VMs, for users who may not read debugfs."""
    return [int(pid) for pid in host.list("/proc") if pid.isdigit() and
            (arguments(host, pid) or [""])[0].rpartition("/")[2].startswith("qemu-system-ppc64")]
