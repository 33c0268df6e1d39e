# SPDX-License-Identifier: Apache-2.0
"""What relays between a client and the server have in common."""

import socket
import threading


class Relay:
    """Listens on `address` until closed, and serves each connection on a thread of its own.

    A subclass says how, in serve(client): it owns that socket. `target` is where the server is, as
    socket.create_connection wants it. Use as a context manager or close it.
    """

    def __init__(self, target, backlog=None):
        host, port = target.rsplit(':', 1)
        self.target = (host, int(port))
        self._listener = socket.create_server(('127.0.0.1', 0), backlog=backlog)
        self.address = '127.0.0.1:%d' % self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        # Only shutdown wakes the thread in accept.
        end(self._listener)
        self._listener.close()

    def serve(self, client):
        raise NotImplementedError

    def _accept(self):
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self.serve, args=(client,), daemon=True).start()


def pieces(sock, size=1 << 16):
    """What comes, as it comes, until the end or an error."""
    while True:
        try:
            data = sock.recv(size)
        except OSError:
            return
        if data == b'':
            return
        yield data


def end(sock, how=socket.SHUT_RDWR):
    """Whatever state it is in."""
    try:
        sock.shutdown(how)
    except OSError:
        pass
