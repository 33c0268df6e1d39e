# SPDX-License-Identifier: Apache-2.0
"""The requests among which the fault loop fails one call after the other.

A scenario has three steps, each given a seed, so that every round does its work anew: `arrange`
without faults, `run` with one, `verify` that what was acknowledged is there. `run` asks with a
`Client`, of which any other answer than the wanted one ends it. After a fault it is run again with
the same seed and must come through.
"""

import json
import re
import socket

import check
import http1
from image import Artifact, Index, OCI_INDEX, OCI_MANIFEST, digest_of, noise, small
from registry import OCTETS, path_of, with_query

SCENARIOS = []


class Refused(Exception):
    """Another answer than the wanted one."""

    def __init__(self, response):
        super().__init__(f'{response.request}: {response.status} {response.body[:300]!r}')
        self.response = response


class Gone(Exception):
    """The connection was closed and nothing of an answer came."""


class Cut(Exception):
    """The connection was closed in an answer."""


class Ended(Cut):
    """A stream ended in order, without what was waited for."""


class Late(AssertionError):
    """No answer in time."""


def check_whole(method, answer):
    """A document that ends too early has the right length, as its end was never written."""
    if method == 'HEAD' or 'json' not in (answer.field('content-type') or ''):
        return
    try:
        json.loads(answer.body)
    except ValueError as error:
        raise AssertionError(f'{answer.request}: {answer.status}, and no JSON ({error}): '
                             f'{answer.body[-300:]!r}') from None


class Client:
    """Asks in a run. `give_up()` is called when no answer comes within `patience` seconds; when it
    returns true, the answer must come within `deadline`."""

    def __init__(self, address, patience=None, give_up=None, deadline=20):
        self.address = address
        self.patience = patience
        self.give_up = give_up
        self.deadline = deadline

    def connect(self):
        return http1.Connection(self.address, timeout=self.patience or self.deadline)

    def wait(self, connection, read):
        """What `read()` returns; if need be, after giving up the faults."""
        if self.patience is not None:
            self.wait_patiently(connection.socket)
            connection.socket.settimeout(self.deadline)
        try:
            return read()
        except socket.timeout:
            raise Late(f'no answer within {self.deadline} s') from None
        except (http1.Closed, ConnectionError) as error:
            raise Gone(str(error)) from None

    def wait_patiently(self, sock):
        """For the first byte only: nothing that was read is lost by giving up."""
        sock.settimeout(self.patience)
        for _ in range(int(self.deadline / self.patience)):
            try:
                sock.recv(1, socket.MSG_PEEK)
                return
            except socket.timeout:
                if self.give_up():
                    return
            except OSError:
                return

    def answer(self, connection, wanted, method, target):
        def read():
            try:
                return connection.response(method, f'{method} {target}')
            except AssertionError as error:
                if 'the answer ends' in str(error):
                    raise Cut(str(error)) from None
                raise
        answer = self.wait(connection, read)
        if answer.status not in wanted:
            raise Refused(answer)
        check_whole(method, answer)
        return answer

    def do(self, wanted, method, target, fields=None, body=None):
        """`wanted` is a status or a set of them."""
        wanted = wanted if isinstance(wanted, set) else {wanted}
        with self.connect() as connection:
            try:
                connection.send(http1.head(self.address, method, target, fields, body))
                if body:
                    connection.send(body)
            except (BrokenPipeError, ConnectionResetError):
                pass   # it may have answered before it closed
            return self.answer(connection, wanted, method, target)


class Scenario:
    def __init__(self, name, run, arrange=None, verify=None, in_ci=False, config=''):
        self.name = name
        self.run = run
        self.arrange = arrange or (lambda registry, seed: None)
        self.verify = verify or (lambda registry, seed: None)
        self.in_ci = in_ci
        self.config = config


def scenario(name, **more):
    """Decorator: the function is `run(client, seed)`."""
    def register(function):
        SCENARIOS.append(Scenario(name, function, **more))
        return function
    return register


# ---- What they are about

def blob_of(seed, size=3000):
    return noise(size, f'blob {seed}')


BIG = 700000   # several buffers


def artifact_of(seed, size=0, subject=None):
    annotations = {'seed': seed, **({'n': 'n' * size} if size else {})}
    return Artifact('application/x.test', b'shared', annotations=annotations, subject=subject)


def large_of(seed):
    return artifact_of(seed, 100000)


def arrange_blobs(registry, _):
    registry.push_blob('app', b'{}')
    registry.push_blob('app', b'shared')


