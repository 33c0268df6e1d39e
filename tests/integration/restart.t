#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The end of a process and the next one on the same data: kill -9, SIGTERM, SIGHUP, fsck."""

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile

import check
import http1
import image
from image import digest_of
from registry import OCTETS, Registry, with_query
from server import Server, StartError, binary
from tap import Suite

suite = Suite()


def with_server(name, **options):
    """A case that gets a running server of its own."""
    def register(function):
        def run():
            with Server(**options) as server:
                function(server)
        suite.add(name, run)
        return function
    return register


# ---- kill -9

@with_server('kill -9: an upload goes on where it stopped')
def upload_survives(server):
    content = image.noise(3 << 20, 'survives')
    registry = Registry.of(server)
    location = registry.begin_upload('app')
    answer = registry.request('PATCH', location, OCTETS, content[:1 << 20])
    check.equal(check.status(answer, 202).field('range'), f'0-{(1 << 20) - 1}')
    server.kill()
    server.start()
    registry = Registry.of(server)
    answer = check.status(registry.request('GET', location), 204)
    check.equal(answer.field('range'), f'0-{(1 << 20) - 1}', 'where it stopped')
    answer = registry.request('PATCH', location, {'Content-Range': f'{1 << 20}-{(2 << 20) - 1}'},
                              content[1 << 20:2 << 20])
    check.status(answer, 202)
    server.kill()
    server.start()
    registry = Registry.of(server)
    target = with_query(location, f'digest={digest_of(content)}')
    check.status(registry.request('PUT', target, OCTETS, content[2 << 20:]), 201)
    check.true(registry.get_blob('app', digest_of(content)).body == content, 'another content')
    server.check_is_clean()


@with_server('kill -9 in the middle of a body: what has come counts, nothing else')
def killed_in_body(server):
    content = image.noise(8 << 20, 'killed in body')
    location = Registry.of(server).begin_upload('app')
    with http1.Connection(server.address) as connection:
        connection.send(http1.head(connection.host, 'PATCH', location, None, content))
        connection.send(content[:3 << 20])
        server.kill()
    server.start()
    registry = Registry.of(server)
    answer = check.status(registry.request('GET', location), 204)
    have = int(answer.field('range').partition('-')[2]) + 1
    # "0-0" is what an upload without bytes answers.
    have = 0 if have == 1 else have
    check.true(have <= 3 << 20, f'the upload has {have} bytes, {3 << 20} were sent')
    target = with_query(location, f'digest={digest_of(content)}')
    answer = registry.request('PUT', target, {'Content-Range': f'{have}-{len(content) - 1}'},
                              content[have:])
    check.status(answer, 201)
    check.true(registry.get_blob('app', digest_of(content)).body == content, 'another content')
    server.check_is_clean()


@with_server('kill -9: what was answered 201 is there')
def content_survives(server):
    both = image.multi_arch('survives')
    note = image.Artifact('application/x-note', b'note', both)
    registry = Registry.of(server)
    registry.push('app', both, 'latest')
    registry.push('app', note)
    for i in range(20):
        registry.push('app', image.small(i), f't{i}')
    server.kill()
    server.start()
    registry = Registry.of(server)
    for i in range(20):
        check.equal(registry.digest('app', f't{i}'), image.small(i).digest, f't{i}')
    registry.check_holds('app', 'latest')
    check.equal([each['digest'] for each in registry.referrers('app', both.digest)], [note.digest])
    server.check_is_clean()


@with_server('kill -9: what was deleted stays deleted')
def deletes_survive(server):
    one = image.small('deleted')
    registry = Registry.of(server)
    registry.push('app', one, 'latest')
    check.status(registry.delete_manifest('app', one.digest), 202)
    server.kill()
    server.start()
    check.equal(Registry.of(server).digest('app', one.digest), None)
    check.equal(Registry.of(server).tags('app'), [])


