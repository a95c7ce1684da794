# SPDX-License-Identifier: GPL-2.0
"""A VM that does what it is told: the program load."""

import os
import subprocess

HERE = os.path.dirname(os.path.realpath(__file__))


class Load:
    """A VM; its commands are those of load.c."""

    def __init__(self, name=None):
        arguments = [os.path.join(HERE, "load")]
        if name:                # QEMU's option; load ignores it
            arguments += ["-name", f"guest={name},debug-threads=on"]
        # pylint: disable=consider-using-with
        self.process = subprocess.Popen(arguments, stdin=subprocess.PIPE, text=True,
                                        stdout=subprocess.PIPE)
        self.pid = self.process.pid
        self.answer()

    def answer(self):
        text = self.process.stdout.readline().strip()
        assert text, "the VM has died"
        return text

    def do(self, command):
        self.process.stdin.write(command + "\n")
        self.process.stdin.flush()
        return self.answer()

    def end(self):
        self.do("end")
        self.process.communicate()