def arrange_manifest(registry, seed):
    arrange_blobs(registry, seed)
    put(registry, seed, artifact_of(seed))


def put(registry, tag, image):
    check.status(registry.put_manifest('app', tag, image.body, image.media_type), 201)


def blob_is_there(size):
    def verify(registry, seed):
        content = blob_of(seed, size)
        check.equal(registry.get_blob('app', digest_of(content)).body, content, 'the blob')
    return verify


def manifest_is_there(make):
    def verify(registry, seed):
        check.equal(registry.digest('app', seed), make(seed).digest, 'what the tag names')
        registry.check_holds('app', seed)
    return verify


def is_gone(kind):
    def verify(registry, seed):
        target = {'tag': f'/v2/app/manifests/{seed}',
                  'manifest': f'/v2/app/manifests/{artifact_of(seed).digest}',
                  'blob': f'/v2/app/blobs/{digest_of(blob_of(seed))}'}[kind]
        check.status(registry.request('GET', target), 404)
    return verify


# ---- The service

@scenario('GET /v2/')
def base(client, _):
    client.do(200, 'GET', '/v2/')


@scenario('GET /livez and /readyz')
def health(client, _):
    client.do(200, 'GET', '/livez')
    client.do(200, 'GET', '/readyz')


@scenario('GET /metrics')
def metrics(client, _):
    answer = client.do(200, 'GET', '/metrics')
    check.contains(answer.body.decode(), 'tidemark_', 'metrics')


@scenario('two requests on one connection')
def keep_alive(client, _):
    with client.connect() as connection:
        for target in ('/v2/', '/v2/_catalog'):
            try:
                connection.send(http1.head(client.address, 'GET', target))
            except (BrokenPipeError, ConnectionResetError):
                pass
            client.answer(connection, {200}, 'GET', target)


# ---- Blobs

def push_steps(client, seed, size, pieces):
    content = blob_of(seed, size)
    location = client.do(202, 'POST', '/v2/app/blobs/uploads/').field('location')
    step = size // pieces
    for begin in range(0, step * (pieces - 1), step):
        fields = {'Content-Range': f'{begin}-{begin + step - 1}', **OCTETS}
        answer = client.do(202, 'PATCH', location, fields, content[begin:begin + step])
        location = path_of(answer.field('location'))
    client.do(204, 'GET', location)
    rest = step * (pieces - 1)
    fields = {'Content-Range': f'{rest}-{size - 1}', **OCTETS}
    client.do(201, 'PUT', with_query(location, f'digest={digest_of(content)}'), fields,
              content[rest:])


@scenario('a blob by POST, PATCH, PATCH, GET, PUT', verify=blob_is_there(BIG), in_ci=True)
def upload(client, seed):
    push_steps(client, seed, BIG, 3)


@scenario('a blob by POST and PUT', verify=blob_is_there(3000))
def upload_put(client, seed):
    push_steps(client, seed, 3000, 1)


@scenario('a chunked PATCH', verify=blob_is_there(BIG))
def upload_chunked(client, seed):
    content = blob_of(seed, BIG)
    location = client.do(202, 'POST', '/v2/app/blobs/uploads/').field('location')
    with client.connect() as connection:
        try:
            connection.send(http1.head(client.address, 'PATCH', location,
                                       {'Transfer-Encoding': 'chunked', **OCTETS}))
            connection.send(http1.chunked(content))
        except (BrokenPipeError, ConnectionResetError):
            pass
        location = path_of(client.answer(connection, {202}, 'PATCH', location).field('location'))
    client.do(201, 'PUT', with_query(location, f'digest={digest_of(content)}'), OCTETS)


@scenario('a blob by one POST', verify=blob_is_there(3000), in_ci=True)
def monolithic(client, seed):
    content = blob_of(seed)
    client.do(201, 'POST', f'/v2/app/blobs/uploads/?digest={digest_of(content)}', OCTETS, content)


@scenario('a blob by one POST, several buffers', verify=blob_is_there(BIG))
def monolithic_big(client, seed):
    content = blob_of(seed, BIG)
    client.do(201, 'POST', f'/v2/app/blobs/uploads/?digest={digest_of(content)}', OCTETS, content)


@scenario('a blob with the wrong digest')
def wrong_digest(client, seed):
    target = f'/v2/app/blobs/uploads/?digest={digest_of(seed.encode())}'
    client.do(400, 'POST', target, OCTETS, blob_of(seed))


