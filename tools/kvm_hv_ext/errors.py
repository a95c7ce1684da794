# SPDX-License-Identifier: GPL-2.0
"""Errors with an exit status, and what to do about them."""

OK, NO, USAGE, NEEDS_ROOT, FAILED = range(5)


class Error(Exception):
    """Ends the command with a message and a status."""

    def __init__(self, message, status=FAILED):
        super().__init__(message)
        self.status = status


def needs_root(path):
    return Error(f"{path} cannot be read: run this as root (sudo kvm-hv-ext ...)", NEEDS_ROOT)
