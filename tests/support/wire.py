# SPDX-License-Identifier: Apache-2.0
"""A relay between a client and the server that writes down what was asked and answered.

So a case can tell whether a client really mounted a blob, asked the referrers API or went on where
it was cut off. It can cut connections, once each, to see that.
"""

import re
import socket
import threading

REQUEST = re.compile(rb'(?:^|\n|\A)((?:GET|HEAD|PUT|POST|PATCH|DELETE) /[^ \r\n]*) HTTP/1\.1\r\n')
STATUS = re.compile(rb'HTTP/1\.1 (\d\d\d) ')
HEAD_END = b'\r\n\r\n'


class Exchange:
    """One request on the wire: `line` is "METHOD /target"; `status` is None before the answer."""

    def __init__(self, line, head):
        self.line = line
        self.head = head
        self.status = None

    def __repr__(self):
        return f'{self.line} -> {self.status}'


class Wire:
    """Listens on `address` and relays to `target` until closed."""

    def __init__(self, target):
        host, port = target.rsplit(':', 1)
        self._target = (host, int(port))
        self._lock = threading.Lock()
        self._exchanges = []
        self._cuts = []
        self._listener = socket.create_server(('127.0.0.1', 0))
        self.address = '127.0.0.1:%d' % self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        # Only shutdown wakes the thread in accept.
        try:
            self._listener.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        self._listener.close()

    def cut(self, pattern, after, direction):
        """The next request that matches is cut after about so many bytes: of the 'request' or of
        the 'answer'."""
        with self._lock:
            self._cuts.append((re.compile(pattern), after, direction))

    def exchanges(self, pattern='', status=None):
        """What was seen: requests whose line matches, with this status if one is given."""
        with self._lock:
            return [exchange for exchange in self._exchanges
                    if re.search(pattern, exchange.line) and status in (None, exchange.status)]

    def clear(self):
        with self._lock:
            self._exchanges.clear()

    def _accept(self):
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client):
        try:
            server = socket.create_connection(self._target)
        except OSError:
            client.close()
            return
        relay = Relay(self, client, server)
        upward = threading.Thread(target=relay.upward, daemon=True)
        upward.start()
        relay.downward()
        upward.join()
        client.close()
        server.close()

    def note(self, exchange):
        """Called by a relay; returns (bytes, direction) when this request is to be cut."""
        with self._lock:
            self._exchanges.append(exchange)
            for cut in self._cuts:
                if cut[0].search(exchange.line):
                    self._cuts.remove(cut)
                    return cut[1:]
        return None


class Relay:
    """One connection, two threads. Heads are found by what they look like, which is enough here:
    the bodies of test images are compressed."""

    def __init__(self, wire, client, server):
        self._wire = wire
        self._client = client
        self._server = server
        self._waiting = []
        self._left = {'request': None, 'answer': None}

    def upward(self):
        pending = b''
        for data in self._pieces(self._client):
            pending += data
            for match in REQUEST.finditer(pending):
                self._begin(match.group(1).decode(), pending[match.start():])
            pending = self._unfinished(pending)
            if not self._pass_on(self._server, data, 'request'):
                break
        self._end(self._server)

    def downward(self):
        for data in self._pieces(self._server):
            for match in STATUS.finditer(data):
                status = int(match.group(1))
                if status >= 200 and self._waiting:
                    self._waiting.pop(0).status = status
            if not self._pass_on(self._client, data, 'answer'):
                break
        self._end(self._client)

    def _begin(self, line, head):
        exchange = Exchange(line, head.partition(HEAD_END)[0].decode('latin-1').lower())
        cut = self._wire.note(exchange)
        self._waiting.append(exchange)
        if cut is not None:
            self._left[cut[1]] = cut[0]

    @staticmethod
    def _unfinished(pending):
        """What the next piece may complete to a request line."""
        end = pending.rfind(b'\r\n')
        rest = pending[end + 1:] if end >= 0 else pending
        return rest if len(rest) < 8192 else b''

    @staticmethod
    def _pieces(sock):
        while True:
            try:
                data = sock.recv(1 << 14)
            except OSError:
                return
            if data == b'':
                return
            yield data

    def _pass_on(self, to, data, direction):
        """False when the connection is to end here."""
        left = self._left[direction]
        if left is not None:
            data = data[:left]
            self._left[direction] = left - len(data)
        try:
            to.sendall(data)
        except OSError:
            return False
        if self._left[direction] == 0:
            self._end(self._client)
            self._end(self._server)
            return False
        return True

    @staticmethod
    def _end(sock):
        try:
            sock.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
