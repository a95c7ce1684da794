# SPDX-License-Identifier: GPL-2.0
"""Guests that are saved to files and come back from them."""
from case import case, needs_capability
from guests import MIB, Corruption


@case()
def file(session):
    """To a file, live, and back from it."""
    path = session.directory / "guest"
    source = session.qemu
    session.set_up(source, (), {"max-bandwidth": 1024 * MIB})
    session.address = f"exec:cat >{path}"
    session.begin()
    session.wait_status(source, "completed")
    destination = session._start("-incoming", f"exec:cat {path}", "-S")
    session.wait_status(destination, "completed")
    return session.arrive(destination)


def write_mapped(session, capabilities, parameters):
    path = session.directory / "guest"
    path.unlink(missing_ok=True)
    session.set_up(session.qemu, capabilities, {"max-bandwidth": 0, **parameters})
    session.address = f"file:{path}"
    session.begin()
    session.wait_status(session.qemu, "completed")


def load_mapped(session, destination, capabilities, parameters):
    """
    Loads the file. QEMU takes for granted that pages which are zero in the file are zero
    at the destination; those that the machine has written at its reset, with the device
    tree, are not. They are counted, and are no fault of the host.
    """
    before = session.oracle.save(destination, "before")
    session.set_up(destination, capabilities, parameters)
    destination.command("migrate-incoming", uri=session.address)
    session.wait_status(destination, "completed")
    return session.arrive(destination, before=before)


@case(condition=needs_capability("mapped-ram"))
def file_mapped(session):
    """To a file with mapped-ram and multifd, and back from it, again and again."""
    capabilities = "mapped-ram", "multifd"
    parameters = {"multifd-channels": 2}
    never = 0
    for _ in range(max(1, session.options.times // 10)):
        write_mapped(session, capabilities, parameters)
        destination = session._start("-incoming", "defer", "-S")
        figures = load_mapped(session, destination, capabilities, parameters)
        never += figures.get("never_loaded", 0)
    return {**figures, **({"never_loaded": never} if never else {})}


@case(condition=needs_capability("mapped-ram"))
def file_mapped_stopped(session):
    """A stopped guest goes to the file, which a second destination loads as well."""
    session.qemu.command("stop")
    write_mapped(session, ["mapped-ram"], {})
    destination = session._start("-incoming", "defer", "-S")
    return load_mapped(session, destination, ["mapped-ram"], {})


@case()
def snapshot(session):
    """savevm and loadvm in one process: memory is again what it was."""
    qemu, disk = session.qemu, session.directory / "disk"
    size = 2 * session.options.memory * MIB
    disk.touch()
    qemu.command("blockdev-add", driver="file", filename=str(disk), **{"node-name": "disk-file"})
    qemu.command("blockdev-create", **{"job-id": "format", "options": {
        "driver": "qcow2", "file": "disk-file", "size": size}})
    session.wait_job(qemu, "format")
    qemu.command("blockdev-add", driver="qcow2", file="disk-file", **{"node-name": "disk"})
    for number in range(3):
        tag = f"snapshot{number}"
        names = {"tag": tag, "vmstate": "disk", "devices": ["disk"]}
        qemu.command("stop")
        then = session.oracle.save(qemu, "then")
        qemu.command("snapshot-save", **{"job-id": "save"}, **names)
        session.wait_job(qemu, "save")
        session.guest.hear(qemu.console_output())
        passes, sweeps = session.guest.passes, session.guest.sweeps
        qemu.command("cont")
        session.wait_verified()
        qemu.command("stop")
        session.guest.hear(qemu.console_output())
        qemu.command("snapshot-load", **{"job-id": "load"}, **names)
        session.wait_job(qemu, "load")
        if wrong := session.oracle.differing(then, session.oracle.save(qemu, "now")):
            raise Corruption(f"{len(wrong)} pages differ from what was saved")
        session.guest.passes, session.guest.sweeps = passes, sweeps
        qemu.command("cont")
        session.wait_verified()
    return {}
