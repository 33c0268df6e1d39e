# SPDX-License-Identifier: Apache-2.0
"""HTTP/1.1 on a bare socket, so that a case decides about every byte that is sent.

Answers are read strictly: what a sloppy client would forgive is an error here.
"""

import socket


class Closed(Exception):
    """The server closed the connection where an answer should have begun."""


class Response:
    """One answer: `fields` are (lower-case name, value) pairs in the order they came."""

    def __init__(self, request, status, fields, body):
        self.request = request
        self.status = status
        self.fields = fields
        self.body = body

    def field(self, name):
        """The value of a field that stands at most once, or None."""
        values = [value for key, value in self.fields if key == name.lower()]
        assert len(values) <= 1, f'{name} stands {len(values)} times'
        return values[0] if values else None

    def all_fields(self, name):
        return [value for key, value in self.fields if key == name.lower()]


class Connection:
    """`address` is "host:port". Use as a context manager or close it.

    `receive_buffer` in bytes makes the window small: what is not read soon waits in the server.
    `source` is the address it comes from.
    """

    def __init__(self, address, timeout=60, receive_buffer=None, source=None):
        host, port = address.rsplit(':', 1)
        self.host = address
        self.socket = socket.socket(socket.AF_INET6 if ':' in host else socket.AF_INET)
        if receive_buffer is not None:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        if source is not None:
            self.socket.bind((source, 0))
        self.socket.settimeout(timeout)
        self.socket.connect((host.strip('[]'), int(port)))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._buffer = b''

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self.socket.close()

    def send(self, data):
        self.socket.sendall(data)

    def request(self, method, target, fields=None, body=None):
        """Sends one well-formed request and reads its answer."""
        self.send(head(self.host, method, target, fields, body))
        if body:
            self.send(body)
        return self.response(method, f'{method} {target}')

    def response(self, method='GET', request='request'):
        """Reads one answer; those to HEAD have no body. Interim answers are answers as well."""
        text = self._read_head()
        lines = text.decode('latin-1').split('\r\n')
        version, _, rest = lines[0].partition(' ')
        assert version in ('HTTP/1.1', 'HTTP/1.0'), f'status line {lines[0]!r}'
        status = int(rest[:3])
        fields = []
        for line in lines[1:]:
            name, colon, value = line.partition(':')
            assert colon and name and name == name.strip(), f'field line {line!r}'
            assert '\n' not in line and '\r' not in line, f'field line {line!r}'
            fields.append((name.lower(), value.strip(' \t')))
        answer = Response(request, status, fields, b'')
        answer.body = self._read_body(method, answer)
        return answer

    def is_closed(self, timeout=30):
        """True when the server closes within `timeout` without sending anything more."""
        self.socket.settimeout(timeout)
        try:
            rest = self._buffer or self.socket.recv(4096)
        except socket.timeout:
            return False
        except ConnectionError:
            return True
        assert rest == b'', f'more came instead of the end: {rest[:200]!r}'
        return True

    def _fill(self):
        data = self.socket.recv(1 << 16)
        if data == b'':
            return False
        self._buffer += data
        return True

    def _read_head(self):
        while b'\r\n\r\n' not in self._buffer:
            if not self._fill():
                if self._buffer == b'':
                    raise Closed('closed without an answer')
                raise AssertionError(f'the answer ends in its head: {self._buffer[:200]!r}')
        text, _, self._buffer = self._buffer.partition(b'\r\n\r\n')
        return text

    def _take(self, size):
        parts = []
        while size > 0:
            if self._buffer == b'' and not self._fill():
                raise AssertionError(f'the answer ends {size} bytes early')
            part, self._buffer = self._buffer[:size], self._buffer[size:]
            parts.append(part)
            size -= len(part)
        return b''.join(parts)

    def _read_body(self, method, answer):
        length = answer.field('content-length')
        coding = answer.field('transfer-encoding')
        if answer.status < 200 or answer.status == 204:
            assert length is None and coding is None, f'a {answer.status} announces a body'
            return b''
        if method == 'HEAD' or answer.status == 304:
            return b''
        if coding is not None:
            assert coding == 'chunked' and length is None, 'wrong framing of the answer'
            return self._read_chunks()
        if length is not None:
            assert length.isdigit(), f'Content-Length {length!r}'
            return self._take(int(length))
        while self._fill():
            pass
        body, self._buffer = self._buffer, b''
        return body

    def _read_line(self):
        while b'\r\n' not in self._buffer:
            assert self._fill(), 'the answer ends in a chunk'
        line, _, self._buffer = self._buffer.partition(b'\r\n')
        return line

    def _read_chunks(self):
        parts = []
        while True:
            size = int(self._read_line(), 16)
            if size == 0:
                break
            parts.append(self._take(size))
            assert self._read_line() == b'', 'a chunk is longer than it says'
        while self._read_line() != b'':
            pass
        return b''.join(parts)


def head(host, method, target, fields=None, body=None):
    """The bytes of a request head; Host and Content-Length are added unless given."""
    lines = [f'{method} {target} HTTP/1.1']
    given = {name.lower() for name, _ in _pairs(fields)}
    if 'host' not in given:
        lines.append(f'Host: {host}')
    lines += [f'{name}: {value}' for name, value in _pairs(fields)]
    wants_length = body is not None or method in ('PUT', 'POST', 'PATCH')
    if wants_length and not given & {'content-length', 'transfer-encoding'}:
        lines.append(f'Content-Length: {len(body or b"")}')
    return ('\r\n'.join(lines) + '\r\n\r\n').encode('latin-1')


def chunked(data, size=1 << 16):
    """`data` in the chunked coding."""
    parts = []
    for begin in range(0, len(data), size):
        part = data[begin:begin + size]
        parts.append(b'%x\r\n%s\r\n' % (len(part), part))
    return b''.join(parts) + b'0\r\n\r\n'


def request(address, method, target, fields=None, body=None, timeout=60):
    """One request on a connection of its own."""
    with Connection(address, timeout) as connection:
        return connection.request(method, target, fields, body)


def _pairs(fields):
    if fields is None:
        return []
    return list(fields.items()) if isinstance(fields, dict) else list(fields)
