# SPDX-License-Identifier: GPL-2.0
"""
The state of the emulated host beside its guests: what a guest may leave behind, the
huge leaves of guests, and what the module says in the kernel log.
"""
import subprocess
import time
from pathlib import Path

import guests
from guests import Failure

GUESTS = Path("/sys/kernel/debug/kvm")
SETTLES = 30            # seconds in which the host must be as before
LEAF_SHIFT = 21         # of the smallest leaf that is called huge


def vmstat():
    with open("/proc/vmstat", encoding="ascii") as file:
        return {name: int(value) for name, value in map(str.split, file)}


class HostState:
    """What a guest may leave behind in the host, as numbers by name."""

    CACHES = "kvm-pte", "kvm-pmd"

    def __init__(self):
        Path("/proc/sys/vm/stat_refresh").write_text("1")
        events = vmstat()
        self.numbers = {
            "references of the module": guests.HERE_HOST.module_references(),
            "pinned pages": events["nr_foll_pin_acquired"] - events["nr_foll_pin_released"],
            "huge pages in use": sum(self._huge_in_use()),
        }
        for name in self.CACHES:
            cache = Path("/sys/kernel/slab") / name
            if cache.exists():
                (cache / "shrink").write_text("1")
                self.numbers[f"objects in {name}"] = int((cache / "objects").read_text().split()[0])

    @staticmethod
    def _huge_in_use():
        for size in Path("/sys/kernel/mm/hugepages").glob("*"):
            total, free = (int((size / name).read_text())
                           for name in ("nr_hugepages", "free_hugepages"))
            yield total - free

    @classmethod
    def _caches(cls):
        """Yields what tells a leak from slabs that a CPU keeps."""
        for name in cls.CACHES:
            for file in "objects", "slabs", "cpu_slabs", "partial":
                path = Path("/sys/kernel/slab") / name / file
                if path.exists():
                    yield f"{name}/{file}={path.read_text().strip()!r}"

    def require(self):
        """Waits until the host is in this state again."""
        give_up = time.monotonic() + SETTLES
        while (now := HostState().numbers) != self.numbers:
            if time.monotonic() > give_up:
                raise Failure("the host is not as before: " + ", ".join(
                    f"{name} {before} -> {now[name]}" for name, before in self.numbers.items()
                    if now[name] != before) + f"; {' '.join(self._caches())}")
            time.sleep(0.2)


def messages():
    """Returns what the module has said in the kernel log."""
    log = subprocess.run(["dmesg"], stdout=subprocess.PIPE, text=True, errors="replace", check=True)
    return [line for line in log.stdout.splitlines() if f"{guests.MODULE}: " in line]


def leaves_by_size():
    """Returns how many leaves the page tables of all radix guests have, by shift."""
    leaves = {}
    for table in GUESTS.glob("*/radix"):
        for line in table.read_text().splitlines():
            fields = line.split()
            if len(fields) == 3 and fields[0].endswith(":"):
                leaves[int(fields[2])] = leaves.get(int(fields[2]), 0) + 1
    return leaves


def huge_leaves():
    return sum(count for shift, count in leaves_by_size().items() if shift >= LEAF_SHIFT)
