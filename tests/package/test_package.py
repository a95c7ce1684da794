#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0
"""Tests the Debian packages on a host: installed, loaded, upgraded and removed while a
VM runs, and purged. Each test begins where the one before it has ended.

usage: test_package.py VERSION HIGHER-VERSION

Runs as root in a POWER host with Debian and DKMS, whose packages may still have to be
configured, and where the module is not loaded. Prints KTAP.
"""

import glob
import hashlib
import json
import os
import subprocess
import sys
import unittest

import ktap
from vm import Load

HERE = os.path.dirname(os.path.realpath(__file__))
PACKAGES = ("kvm-hv-ext-dkms", "kvm-hv-ext-tools")
LOADED = "/sys/module/kvm_hv_ext"
EXAMPLE = "/usr/share/doc/kvm-hv-ext-dkms/examples/modprobe.conf"
# What belongs to the host: its kernel's files, other mounts, dpkg's and DKMS's own files,
# logs, and caches of Python's library and of what compiles packages.
NOT_OURS = ("/dev", "/payload", "/proc", "/run", "/sys", "/tmp", "/var/cache", "/var/log",
            "/var/lib/dpkg/status", "/var/lib/dkms/mok.", "/usr/lib/python3",
            "/usr/share/python3")
VERSION, HIGHER = sys.argv[1:3]


def run(*command, status=0):
    """Run a command; return what it prints."""
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          stdin=subprocess.DEVNULL, check=False,
                          env={**os.environ, "DEBIAN_FRONTEND": "noninteractive"})
    assert (done.returncode == 0) == (status == 0), f"{command}: {done.returncode}\n{done.stdout}"
    return done.stdout


def install(version):
    try:
        run("dpkg", "-i", *glob.glob(f"{HERE}/{version}/*.deb"))
    except AssertionError:
        for log in glob.glob("/var/lib/dkms/kvm-hv-ext/*/build/make.log"):
            with open(log, encoding="utf-8") as file:
                print("\n".join("# " + line for line in file.read().splitlines()[-30:]))
        raise


def status():
    return json.loads(run("kvm-hv-ext", "status", "--json"))


def dkms_status():
    return [line for line in run("dkms", "status").splitlines() if line.startswith("kvm-hv-ext")]


def files():
    """All files that are not the host's own, with what those of /etc contain."""
    found = {}
    for directory, subdirectories, names in os.walk("/"):
        subdirectories[:] = [name for name in subdirectories
                             if not os.path.join(directory, name).startswith(NOT_OURS)]
        for name in subdirectories + names:
            path = os.path.join(directory, name)
            if path.startswith(NOT_OURS):
                continue
            found[path] = None
            if path.startswith("/etc/") and os.path.isfile(path):
                with open(path, "rb") as file:
                    found[path] = hashlib.sha256(file.read()).hexdigest()
    return found


class Package(unittest.TestCase):
    """The life of both packages."""

    maxDiff = None

    @classmethod
    def setUpClass(cls):
        run("dpkg", "--configure", "-a")
        run("depmod")           # as the package of the kernel does
        cls.before = files()

    def loaded(self, version):
        self.assertEqual(status()["module"]["version"], version)

    def works(self, vm):
        """The VM is tracked, and its log right."""
        self.assertEqual({(v["pid"], v["tracked"]) for v in status()["vms"]}, {(vm.pid, True)})
        self.logs(vm)

    def logs(self, vm):
        vm.do("collect")
        vm.do("store 100")
        self.assertEqual(vm.do("collect"), "100")

    def on_disk(self, version):
        release = os.uname().release
        self.assertEqual(dkms_status(), [f"kvm-hv-ext/{version}, {release}, ppc64le: installed"])
        self.assertEqual(run("modinfo", "-F", "version", "kvm-hv-ext").strip(), version)
        self.assertIn("/updates/dkms/", run("modinfo", "-F", "filename", "kvm-hv-ext"))

    def loaded_without_file(self):
        self.assertTrue(os.path.exists(LOADED))
        run("modinfo", "kvm-hv-ext", status=1)

    def test_1_installed(self):
        install(VERSION)
        self.on_disk(VERSION)
        self.assertFalse(os.path.exists(LOADED))

    def test_2_checked(self):
        checked = json.loads(run("kvm-hv-ext", "check", "--json"))
        self.assertIs(checked["can_load"], True)
        self.assertEqual({fact["name"]: fact["verdict"] for fact in checked["facts"]},
                         dict.fromkeys(("kvm-hv", "configuration", "headers", "module file",
                                        "signature"), "yes"))

    def test_3_kept_out(self):
        """The lines of the example that keep the module out."""
        configuration = "/etc/modprobe.d/kvm-hv-ext.conf"
        with open(EXAMPLE, encoding="ascii") as file:
            text = file.read()
        with open(configuration, "w", encoding="ascii") as file:
            file.write(text.replace("#softdep", "softdep").replace("#install", "install"))
        run("modprobe", "kvm-hv-ext", status=1)
        self.assertFalse(os.path.exists(LOADED))
        os.remove(configuration)

    def test_4_loaded(self):
        run("modprobe", "kvm-hv-ext")
        self.loaded(VERSION)
        self.assertIs(status()["module"]["upgrade_pending"], False)

    def test_5_upgraded(self):
        vm = Load("web1")
        self.works(vm)
        install(HIGHER)
        self.on_disk(HIGHER)
        self.loaded(VERSION)
        self.assertIs(status()["module"]["upgrade_pending"], True)
        self.assertIn(f"upgrade      {HIGHER} is on disk", run("kvm-hv-ext", "status"))
        run("rmmod", "kvm_hv_ext", status=1)
        self.works(vm)
        vm.end()
        run("rmmod", "kvm_hv_ext")
        run("modprobe", "kvm-hv-ext")
        self.loaded(HIGHER)
        self.assertIs(status()["module"]["upgrade_pending"], False)

    def test_6_removed(self):
        vm = Load("web2")
        self.works(vm)
        run("dpkg", "-r", *PACKAGES)
        self.assertEqual(dkms_status(), [])
        self.loaded_without_file()
        self.logs(vm)
        vm.end()
        run("rmmod", "kvm_hv_ext")
        run("modprobe", "kvm-hv-ext", status=1)

    def test_7_purged(self):
        """Installed again, loaded, and purged at once, without a VM."""
        install(VERSION)
        run("modprobe", "kvm-hv-ext")
        run("dpkg", "-P", *PACKAGES)
        self.assertEqual(dkms_status(), [])
        self.loaded_without_file()
        run("rmmod", "kvm_hv_ext")
        after = files()
        self.assertEqual({path for path in after if path not in self.before}, set())
        self.assertEqual({path for path in self.before if path not in after}, set())
        self.assertEqual({path for path in after if after[path] != self.before[path]}, set())


if __name__ == "__main__":
    del sys.argv[1:]
    sys.exit(ktap.run(sys.modules["__main__"]))
