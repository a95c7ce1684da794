# SPDX-License-Identifier: GPL-2.0
"""
Guests that migrate by the commands that managers give QEMU (QMP): capabilities and
parameters, files and peers of a migration, and what to wait for.

A destination is started paused (-S): when the source has handed over, the oracle
compares the memory of both before the guest runs there and verifies its memory itself
(guest/init.c).
"""
import contextlib
import socket
import threading
import time
from pathlib import Path

import guests
from guests import MIB, Failure, Silence, diagnostic
from oracle import Oracle

SLOW = 12               # MiB per second; a guest that runs writes more than that


class Sink:
    """A peer that takes a migration stream and does nothing with it."""

    def __init__(self, directory):
        path = f"{directory}/sink"
        Path(path).unlink(missing_ok=True)
        self.address = f"unix:{path}"
        self.server = socket.socket(socket.AF_UNIX)
        self.server.bind(path)
        self.server.listen()
        self.connection = None
        self.thread = threading.Thread(target=self._swallow, daemon=True)
        self.thread.start()

    def _swallow(self):
        with contextlib.suppress(OSError):
            self.connection, _ = self.server.accept()
            while self.connection.recv(MIB):
                pass

    def close(self):
        """Goes away, in the middle of a stream or not."""
        for end in (self.connection, self.server):
            if end:
                with contextlib.suppress(OSError):
                    end.shutdown(socket.SHUT_RDWR)
                end.close()
        self.thread.join()


class Session(guests.Session):
    """A guest, its QEMU and, while it moves, the other one."""

    migrations = 0          # of all sessions
    screens = 0

    def __init__(self, options, directory, extra=()):
        self.directory = Path(directory)
        self.oracle = Oracle(self.directory, options.memory * MIB)
        self.extra = extra
        self.started = []
        self.address = f"unix:{directory}/migration"
        super().__init__(options)

    def _start(self, *extra, place=guests.HERE_HOST):
        screen = ()
        if self.options.screen:
            keymap = self.directory / "keymap"
            keymap.touch()
            self.screens += 1
            screen = "-vnc", f"unix:{self.directory}/screen-{self.screens}", "-k", str(keymap)
        self.started.append(super()._start(*self.extra, *screen, *extra, place=place))
        return self.started[-1]

    def explain(self):
        """Prints what the guest and the other QEMU said last."""
        diagnostic("last lines of the guest's console:\n" + "\n".join(self.guest.last_lines))
        for qemu in self.started:
            if qemu is not self.qemu and not qemu.console.closed:
                said = qemu.console_output().decode(errors="replace").splitlines()[-15:]
                diagnostic(f"last lines of the other QEMU, status {qemu.process.poll()}:\n" +
                           "\n".join(said))

    # --- Waiting --------------------------------------------------------------

    def poll(self, done, what):
        """Polls until done(), and hears the guest meanwhile."""
        give_up = time.monotonic() + self.patience
        while not (answer := done()):
            if time.monotonic() > give_up:
                raise Silence(f"gave up after waiting {self.patience} s for {what}")
            self.guest.hear(self.qemu.console_output())
            time.sleep(0.05)
        return answer

    def wait_status(self, qemu, *wanted):
        """Waits for one of the states of a migration; fails on any other end."""
        def status():
            figures = qemu.command("query-migrate")
            now = figures.get("status")
            if now in ("failed", "completed", "cancelled") and now not in wanted:
                raise Failure(f"migration {now}: {figures.get('error-desc', 'no reason given')}")
            return now if now in wanted else None
        return self.poll(status, f"a migration to be {' or '.join(wanted)}")

    def wait_copied_once(self):
        """Waits until the running migration has begun its second round."""
        self.poll(lambda: self.qemu.command("query-migrate").get("ram", {})
                  .get("dirty-sync-count", 0) >= 2, "the second round")

    def wait_job(self, qemu, name):
        def ended():
            job, = (job for job in qemu.command("query-jobs") if job["id"] == name)
            if "error" in job:
                raise Failure(f"{name}: {job['error']}")
            return job["status"] == "concluded"
        self.poll(ended, f"job {name}")
        qemu.command("job-dismiss", id=name)

    # --- Migrating ------------------------------------------------------------

    @staticmethod
    def set_up(qemu, capabilities, parameters):
        qemu.command("migrate-set-capabilities", capabilities=[
            {"capability": name, "state": True} for name in ("events", *capabilities)])
        if parameters:
            qemu.command("migrate-set-parameters", **parameters)

    def open(self, *capabilities, paused=True, extra=(), **parameters):
        """Starts the destination and sets the link up; returns the destination."""
        destination = self._start("-incoming", "defer", *["-S"] * paused, *extra)
        for qemu in (self.qemu, destination):
            self.set_up(qemu, capabilities, {name.replace("_", "-"): value
                                             for name, value in parameters.items()})
        destination.command("migrate-incoming", uri=self.address)
        return destination

    def begin(self):
        Session.migrations += 1
        self.qemu.command("migrate", uri=self.address)

    def arrive(self, destination, *regions, same=True, before=None):
        """
        Waits until the guest is at the destination, compares its memory with the
        source's, and lets it go on there. Returns QEMU's figures. 'before' is the
        destination's memory before it was loaded, if QEMU loads only pages that are not
        zero.
        """
        source = self.qemu
        self.wait_status(source, "completed")
        self.wait_status(destination, "completed")
        never = same and self.oracle.require_same(source, destination, *regions, before=before)
        figures = source.command("query-migrate")
        self.guest.hear(source.console_output())
        self.qemu = destination
        if destination.command("query-status")["status"] != "running":
            destination.command("cont")
        self.wait_verified()
        source.end()
        return {"total_ms": figures["total-time"], "downtime_ms": figures["downtime"],
                **({"never_loaded": never} if never else {})}

    def require_running(self):
        if not self.qemu.command("query-status")["running"]:
            raise Failure("the guest does not run at the source")
        self.wait_verified()