@with_server('kill -9 under load: every answered push is there')
def killed_under_load(server):
    command = [sys.executable, '-c', PUSHER, server.address]
    pushers = [subprocess.Popen([*command, str(i)], stdout=subprocess.PIPE, text=True)
               for i in range(4)]
    # Each has pushed a few when the end comes.
    first = [[pusher.stdout.readline() for _ in range(5)] for pusher in pushers]
    server.kill()
    answered = []
    for lines, pusher in zip(first, pushers):
        answered += (''.join(lines) + pusher.communicate()[0]).split()
    check.true(len(answered) >= 20, f'only {len(answered)} pushes')
    server.start()
    registry = Registry.of(server)
    for line in answered:
        tag, _, digest = line.partition('=')
        check.equal(registry.digest('load', tag), digest, tag)
    server.check_is_clean()


PUSHER = '''
import sys, image, registry
server, number = registry.Registry(sys.argv[1]), sys.argv[2]
for i in range(100000):
    try:
        digest = server.push('load', image.small(f'{number} {i}'), f't{number}-{i}')
    except Exception:
        break
    print(f't{number}-{i}={digest}', flush=True)
'''


# ---- SIGTERM

@with_server('SIGTERM: a request under way is answered, new ones are not taken, then it ends')
def drains(server):
    content = image.noise(100000, 'drains')
    registry = Registry.of(server)
    location = registry.begin_upload('app')
    idle = http1.Connection(server.address)
    check.status(idle.request('GET', '/v2/'), 200)
    with http1.Connection(server.address) as connection:
        target = with_query(location, f'digest={digest_of(content)}')
        connection.send(http1.head(connection.host, 'PUT', target, {'Expect': '100-continue'},
                                   content))
        check.status(connection.response('PUT'), 100)
        connection.send(content[:50000])
        server.process.send_signal(signal.SIGTERM)
        check.true(idle.is_closed(), 'a connection without a request stays open')

        def is_refused():
            try:
                return http1.request(server.address, 'GET', '/readyz').status == 503
            except (OSError, http1.Closed):
                return True
        check.eventually('new requests are refused', is_refused)
        connection.send(content[50000:])
        answer = check.status(connection.response('PUT'), 201)
        check.equal((answer.field('connection') or '').lower(), 'close', 'Connection')
    server.wait()
    server.start()
    check.true(Registry.of(server).get_blob('app', digest_of(content)).body == content, 'content')


@with_server('SIGTERM: a client that never ends its request is not waited for longer than told',
             config='server:\n  drain_timeout: 300ms\n')
def drain_timeout(server):
    location = Registry.of(server).begin_upload('app')
    with http1.Connection(server.address) as connection:
        connection.send(http1.head(connection.host, 'PATCH', location, {'Content-Length': '9'}) +
                        b'x')
        server.stop()


@with_server('SIGINT ends it as SIGTERM does')
def interrupt(server):
    server.process.send_signal(signal.SIGINT)
    server.wait()


@with_server('SIGTERM: an upload is continued by the next process')
def upload_after_stop(server):
    registry = Registry.of(server)
    location = registry.begin_upload('app')
    check.status(registry.request('PATCH', location, OCTETS, b'0123456789'), 202)
    server.restart()
    registry = Registry.of(server)
    check.equal(registry.request('GET', location).field('range'), '0-9')
    target = with_query(location, f'digest={digest_of(b"0123456789abc")}')
    check.status(registry.request('PUT', target, OCTETS, b'abc'), 201)


# ---- SIGHUP

def answer_to_sparse(server):
    """400 or 201: what manifests.allow_sparse decides."""
    one = image.small('sparse')
    return Registry.of(server).put_manifest('sparse', 'tag', one.body, one.media_type).status


@with_server('SIGHUP: a good configuration holds at once')
def reload_good(server):
    check.equal(answer_to_sparse(server), 400)
    server.write_config('manifests:\n  allow_sparse: true\n')
    server.reload()
    check.eventually('the new configuration holds', lambda: answer_to_sparse(server) == 201)


def reload_lines(server):
    return [event for event in server.log_events() if event.get('event') == 'server.reload']


