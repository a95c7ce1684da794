# SPDX-License-Identifier: GPL-2.0
"""
What a case is: a function that is given a guest of its own, the options of that guest,
the host memory behind it, and the conditions under which the case can run. After each
case the host must be as it was before.
"""
import argparse
import contextlib
import tempfile
from pathlib import Path

from guests import Failure
from host_state import HostState, messages
from sessions import Session

POOLS = Path("/sys/kernel/mm/hugepages")
GIGANTIC = POOLS / "hugepages-1048576kB/free_hugepages"


class Skip(Exception):
    """Why a case cannot run here."""


def default_huge_page():
    """Returns the size in MiB of the host's huge pages: 2, or 16 with the hash MMU."""
    with open("/proc/meminfo", encoding="ascii") as file:
        for line in file:
            if line.startswith("Hugepagesize:"):
                return int(line.split()[1]) // 1024
    raise Skip("the host has no huge pages")


@contextlib.contextmanager
def huge_pages(mib):
    """Reserves so much memory in huge pages."""
    size = default_huge_page()
    pool, wanted = POOLS / f"hugepages-{1024 * size}kB/nr_hugepages", mib // size
    pool.write_text(str(wanted))
    try:
        if int(pool.read_text()) < wanted:
            raise Skip(f"the host has no {wanted} free huge pages of {size} MiB")
        yield size
    finally:
        pool.write_text("0")


class Case:
    """One case, by name; its guest has options and QEMU more arguments."""

    cases = {}

    def __init__(self, function, name, **settings):
        self.function = function
        self.name = name
        self.backing = settings.pop("backing", None)
        self.extra = settings.pop("extra", ())
        self.condition = settings.pop("condition", None)
        self.settings = settings        # of the guest, as options
        self.cases[name] = self

    @contextlib.contextmanager
    def memory(self, options):
        """Yields QEMU's arguments for the guest's memory."""
        if self.backing is None:
            yield []
            return
        kind = "memory-backend-memfd,share=on"
        with contextlib.ExitStack() as reserved:
            if self.backing == "hugetlb":
                size = reserved.enter_context(huge_pages(2 * options.memory))
                kind += f",hugetlb=on,hugetlbsize={size}M"
            elif self.backing == "gigantic":
                if not GIGANTIC.exists() or not int(GIGANTIC.read_text()):
                    raise Skip("the host has no huge page of 1 GiB (--gigantic)")
                kind += ",hugetlb=on,hugetlbsize=1G"
            yield ["-object", f"{kind},id=ram,size={options.memory}M",
                   "-machine", "memory-backend=ram"]

    def run(self, options):
        """Runs the case; returns what the title of its test point ends with."""
        if self.condition and (reason := self.condition(options)):
            raise Skip(reason)
        options = argparse.Namespace(**{**vars(options), **self.settings})
        before, said_before = HostState(), len(messages())
        with self.memory(options) as memory, tempfile.TemporaryDirectory() as directory:
            session = None
            try:
                session = Session(options, directory, (*memory, *self.extra))
                session.wait_verified()
                said = self.function(session)
            except (Failure, OSError) as failure:
                if session:
                    session.explain()
                raise failure
            finally:
                if session:
                    session.end()
        before.require()
        if complaints := messages()[said_before:]:
            raise Failure(f"the module says: {complaints[0]}")
        return said


def case(name=None, **settings):
    """Makes a case of a function; with a list of backings, one for each."""
    def decorate(function):
        base = name or function.__name__
        for backing in settings.pop("backings", [None]):
            Case(function, f"{base}_{backing}" if backing else base, backing=backing, **settings)
        return function
    return decorate


def needs_capability(name):
    def condition(options):
        known = options.capabilities
        return None if name in known else f"this QEMU has no migration capability {name}"
    return condition


def needs_hpt(options):
    return None if options.hpt else "only with --hpt"


def needs_radix(options):
    return "the guests have HPTs" if options.hpt else None
