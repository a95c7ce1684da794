# SPDX-License-Identifier: GPL-2.0
"""kvm-hv-ext status: the module, and the VMs of this host."""

from kvm_hv_ext import errors, host as hosts, text


def _vm(vm):
    described = {
        "id": vm.id,
        "pid": vm.pid,
        "name": vm.name,
        "tracked": vm.tracked,
        "facts": None,
        "counters": None,
        "histograms": None,
    }
    if vm.tracked:
        described.update(facts=vm.facts(), counters=vm.counters(), histograms=vm.histograms())
    return described


def _vms(host):
    """Their descriptions, and whether they could be read."""
    try:
        found = hosts.vms(host)
    except errors.Error as error:
        if error.status != errors.NEEDS_ROOT:
            raise
        return [{"id": None, "pid": pid, "name": hosts.guest_name(host, pid), "tracked": None,
                 "facts": None, "counters": None, "histograms": None}
                for pid in hosts.qemu_processes(host)], False
    described = []
    for vm in found:
        try:
            described.append(_vm(vm))
        except ProcessLookupError:      # it has ended meanwhile
            continue
    return described, True


def collect(host):
    vms, complete = _vms(host)
    return {
        "schema": "kvm-hv-ext status 1",
        "module": hosts.module(host),
        "kernel": hosts.kernel(host),
        "vms": vms,
        "complete": complete,
    }


def _show_module(document):
    module, kernel = document["module"], document["kernel"]
    if module is None:
        print("module       not loaded (modprobe kvm-hv-ext)")
        print(f"on disk      {kernel['on_disk'] or 'not found for this kernel'}")
    else:
        print(f"module       {module['version']}, loaded")
        if module["upgrade_pending"]:
            print(f"upgrade      {module['version_on_disk']} is on disk: it is used when the last "
                  "tracked VM has\n             ended and the module was loaded again "
                  "(rmmod, modprobe)")
        print("parameters   " + " ".join(f"{name}={int(setting)}" for name, setting in
                                         module["parameters"].items()))
    print(f"kernel       {kernel['release']} {kernel['machine'] or ''}".rstrip())
    if not kernel["kvm_hv_loaded"]:
        print("kvm-hv       not loaded: this host runs no HV guests (modprobe kvm-hv)")


def _kind(vm):
    return {None: "?", True: "tracked", False: "stock"}[vm["tracked"]]


def _show_vms(document):
    rows = [("PID", "NAME", "KIND", "MMU", "LOGS", "CLEANED", "REQUESTS", "L2", "AREAS")]
    for vm in document["vms"]:
        counters, facts = vm["counters"] or {}, vm["facts"] or {}
        rows.append((vm["pid"], (vm["name"] or "-")[:20], _kind(vm), facts.get("mmu", "-"),
                     *(text.count(counters[name]) if counters else "-" for name in
                       ("log_collections", "log_cleaned", "requests", "nested_entries",
                        "areas"))))
    print()
    if len(rows) == 1:
        print("no VMs")
        return
    print("\n".join(text.table(rows, left=(1, 2, 3))))
    if any(vm["tracked"] is False for vm in document["vms"]):
        print("\nstock: created before the module was loaded; kvm-hv has it until it ends")


def run(args, host):
    document = collect(host)
    if args.json:
        text.dump(document)
    else:
        _show_module(document)
        _show_vms(document)
        if not document["complete"]:
            print("\nVMs as processes only: whether they are tracked needs root")
    if document["module"] is None:
        return errors.NO
    return errors.OK if document["complete"] else errors.NEEDS_ROOT
