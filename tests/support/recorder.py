# SPDX-License-Identifier: Apache-2.0
"""A relay between a proxy and the server that keeps every byte of both directions, and what an
independent parser, h11, reads in them."""

import re
import socket
import threading

import relay
from debian_h11 import h11
from relay import Relay

REQUEST_ID = re.compile(rb'\r\nX-Request-Id: ([0-9a-f]{16})\r\n', re.I)


class Tape:
    """One connection: the bytes that went to the server, and those that came back."""

    def __init__(self):
        self.sent = b''
        self.answered = b''
        self.is_over = False

    def ids(self):
        """X-Request-Id of each answer, in order: the access line has it too."""
        return [match.decode() for match in REQUEST_ID.findall(self.answered)]


class Recorder(Relay):
    """`tapes` has a Tape for each connection.

    `smuggled` goes to the server before all else of each connection, and is on no tape: to see that
    it would be noticed.
    """

    def __init__(self, target, smuggled=b''):
        self._smuggled = smuggled
        self.tapes = []
        super().__init__(target, backlog=256)

    def serve(self, client):
        tape = Tape()
        self.tapes.append(tape)
        with client, socket.create_connection(self.target) as server:
            for side in (client, server):
                side.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if self._smuggled:
                server.sendall(self._smuggled)
            upward = threading.Thread(target=_copy, args=(client, server, tape, 'sent'),
                                      daemon=True)
            upward.start()
            _copy(server, client, tape, 'answered')
            # The server has ended it: the proxy must not go on either.
            relay.end(client)
            relay.end(server)
            upward.join()
        tape.is_over = True


def _copy(source, target, tape, name):
    for data in relay.pieces(source):
        # First, so that nobody sees an answer to what is not on the tape.
        setattr(tape, name, getattr(tape, name) + data)
        try:
            target.sendall(data)
        except OSError:
            break
    relay.end(target, socket.SHUT_WR)


class Reading:
    """What h11 reads in the bytes of one connection.

    `requests` are (method, target, bytes of body) of those that are complete; `end` is how the
    bytes end: 'clean', 'incomplete', 'refused', or 'closed' (by "Connection: close", with or
    without bytes behind it). `last` is the one that is not complete, or None.
    """

    def __init__(self, data):
        self.requests = []
        self.last = None
        self.end = 'clean'
        self._begin(data)
        try:
            while self._read_request():
                pass
        except h11.RemoteProtocolError as error:
            cut_off = 'without sending' in str(error) or 'peer unexpectedly closed' in str(error)
            self.end = 'incomplete' if cut_off or self.last is not None else 'refused'

    def _begin(self, data):
        self._parser = h11.Connection(h11.SERVER, max_incomplete_event_size=1 << 20)
        self._parser.receive_data(data)
        self._parser.receive_data(b'')

    def _read_request(self):
        """False when there is no further one."""
        length = 0
        while True:
            event = self._parser.next_event()
            if event is h11.NEED_DATA or event is h11.PAUSED:
                return False
            if isinstance(event, h11.ConnectionClosed):
                if self.end == 'clean' and self._parser.trailing_data[0]:
                    self.end = 'incomplete'
                return False
            if isinstance(event, h11.Request):
                self.last = (event.method.decode('latin-1'), event.target.decode('latin-1'), 0)
                head = event
            elif isinstance(event, h11.Data):
                length += len(event.data)
            elif isinstance(event, h11.EndOfMessage):
                self.requests.append((*self.last[:2], length))
                self.last = None
                return self._next(head)

    def _next(self, head):
        self._parser.send(h11.Response(status_code=404, headers=[('content-length', '0')]))
        self._parser.send(h11.EndOfMessage())
        wishes = b','.join(value.lower() for name, value in head.headers if name == b'connection')
        if head.http_version == b'1.0' and b'keep-alive' in wishes:
            # h11 has no keep-alive for it, others do.
            self._begin(self._parser.trailing_data[0])
            return True
        if self._parser.our_state is h11.MUST_CLOSE:
            self.end = 'closed'
            return False
        self._parser.start_next_cycle()
        return True
