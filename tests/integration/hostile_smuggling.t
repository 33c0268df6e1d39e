#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Requests that two readers may understand differently, direct and through proxies: each request
that is served is one that was sent, cut where its sender cut it, and the access log has them all."""

import concurrent.futures
import re
import socket
import sys

import check
import http1
import proxies
import recorder
import smuggling
from recorder import REQUEST_ID, Reading, Recorder
from registry import Registry
from scenario import events, serves, serving
from smuggling import CUT, LEFT, PAYLOADS, REFUSED, TAKEN, WAITING
from tap import NotRun, Suite, note

CONFIG = '''\
http:
  allow_proxy: true
  head_timeout: 500ms
  body_timeout: 500ms
log:
  access: all
'''

# Statuses of requests that were not understood as HTTP; others were, and had an answer.
NOT_HTTP = {400, 408, 411, 414, 417, 431, 501, 505}

suite = Suite()


def send(address, data, seconds=15):
    """What comes back until the other side ends it. A sender that is through says so only when
    nothing comes any more, because some proxies take that for its going away."""
    host, port = address.rsplit(':', 1)
    received = b''
    with socket.create_connection((host, int(port)), timeout=seconds) as connection:
        try:
            connection.sendall(data)
            connection.settimeout(0.7)
            while True:
                try:
                    part = connection.recv(1 << 16)
                except socket.timeout:
                    connection.settimeout(seconds)
                    connection.shutdown(socket.SHUT_WR)
                    continue
                if part == b'':
                    break
                received += part
        except ConnectionError:
            pass
    return received


def statuses(received):
    """Of all final answers; no body here looks like a status line."""
    found = re.findall(rb'(?:^|\n|\A|\})HTTP/1\.[01] (\d\d\d) ', received)
    return [int(status) for status in found if status[:1] != b'1']


def ids(received):
    return [match.decode() for match in REQUEST_ID.findall(received)]


def lines_of(server):
    """The access lines by their id."""
    lines = events(server, 'http.request')
    by_id = {line['id']: line for line in lines}
    check.equal(len(by_id), len(lines), 'access lines, one for each request')
    return by_id


def at_once(work, items):
    with concurrent.futures.ThreadPoolExecutor(32) as pool:
        return list(pool.map(work, items))


# ---- Direct

def wrong_direct(verdict, mark, received, lines):
    """What is wrong with the answers to one payload, or None."""
    got = statuses(received)
    marks = [line.get('repo', '') for line in lines]
    second = f'{mark}/second'
    if verdict == TAKEN:
        if len(got) != 2 or marks[1] != second:
            return 'the second request was not answered as the second'
        return 'the first was not understood' if got[0] in {408, 411, 501, 505} else None
    if verdict == CUT:
        return None if got == [201, 400] else 'not taken, then refused'
    if verdict == WAITING:
        return None if got == [408] else 'not waited for'
    if len(got) != 1:
        return 'not one answer'
    if not re.search(rb'\r\nConnection: close\r\n', received):
        return 'the answer does not say that the connection ends'
    if verdict == REFUSED and got[0] not in NOT_HTTP:
        return 'not refused'
    if verdict == LEFT and got[0] in NOT_HTTP:
        return 'refused'
    return None


@suite.case('each class direct: refused, or understood as it was meant; the access log has just the '
            'requests that were answered')
def direct(_):
    with serving(CONFIG) as server:
        def try_one(numbered):
            number, (name, verdict, payload) = numbered
            mark, first, second = smuggling.bytes_of(payload, number)
            return name, verdict, mark, send(server.address, first + second)
        results = at_once(try_one, enumerate(PAYLOADS))
        by_id = lines_of(server)
        seen, broken = set(), []
        for name, verdict, mark, received in results:
            lines = [by_id[one] for one in ids(received)]
            seen.update(ids(received))
            wrong = wrong_direct(verdict, mark, received, lines)
            if [line['status'] for line in lines] != statuses(received):
                wrong = 'the access log has other statuses'
            if any('hidden' in line.get('repo', '') for line in lines):
                wrong = 'a body was served as a request'
            if any(not line.get('repo', mark).startswith(mark) for line in lines):
                wrong = 'an answer to somebody else'
            if wrong:
                broken.append(f'{name} ({verdict}): {wrong}: {statuses(received)} {received!r}')
        for text in broken:
            note(text)
        check.equal(broken, [], 'payloads understood otherwise')
        extra = [line for one, line in by_id.items() if one not in seen and
                 line['route'] not in ('/readyz', '/livez')]
        check.equal(extra, [], 'access lines of requests nobody sent')
        serves(server)


# ---- Behind a proxy

def compare(tape, by_id):
    """What is wrong between the bytes a proxy sent on one connection, as h11 reads them, and the
    access lines of it; or None."""
    reading = Reading(tape.sent)
    lines = [by_id[one] for one in tape.ids()]
    text = f'h11: {reading.requests} {reading.end}; log: {lines}; sent: {tape.sent!r}'
    for number, line in enumerate(lines):
        is_last = number + 1 == len(lines)
        if number >= len(reading.requests):
            # One that h11 has no end of, or refuses: it must be the last, and must not be taken.
            if not is_last or reading.end in ('clean', 'closed'):
                return f'a request that is not there: {text}'
            if line['status'] < 400 and line['in'] > 0:
                return f'a request that is not complete was taken: {text}'
            continue
        method, target, length = reading.requests[number]
        if line['status'] in NOT_HTTP and is_last:
            continue # stricter than h11
        if line['method'] not in (method, 'OTHER'):
            return f'another method: {text}'
        if line.get('repo') and f'/v2/{line["repo"]}/' not in target:
            return f'another target: {text}'
        if line['status'] < 300 and line['in'] != length:
            return f'another body: {text}'
    if len(lines) < len(reading.requests) and lines and lines[-1]['status'] < 300 and \
            reading.end != 'closed' and b'\r\nConnection: close\r\n' not in tape.answered:
        return f'a request without an answer: {text}'
    return None


def behind(kind):
    if recorder.h11 is None:
        raise NotRun('python3-h11 is missing; ./dev deps test installs it')
    with serving(CONFIG) as server, Recorder(server.address) as relay, \
            kind(relay.address) as proxy:
        registry = Registry(proxy.address)
        check.equal(registry.get_blob('well', registry.push_blob('well', b'formed')).body, b'formed')

        def try_one(numbered):
            number, (name, _, payload) = numbered
            mark, first, second = smuggling.bytes_of(payload, number)
            return name, mark, send(proxy.address, first + second)
        results = at_once(try_one, enumerate(PAYLOADS))
        # Those behind an attack get their own answers.
        check.equal(registry.get_blob('well', registry.push_blob('well', b'after')).body, b'after')
        proxy.__exit__()
        check.eventually('the proxy has closed all', lambda: all(t.is_over for t in relay.tapes))

        by_id = lines_of(server)
        broken, seen = [], {}
        for tape in relay.tapes:
            wrong = compare(tape, by_id)
            if wrong:
                broken.append(wrong)
            seen.update({one: tape for one in tape.ids()})
        for name, mark, received in results:
            for one in ids(received):
                line = by_id[one]
                if not line.get('repo', mark).startswith(mark):
                    broken.append(f'{name}: an answer to somebody else: {line}')
        for one, line in by_id.items():
            if one in seen or line['route'] in ('/readyz', '/livez'):
                continue
            # A client or proxy that left has no answer, but it has sent what is in the log.
            name = line.get('repo', '').encode()
            if not (name and any(name in tape.sent for tape in relay.tapes)) and \
                    line['status'] not in {408, 499, 400}:
                broken.append(f'an access line of what no proxy has sent: {line}')
        for text in broken:
            note(text)
        forwarded = len([line for line in by_id.values() if line['route'] != '/readyz'])
        note(f'{kind.name}: {len(PAYLOADS)} payloads, {len(relay.tapes)} connections to the server, '
             f'{forwarded} requests in the access log, '
             f'{sum(line["status"] in NOT_HTTP for line in by_id.values())} of them refused')
        check.equal(len(broken), 0, 'connections understood otherwise')
        check.true(len(seen) > len(PAYLOADS) // 2, 'too little came through')
        serves(server)


for proxy_kind in proxies.ALL:
    suite.add(f'each class through {proxy_kind.name}: the access log has what the proxy sent, and '
              'each client its own answers', lambda _, kind=proxy_kind: behind(kind))


@suite.case('the comparison notices one request that the proxy has not sent')
def control(_):
    hidden = b'GET /v2/hidden/tags/list HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n'
    with serving(CONFIG) as server, Recorder(server.address, hidden) as relay:
        http1.request(relay.address, 'GET', '/v2/plain/tags/list')
        check.eventually('the connection has ended', lambda: all(t.is_over for t in relay.tapes))
        check.true(compare(relay.tapes[0], lines_of(server)) is not None, 'nothing was noticed')


@suite.case('a proxy before an open registry is refused by the name of the key, until that is set')
def needs_key(_):
    for kind in (proxies.Nginx, proxies.Haproxy, proxies.Varnish):
        with serving() as server, kind(server.address) as proxy:
            answer = http1.request(proxy.address, 'GET', '/v2/')
            check.error(answer, 403, 'DENIED', 'http.allow_proxy')
            check.status(http1.request(proxy.address, 'POST', '/v2/key/blobs/uploads/'), 403)


sys.exit(suite.run(None))
