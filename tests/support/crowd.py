# SPDX-License-Identifier: Apache-2.0
"""Many bare sockets at once, from several addresses of this machine."""

import contextlib
import socket
import struct

NO_ROOM = (BlockingIOError, ConnectionError)


class Crowd:
    """Connections to `address`, each from the next of the source addresses 127.0.0.2, .3, ...

    `receive_buffer` in bytes makes their windows small, so that little waits in the kernel.
    """

    def __init__(self, address, sources=2, receive_buffer=None):
        host, port = address.rsplit(':', 1)
        self._target = (host, int(port))
        self._sources = sources
        self._receive_buffer = receive_buffer
        self.sockets = []

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def join(self, count, data=b''):
        """`count` more, each with `data` written as far as the socket takes it at once."""
        for _ in range(count):
            one = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
            self.sockets.append(one)
            if self._receive_buffer is not None:
                one.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, self._receive_buffer)
            one.bind((f'127.0.0.{2 + len(self.sockets) % self._sources}', 0))
            one.settimeout(30)
            one.connect(self._target)
            one.setblocking(False)
            self.write(one, data)
        return self

    @staticmethod
    def write(one, data):
        """Returns the bytes written."""
        written = 0
        view = memoryview(data)
        with contextlib.suppress(*NO_ROOM):
            while written < len(data):
                written += one.send(view[written:])
        return written

    @staticmethod
    def read(one):
        """What has come so far; None when nothing has, b'' at the end."""
        try:
            return one.recv(1 << 16)
        except BlockingIOError:
            return None
        except ConnectionError:
            return b''

    def finish(self):
        """FIN: they send no more."""
        for one in self.sockets:
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_WR)

    def reset(self):
        """RST, as a killed client's kernel sends."""
        for one in self.sockets:
            one.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack('ii', 1, 0))
        self.close()

    def close(self):
        for one in self.sockets:
            one.close()
        self.sockets.clear()
