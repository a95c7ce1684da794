# SPDX-License-Identifier: GPL-2.0
"""kvm-hv-ext check: can this host build and load the module, and what would change?"""

import gzip
import os
import re
import subprocess
import textwrap

from kvm_hv_ext import errors, host as hosts, text

# What the module needs of a kernel's configuration: option, wanted, why.
OPTIONS = (
    ("PPC_BOOK3S_64", True, "64-bit Book3S POWER"),
    ("CPU_LITTLE_ENDIAN", True, "big-endian kernels are not supported"),
    ("MODULES", True, "loadable modules"),
    ("KVM_BOOK3S_64_HV", True, "KVM HV, which the module extends"),
    ("DYNAMIC_FTRACE_WITH_ARGS", True, "ftrace, by which functions are redirected"),
    ("KPROBES", True, "kprobes, by which functions are found"),
    ("PPC_KERNEL_PCREL", False, "kernels without a TOC have no entry stub"),
)
KDIR_CHECK = ("../../scripts/check-kdir", "../check-kdir")

YES, NO, WARN, UNKNOWN = "yes", "NO", "note", "?"


class Report:
    """Facts, each with a verdict."""

    def __init__(self):
        self.facts = []

    def add(self, name, verdict, detail):
        self.facts.append({"name": name, "verdict": verdict, "detail": detail})

    def worst(self):
        verdicts = {fact["verdict"] for fact in self.facts}
        return NO if NO in verdicts else UNKNOWN if UNKNOWN in verdicts else YES


def _config(host, release):
    """The options of the running kernel by name, or None."""
    config = host.read(f"/boot/config-{release}")
    if config is None:
        try:
            with gzip.open(host.path("/proc/config.gz"), "rt") as file:
                config = file.read()
        except OSError:
            return None
    return dict(re.findall(r"^CONFIG_(\w+)=(\S+)$", config, re.MULTILINE))


def _check_config(host, release, report):
    config = _config(host, release)
    if config is None:
        report.add("configuration", UNKNOWN,
                   f"neither /boot/config-{release} nor /proc/config.gz can be read")
        return
    missing = [f"CONFIG_{name} ({why})" for name, wanted, why in OPTIONS
               if (config.get(name) in ("y", "m")) != wanted]
    report.add("configuration", NO if missing else YES,
               "wrong: " + ", ".join(missing) if missing else "all that is needed")


def _check_headers(host, release, report):
    """Ask scripts/check-kdir, which the build asks too."""
    kdir = host.path(f"/lib/modules/{release}/build")
    here = os.path.dirname(os.path.realpath(__file__))
    script = next((path for name in KDIR_CHECK
                   if os.path.exists(path := os.path.join(here, name))), None)
    if not os.path.isdir(kdir):
        report.add("headers", WARN, f"not installed: apt install linux-headers-{release} to "
                   "build the module here")
        return
    if script is None:
        report.add("headers", UNKNOWN, "check-kdir is not installed with this tool")
        return
    done = subprocess.run(["sh", script, kdir], capture_output=True, text=True, check=False)
    report.add("headers", YES if done.returncode == 0 else NO,
               "the module can be built" if done.returncode == 0 else
               done.stderr.strip().partition(": ")[2])


def _check_machine(host, report):
    machine = host.machine()
    if machine != "ppc64le":
        report.add("machine", NO, f"{machine}: the module is for ppc64le")
        return
    if host.exists("/sys/module/kvm_hv"):
        report.add("kvm-hv", YES, "loaded")
    else:
        report.add("kvm-hv", WARN, "not loaded: modprobe kvm-hv says whether this machine can run "
                   "HV guests")


def _check_switches(host, report):
    words = (host.line("/proc/cmdline") or "").split()
    if "kvm_hv_ext=off" in words:
        report.add("kill switch", NO, "kvm_hv_ext=off is on the kernel command line: remove it, "
                   "and boot again")
    if host.line("/proc/sys/kernel/ftrace_enabled") == "0":
        report.add("ftrace", NO, "disabled: sysctl kernel.ftrace_enabled=1")
    patches = host.list("/sys/kernel/livepatch")
    if patches:
        report.add("live patches", WARN, ", ".join(patches) + ": loading fails if one holds a "
                   "function that the module redirects")


def _check_signature(host, report):
    enforced = host.line("/sys/module/module/parameters/sig_enforce") == "Y"
    lockdown = host.line("/sys/kernel/security/lockdown") or ""
    locked = "[integrity]" in lockdown or "[confidentiality]" in lockdown
    if not enforced and not locked:
        report.add("signature", YES, "not enforced; the kernel will be tainted (O, E)")
        return
    signer = host.modinfo(hosts.FILE, "signer")
    why = "module.sig_enforce" if enforced else "kernel lockdown"
    report.add("signature", WARN if signer else NO,
               f"enforced ({why}); the module is signed by {signer}: the kernel must trust it"
               if signer else f"enforced ({why}), and the module is not signed: see README.Debian")


def _check_file(host, release, report):
    path = host.modinfo(hosts.FILE, "filename")
    if path is None:
        report.add("module file", WARN, f"none for {release}: build and install it (DKMS does)")
        return
    magic = (host.modinfo(hosts.FILE, "vermagic") or "").split(" ")[0]
    report.add("module file", YES if magic == release else NO,
               path if magic == release else f"{path} is for {magic}: run depmod, or build it "
               f"for {release}")


def _changes(host):
    """What would change, in sentences."""
    if hosts.module(host):
        return ["The module is loaded: 'kvm-hv-ext status' shows what it has."]
    changes = ["VMs that run now stay on kvm-hv until they end.",
               "VMs created afterwards are tracked by the module.",
               "QEMU uses KVM_CLEAR_DIRTY_LOG for them by itself (manual protection).",
               "The module cannot be removed while one of them runs."]
    if host.line("/proc/sys/kernel/tainted") == "0":
        changes.append("The kernel becomes tainted (O, and E if it is not signed).")
    return changes


def collect(host):
    report = Report()
    release = host.release() or "unknown"
    _check_machine(host, report)
    _check_config(host, release, report)
    _check_headers(host, release, report)
    _check_file(host, release, report)
    _check_switches(host, report)
    _check_signature(host, report)
    return {
        "schema": "kvm-hv-ext check 1",
        "release": release,
        "can_load": {YES: True, NO: False, UNKNOWN: None}[report.worst()],
        "facts": report.facts,
        "changes": _changes(host),
    }


def run(args, host):
    document = collect(host)
    if args.json:
        text.dump(document)
    else:
        print(f"kernel {document['release']}\n")
        for fact in document["facts"]:
            _show_fact(fact)
        print()
        print({True: "The module can be loaded.", False: "The module cannot be loaded.",
               None: "Not all could be found out."}[document["can_load"]])
        if document["can_load"] is not False:
            print("\n".join("- " + change for change in document["changes"]))
    return {True: errors.OK, False: errors.NO, None: errors.FAILED}[document["can_load"]]


def _show_fact(fact):
    first = f"{fact['verdict']:4}  {fact['name']:13}  "
    print(textwrap.fill(fact["detail"], 79, initial_indent=first,
                        subsequent_indent=" " * len(first), break_on_hyphens=False))