@with_server('SIGHUP: a bad configuration changes nothing, and the log says what is wrong where',
             config='manifests:\n  allow_sparse: true\n')
def reload_bad(server):
    for number, (text, word) in enumerate((('manifests:\n  alow_sparse: false\n', 'allow_sparse'),
                                           ('manifests: [\n', 'tidemark.yaml:'),
                                           ('http:\n  max_head: 1\n', 'tidemark.yaml:2:')), 1):
        server.write_config(text)
        server.reload()
        check.eventually('it is in the log', lambda: len(reload_lines(server)) == number)
        line = reload_lines(server)[-1]
        check.equal(line['level'], 'error')
        check.contains(line['why'], word, 'why')
        check.equal(answer_to_sparse(server), 201, 'the old configuration')


@with_server('SIGHUP: a key that needs a restart is named')
def reload_restart(server):
    server.write_config('server:\n  io_threads: 3\n')
    server.reload()
    lines = check.eventually('it is in the log', lambda: reload_lines(server))
    check.equal(lines[0].get('key'), 'server.io_threads')


# ---- Starts that fail

def fails_to_start(server, *words):
    """Starts `server`, which must end by itself with a message that has these words."""
    try:
        server.start()
    except StartError as error:
        check.one_of(error.status, set(range(1, 126)), 'exit status')
        for word in words:
            check.contains(error.stderr, word, 'what it said')
        return
    finally:
        server.remove()
    check.true(False, 'the server started')


@with_server('a data directory that is in use: the second process says so and ends')
def in_use(server):
    second = Server()
    second.data = server.data
    fails_to_start(second, str(server.process.pid))
    check.status(Registry.of(server).request('GET', '/v2/'), 200)


@suite.case('a data directory of a newer format is left alone')
def newer_format():
    with Server() as server:
        Registry.of(server).push('app', image.small(1), 'latest')
        server.stop()
        path = os.path.join(server.data, 'format')
        with open(path, encoding='ascii') as file:
            old = file.read()
        with open(path, 'w', encoding='ascii') as file:
            file.write(old.replace('1', '99'))
        second = Server()
        second.data = server.data
        fails_to_start(second, '99')
        with open(path, encoding='ascii') as file:
            check.contains(file.read(), '99', 'format')
        result = server.fsck()
        check.equal(result.returncode, 1, 'exit status of fsck')
        check.contains(result.stderr, '99', 'what fsck says')
        with open(path, 'w', encoding='ascii') as file:
            file.write(old)
        server.start()
        Registry.of(server).check_holds('app', 'latest')


@suite.case('a directory with files of somebody else is left alone')
def foreign_directory():
    server = Server()
    os.makedirs(server.data)
    with open(os.path.join(server.data, 'letters.txt'), 'w', encoding='ascii') as file:
        file.write('dear')
    before = os.listdir(server.data)
    data = server.data
    try:
        server.start()
    except StartError as error:
        check.contains(error.stderr, data, 'what it said')
        check.equal(os.listdir(data), before, 'the directory')
        return
    finally:
        server.remove()
    check.true(False, 'the server started')


@suite.case('a data directory that is not writable: the message names it')
def not_writable():
    # Root may write anywhere, so the server runs as nobody; from a copy that nobody may read.
    with tempfile.TemporaryDirectory(prefix='tidemark-') as folder:
        os.chmod(folder, 0o755)
        program = os.path.join(folder, 'tidemark')
        shutil.copy(binary(), program)
        os.chmod(program, 0o755)
        data = os.path.join(folder, 'data')
        os.mkdir(data, 0o555)
        user = {'user': 65534, 'group': 65534, 'extra_groups': []} if os.geteuid() == 0 else {}
        result = subprocess.run([program, 'serve', '--data', data, '--listen', '127.0.0.1:0',
                                 '--config', '/dev/null'], stdin=subprocess.DEVNULL, timeout=60,
                                stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                                check=False, **user)
        check.one_of(result.returncode, set(range(1, 126)), f'{result.stdout}\nexit status')
        check.contains(result.stdout, data, 'what it said')
        check.equal(os.listdir(data), [], 'the directory')


