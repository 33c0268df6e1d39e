# SPDX-License-Identifier: Apache-2.0
"""A client of server-sent events on a bare socket."""

import socket

import check
import http1


class EventStream:
    """GET /api/v1/events as a stream. Use as a context manager or close it."""

    def __init__(self, address, query='', last_id=None, receive_buffer=None):
        host, port = address.rsplit(':', 1)
        self.socket = socket.socket()
        if receive_buffer is not None:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self.socket.settimeout(60)
        self.socket.connect((host, int(port)))
        self._raw = b''
        self._text = b''
        self.ended = False
        fields = {'Accept': 'text/event-stream'}
        if last_id is not None:
            fields['Last-Event-ID'] = str(last_id)
        self.socket.sendall(http1.head(address, 'GET', f'/api/v1/events{query}', fields))
        while b'\r\n\r\n' not in self._raw:
            self._fill()
        self.head, _, self._raw = self._raw.partition(b'\r\n\r\n')

    def close(self):
        self.socket.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def status(self):
        return int(self.head.split()[1])

    def _fill(self):
        data = self.socket.recv(65536)
        check.true(data != b'', 'the stream ends without its last chunk')
        self._raw += data

    def _chunk(self):
        """One more chunk into the text."""
        while b'\r\n' not in self._raw:
            self._fill()
        size = int(self._raw.split(b'\r\n', 1)[0], 16)
        begin = self._raw.index(b'\r\n') + 2
        while len(self._raw) < begin + size + 2:
            self._fill()
        self._text += self._raw[begin:begin + size]
        self._raw = self._raw[begin + size + 2:]
        self.ended = size == 0

    def message(self):
        """The next event, as its fields; comments are passed over. None at the end."""
        while True:
            while b'\n\n' not in self._text:
                if self.ended:
                    return None
                self._chunk()
            block, _, self._text = self._text.partition(b'\n\n')
            lines = [line.partition(b': ') for line in block.split(b'\n')
                     if not line.startswith(b':')]
            fields = {name.decode(): value.decode() for name, _, value in lines if name}
            if 'data' in fields:
                return fields