@scenario('an upload begun and dropped')
def upload_dropped(client, _):
    location = client.do(202, 'POST', '/v2/app/blobs/uploads/').field('location')
    client.do(202, 'PATCH', location, {'Content-Range': '0-9', **OCTETS}, b'0123456789')
    client.do(204, 'DELETE', location)


def arrange_mount(registry, seed):
    registry.push_blob('from', blob_of(seed))


@scenario('a mount', arrange=arrange_mount, verify=lambda registry, seed: check.equal(
    registry.get_blob('app', digest_of(blob_of(seed))).body, blob_of(seed), 'the blob'))
def mount(client, seed):
    client.do(201, 'POST', f'/v2/app/blobs/uploads/?mount={digest_of(blob_of(seed))}&from=from')


def arrange_blob(size):
    def arrange(registry, _):
        registry.push_blob('app', blob_of('read', size))
    return arrange


@scenario('GET of a blob', arrange=arrange_blob(BIG), in_ci=True)
def blob_get(client, _):
    content = blob_of('read', BIG)
    answer = client.do(200, 'GET', f'/v2/app/blobs/{digest_of(content)}')
    check.true(answer.body == content, 'the blob differs')


@scenario('HEAD of a blob, 304, 404', arrange=arrange_blob(3000))
def blob_head(client, _):
    digest = digest_of(blob_of('read'))
    client.do(200, 'HEAD', f'/v2/app/blobs/{digest}')
    client.do(304, 'GET', f'/v2/app/blobs/{digest}', {'If-None-Match': f'"{digest}"'})
    client.do(404, 'GET', f'/v2/app/blobs/{digest_of(b"not there")}')


@scenario('ranges of a blob', arrange=arrange_blob(BIG))
def blob_range(client, _):
    content = blob_of('read', BIG)
    target = f'/v2/app/blobs/{digest_of(content)}'
    answer = client.do(206, 'GET', target, {'Range': 'bytes=300000-600000'})
    check.true(answer.body == content[300000:600001], 'the range differs')
    client.do(206, 'GET', target, {'Range': 'bytes=0-9,100000-400000'})


def arrange_deletable(registry, seed):
    registry.push_blob('app', blob_of(seed))


@scenario('DELETE of a blob', arrange=arrange_deletable, verify=is_gone('blob'))
def blob_delete(client, seed):
    client.do({202, 404}, 'DELETE', f'/v2/app/blobs/{digest_of(blob_of(seed))}')


# ---- Manifests

def put_manifest(client, seed, image, fields=None, query=''):
    client.do(201, 'PUT', f'/v2/app/manifests/{seed}{query}',
              {'Content-Type': image.media_type, **(fields or {})}, image.body)


@scenario('PUT of a manifest by tag', arrange=arrange_blobs, verify=manifest_is_there(artifact_of),
          in_ci=True)
def manifest_put(client, seed):
    put_manifest(client, seed, artifact_of(seed))


@scenario('PUT of a manifest by digest with two tags', arrange=arrange_blobs,
          verify=manifest_is_there(artifact_of))
def manifest_put_digest(client, seed):
    image = artifact_of(seed)
    put_manifest(client, image.digest, image, query=f'?tag={seed}&tag={seed}-b')


@scenario('PUT of a manifest above 64 KiB', arrange=arrange_blobs,
          verify=manifest_is_there(large_of), in_ci=True)
def manifest_put_large(client, seed):
    put_manifest(client, seed, large_of(seed))


def index_of(seed):
    return Index([Child(artifact_of(seed))])


class Child:
    """An artifact as a child of an index."""

    def __init__(self, image):
        self.image = image

    def descriptor(self):
        return {'mediaType': OCI_MANIFEST, 'digest': self.image.digest,
                'size': len(self.image.body)}


@scenario('PUT of an index', arrange=arrange_manifest,
          verify=lambda registry, seed: registry.check_holds('app', f'{seed}-index'))
def index_put(client, seed):
    client.do(201, 'PUT', f'/v2/app/manifests/{seed}-index', {'Content-Type': OCI_INDEX},
              index_of(seed).body)


def referrer_of(seed):
    return artifact_of(f'{seed}-referrer', subject=artifact_of(seed))


@scenario('PUT of a manifest with a subject', arrange=arrange_manifest,
          verify=lambda registry, seed: check.equal(
              [entry['digest'] for entry in registry.referrers('app', artifact_of(seed).digest)],
              [referrer_of(seed).digest], 'referrers'))
def subject_put(client, seed):
    image = referrer_of(seed)
    put_manifest(client, image.digest, image)