@with_server('an address that is taken: the message names it')
def address_taken(server):
    second = Server(listen=server.address)
    fails_to_start(second, server.address)


@suite.case('a configuration that is wrong: file, line, column and what was meant')
def wrong_configuration():
    fails_to_start(Server(config='http:\n  max_haed: 1MiB\n'), 'tidemark.yaml:2:3', 'max_head')


# ---- fsck

def blob_path(server, digest):
    algorithm, _, name = digest.partition(':')
    return os.path.join(server.data, 'blobs', algorithm, name[:2], name)


@suite.case('fsck: 0 when all is well, with a server and without')
def fsck_clean():
    with Server() as server:
        Registry.of(server).push('app', image.multi_arch('fsck'), 'latest')
        server.check_is_clean()
        check.status(Registry.of(server).request('GET', '/v2/'), 200, 'the server afterwards')
        server.stop()
        server.check_is_clean()


def fsck_finds(damage):
    """fsck names the damaged blob, with a server and without."""
    with Server() as server:
        one = image.small('damage')
        Registry.of(server).push('app', one, 'latest')
        digest = digest_of(one.layers[1])
        damage(blob_path(server, digest))
        for running in (True, False):
            if not running:
                server.stop()
            result = server.fsck()
            check.equal(result.returncode, 1, f'{result.stdout}{result.stderr}\nexit status')
            check.contains(result.stdout + result.stderr, digest, 'what it says')
        server.start()
        registry = Registry.of(server)
        # The push of the same blob heals it.
        registry.push_blob('app', one.layers[1])
        registry.check_holds('app', 'latest')
        server.check_is_clean()


def truncate(path):
    os.truncate(path, 100)


suite.add('fsck: 1 and the name when a blob is missing, healed by pushing it again', fsck_finds,
          os.remove)
suite.add('fsck: 1 and the name when a blob is cut short, healed by pushing it again', fsck_finds,
          truncate)


@with_server('fsck: a file no row names is a note, not an error')
def fsck_orphan(server):
    Registry.of(server).push('app', image.small('orphan'), 'latest')
    path = blob_path(server, digest_of(b'orphan'))
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, 'wb') as file:
        file.write(b'orphan')
    result = server.fsck()
    check.equal(result.returncode, 0, f'{result.stdout}{result.stderr}\nexit status')
    check.contains(result.stdout + result.stderr, digest_of(b'orphan').partition(':')[2])


@with_server('fsck changes nothing')
def fsck_reads_only(server):
    Registry.of(server).push('app', image.small('read only'), 'latest')
    server.stop()
    before = sorted(os.listdir(server.data))
    server.check_is_clean()
    check.equal(sorted(os.listdir(server.data)), before, 'the directory')
    nowhere = os.path.join(server.directory, 'nowhere')
    result = server.run_verb('fsck', '--data', nowhere)
    check.equal(result.returncode, 1, 'exit status of fsck of nothing')
    check.contains(result.stderr, nowhere, 'what fsck says')
    check.true(not os.path.exists(nowhere), 'fsck made it')


# ---- The log

@with_server('every line of the log is JSON with ts, level, event and msg')
def log_lines(server):
    registry = Registry.of(server)
    registry.push('app', image.small('log'), 'latest')
    registry.request('GET', '/v2/%22%5C/tags/list')
    registry.request('PATCH', '/v2/app/blobs/uploads/x%22%0a', {'User-Agent': 'a"b\\c\t\xe9'})
    with http1.Connection(server.address) as connection:
        connection.send(b'GET /\x01"\xff HTTP/1.1\r\n\r\n')
        check.status(connection.response(), 400)
    server.stop()
    lines = server.log_text().splitlines()
    check.true(len(lines) > 5, 'hardly a line')
    for line in lines:
        event = json.loads(line)
        for name in ('ts', 'level', 'event', 'msg'):
            check.true(name in event, f'no {name} in {line}')


sys.exit(suite.run())
