# SPDX-License-Identifier: GPL-2.0
"""
The oracle of a guest's memory, which does not trust the guest: QEMU saves memory of a
stopped guest (pmemsave), and what two of them saved is compared, byte by byte.
"""
import mmap
import os

from guests import MIB, Corruption, Failure

PAGE = os.sysconf("SC_PAGE_SIZE")


class Oracle:
    """Compares guests with a RAM of one size; keeps files in a directory."""

    def __init__(self, directory, ram):
        self.directory = directory
        self.ram = ram

    def save(self, qemu, name, region=None):
        """Saves memory of the guest, all of its RAM by default; returns the file."""
        start, size = region or (0, self.ram)
        path = self.directory / name
        qemu.command("pmemsave", val=start, size=size, filename=str(path))
        return path

    @staticmethod
    def differing(ours, theirs):
        """Returns the numbers of the pages in which two files differ."""
        with open(ours, "rb") as one, open(theirs, "rb") as other:
            with mmap.mmap(one.fileno(), 0, access=mmap.ACCESS_READ) as a, \
                 mmap.mmap(other.fileno(), 0, access=mmap.ACCESS_READ) as b:
                if len(a) != len(b):
                    raise Failure(f"memory of {len(a)} and {len(b)} bytes")
                pieces = (slice(piece, piece + MIB) for piece in range(0, len(a), MIB))
                return [page // PAGE for piece in pieces if a[piece] != b[piece]
                        for page in range(piece.start, min(piece.stop, len(a)), PAGE)
                        if a[page:page + PAGE] != b[page:page + PAGE]]

    def require_same(self, source, destination, *regions, before=None):
        """
        Compares the memory of two stopped QEMUs: RAM, and other regions. Pages of RAM
        that are zero at the source, and at the destination as in the file 'before', were
        never loaded; they are only counted. Returns their number.
        """
        never = []
        for region in (None, *regions):
            there, here = self.save(source, "source", region), \
                self.save(destination, "destination", region)
            wrong = self.differing(there, here)
            if before and not region:
                changed = set(self.differing(before, here))
                never = [page for page in wrong if page not in changed and
                         self.is_zero(there, page)]
                wrong = [page for page in wrong if page not in never]
            if wrong:
                raise Corruption(f"{len(wrong)} pages differ at the destination, the first is "
                                 f"page {wrong[0]} from {hex(region[0]) if region else 0}")
        return len(never)

    @staticmethod
    def is_zero(path, page):
        with open(path, "rb") as file:
            file.seek(page * PAGE)
            return not any(file.read(PAGE))
