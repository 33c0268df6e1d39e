# SPDX-License-Identifier: Apache-2.0
"""A relay between a client and the server that writes down what was asked and answered.

So a case can tell whether a client really mounted a blob, asked the referrers API or went on where
it was cut off. It can cut connections, once each, to see that.
"""

import re
import socket
import threading

import relay
from relay import Relay

REQUEST = re.compile(rb'(?:^|\n|\A)((?:GET|HEAD|PUT|POST|PATCH|DELETE) /[^ \r\n]*) HTTP/1\.1\r\n')
STATUS = re.compile(rb'HTTP/1\.1 (\d\d\d) ')
HEAD_END = b'\r\n\r\n'
PIECE = 1 << 14   # so that a cut is not far from where it was asked for


class Exchange:
    """One request on the wire: `line` is "METHOD /target"; `status` is None before the answer."""

    def __init__(self, line, head):
        self.line = line
        self.head = head
        self.status = None

    def __repr__(self):
        return f'{self.line} -> {self.status}'


class Wire(Relay):
    """Has an Exchange for each request, of all connections."""

    def __init__(self, target):
        self._lock = threading.Lock()
        self._exchanges = []
        self._cuts = []
        super().__init__(target)

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

    def serve(self, client):
        try:
            server = socket.create_connection(self.target)
        except OSError:
            client.close()
            return
        connection = Watched(self, client, server)
        upward = threading.Thread(target=connection.upward, daemon=True)
        upward.start()
        connection.downward()
        upward.join()
        client.close()
        server.close()

    def note(self, exchange):
        """Called by a connection; returns (bytes, direction) when this request is to be cut."""
        with self._lock:
            self._exchanges.append(exchange)
            for cut in self._cuts:
                if cut[0].search(exchange.line):
                    self._cuts.remove(cut)
                    return cut[1:]
        return None


class Watched:
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
        for data in relay.pieces(self._client, PIECE):
            pending += data
            for match in REQUEST.finditer(pending):
                self._begin(match.group(1).decode(), pending[match.start():])
            pending = self._unfinished(pending)
            if not self._pass_on(self._server, data, 'request'):
                break
        relay.end(self._server)

    def downward(self):
        for data in relay.pieces(self._server, PIECE):
            for match in STATUS.finditer(data):
                status = int(match.group(1))
                if status >= 200 and self._waiting:
                    self._waiting.pop(0).status = status
            if not self._pass_on(self._client, data, 'answer'):
                break
        relay.end(self._client)

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
            relay.end(self._client)
            relay.end(self._server)
            return False
        return True
