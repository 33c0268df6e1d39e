#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""TLS with real clients and on bare sockets, certificates that change, client certificates, and
what trusted proxies say."""

import glob
import json
import os
import re
import shutil
import socket
import ssl
import struct
import subprocess
import sys
import threading

import check
import command
import http1
import image
import proxies
import tls
from image import digest_of
from registry import OCTETS, Registry, with_query
from server import Server, StartError, is_sanitized, run_suite
from tap import Suite

MIB = 1 << 20

CONFIG = '''\
server:
  listen_plain: "127.0.0.1:0"
tls:
  certificate: "{certificate}"
  key: "{key}"
  {more}
  handshake_timeout: 500ms
http:
  head_timeout: 2s
  idle_timeout: 3s
  write_timeout: 2s
  min_rate: 0
  trusted_proxies: "127.0.0.2, 10.0.0.0/8"
log:
  access: all
  level: debug
'''


def config(folder, *names, more='min_version: "1.2"'):
    """For certificates NAME.pem of `folder` with their keys."""
    return CONFIG.format(certificate=', '.join(f'{folder}/{name}.pem' for name in names),
                         key=', '.join(f'{folder}/{name}.key' for name in names), more=more)


class Tls:
    """A server, where it speaks TLS, and who made its certificate."""

    def __init__(self, server, authority):
        self.server = server
        self.authority = authority
        self.context = authority.context()
        self.address = tls.address_of(server)

    def connect(self, context=None, **options):
        return tls.Connection(self.address, context or self.context, **options)

    def request(self, method, target, fields=None, body=None, **options):
        return tls.request(self.address, self.context, method, target, fields, body, **options)

    def s_client(self, *options, stdin=b'', fails=None):
        """What `openssl s_client` says of a connection."""
        host, port = self.address.rsplit(':', 1)
        return command.run('openssl', 's_client', '-connect', f'{host}:{port}', '-CAfile',
                           self.authority.path, *options, stdin=stdin, timeout=60, fails=fails)

    def metric(self, result):
        text = http1.request(self.server.address, 'GET', '/metrics').body.decode()
        for line in text.splitlines():
            if line.startswith(f'tidemark_tls_handshakes_total{{result="{result}"}}'):
                return int(line.rsplit(' ', 1)[1])
        return 0

    def check_serves(self):
        check.status(self.request('GET', '/v2/'), 200)


class PushOverTls(Registry):
    """Registry, but over TLS."""

    def __init__(self, server):
        super().__init__(server.address)
        self._server = server

    def request(self, method, target, fields=None, body=None):
        return self._server.request(method, target, fields, body)


authority = tls.Authority()
stranger = tls.Authority('Nobody you know')
certificates = os.path.join(authority.directory, 'certificates')
authority.issue(certificates, 'localhost', 'DNS:localhost,IP:127.0.0.1')
authority.issue(certificates, 'wild', 'DNS:*.wild.example,DNS:tame.example', kind='rsa:2048')

suite = Suite()

# ---- Clients people use


@suite.case('curl stores a file and gets it back, with its certificate checked')
def _curl(server):
    folder = os.path.join(server.server.directory, 'curl')
    os.makedirs(folder)
    content = image.noise(3 * MIB, 'curl')
    with open(f'{folder}/sent', 'wb') as file:
        file.write(content)
    url = f'https://{server.address}/files/curl/app:1/sent'
    trust = ('curl', '--fail-with-body', '-sS', '--cacert', authority.path)
    command.run(*trust, '-T', f'{folder}/sent', url)
    command.run(*trust, '-o', f'{folder}/got', url)
    with open(f'{folder}/got', 'rb') as file:
        check.equal(digest_of(file.read()), digest_of(content))
    text = command.run('curl', '-sS', url, fails=True)
    check.contains(text, 'SSL certificate problem')


@suite.case('crane pushes and pulls')
def _crane(server):
    one = image.small('tls crane')
    folder = os.path.join(server.server.directory, 'crane')
    os.makedirs(folder)
    image.write_layout(f'{folder}/layout', {'latest': one})
    trust = {'SSL_CERT_FILE': authority.path, 'HOME': folder}
    name = f'{server.address}/crane/app:1'
    # A name without TLS is what crane takes a loopback address for, unless its port says otherwise.
    name = name.replace('127.0.0.1', 'localhost')
    command.run('crane', 'push', f'{folder}/layout', name, environment=trust)
    check.equal(command.run('crane', 'digest', name, environment=trust).strip(), one.digest)
    command.run('crane', 'pull', '--format', 'oci', name, f'{folder}/pulled', environment=trust)
    check.equal(image.read_layout(f'{folder}/pulled'), image.contents(one), 'the pulled layout')


@suite.case('oras pushes and pulls with a file of authorities')
def _oras(server):
    folder = os.path.join(server.server.directory, 'oras')
    os.makedirs(f'{folder}/pulled')
    with open(f'{folder}/data.txt', 'wb') as file:
        file.write(b'pushed by oras')
    name = f'{server.address}/oras/app:1'
    command.run('oras', 'push', '--ca-file', authority.path, name, 'data.txt:text/plain',
                cwd=folder, environment={'HOME': folder})
    command.run('oras', 'pull', '--ca-file', authority.path, '-o', f'{folder}/pulled', name,
                environment={'HOME': folder})
    with open(f'{folder}/pulled/data.txt', 'rb') as file:
        check.equal(file.read(), b'pushed by oras')


# ---- What is negotiated

OLD = ('-cipher', 'ALL:@SECLEVEL=0')


@suite.case('TLS 1.1 is refused by an alert')
def _tls_11(server):
    text = server.s_client('-tls1_1', *OLD, fails=True)
    check.contains(text, 'alert protocol version')


@suite.case('TLS 1.2 and 1.3 are spoken, with forward secrecy')
def _versions(server):
    check.contains(server.s_client('-tls1_2'), 'Protocol  : TLSv1.2')
    text = server.s_client('-tls1_2')
    check.contains(text, 'Cipher is ECDHE-ECDSA-AES')
    check.contains(server.s_client('-tls1_3'), 'TLSv1.3')


@suite.case('suites without forward secrecy or authenticated encryption are refused')
def _suites(server):
    for suite_name in ('AES128-GCM-SHA256', 'ECDHE-ECDSA-AES128-SHA', 'ECDHE-ECDSA-AES128-SHA256'):
        text = server.s_client('-tls1_2', '-cipher', f'{suite_name}:@SECLEVEL=0', fails=True)
        check.contains(text, 'handshake failure')


@suite.case('renegotiation is refused')
def _renegotiation(server):
    client = subprocess.Popen(
        [command.find('openssl'), 's_client', '-connect', server.address, '-tls1_2', '-CAfile',
         authority.path], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    # Its input stays open: it is the server that ends this.
    client.stdin.write(b'R\n')
    client.stdin.flush()
    text = client.stdout.read().decode(errors='replace')
    client.stdin.close()
    check.true(client.wait(60) != 0, 'it renegotiated')
    check.contains(text, 'RENEGOTIATING')
    check.contains(text, 'no renegotiation')
    server.check_serves()


@suite.case('ALPN: http/1.1 is chosen, and nothing else is')
def _alpn(server):
    for offered, wanted in ((['h2', 'http/1.1'], 'http/1.1'), (['http/1.1'], 'http/1.1')):
        context = authority.context()
        context.set_alpn_protocols(offered)
        with server.connect(context) as connection:
            check.equal(connection.socket.selected_alpn_protocol(), wanted)
    context = authority.context()
    context.set_alpn_protocols(['h2'])
    try:
        server.connect(context).close()
    except ssl.SSLError as error:
        check.contains(str(error).lower(), 'no application protocol')
    else:
        raise AssertionError('a client of HTTP/2 alone was not refused')
    server.check_serves()


@suite.case('SNI picks the certificate; an unknown name and none get the first')
def _sni(server):
    for name in ('a.wild.example', 'tame.example'):
        with server.connect(name=name) as connection:
            check.equal(connection.names(), ['*.wild.example', 'tame.example'])
            check.status(connection.request('GET', '/v2/', {'Host': 'localhost'}), 200)
    for name in ('localhost', '127.0.0.1'):
        with server.connect(name=name) as connection:
            check.equal(connection.names(), ['localhost'])
    # The client is the one to refuse it.
    for name in ('b.a.wild.example', 'other.example'):
        try:
            server.connect(name=name).close()
        except ssl.SSLCertVerificationError:
            continue
        raise AssertionError(f'{name} was verified')


@suite.case('a session is resumed by its ticket')
def _resumption(server):
    for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
        context = authority.context()
        context.maximum_version = version
        with server.connect(context) as connection:
            check.status(connection.request('GET', '/v2/'), 200)
            session = connection.socket.session
        with server.connect(context, session=session) as connection:
            check.status(connection.request('GET', '/v2/'), 200)
            check.true(connection.socket.session_reused, f'{version!r} was not resumed')


# ---- Not TLS


def raw(address, data, shut=False):
    """What comes back for bytes on the socket, until the end."""
    host, port = address.rsplit(':', 1)
    with socket.create_connection((host, int(port)), timeout=30) as client:
        client.sendall(data)
        if shut:
            client.shutdown(socket.SHUT_WR)
        parts = []
        try:
            while part := client.recv(65536):
                parts.append(part)
        except ConnectionResetError:
            parts.append(b'<reset>')
        return b''.join(parts)


@suite.case('HTTP without TLS is told so with status 400')
def _plain(server):
    for method in ('GET', 'HEAD', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'):
        try:
            http1.request(server.address, method, '/v2/')
        except AssertionError:
            check.equal(method, 'HEAD', 'a method whose answer has no body')
            continue
        answer = http1.request(server.address, method, '/v2/')
        if method != 'HEAD':
            check.status(answer, 400)
            check.contains(json.loads(answer.body)['errors'][0]['message'], 'https://')
    # One that is still sending gets the answer too, and not a reset.
    body = b'x' * MIB
    head = b'PUT /v2/a/blobs/uploads/x HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n' % len(body)
    answer = raw(server.address, head + body)
    check.true(answer.startswith(b'HTTP/1.1 400 '), f'{answer[:100]!r}')
    check.true(b'<reset>' not in answer, 'reset')
    server.check_serves()


@suite.case('bytes that are neither are refused')
def _rubbish(server):
    for data in (b'\0' * 64, b'\x16\x03\x01\x00\x05rubbish', b'\x80\x2e\x01\x03\x01', b'\x16' * 70000):
        answer = raw(server.address, data, shut=True)
        check.true(b'HTTP' not in answer, f'{data[:8]!r}: {answer[:100]!r}')
    server.check_serves()


def client_hello():
    """The first bytes of a handshake, as OpenSSL sends them."""
    context = authority.context()
    sent = ssl.MemoryBIO()
    client = context.wrap_bio(ssl.MemoryBIO(), sent, server_hostname='localhost')
    try:
        client.do_handshake()
    except ssl.SSLWantReadError:
        pass
    return sent.read()


@suite.case('slow handshakes end, whatever they have sent')
def _slow(server):
    hello = client_hello()
    before = server.metric('timeout')
    host, port = server.address.rsplit(':', 1)
    clients = []
    # Nothing, the first byte, all but the last byte, and all without what must follow.
    for data in (b'', hello[:1], hello[:-1], hello) * 8:
        client = socket.create_connection((host, int(port)), timeout=30)
        client.sendall(data)
        clients.append(client)
    server.check_serves()
    for client in clients:
        try:
            while client.recv(65536):
                pass
        except ConnectionResetError:
            pass
        client.close()
    check.equal(server.metric('timeout') - before, len(clients), 'handshakes that took too long')


@suite.case('a handshake a byte at a time is one')
def _bytes(server):
    context = authority.context()
    received, sent = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = context.wrap_bio(received, sent, server_hostname='localhost')
    host, port = server.address.rsplit(':', 1)
    with socket.create_connection((host, int(port)), timeout=30) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        while True:
            try:
                client.do_handshake()
                break
            except ssl.SSLWantReadError:
                for byte in sent.read():
                    connection.sendall(bytes([byte]))
                received.write(connection.recv(65536))
        client.write(b'GET /v2/ HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n')
        for byte in sent.read():
            connection.sendall(bytes([byte]))
        text = b''
        while part := connection.recv(65536):
            received.write(part)
            try:
                while piece := client.read(65536):
                    text += piece
            except ssl.SSLWantReadError:
                pass
        check.true(text.startswith(b'HTTP/1.1 200 '), f'{text[:100]!r}')


# ---- HTTP in it


@suite.case('pipelined requests are answered in order')
def _pipelining(server):
    count = 200
    with server.connect() as connection:
        connection.send(b''.join(http1.head('localhost', 'GET', f'/pipe{i}/')
                                 for i in range(count)))
        for i in range(count):
            answer = check.status(connection.response(), 404)
            check.contains(answer.body.decode(), f'/pipe{i}/')


@suite.case('a request in many small records')
def _records(server):
    with server.connect() as connection:
        for byte in http1.head('localhost', 'GET', '/v2/'):
            connection.send(bytes([byte]))
        check.status(connection.response(), 200)


@suite.case('the absolute form of a target, whose host counts')
def _absolute(server):
    with server.connect() as connection:
        check.status(connection.request('GET', 'https://localhost/v2/'), 200)
        check.status(connection.request('GET', 'https://evil.example/v2/'), 403)


@suite.case('metrics: handshakes, and when the certificate ends')
def _metrics(server):
    before = server.metric('ok'), server.metric('http')
    server.check_serves()
    raw(server.address, b'GET / HTTP/1.1\r\n\r\n')
    check.equal((server.metric('ok'), server.metric('http')), (before[0] + 1, before[1] + 1))
    text = http1.request(server.server.address, 'GET', '/metrics').body.decode()
    ends = float(re.search(r'^tidemark_tls_certificate_expires_seconds (.*)$', text, re.M)[1])
    with server.connect() as connection:
        wanted = ssl.cert_time_to_seconds(connection.socket.getpeercert()['notAfter'])
    check.true(abs(ends - wanted) < 60, f'{ends}, not {wanted}')


@suite.case('a large blob goes up and comes down, whole and in ranges')
def _large(server):
    content = image.noise(64 * MIB + 12345, 'tls large')
    registry = PushOverTls(server)
    digest = registry.push_blob('tls/large', content)
    answer = check.status(registry.get_blob('tls/large', digest), 200)
    check.equal(digest_of(answer.body), digest)
    for first, last in ((0, 0), (16383, 16384), (MIB - 1, 3 * MIB), (len(content) - 1, len(content))):
        answer = registry.get_blob('tls/large', digest, {'Range': f'bytes={first}-{last}'})
        check.status(answer, 206)
        check.equal(digest_of(answer.body), digest_of(content[first:last + 1]), f'{first}-{last}')
    answer = registry.get_blob('tls/large', digest, {'Range': 'bytes=0-9,100000-100009'})
    check.status(answer, 206)
    check.contains(answer.field('content-type'), 'multipart/byteranges')
    check.true(content[:10] in answer.body and content[100000:100010] in answer.body, 'the parts')


@suite.case('an upload in chunks, with 100 Continue')
def _chunks(server):
    content = image.noise(5 * MIB, 'tls chunks')
    location = PushOverTls(server).begin_upload('tls/chunks')
    with server.connect() as connection:
        connection.send(http1.head('localhost', 'PATCH', location, {
            **OCTETS, 'Transfer-Encoding': 'chunked', 'Expect': '100-continue'}))
        check.status(connection.response(), 100)
        connection.send(http1.chunked(content, 70001))
        location = check.status(connection.response(), 202).field('location')
        answer = connection.request('PUT', with_query(location, f'digest={digest_of(content)}'))
        check.status(answer, 201)
    check.status(server.request('HEAD', f'/v2/tls/chunks/blobs/{digest_of(content)}'), 200)


@suite.case('clients that read slowly get all of it, in between others are served')
def _slow_reader(server):
    content = image.noise(8 * MIB, 'tls slow')
    digest = PushOverTls(server).push_blob('tls/slow', content)
    clients = [server.connect(receive_buffer=4096) for _ in range(4)]
    for client in clients:
        client.send(http1.head('localhost', 'GET', f'/v2/tls/slow/blobs/{digest}'))
    server.check_serves()
    results = []

    def read(client):
        results.append(digest_of(client.response().body))

    threads = [threading.Thread(target=read, args=(client,)) for client in clients]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    check.equal(results, [digest] * len(clients))
    for client in clients:
        client.close()


@suite.case('a large answer from memory to a client that reads late')
def _late_reader(server):
    files = {f'{i:05}': image.noise(300, i) for i in range(4000)}
    one = image.Image([files])
    registry = PushOverTls(server)
    registry.push('tls/late', one, 'latest')
    layer = one.layers[0]
    target = f'/v2/tls/late/blobs/{digest_of(layer)}'
    with server.connect(receive_buffer=4096) as connection:
        for _ in range(20):
            connection.send(http1.head('localhost', 'GET', target))
        for _ in range(20):
            check.equal(digest_of(connection.response().body), digest_of(layer))


# ---- Ends


@suite.case('the server says goodbye before it closes')
def _goodbye(server):
    with server.connect() as connection:
        check.status(connection.request('GET', '/v2/', {'Connection': 'close'}), 200)
        check.true(connection.is_closed(), 'the connection was kept')
    with server.connect() as connection:
        check.status(connection.request('GET', '/v2/'), 200)
        check.true(connection.is_closed(), 'an idle connection was kept')


@suite.case('an answer that is cut off does not look like its end')
def _cut_answer(server):
    content = image.noise(48 * MIB, 'tls cut')
    digest = PushOverTls(server).push_blob('tls/cut', content)
    hexadecimal = digest.partition(':')[2]
    paths = [path for path in glob.glob(f'{server.server.data}/**/*', recursive=True)
             if hexadecimal in path and os.path.isfile(path)]
    check.equal(len(paths), 1, 'files of the blob')
    try:
        with server.connect(receive_buffer=65536) as connection:
            connection.send(http1.head('localhost', 'GET', f'/v2/tls/cut/blobs/{digest}'))
            connection.socket.recv(1000)
            # More of it than the kernels may hold is still in the file.
            os.truncate(paths[0], 40 * MIB)
            try:
                while connection.socket.recv(65536):
                    pass
            except ssl.SSLEOFError:
                pass
            else:
                raise AssertionError('the server said goodbye')
    finally:
        with open(paths[0], 'wb') as file:
            file.write(content)


@suite.case('a body that ends without a goodbye is not taken for whole')
def _cut_body(server):
    content = image.noise(2 * MIB, 'tls truncated')
    digest = digest_of(content)
    location = PushOverTls(server).begin_upload('tls/truncated')
    target = with_query(location, f'digest={digest}')
    for fields in ({'Content-Length': str(len(content) + 1)}, {'Transfer-Encoding': 'chunked'}):
        with server.connect() as connection:
            connection.send(http1.head('localhost', 'PUT', target, {**OCTETS, **fields}))
            if 'Content-Length' in fields:
                connection.send(content)
            else:
                connection.send(b'%x\r\n' % len(content) + content)
            # The socket ends; TLS does not.
            connection.socket.shutdown(socket.SHUT_RDWR)
    check.status(server.request('HEAD', f'/v2/tls/truncated/blobs/{digest}'), 404)
    server.check_serves()


@suite.case('a client that resets in the middle')
def _reset(server):
    content = image.noise(8 * MIB, 'tls slow')
    target = f'/v2/tls/slow/blobs/{digest_of(content)}'
    for size in (0, 1, 70000):
        client = server.connect()
        client.send(http1.head('localhost', 'GET', target))
        if size:
            client.socket.recv(size)
        client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack('ii', 1, 0))
        client.close()
    server.check_serves()


@suite.case('an idle connection keeps no buffers')
def _memory(server):
    # Those of requests stay in reserve.
    for _ in range(50):
        server.check_serves()
    before = server.server.memory_kib()
    clients = []
    for _ in range(300):
        clients.append(server.connect())
        check.status(clients[-1].request('GET', '/v2/'), 200)
    each = (server.server.memory_kib() - before) / len(clients)
    for client in clients:
        client.close()
    if not is_sanitized():
        check.true(each < 32, f'{each} KiB for each')


# ---- What proxies say


def log_of(server, marker):
    """The access line of the request whose repository is `marker`."""
    for event in server.server.log_events():
        if event.get('event') == 'http.request' and event.get('repo') == marker:
            return event
    return None


def client_of(server, fields, source='127.0.0.2'):
    """What the access line of a request with these fields calls its client, and its status."""
    client_of.count += 1
    marker = f'proxy/case{client_of.count}'
    with http1.Connection(server.server.address, source=source) as connection:
        answer = connection.request('GET', f'/v2/{marker}/tags/list', fields)
    line = check.eventually('an access line', lambda: log_of(server, marker)
                            or (answer.status in (400, 403) and {'client': None}))
    return line['client'], answer


client_of.count = 0

PROXIED = (
    ('no field', [], '127.0.0.2', 404),
    ('X-Forwarded-For', [('X-Forwarded-For', '203.0.113.9')], '203.0.113.9', 404),
    ('a forged entry before the real one', [('X-Forwarded-For', '198.51.100.1, 203.0.113.9')],
     '203.0.113.9', 404),
    ('a second trusted proxy', [('X-Forwarded-For', '203.0.113.9, 10.1.2.3')], '203.0.113.9', 404),
    ('IPv6', [('X-Forwarded-For', '2001:db8::9')], '2001:db8::9', 404),
    ('Forwarded', [('Forwarded', 'for="[2001:db8::9]:4711";proto=https')], '2001:db8::9', 404),
    ('a client that hides', [('Forwarded', 'for=_hidden')], '127.0.0.2', 404),
    ('another host', [('X-Forwarded-For', '203.0.113.9'), ('X-Forwarded-Host', 'a.example')],
     '203.0.113.9', 404),
    ('two kinds that differ', [('Forwarded', 'for=198.51.100.1'),
                               ('X-Forwarded-For', '203.0.113.9')], None, 400),
    ('rubbish', [('X-Forwarded-For', 'me')], None, 400),
    ('an unknown scheme', [('X-Forwarded-Proto', 'ftp')], None, 400),
    ('a host that is none', [('X-Forwarded-Host', 'a b')], None, 400),
)


def proxied(server, fields, wanted, status):
    client, answer = client_of(server, fields)
    check.status(answer, status)
    check.equal(client, wanted, 'client')


for title, fields_, wanted_, status_ in PROXIED:
    suite.add(f'a trusted proxy: {title}', proxied, fields_, wanted_, status_)


@suite.case('from anywhere else the same fields are refused')
def _untrusted(server):
    for fields in ({'X-Forwarded-For': '203.0.113.9'}, {'Forwarded': 'for=203.0.113.9'},
                   {'X-Forwarded-Host': 'a.example'}):
        _, answer = client_of(server, fields, source='127.0.0.3')
        check.error(answer, 403, 'DENIED', 'http.trusted_proxies')


@suite.case('a trusted proxy does not make a page of another site welcome')
def _rebinding(server):
    with http1.Connection(server.server.address, source='127.0.0.2') as connection:
        check.status(connection.request('GET', '/v2/', {'Host': 'evil.example'}), 403)
        check.status(connection.request('GET', '/v2/', {
            'X-Forwarded-For': '203.0.113.9', 'Origin': 'https://evil.example'}), 403)


# ---- Servers of their own


@suite.case('through nginx, the client is who connected to nginx')
def _nginx(_):
    with Server(config(certificates, 'localhost').replace('127.0.0.2,', '127.0.0.1,')) as server:
        with proxies.Nginx(server.address) as nginx:
            with http1.Connection(nginx.address, source='127.0.0.77') as connection:
                answer = connection.request('GET', '/v2/nginx/tags/list',
                                            {'X-Forwarded-For': '198.51.100.1'})
                check.status(answer, 404)
        server.stop()
        lines = [event for event in server.log_events() if event.get('repo') == 'nginx']
        check.equal([line['client'] for line in lines], ['127.0.0.77'])


def serial(address, name='localhost'):
    """Of the certificate the server shows now."""
    with tls.Connection(address, authority.context(), name=name) as connection:
        return connection.socket.getpeercert()['serialNumber']


def swap(link, target):
    """As Kubernetes does with a mounted secret."""
    os.symlink(target, f'{link}.new')
    os.replace(f'{link}.new', link)


@suite.case('a symbolic link that is swapped brings the new certificate, without a restart')
def _swap(_):
    base = os.path.join(authority.directory, 'mounted')
    for version in ('v1', 'v2'):
        authority.issue(f'{base}/{version}', 'tls', 'DNS:localhost')
    swap(f'{base}/..data', 'v1')
    for name in ('tls.pem', 'tls.key'):
        os.symlink(f'..data/{name}', f'{base}/{name}')
    with Server(config(base, 'tls')) as server:
        address = tls.address_of(server)
        first = serial(address)
        with tls.Connection(address, authority.context()) as old:
            check.status(old.request('GET', '/v2/'), 200)
            swap(f'{base}/..data', 'v2')
            check.eventually('the new certificate', lambda: serial(address) != first)
            check.status(old.request('GET', '/v2/'), 200, 'a connection from before')
        server.stop()


def reload_errors(server):
    return [event['why'] for event in server.log_events()
            if event.get('event') == 'tls.reload' and event['level'] == 'error']


@suite.case('files that cannot be used leave the old ones in use, and the log says why')
def _bad_files(_):
    base = os.path.join(authority.directory, 'changing')
    certificate, key = authority.issue(base, 'tls', 'DNS:localhost')
    other, other_key = authority.issue(f'{base}/other', 'tls', 'DNS:localhost')
    with open(key, 'rb') as file:
        good_key = file.read()
    with Server(config(base, 'tls')) as server:
        address = tls.address_of(server)
        first = serial(address)
        seen = 0
        for content, why in ((b'rubbish', 'no start line'), (b'', 'no start line')):
            with open(certificate + '.new', 'wb') as file:
                file.write(content)
            shutil.copy(certificate, certificate + '.good')
            os.replace(certificate + '.new', certificate)
            check.eventually('the log', lambda: len(reload_errors(server)) > seen)
            check.contains(reload_errors(server)[-1], certificate)
            check.contains(reload_errors(server)[-1], why)
            check.equal(serial(address), first)
            os.replace(certificate + '.good', certificate)
            seen = len(reload_errors(server))
        # The certificate comes a moment before its key.
        shutil.copy(other, certificate)
        check.eventually('the log', lambda: 'is not the key of' in ''.join(reload_errors(server)))
        check.equal(serial(address), first)
        os.remove(key)
        check.eventually('the log', lambda: 'No such file' in ''.join(reload_errors(server)))
        shutil.copy(other_key, key)
        check.eventually('the new certificate', lambda: serial(address) != first)
        second = serial(address)
        # SIGHUP reads them, too, with whatever is there.
        with open(key, 'wb') as file:
            file.write(good_key)
        server.reload()
        check.eventually('the log', lambda: reload_errors(server)[-1].count('is not the key of'))
        check.equal(serial(address), second)
        server.stop()


@suite.case('a server does not start with files it cannot use, and says which')
def _start(_):
    base = os.path.join(authority.directory, 'wrong')
    certificate, key = authority.issue(base, 'tls', 'DNS:localhost')
    command.run('openssl', 'ec', '-aes256', '-passout', 'pass:secret', '-in', key, '-out',
                f'{base}/locked.key')
    shutil.copy(certificate, f'{base}/locked.pem')
    shutil.copy(certificate, f'{base}/lost.pem')
    shutil.copy(certificate, f'{base}/other.pem')
    shutil.copy(authority.issue(f'{base}/x', 'x', 'DNS:x', kind='rsa:2048')[1], f'{base}/other.key')
    os.mkdir(f'{base}/folder.pem')
    for names, why in ((['locked'], 'passphrase'), (['lost'], 'lost.key'),
                       (['other'], 'is not the key of'), (['folder'], 'is no file'),
                       (['tls', 'none'], 'none.pem')):
        try:
            with Server(config(base, *names)):
                pass
        except StartError as error:
            check.contains(error.stderr, why)
            continue
        raise AssertionError(f'it started with {names}')
    text = config(base, 'tls')
    for text, why in ((text.replace(f'{base}/tls.key', f'{base}/tls.key, {base}/tls.key'),
                       'as many files as'),
                      (text.replace(f'{base}/tls.pem', ''), 'tls.certificate is not')):
        try:
            with Server(text):
                pass
        except StartError as error:
            check.contains(error.stderr, why)
            continue
        raise AssertionError(f'it started: {why}')


@suite.case('TLS 1.3 alone, when configured')
def _only_13(_):
    with Server(config(certificates, 'localhost', more='min_version: "1.3"')) as server:
        one = Tls(server, authority)
        check.contains(one.s_client('-tls1_2', fails=True), 'alert protocol version')
        one.check_serves()
        server.stop()


@suite.case('client certificates: who they are for, none, and those of strangers')
def _client_certificates(_):
    base = os.path.join(authority.directory, 'clients')
    shown = (
        ('DNS:ci.example,URI:spiffe://example/ci', 'spiffe://example/ci'),
        ('email:alice@example.org,DNS:alice.example', 'alice.example'),
        ('email:alice@example.org', 'alice@example.org'),
        ('IP:192.0.2.7', None),
        ('', None),
    )
    more = f'client_ca: "{authority.path}"'
    with Server(config(certificates, 'localhost', more=more)) as server:
        address = tls.address_of(server)
        for number, (names, wanted) in enumerate(shown):
            client = authority.issue(base, f'client{number}', names, usage='clientAuth')
            for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
                context = authority.context(client)
                context.maximum_version = version
                answer = tls.request(address, context, 'GET', f'/v2/c{number}/tags/list')
                check.status(answer, 404)
        check.status(tls.request(address, authority.context(), 'GET', '/v2/none/tags/list'), 404)
        bad = stranger.issue(base, 'stranger', 'URI:spiffe://example/ci', usage='clientAuth')
        wrong_use = authority.issue(base, 'server', 'URI:spiffe://example/ci', usage='serverAuth')
        for client in (bad, wrong_use):
            for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
                context = authority.context(client)
                context.maximum_version = version
                try:
                    tls.request(address, context, 'GET', '/v2/bad/tags/list')
                except (ssl.SSLError, ConnectionError) as error:
                    check.true('alert' in str(error).lower(), f'not an alert: {error}')
                    continue
                raise AssertionError('a certificate that is not accepted was')
        server.stop()
        lines = {event['repo']: event.get('certificate') for event in server.log_events()
                 if event.get('event') == 'http.request' and 'repo' in event}
        wanted_lines = {f'c{number}': wanted for number, (_, wanted) in enumerate(shown)}
        check.equal(lines, {**wanted_lines, 'none': None})


@suite.case('limits of connections hold for TLS, and a refused client gets no HTTP')
def _limits(_):
    text = config(certificates, 'localhost').replace('http:\n',
                                                     'http:\n  max_connections: 5\n')
    text = text.replace('handshake_timeout: 500ms', 'handshake_timeout: 1h')
    with Server(text) as server:
        address = tls.address_of(server)
        host, port = address.rsplit(':', 1)
        waiting = [socket.create_connection((host, int(port))) for _ in range(5)]
        check.equal(raw(address, client_hello()).replace(b'<reset>', b''), b'')
        for client in waiting:
            client.close()
        check.eventually('room again', lambda: can_connect(address))
        server.stop()


@suite.case('the rate of connections holds for TLS')
def _rate(_):
    text = config(certificates, 'localhost').replace('http:\n', 'http:\n  connect_rate: 1\n')
    with Server(text) as server:
        address = tls.address_of(server)
        refused = sum(not can_connect(address, source='127.0.0.9') for _ in range(20))
        check.true(refused >= 8, f'{refused} of 20 connections at once were refused')
        # A trusted proxy has many clients.
        refused = sum(not can_connect(address, source='127.0.0.2') for _ in range(20))
        check.equal(refused, 0)
        server.stop()


def can_connect(address, source=None):
    try:
        tls.Connection(address, authority.context(), source=source).close()
    except OSError:
        return False
    return True


@suite.case('a server that is told to stop ends connections in their handshake')
def _stop(_):
    text = config(certificates, 'localhost').replace('handshake_timeout: 500ms',
                                                     'handshake_timeout: 1h')
    with Server(text) as server:
        address = tls.address_of(server)
        host, port = address.rsplit(':', 1)
        waiting = [socket.create_connection((host, int(port))) for _ in range(4)]
        for client in waiting[:2]:
            client.sendall(client_hello())
        with tls.Connection(address, authority.context()) as idle:
            check.status(idle.request('GET', '/v2/'), 200)
            server.stop()
            check.true(idle.is_closed(), 'an idle connection was kept')
        for client in waiting:
            client.close()


with authority, stranger:
    sys.exit(run_suite(suite, lambda server: Tls(server, authority),
                       config=config(certificates, 'localhost', 'wild')))
