# SPDX-License-Identifier: GPL-2.0
"""
A viewer of a guest's screen: the part of the remote framebuffer protocol (RFC 6143)
that asks for updates all the time and counts them.
"""
import select
import socket
import struct

from guests import Failure

NO_SECURITY = 1
RAW = 0                 # encoding
# Messages to the server
SET_ENCODINGS, UPDATE_REQUEST = 2, 3
# Messages of the server
UPDATE, COLOURS, BELL, CUT_TEXT = range(4)


class Viewer:
    """Connected to the VNC server at a Unix socket."""

    def __init__(self, path):
        self.updates = 0
        self.asked = False
        self.connection = socket.socket(socket.AF_UNIX)
        self.connection.settimeout(60)
        self.connection.connect(str(path))
        self._take(12)                                  # version of the server
        self.connection.sendall(b"RFB 003.008\n")
        if NO_SECURITY not in self._take(*self._unpack("B")):
            raise Failure("the VNC server asks for authentication")
        self.connection.sendall(bytes([NO_SECURITY]))
        if self._unpack(">I") != (0,):
            raise Failure("the VNC server refuses the viewer")
        self.connection.sendall(b"\1")                  # share the screen
        self.width, self.height, bits, *_ = self._unpack(">HHB15x")
        self.pixel = bits // 8
        self._take(*self._unpack(">I"))                 # name
        self.connection.sendall(struct.pack(">BxHi", SET_ENCODINGS, 1, RAW))

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self.connection.close()

    def _take(self, size):
        data = bytearray()
        while len(data) < size:
            piece = self.connection.recv(min(size - len(data), 1 << 20))
            if not piece:
                raise Failure("the VNC server has closed the connection")
            data += piece
        return bytes(data)

    def _unpack(self, layout):
        return struct.unpack(layout, self._take(struct.calcsize(layout)))

    def refresh(self, seconds=0.2):
        """Asks for what has changed, unless it has, and handles what comes in time."""
        if not self.asked:
            self.connection.sendall(struct.pack(">BBHHHH", UPDATE_REQUEST, self.updates > 0,
                                                0, 0, self.width, self.height))
            self.asked = True
        if select.select([self.connection], [], [], seconds)[0]:
            self._handle(*self._unpack("B"))

    def _handle(self, message):
        if message == UPDATE:
            for _ in range(*self._unpack(">xH")):
                _, _, width, height, encoding = self._unpack(">HHHHi")
                if encoding != RAW:
                    raise Failure(f"the VNC server sends encoding {encoding}")
                self._take(width * height * self.pixel)
            self.updates += 1
            self.asked = False
        elif message == COLOURS:
            _, count = self._unpack(">xHH")
            self._take(6 * count)
        elif message == CUT_TEXT:
            self._take(*self._unpack(">3xI"))
        elif message != BELL:
            raise Failure(f"the VNC server sends message {message}")