@scenario('PUT of a manifest whose blob is missing, of one that is no JSON', arrange=arrange_blobs)
def manifest_refused(client, seed):
    image = Artifact('application/x.test', f'missing {seed}'.encode())
    fields = {'Content-Type': OCI_MANIFEST}
    client.do(400, 'PUT', f'/v2/app/manifests/{seed}', fields, image.body)
    client.do(400, 'PUT', f'/v2/app/manifests/{seed}', fields, image.body[:-1])


@scenario('a whole image', verify=lambda registry, seed: registry.check_holds('image', seed))
def image_push(client, seed):
    image = small(seed)
    for content in image.blobs():
        client.do(201, 'POST', f'/v2/image/blobs/uploads/?digest={digest_of(content)}', OCTETS,
                  content)
    client.do(201, 'PUT', f'/v2/image/manifests/{seed}', {'Content-Type': image.media_type},
              image.body)


def arrange_read(registry, _):
    arrange_blobs(registry, 'read')
    put(registry, 'read', artifact_of('read'))
    put(registry, 'large', large_of('large'))
    referrer = referrer_of('read')
    put(registry, referrer.digest, referrer)


@scenario('GET, HEAD and 304 of a manifest', arrange=arrange_read, in_ci=True)
def manifest_get(client, _):
    image = artifact_of('read')
    for reference in ('read', image.digest):
        answer = client.do(200, 'GET', f'/v2/app/manifests/{reference}')
        check.equal(answer.body, image.body, 'the manifest')
        client.do(200, 'HEAD', f'/v2/app/manifests/{reference}')
    client.do(304, 'GET', '/v2/app/manifests/read', {'If-None-Match': f'"{image.digest}"'})
    client.do(404, 'GET', '/v2/app/manifests/not-there')


@scenario('GET of a manifest above 64 KiB', arrange=arrange_read)
def manifest_get_large(client, _):
    answer = client.do(200, 'GET', '/v2/app/manifests/large')
    check.equal(answer.body, large_of('large').body, 'the manifest')


@scenario('DELETE of a tag', arrange=arrange_manifest, verify=is_gone('tag'))
def tag_delete(client, seed):
    client.do({202, 404}, 'DELETE', f'/v2/app/manifests/{seed}')


@scenario('DELETE of a manifest by digest', arrange=arrange_manifest, verify=is_gone('manifest'),
          in_ci=True)
def manifest_delete(client, seed):
    client.do({202, 404}, 'DELETE', f'/v2/app/manifests/{artifact_of(seed).digest}')


# ---- Lists

@scenario('pages of tags', arrange=arrange_read, in_ci=True)
def tags(client, _):
    answer = client.do(200, 'GET', '/v2/app/tags/list')
    check.equal(json.loads(answer.body)['tags'], ['large', 'read'], 'tags')
    client.do(200, 'GET', '/v2/app/tags/list?n=1')


@scenario('the catalog', arrange=arrange_read)
def catalog(client, _):
    client.do(200, 'GET', '/v2/_catalog')
    client.do(200, 'GET', '/v2/_oci/ext/discover')


@scenario('referrers', arrange=arrange_read)
def referrers(client, _):
    digest = artifact_of('read').digest
    answer = client.do(200, 'GET', f'/v2/app/referrers/{digest}')
    check.equal(len(json.loads(answer.body)['manifests']), 1, 'number of referrers')
    client.do(200, 'GET', f'/v2/app/referrers/{digest}?artifactType=application/x.other')


# ---- Files

def file_is_there(registry, seed):
    check.equal(registry.request('GET', f'/files/files:{seed}/a').body, blob_of(seed), 'the file')


def arrange_file(registry, seed):
    check.status(registry.request('PUT', f'/files/files:{seed}/a', OCTETS, blob_of(seed)), 201)


@scenario('PUT of a file', verify=file_is_there, in_ci=True)
def file_put(client, seed):
    client.do(201, 'PUT', f'/files/files:{seed}/a', OCTETS, blob_of(seed))


@scenario('GET and list of files', arrange=lambda registry, _: arrange_file(registry, 'read'))
def file_get(client, _):
    check.equal(client.do(200, 'GET', '/files/files:read/a').body, blob_of('read'), 'the file')
    listed = client.do(200, 'GET', '/files/files:read/')
    check.equal([entry['path'] for entry in json.loads(listed.body)['files']], ['a'], 'files')
    client.do(404, 'GET', '/files/files:read/b')


