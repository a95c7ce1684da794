# SPDX-License-Identifier: GPL-2.0
"""A frame buffer that is logged all its life, and somebody who watches it."""
import time

from case import Case
from counters import Counters
from guests import Failure
from vnc import Viewer


def screen_region(qemu):
    """Returns address and size of the frame buffer."""
    for bus in qemu.command("query-pci"):
        for device in bus["devices"]:
            if device["class_info"]["class"] >> 8 == 3:
                return next((region["address"], region["size"]) for region in device["regions"]
                            if region["bar"] == 0)
    raise Failure("the guest has no display")


def watched_screen(session):
    """The guest draws, a viewer asks for updates all the time; then it migrates."""
    source = session.qemu
    region = screen_region(source)
    with Viewer(session.directory / "screen-1") as viewer, Counters() as counters:
        session.wait_verified()
        begin, passes, updates = time.monotonic(), session.guest.passes, viewer.updates
        before = counters.read()
        while time.monotonic() < begin + 5:
            viewer.refresh()
            session.guest.hear(source.console_output())
        seconds = time.monotonic() - begin
        now = counters.read()
        passes, updates = session.guest.passes - passes, viewer.updates - updates
        if updates < 3:
            raise Failure(f"the viewer saw {updates} updates in {seconds:.0f} s")
        destination = session.open()
        session.begin()
        viewer.refresh()
        figures = session.arrive(destination, region)
    return {**figures, "passes_per_s": round(passes / seconds, 1), "updates": updates,
            "logs": now["dirty_log_reads"] - before["dirty_log_reads"],
            "invalidations": now["tlb_invalidations"] - before["tlb_invalidations"]}


for device_name, device in {"vga": "VGA,vgamem_mb=1", "vga_large": "VGA,vgamem_mb=32",
                            "bochs": "bochs-display,vgamem=4M"}.items():
    Case(watched_screen, f"screen_{device_name}", words=("screen",), screen=True,
         kernel_parameters="iomem=relaxed", extra=("-device", f"{device},romfile="))
