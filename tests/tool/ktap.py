# SPDX-License-Identifier: GPL-2.0
"""Runs the tests of a module that uses unittest, and prints KTAP."""

import os
import unittest


class Result(unittest.TextTestResult):
    """Prints a line for each test, and why one has failed."""

    number = 0

    def _line(self, test, verdict):
        self.number += 1
        print(f"{verdict} {self.number} {test.id().removeprefix('__main__.')}", flush=True)

    def _failed(self, test, err):
        for line in self._exc_info_to_string(err, test).splitlines():
            print(f"# {line}")
        self._line(test, "not ok")

    def addSuccess(self, test):
        super().addSuccess(test)
        self._line(test, "ok")

    def addFailure(self, test, err):
        super().addFailure(test, err)
        self._failed(test, err)

    def addError(self, test, err):
        super().addError(test, err)
        self._failed(test, err)


def run(module):
    """Return the exit status."""
    suite = unittest.defaultTestLoader.loadTestsFromModule(module)
    print(f"KTAP version 1\n1..{suite.countTestCases()}", flush=True)
    with open(os.devnull, "w", encoding="ascii") as null:
        result = unittest.TextTestRunner(stream=null, resultclass=Result).run(suite)
    return 0 if result.wasSuccessful() else 1
