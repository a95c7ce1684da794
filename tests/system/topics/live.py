# SPDX-License-Identifier: GPL-2.0
"""Live migrations that succeed: precopy, postcopy, and one that becomes the other."""
from case import case, needs_capability
from guests import MIB
from sessions import SLOW


@case(backings=[None, "memfd", "hugetlb"])
def precopy(session):
    destination = session.open()
    session.begin()
    return session.arrive(destination)


@case(rest=0, rewritten=32)
def precopy_throttled(session):
    destination = session.open("auto-converge", max_bandwidth=2 * SLOW * MIB)
    session.begin()
    return session.arrive(destination)


@case(backings=[None, "memfd", "hugetlb"])
def postcopy(session):
    destination = session.open("postcopy-ram")
    session.begin()
    session.qemu.command("migrate-start-postcopy")
    return session.arrive(destination)


@case(condition=needs_capability("postcopy-preempt"))
def postcopy_preempt(session):
    destination = session.open("postcopy-ram", "postcopy-preempt")
    session.begin()
    session.qemu.command("migrate-start-postcopy")
    return session.arrive(destination)


@case(rest=0, rewritten=32, backings=[None, "memfd", "hugetlb"])
def postcopy_of_busy_guest(session):
    """Precopy that does not converge becomes postcopy; the guest runs meanwhile."""
    source, destination = session.qemu, session.open("postcopy-ram", paused=False,
                                                     max_bandwidth=SLOW * MIB)
    session.begin()
    session.wait_copied_once()
    source.command("migrate-start-postcopy")
    session.wait_status(source, "postcopy-active", "completed")
    source.command("migrate-set-parameters", **{"max-bandwidth": 1024 * MIB})
    return session.arrive(destination, same=False)


@case()
def postcopy_recovered(session):
    source, destination = session.qemu, session.open("postcopy-ram", max_postcopy_bandwidth=4 * MIB)
    session.begin()
    source.command("migrate-start-postcopy")
    session.wait_status(source, "postcopy-active")
    session.wait_status(destination, "postcopy-active")
    source.command("migrate-pause")
    session.wait_status(source, "postcopy-paused")
    session.wait_status(destination, "postcopy-paused")
    again = f"unix:{session.directory}/again"
    destination.command("migrate-recover", uri=again)
    source.command("migrate-set-parameters", **{"max-postcopy-bandwidth": 0})
    source.command("migrate", uri=again, resume=True)
    return session.arrive(destination)
