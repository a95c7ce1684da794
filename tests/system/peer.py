#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0
"""
A second emulated host, for guests that migrate between two.

usage: peer.py serve    (in the second host)

The second host serves requests of the first, one connection, each request and each
answer a line of JSON: start a QEMU, run a tool, read a file. The two hosts have a
network of their own (lab boot --net), which carries this, the control sockets and
consoles of the second host's QEMUs, and the migrations.
"""
import json
import os
import select
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import guests
from guests import Failure, Silence

FIRST, SECOND = "10.0.0.1", "10.0.0.2"
PORT = 7000
QEMU_PORTS = 7100       # two for each QEMU
MIGRATION_PORTS = 7500
COMES_UP = 300          # seconds in which the other host must come up


def join_network(address):
    # Some kernels have the driver of the bus built in.
    subprocess.run(["modprobe", "virtio_pci"], check=False, stderr=subprocess.DEVNULL)
    guests.run_tool("modprobe", "virtio_net")
    guests.run_tool("ip", "addr", "add", f"{address}/24", "dev", "eth0")
    guests.run_tool("ip", "link", "set", "eth0", "up")


def connect(port, seconds, alive=lambda: True):
    deadline = time.monotonic() + seconds
    while True:
        try:
            connection = socket.create_connection((SECOND, port), timeout=10)
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            return connection
        except OSError as error:
            if time.monotonic() > deadline or not alive():
                raise Silence(f"cannot connect to port {port} of the peer: {error}") from error
            time.sleep(0.3)


class Process:
    """A QEMU of the second host; behaves as subprocess.Popen."""

    def __init__(self, there, pid):
        self.there = there
        self.pid = pid

    def poll(self):
        return self.there.ask(do="poll", pid=self.pid)

    def wait(self):
        deadline = time.monotonic() + guests.PATIENCE
        while self.poll() is None:
            if time.monotonic() > deadline:
                raise Silence("a QEMU of the peer does not end")
            time.sleep(0.2)
        return self.poll()

    def kill(self):
        self.there.ask(do="kill", pid=self.pid)


class There(guests.Here):
    """The second host, as a place for QEMUs."""

    def __init__(self):
        self.connection = connect(PORT, COMES_UP)
        self.connection.settimeout(guests.PATIENCE)
        self.answers = self.connection.makefile("r")
        self.started = 0

    def ask(self, **request):
        self.connection.sendall(json.dumps(request).encode() + b"\n")
        line = self.answers.readline()
        if not line:
            raise Silence("the peer has gone")
        answer = json.loads(line)
        if "error" in answer:
            if answer.get("missing"):
                raise FileNotFoundError(answer["error"])
            raise Failure(f"peer: {answer['error']}")
        return answer["result"]

    def start(self, command, environment, descriptors):
        if descriptors:
            raise NotImplementedError
        first = QEMU_PORTS + 2 * self.started
        self.started += 1
        # QEMU waits for each connection, in this order.
        for name, port in ("qmp", first), ("console", first + 1):
            command += ["-chardev", f"socket,id={name},host=0.0.0.0,port={port},server=on,wait=on"]
        command += ["-serial", "chardev:console"]
        process = Process(self, self.ask(do="start", command=command, environment=environment))
        qmp, console = (connect(port, guests.PATIENCE, lambda: process.poll() is None)
                        for port in (first, first + 1))
        console.setblocking(False)
        return process, qmp, console.makefile("rb", buffering=0)

    def run_tool(self, *command):
        self.ask(do="tool", command=command)

    def read(self, path):
        return self.ask(do="read", path=str(path))

    def end(self):
        self.ask(do="end")


class Server:
    """Serves the first host's requests."""

    def __init__(self):
        self.processes = {}

    def start(self, command, environment):
        process = subprocess.Popen(command, env=dict(os.environ, **environment),
                                   stdin=subprocess.DEVNULL)
        self.processes[process.pid] = process
        return process.pid

    def poll(self, pid):
        return self.processes[pid].poll()

    def kill(self, pid):
        self.processes[pid].send_signal(signal.SIGKILL)

    @staticmethod
    def tool(command):
        guests.run_tool(*command)

    @staticmethod
    def read(path):
        return Path(path).read_text()

    def answer(self, do, **arguments):
        try:
            return {"result": getattr(self, do)(**arguments)}
        except FileNotFoundError as error:
            return {"error": str(error), "missing": True}
        except (Failure, OSError) as error:
            return {"error": str(error)}

    def serve(self):
        with socket.create_server(("0.0.0.0", PORT)) as server:
            if not select.select([server], [], [], COMES_UP)[0]:
                raise Silence(f"the first host did not come up in {COMES_UP} s")
            connection, _ = server.accept()
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        with connection, connection.makefile("r") as requests:
            for line in requests:
                request = json.loads(line)
                if request["do"] == "end":
                    connection.sendall(b'{"result": null}\n')
                    return
                connection.sendall(json.dumps(self.answer(**request)).encode() + b"\n")
        raise Silence("the first host has gone")


def main():
    if sys.argv[1:] != ["serve"]:
        sys.exit(__doc__)
    join_network(SECOND)
    try:
        Server().serve()
    except Silence as silence:
        sys.exit(f"peer: {silence}")


if __name__ == "__main__":
    main()
