#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The server against another strict HTTP/1.1 implementation, h11: what that refuses, ours must not
accept. Requests are valid ones with random mutations; the seed makes every run the same, and
$HTTP_H11_SEED, $HTTP_H11_COUNT another or a longer one."""

import concurrent.futures
import os
import random
import socket
import sys

import check
from debian_h11 import h11
from image import digest_of
from scenario import serves
from server import is_sanitized, run_suite
from tap import NotRun, Suite, note

SEED = int(os.environ.get('HTTP_H11_SEED', '20240501'))
COUNT = int(os.environ.get('HTTP_H11_COUNT', '4000'))

# Short, because a request that is cut off is only over when the server has waited for the rest.
CONFIG = '''\
http:
  head_timeout: 150ms
  body_timeout: 150ms
log:
  access: off
'''

suite = Suite()


# ---- Requests

TARGETS = (b'/v2/', b'/v2/h11/tags/list', b'/livez', b'/v2/h11/blobs/uploads/',
           b'/v2/h11/manifests/tag')
METHODS = (b'GET', b'HEAD', b'PUT', b'POST', b'PATCH', b'DELETE', b'OPTIONS')
CONTROL = [bytes([i]) for i in (*range(0, 32), 127, 128, 160, 255)]


class Request:
    """A request in pieces, so that a mutation knows what it breaks."""

    def __init__(self, chance):
        self.method = chance.choice(METHODS)
        self.target = chance.choice(TARGETS)
        self.version = b'HTTP/1.1'
        self.separators = [b' ', b' ']
        self.fields = [[b'Host', b': ', b'127.0.0.1'], [b'Accept', b': ', b'*/*']]
        self.ends = {}
        self.body = b''
        kind = chance.choice(('none', 'none', 'length', 'length', 'chunked', 'chunked'))
        content = bytes(chance.choice(b'abc{}":') for _ in range(chance.randrange(0, 40)))
        if kind == 'length':
            self.fields.append([b'Content-Length', b': ', b'%d' % len(content)])
            self.body = content
        elif kind == 'chunked':
            self.fields.append([b'Transfer-Encoding', b': ', b'chunked'])
            self.body = self.chunks(chance, content)
        if kind != 'none' and chance.random() < 0.6:
            # A push of just this content: 201 says that every byte of it was understood.
            self.method = b'POST'
            self.target = b'/v2/h11/blobs/uploads/?digest=' + digest_of(content).encode()
        if chance.random() < 0.3:
            self.fields.append([b'Connection', b': ', b'close'])
        if chance.random() < 0.1:
            self.fields.append([b'Expect', b': ', b'100-continue'])

    @staticmethod
    def chunks(chance, content):
        out = b''
        while content:
            size = chance.randrange(1, len(content) + 1)
            extension = chance.choice((b'', b'', b'', b';a', b';a=b', b';a="b"'))
            out += b'%x%s\r\n%s\r\n' % (size, extension, content[:size])
            content = content[size:]
        return out + b'0\r\n' + chance.choice((b'', b'', b'X-Trailer: 1\r\n')) + b'\r\n'

    def lines(self):
        yield self.method + self.separators[0] + self.target + self.separators[1] + self.version
        for name, colon, value in self.fields:
            yield name + colon + value
        yield b''

    def bytes(self):
        return b''.join(line + self.ends.get(number, b'\r\n')
                        for number, line in enumerate(self.lines())) + self.body


def any_field(request, chance):
    return chance.choice(request.fields)


def at_random(chance, text, insert):
    at = chance.randrange(0, len(text) + 1)
    return text[:at] + insert + text[at:]


def mutate_name(request, chance):
    field = any_field(request, chance)
    field[0] = chance.choice((
        at_random(chance, field[0], chance.choice(CONTROL + [b' ', b'(', b'@', b'{', b'"', b','])),
        b'', field[0].upper(), field[0].swapcase(), b' ' + field[0], b'\t' + field[0],
        field[0].replace(b'-', b'_'), field[0] + b' '))


def mutate_value(request, chance):
    field = any_field(request, chance)
    field[2] = chance.choice((
        at_random(chance, field[2], chance.choice(CONTROL)), b'', field[2] + b' ', field[2] + b'\t',
        b'  ' + field[2], field[2] + b',' + field[2], field[2] + b', ' + field[2],
        field[2] + b'\r\n folded', field[2].upper(), b'"' + field[2] + b'"', b',' + field[2]))


def mutate_colon(request, chance):
    any_field(request, chance)[1] = chance.choice(
        (b'', b' ', b' : ', b'\t:', b'::', b':', b':\t', b'=', b': \x00', b':\r\n '))


def mutate_line_end(request, chance):
    request.ends[chance.randrange(0, len(request.fields) + 2)] = chance.choice(
        (b'\n', b'\r', b'\r\r\n', b'\n\r', b'\r\n\r\n', b'', b' \r\n', b'\r\n ', b'\x0b\r\n',
         b'\x00\r\n', b'\n\n'))


def mutate_length(request, chance):
    lengths = [field for field in request.fields if field[0].lower() == b'content-length']
    field = chance.choice(lengths) if lengths else [b'Content-Length', b': ', b'0']
    if not lengths:
        request.fields.append(field)
    field[2] = chance.choice((
        b'+' + field[2], b'-' + field[2], b'0' + field[2], b'0x' + field[2], field[2] + b'.0',
        field[2] + b' ' + field[2], field[2] + b'e0', b'', b'a', b'18446744073709551616',
        b'99999999999999999999999', field[2] + b',' + field[2], field[2] + b';', b'\x00' + field[2],
        b'%d' % (len(request.body) + 1), b'%d' % max(0, len(request.body) - 1),
        b'_1', b'1_0', '\u0661'.encode(), b'\xb2'))


def mutate_coding(request, chance):
    codings = [field for field in request.fields if field[0].lower() == b'transfer-encoding']
    field = chance.choice(codings) if codings else [b'Transfer-Encoding', b': ', b'chunked']
    if not codings:
        request.fields.append(field)
    field[2] = chance.choice((
        b'chunked', b'Chunked', b'CHUNKED', b'xchunked', b'chunked ', b' chunked', b'chunked,',
        b',chunked', b'chunked, chunked', b'gzip, chunked', b'chunked, gzip', b'identity', b'gzip',
        b'', b'"chunked"', b'chunked;q=1', b'chun\x00ked', b'chunked\x0b', b'\x0bchunked',
        b'chunked\x00', b'chunke', b'\tchunked'))


def mutate_chunks(request, chance):
    old, new = chance.choice((
        (b'\r\n', b'\n'), (b'\r\n', b'\r'), (b'\r\n', b''), (b'\r\n', b' \r\n'),
        (b'0\r\n', b''), (b'0\r\n', b'00000000000000000000\r\n'), (b'0\r\n', b'-0\r\n'),
        (b'0\r\n', b'0x0\r\n'), (b'0\r\n', b'+0\r\n'), (b'0\r\n', b' 0\r\n'), (b'0\r\n', b'0 \r\n'),
        (b'0\r\n', b'0;\x00\r\n'), (b'0\r\n', b'0;\n\r\n'), (b'0\r\n', b'g\r\n'),
        (b'0\r\n', b'ffffffffffffffffff\r\n'), (b'0\r\n', b'0\r\nX : 1\r\n'),
        (b'0\r\n', b'0\r\nX\r\n'), (b'0\r\n', b'0\r\n X: 1\r\n'), (b'0\r\n', b'0\r\nX: \x00\r\n'),
        (b';', b'\x01;'), (b';a', b';a\x00'), (b'a', b'\r\n'), (b'X-Trailer', b'X Trailer')))
    parts = request.body.split(old)
    at = chance.randrange(0, len(parts))
    request.body = old.join(parts[:at + 1]) + (new if len(parts) > at + 1 else b'') + \
        old.join(parts[at + 1:])


def mutate_body_byte(request, chance):
    byte = chance.choice(CONTROL + [b'1', b'f', b';', b' '])
    request.body = at_random(chance, request.body, byte)


def mutate_cut(request, chance):
    request.body = request.body[:chance.randrange(0, len(request.body) + 1)]


def mutate_twice(request, chance):
    field = list(any_field(request, chance))
    if chance.random() < 0.5:
        field[2] = chance.choice((b'0', b'1', b'5', b'chunked', b'identity', b'other'))
    if chance.random() < 0.3:
        field[0] = field[0].swapcase()
    request.fields.insert(chance.randrange(0, len(request.fields) + 1), field)


def mutate_missing(request, chance):
    request.fields.remove(any_field(request, chance))


def mutate_version(request, chance):
    request.version = chance.choice((
        b'HTTP/1.0', b'HTTP/1.2', b'HTTP/2.0', b'HTTP/0.9', b'http/1.1', b'HTTP/1', b'HTTP/11',
        b'HTTP/1.1 ', b'HTTP/1,1', b'HTTP/01.1', b'HTTP/1.10', b'', b'HTP/1.1', b'HTTP/1.1\x00',
        b'HTTP /1.1', b'HTTP/9.9', b'HTTPS/1.1'))


def mutate_separator(request, chance):
    request.separators[chance.randrange(0, 2)] = chance.choice(
        (b'  ', b'\t', b'', b' \t', b'\x0b', b'\x0c', b'\r', b'\x00', b'\xa0', b' \r\n'))


def mutate_method(request, chance):
    request.method = chance.choice((
        b'', b'get', b'G', b'GE T', b'G\x00ET', b'GET\x7f', b'M-SEARCH', b'TRACE', b'CONNECT',
        b'PRI', b'"GET"', b'G(ET', b'X' * 40,
        at_random(chance, request.method, chance.choice(CONTROL))))


def mutate_target(request, chance):
    request.target = chance.choice((
        at_random(chance, request.target, chance.choice(CONTROL)), b'', b'*', b'v2/', b'//',
        b'http://127.0.0.1/v2/', request.target + b'#x', request.target + b'?a=\xff',
        request.target + b'%00', request.target + b' /v2/'))


def mutate_host(request, chance):
    for field in request.fields:
        if field[0] == b'Host':
            field[2] = chance.choice((b'', b'a b', b'a,b', b'a\tb', b'a/b', b'127.0.0.1:x', b'a@b',
                                      b'[::1]:5000', b'\xff', b'a' * 300))


def mutate_start(request, chance):
    before = chance.choice((b'\r\n', b'\n', b' ', b'\x00', b'\r\n\r\n', b'\r'))
    request.method = before + request.method


MUTATIONS = [function for name, function in sorted(globals().items())
             if name.startswith('mutate_')]


def requests(seed, count):
    """Pairs of (names of the mutations, bytes)."""
    chance = random.Random(seed)
    for number in range(count):
        request = Request(chance)
        names = []
        # Every tenth is left as it is, so that what both accept is never rare.
        for _ in range(chance.choice((1, 1, 1, 2, 3)) if number % 10 else 0):
            mutation = chance.choice(MUTATIONS)
            if request.fields:
                mutation(request, chance)
                names.append(mutation.__name__[len('mutate_'):])
        yield names, request.bytes()


# ---- What the two make of them

def h11_verdict(data):
    """'head refused', 'body refused', 'accepted' or 'incomplete': the first request in `data`."""
    connection = h11.Connection(h11.SERVER)
    part = 'head'
    try:
        connection.receive_data(data)
        while True:
            event = connection.next_event()
            if event is h11.NEED_DATA:
                return 'incomplete'
            if isinstance(event, h11.Request):
                part = 'body'
            if isinstance(event, h11.EndOfMessage):
                return 'accepted'
            if isinstance(event, h11.ConnectionClosed) or event is h11.PAUSED:
                return 'incomplete'
    except h11.RemoteProtocolError:
        return f'{part} refused'


def our_answer(address, data):
    """All bytes until the server closes; None when it does not."""
    host, port = address.rsplit(':', 1)
    received = b''
    with socket.create_connection((host, int(port)), timeout=30) as connection:
        try:
            connection.sendall(data)
            while True:
                part = connection.recv(1 << 16)
                if part == b'':
                    break
                if received == b'':
                    # A connection that is kept ends with this, after all that was sent.
                    connection.shutdown(socket.SHUT_WR)
                received += part
        except OSError as error:
            if isinstance(error, socket.timeout):
                return None
    return received


def answer_of(received):
    """(status, head) of the first final answer; (None, b'') when there is none."""
    while received:
        head, _, rest = received.partition(b'\r\n\r\n')
        check.true(head[:9] in (b'HTTP/1.1 ', b'HTTP/1.0 ') and head[9:12].isdigit(),
                   f'not an answer: {received[:200]!r}')
        if int(head[9:12]) >= 200:
            return int(head[9:12]), head
        received = rest
    return None, b''


def complaint(verdict, received):
    """What is wrong with our answer, or None."""
    if received is None:
        return 'open for 30 s'
    status, head = answer_of(received)
    if verdict not in ('head refused', 'body refused'):
        return None
    if status is None:
        return 'closed without a word'
    if final_answers(received) > 1:
        return 'answered, and the connection goes on'
    if b'\r\nconnection: close' not in head.lower():
        return 'the answer does not say that the connection ends'
    # Handlers that need no body answer before it, and close because it was not read. Those that
    # read it answer 201 to what they accept.
    if status < 400 and (verdict == 'head refused' or status == 201):
        return f'accepted with {status}'
    return None


def compare(server, numbered):
    """One request to both; returns (kind, text): what to count, and what was sent and answered."""
    names, data = numbered
    verdict = h11_verdict(data)
    received = our_answer(server.address, data)
    wrong = complaint(verdict, received)
    text = f'{names} {data!r}: h11 says {verdict}; {wrong or received}'
    if wrong is not None:
        return 'broken', text
    if verdict != 'accepted':
        return ('incomplete' if verdict == 'incomplete' else f'both refuse, {verdict}'), text
    # A request may be well-formed and still not allowed.
    status, _ = answer_of(received)
    is_refused = status is None or (status in (400, 411, 417, 431, 501, 505) and
                                    b'MANIFEST_INVALID' not in received)
    return ('only h11 accepts' if is_refused else 'both accept'), text


def final_answers(received):
    """How many requests the server saw: bodies here never look like a status line."""
    lines = received.split(b'\r\n')
    return sum(line.startswith(b'HTTP/1.') and line[9:10] != b'1' for line in lines)


@suite.case('what h11 refuses is refused, and the connection ends')
def differential(server):
    if h11 is None:
        raise NotRun('python3-h11 is missing; ./dev deps test installs it')
    count = COUNT // 4 if is_sanitized() else COUNT
    note(f'seed {SEED}, {count} requests, h11 {h11.__version__}')
    examples = {}
    with concurrent.futures.ThreadPoolExecutor(64) as pool:
        for kind, text in pool.map(lambda numbered: compare(server, numbered),
                                   requests(SEED, count)):
            examples.setdefault(kind, []).append(text)
    note(', '.join(f'{kind}: {len(examples[kind])}' for kind in sorted(examples)))
    for text in examples.get(os.environ.get('HTTP_H11_EXAMPLES', 'broken'), [])[:40]:
        note(text)
    check.equal(len(examples.get('broken', [])), 0, 'requests accepted that should not be')
    for kind in ('both accept', 'both refuse, head refused', 'both refuse, body refused'):
        check.true(len(examples.get(kind, [])) > count // 100, f'too few: {kind}')
    pushed = sum('201 Created' in text for text in examples['both accept'])
    check.true(pushed > count // 100, f'only {pushed} bodies were read and accepted')
    serves(server)


sys.exit(run_suite(suite, config=CONFIG))
