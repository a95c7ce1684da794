# SPDX-License-Identifier: GPL-2.0
"""
Counts events in the kernel of this host, for tests that run inside an emulated
host.
"""
import os
import re
from pathlib import Path

TRACING = Path("/sys/kernel/tracing")


class Counters:
    """
    A context in which the kernel's tracepoints and probes count events. A TLB
    invalidation is a tlbie for a guest on bare metal, and a hypercall
    (H_TLB_INVALIDATE, H_RPT_INVALIDATE) in a logical partition.
    """

    PROBES = {
        "guest_page_faults": "kvm_hv:kvmppc_book3s_hv_page_fault",
        "dirty_log_reads": "kvm:kvm_vm_ioctl_get_dirty_log",
        "hpt_reads": "kvm_hv:kvm_htab_read",
    }
    EVENTS = {
        "tlb_invalidations": {
            "powerpc/tlbie": "hist:keys=lpid if lpid != 0",
            "powerpc/hcall_entry": "hist:keys=opcode if opcode == 0xF808 || opcode == 0x448",
        },
        "dirty_log_clears": {
            "kvm_hv_ext/khx_dirty_log_clear": "hist:keys=slot",
        },
    }

    def __enter__(self):
        for name, symbol in self.PROBES.items():
            self._write("kprobe_events", f"p:migrate/{name} {symbol}")
        self._write("events/migrate/enable", "1")
        for _, event, trigger in self._triggers():
            self._write(f"events/{event}/trigger", trigger)
        return self

    def _triggers(self):
        """Yields the events that exist: those of the module exist only with it."""
        for name, events in self.EVENTS.items():
            for event, trigger in events.items():
                if (TRACING / "events" / event).exists():
                    yield name, event, trigger

    def read(self):
        counts = dict.fromkeys(self.EVENTS, 0)
        for line in (TRACING / "kprobe_profile").read_text().splitlines():
            name, hits, missed = line.split()
            counts[name] = int(hits) + int(missed)
        for name, event, _ in self._triggers():
            counts[name] += sum(map(int, re.findall(
                r"hitcount:\s*(\d+)", (TRACING / "events" / event / "hist").read_text())))
        return counts

    def __exit__(self, *exception):
        for _, event, trigger in self._triggers():
            self._write(f"events/{event}/trigger", "!" + trigger)
        self._write("events/migrate/enable", "0")
        for name in self.PROBES:
            self._write("kprobe_events", f"-:migrate/{name}")

    @staticmethod
    def _write(name, text):
        descriptor = os.open(TRACING / name, os.O_WRONLY | os.O_APPEND)
        try:
            os.write(descriptor, text.encode())
        finally:
            os.close(descriptor)