def draft_is_there(registry, seed):
    for name in 'ab':
        check.equal(registry.request('GET', f'/files/draft:{seed}/{name}').body,
                    blob_of(f'{seed} {name}'), f'file {name}')


@scenario('a draft of two files published', verify=draft_is_there, in_ci=True)
def draft(client, seed):
    for name in 'ab':
        client.do(202, 'PUT', f'/files/draft:{seed}/{name}?draft', OCTETS, blob_of(f'{seed} {name}'))
    client.do(201, 'POST', f'/files/draft:{seed}/?publish')


@scenario('a draft thrown away')
def draft_discarded(client, seed):
    client.do(202, 'PUT', f'/files/draft:{seed}/a?draft', OCTETS, blob_of(seed))
    client.do({202, 204, 200}, 'DELETE', f'/files/draft:{seed}/?draft')


# ---- /api/v1

@scenario('repositories and their tags by the API', arrange=arrange_read)
def api_lists(client, _):
    client.do(200, 'GET', '/api/v1/version')
    client.do(200, 'GET', '/api/v1/repos')
    client.do(200, 'GET', '/api/v1/repos/app')
    client.do(200, 'GET', '/api/v1/repos/app/-/tags')
    client.do(200, 'GET', '/api/v1/repos/app/-/tags/read')


@scenario('manifests and referrers by the API', arrange=arrange_read)
def api_manifests(client, _):
    client.do(200, 'GET', '/api/v1/repos/app/-/manifests/read')
    client.do(200, 'GET', '/api/v1/repos/app/-/manifests/large')
    client.do(200, 'GET', '/api/v1/repos/app/-/manifests/read/referrers?depth=3')


def arrange_layer(registry, _):
    registry.push('image', small('read'), 'read')


@scenario('the files in a layer', arrange=arrange_layer)
def api_layer(client, _):
    layer = digest_of(small('read').layers[1])
    answer = client.do(200, 'GET', f'/api/v1/repos/image/-/layers/{layer}')
    check.contains(answer.body.decode(), 'noise', 'the list')


@scenario('pages of events', arrange=arrange_read)
def api_events(client, _):
    answer = client.do(200, 'GET', '/api/v1/events?after=0&n=5')
    check.true(len(json.loads(answer.body)['events']) > 0, 'there are no events')


@scenario('events by long poll', arrange=arrange_blobs)
def long_poll(client, seed):
    with client.connect() as connection:
        target = '/api/v1/events?after=last&wait=300ms'
        try:
            connection.send(http1.head(client.address, 'GET', target))
        except (BrokenPipeError, ConnectionResetError):
            pass
        put_manifest(client, seed, artifact_of(seed))
        client.answer(connection, {200}, 'GET', target)


def has_message(text):
    """Whether a stream has begun and brought its first message, or has ended; or an error came."""
    head, separator, body = text.partition(b'\r\n\r\n')
    if separator == b'':
        return False
    length = re.search(rb'\r\ncontent-length: (\d+)', head, re.IGNORECASE)
    if length is not None:
        return len(body) >= int(length[1])
    return b'\n\n' in body.partition(b'data:')[2] or body.endswith(b'0\r\n\r\n')


def read_message(client, connection):
    """The bytes of an answer as far as its first message."""
    text = b''

    def read():
        nonlocal text
        while not has_message(text):
            piece = connection.socket.recv(65536)
            if piece == b'' and text == b'':
                raise http1.Closed('closed without an answer')
            if piece == b'':
                break
            text += piece
    client.wait(connection, read)
    return text


def refused(target, head, body):
    lines = head.decode().split('\r\n')
    fields = [tuple(line.split(': ', 1)) for line in lines[1:]]
    return Refused(http1.Response(f'GET {target}', int(lines[0].split(' ')[1]),
                                  [(name.lower(), value) for name, value in fields], body))


@scenario('events as a stream', arrange=arrange_read)
def stream(client, _):
    """A client whose stream ends asks again, as browsers do."""
    target = '/api/v1/events?after=0'
    for _ in range(3):
        with client.connect() as connection:
            try:
                connection.send(http1.head(client.address, 'GET', target,
                                           {'Accept': 'text/event-stream'}))
            except (BrokenPipeError, ConnectionResetError):
                pass
            head, _, body = read_message(client, connection).partition(b'\r\n\r\n')
        if not head.startswith(b'HTTP/1.1 200 '):
            raise refused(target, head, body)
        if b'data:' in body:
            return
    raise Ended('the stream ended before its first event, each time')
