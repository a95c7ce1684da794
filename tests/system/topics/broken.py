# SPDX-License-Identifier: GPL-2.0
"""Migrations that fail or are cancelled, and what they leave."""
import random
import time

from case import Case, case, needs_radix
from counters import Counters
from guests import MIB, Failure
from host_state import huge_leaves, leaves_by_size
from sessions import SLOW, Session, Sink


@case()
def postcopy_killed(session):
    """The destination dies in postcopy: the guest is lost, the host is as before."""
    source, destination = session.qemu, session.open("postcopy-ram", paused=False,
                                                     max_postcopy_bandwidth=4 * MIB)
    session.begin()
    source.command("migrate-start-postcopy")
    session.wait_status(source, "postcopy-active")
    session.wait_status(destination, "postcopy-active")
    time.sleep(random.uniform(0, 1))
    destination.end()
    session.wait_status(source, "postcopy-paused", "failed")
    return {}


@case()
def destination_killed(session):
    """The destination dies in precopy: the guest goes on at the source."""
    for _ in range(3):
        destination = session.open(max_bandwidth=SLOW * MIB)
        session.begin()
        session.wait_status(session.qemu, "active")
        time.sleep(random.uniform(0, 1))
        destination.end()
        session.wait_status(session.qemu, "failed")
        session.require_running()
    return {}


@case(backings=[None, "hugetlb"])
def cancelled(session):
    """Cancelled, or the peer goes away, again and again; the leaves are joined after."""
    source, times = session.qemu, session.options.times
    leaves = huge_leaves()
    session.set_up(source, (), {"max-bandwidth": SLOW * MIB})
    for number in range(times):
        sink = Sink(session.directory)
        Session.migrations += 1
        source.command("migrate", uri=sink.address)
        session.wait_status(source, "active", "failed")
        time.sleep(random.uniform(0, 0.6))
        if number % 2:
            sink.close()
        else:
            source.command("migrate_cancel")
        session.wait_status(source, "cancelled", "failed")
        sink.close()
    session.require_running()
    now = huge_leaves()
    # Stock zaps all leaves, and has those again that the guest has used since.
    if session.options.module and now < leaves:
        raise Failure(f"{leaves} huge leaves before {times} migrations, {now} after")
    return {"huge_leaves_before": leaves, "huge_leaves_after": now}


Case(cancelled, "cancelled_gigantic", backing="gigantic", memory=1024)


@case(condition=needs_radix)
def cancelled_faults(session):
    """A cancelled migration costs the guest no more faults than it has leaves."""
    source = session.qemu
    session.set_up(source, (), {"max-bandwidth": SLOW * MIB})
    leaves = sum(leaves_by_size().values())
    with Counters() as counters:
        sink = Sink(session.directory)
        Session.migrations += 1
        source.command("migrate", uri=sink.address)
        session.wait_status(source, "active")
        session.wait_copied_once()
        source.command("migrate_cancel")
        session.wait_status(source, "cancelled")
        sink.close()
        # pages that are stored to in each round fault in each
        before = counters.read()["guest_page_faults"]
        session.require_running()
        faults = counters.read()["guest_page_faults"] - before
    if faults > max(leaves, 1):
        raise Failure(f"{faults} page faults after the migration, {leaves} leaves before it")
    return {"leaves": leaves, "faults_after": faults}
