# SPDX-License-Identifier: GPL-2.0
"""Memory of the guest: how fast it is dirtied, plugged, in an HPT, in huge pages."""
from case import Case, case, needs_hpt, needs_radix
from counters import Counters
from guests import MIB, Failure
from oracle import PAGE
from sessions import Sink


@case(watched=128, rewritten=96)
def dirty_rate(session):
    """The rate of dirtied memory by bitmap, of a guest that dirties at a known rate."""
    seconds, qemu, hot = 3, session.qemu, session.options.rewritten
    rates = []
    for _ in range(3):
        session.wait_verified()
        passes = session.guest.passes
        qemu.command("calc-dirty-rate", mode="dirty-bitmap", **{"calc-time": seconds})
        session.poll(lambda: qemu.command("query-dirty-rate")["status"] == "measured",
                     "the dirty rate")
        session.guest.hear(qemu.console_output())
        passes = session.guest.passes - passes
        # QEMU counts pages of the host, and takes them for pages of 4 KiB.
        unit = PAGE // 4096
        rates.append(unit * qemu.command("query-dirty-rate")["dirty-rate"])
        # A pass also rewrites one in 1,024 of the other pages, and the kernel stores, too.
        most = hot + (passes + 2) * (session.options.watched - hot) / 1024 + 8
        found, rounding = rates[-1] * seconds, unit * seconds
        if passes >= 2 and not hot - rounding <= found <= most + rounding:
            raise Failure(f"{found} MiB dirtied in {seconds} s by QEMU's account; the guest "
                          f"dirtied {hot} to {most:.0f} in {passes} passes")
    return {"mib_per_s": rates}


@case(extra=("-m", "slots=2,maxmem=1G"))
def plugged(session):
    """A DIMM is plugged, which lets an HPT guest resize its HPT; then it migrates."""
    size = 256 * MIB
    backend = {"qom-type": "memory-backend-ram", "id": "plug", "size": size}
    session.qemu.command("object-add", **backend)
    session.qemu.command("device_add", driver="pc-dimm", id="dimm", memdev="plug")
    session.wait_verified()
    device, = session.qemu.command("query-memory-devices")
    destination = session.open(extra=(
        "-object", f"memory-backend-ram,id=plug,size={size}",
        "-device", "pc-dimm,id=dimm,memdev=plug"))
    session.begin()
    return session.arrive(destination, (device["data"]["addr"], size))


def needs_hpt_and_survives(options):
    if options.hpt and not options.module and not options.stock:
        return "stock may not survive it (docs/stock-defects.md); with --stock it runs"
    return needs_hpt(options)


@case(condition=needs_hpt_and_survives, words=("resize",), rest=0)
def resized(session):
    """
    The guest changes the size of its HPT again and again while QEMU reads the HPT.
    QEMU sends that size at the beginning only, so that such a guest cannot arrive: the
    migration is cancelled.
    """
    source, first = session.qemu, session.guest.resizes
    session.set_up(source, ["pause-before-switchover"], {"downtime-limit": 1})
    with Counters() as counters:
        for _ in range(3):
            sink = Sink(session.directory)
            session.address = sink.address
            session.begin()
            session.wait_copied_once()      # QEMU reads the HPT after the RAM
            enough = session.guest.resizes + 3
            session.poll(lambda: session.guest.resizes >= enough or source.command(
                "query-migrate")["status"] not in ("setup", "active"), "the HPT to be resized")
            source.command("migrate_cancel")
            session.wait_status(source, "cancelled")
            sink.close()
            session.require_running()
        reads = counters.read()["hpt_reads"]
    resizes = session.guest.resizes - first
    if not reads or not resizes:
        raise Failure(f"{reads} reads of the HPT by QEMU, {resizes} changes of its size")
    return {"hpt_reads": reads, "resizes": resizes}


def huge_in_guest(session):
    """
    The guest uses huge pages, in huge pages of the host. A store to an HPTE makes all of
    its 16 MiB dirty, so the last round of an HPT guest is long.
    """
    limit = {"downtime_limit": 60_000} if session.options.hpt else {}
    destination = session.open(**limit)
    session.begin()
    return session.arrive(destination)


Case(huge_in_guest, "huge_in_guest_hugetlb", memory=512, backing="hugetlb", words=("huge",),
     kernel_parameters="hugepages=40", condition=needs_radix)
# QEMU offers an HPT guest pages of 16 MiB only if it is told to.
Case(huge_in_guest, "huge_in_guest_hpt", memory=512, backing="hugetlb", words=("huge",),
     kernel_parameters="hugepagesz=16M hugepages=4", condition=needs_hpt,
     extra=("-machine", "cap-hpt-max-page-size=16m"))
