# SPDX-License-Identifier: Apache-2.0
"""The account a client keeps of what a server promised it, and the judgement of a data directory
by it: everything acknowledged is there byte for byte, and nothing that was never sent.
"""

import contextlib
import json
import os
from dataclasses import dataclass

import check
from image import OCI_MANIFEST, digest_of, small
from registry import OCTETS, Registry, with_query
from scenario import files_under


class Lost(AssertionError):
    """A promise that was not kept."""


AFTER = small('after')

# ---- What was promised

class Ledger:
    """What may be seen afterwards: for each key the values allowed. A change allows the old and the
    new value while it is under way, and only the new one once it is acknowledged."""

    def __init__(self):
        self.facts = {}
        self.uploads = {}    # location -> Pending

    def changed(self):
        """Called after each change, which is before a request is sent or after it is answered."""

    def copy(self):
        other = Ledger()
        other.facts = {key: set(values) for key, values in self.facts.items()}
        other.uploads = {location: Pending(**vars(each)) for location, each in self.uploads.items()}
        return other

    @contextlib.contextmanager
    def change(self, *changes):
        for key, value in changes:
            self.facts.setdefault(key, {None}).add(value)
        self.changed()
        yield
        for key, value in changes:
            self.facts[key] = {value}
        self.changed()


@dataclass
class Pending:
    """An upload: of `content`, `acknowledged` bytes by 202 and `sent` altogether."""

    content: bytes
    acknowledged: int = 0
    sent: int = 0
    may_be_gone: bool = False


class Client:
    """Writes to the server and to the ledger. Any other answer than the good one raises."""

    def __init__(self, server, ledger):
        self.registry = Registry.of(server)
        self.ledger = ledger

    def _do(self, status, method, target, fields=None, body=None):
        return check.status(self.registry.request(method, target, fields, body), status)

    def begin(self, repository, content):
        location = self._do(202, 'POST', f'/v2/{repository}/blobs/uploads/').field('location')
        self.ledger.uploads[location] = Pending(content)
        self.ledger.changed()
        return location

    def patch(self, location, end):
        pending = self.ledger.uploads[location]
        begin, pending.sent = pending.acknowledged, end
        self.ledger.changed()
        fields = {'Content-Range': f'{begin}-{end - 1}', **OCTETS}
        self._do(202, 'PATCH', location, fields, pending.content[begin:end])
        pending.acknowledged = end
        self.ledger.changed()

    def finish(self, repository, location):
        pending = self.ledger.uploads[location]
        pending.may_be_gone, pending.sent = True, len(pending.content)
        digest = digest_of(pending.content)
        with self.ledger.change((('blob', repository, digest), pending.content)):
            self._do(201, 'PUT', with_query(location, f'digest={digest}'), OCTETS,
                     pending.content[pending.acknowledged:])
        del self.ledger.uploads[location]
        self.ledger.changed()
        return digest

    def push_blob(self, repository, content):
        return self.finish(repository, self.begin(repository, content))

    def push_at_once(self, repository, content, algorithm='sha256'):
        digest = digest_of(content, algorithm)
        with self.ledger.change((('blob', repository, digest), content)):
            self._do(201, 'POST', f'/v2/{repository}/blobs/uploads/?digest={digest}', OCTETS,
                     content)

    def mount(self, repository, source, content):
        digest = digest_of(content)
        with self.ledger.change((('blob', repository, digest), content)):
            self._do(201, 'POST', f'/v2/{repository}/blobs/uploads/?mount={digest}&from={source}')

    def put_manifest(self, repository, tag, image):
        with self.ledger.change((('manifest', repository, image.digest), image.body),
                                (('tag', repository, tag), image.digest)):
            self._do(201, 'PUT', f'/v2/{repository}/manifests/{tag}',
                     {'Content-Type': OCI_MANIFEST}, image.body)

    def push(self, repository, tag, image):
        for blob in image.blobs():
            self.push_blob(repository, blob)
        self.put_manifest(repository, tag, image)

    def delete_tag(self, repository, tag):
        with self.ledger.change((('tag', repository, tag), None)):
            self._do(202, 'DELETE', f'/v2/{repository}/manifests/{tag}')

    def delete_manifest(self, repository, digest, *tags):
        with self.ledger.change((('manifest', repository, digest), None),
                                *((('tag', repository, tag), None) for tag in tags)):
            self._do(202, 'DELETE', f'/v2/{repository}/manifests/{digest}')

    def put_file(self, reference, path, content):
        with self.ledger.change((('files', reference), ((path, content),))):
            self._do(201, 'PUT', f'/files/{reference}/{path}', OCTETS, content)

    def publish(self, reference, files):
        """All of them by a draft: together or not at all."""
        for path, content in files:
            self._do(202, 'PUT', f'/files/{reference}/{path}?draft', OCTETS, content)
        with self.ledger.change((('files', reference), tuple(files))):
            self._do(201, 'POST', f'/files/{reference}/?publish')


# ---- What is there

def observe(registry, key):
    kind, *rest = key
    if kind == 'blob':
        answer = check.status(registry.get_blob(*rest), {200, 404})
        return answer.body if answer.status == 200 else None
    if kind == 'manifest':
        answer = check.status(registry.get_manifest(*rest), {200, 404})
        return answer.body if answer.status == 200 else None
    if kind == 'tag':
        return registry.digest(*rest)
    return read_files(registry, *rest)


def read_files(registry, reference):
    answer = check.status(registry.request('GET', f'/files/{reference}/'), {200, 404})
    if answer.status == 404:
        return None
    names = sorted(file['path'] for file in json_of(answer)['files'])
    return tuple((name, check.status(registry.request('GET', f'/files/{reference}/{name}'),
                                     200).body) for name in names)


def json_of(answer):
    return json.loads(answer.body)


def check_facts(registry, ledger):
    for key, allowed in ledger.facts.items():
        value = observe(registry, key)
        if value not in allowed:
            raise Lost(f'{key}: {str(value)[:200]}, not one of {str(allowed)[:400]}')


def check_nothing_dangles(registry, ledger):
    """Whatever is visible is whole, and was sent."""
    known = {'/'.join(key[1:]) for key in ledger.facts if key[0] == 'tag'}
    known |= {key[1].replace(':', '/') for key in ledger.facts if key[0] == 'files'}
    answer = check.status(registry.request('GET', '/v2/_catalog'), 200)
    for repository in json_of(answer)['repositories']:
        for tag in registry.tags(repository):
            if f'{repository}/{tag}' not in known:
                raise Lost(f'nobody has sent {repository}:{tag}')
            registry.check_holds(repository, tag)


def rest_of_upload(registry, location, pending, offset):
    """Sends what is missing from `offset` on; returns the answer."""
    target = with_query(location, f'digest={digest_of(pending.content)}')
    rest = pending.content[offset:]
    fields = {**OCTETS, 'Content-Range': f'{offset}-{len(pending.content) - 1}'} if rest else OCTETS
    return registry.request('PUT', target, fields, rest)


def offset_of(answer):
    offset = int((answer.field('range') or '0-0').partition('-')[2]) + 1
    # "0-0" is what an upload without bytes answers.
    return 0 if offset == 1 else offset


def check_uploads(registry, ledger):
    """Those acknowledged go on, at no less than was acknowledged and no more than was sent."""
    for location, pending in ledger.uploads.items():
        answer = registry.request('GET', location)
        if answer.status == 404 and pending.may_be_gone:
            continue
        if answer.status != 204:
            raise Lost(f'an upload with {pending.acknowledged} bytes: {answer.status}')
        offset = offset_of(answer)
        if not pending.acknowledged <= offset <= pending.sent:
            raise Lost(f'an upload is at {offset}; {pending.acknowledged} acknowledged, '
                       f'{pending.sent} sent')
        check.status(rest_of_upload(registry, location, pending, offset), 201)
        check_became_blob(registry, location, pending)


def check_uploads_loosely(registry, ledger):
    """After a loss of power an upload may be gone, shorter or spoiled: 202 promises no more. But it
    goes on from where it says it is, or is refused, and never becomes another blob."""
    for location, pending in ledger.uploads.items():
        answer = check.status(registry.request('GET', location), {204, 404})
        if answer.status == 404:
            continue
        offset = offset_of(answer)
        if offset > pending.sent:
            raise Lost(f'an upload is at {offset}, but only {pending.sent} bytes were sent')
        answer = check.status(rest_of_upload(registry, location, pending, offset), {201, 400})
        if answer.status == 201:
            check_became_blob(registry, location, pending)
        else:
            check.status(registry.request('DELETE', location), 204)


def check_became_blob(registry, location, pending):
    repository = location.split('/')[2]
    if registry.get_blob(repository, digest_of(pending.content)).body != pending.content:
        raise Lost('a continued upload has another content')


def check_no_halves(server):
    names = {os.path.basename(name) for name in files_under(server, 'uploads')}
    halves = [name for name in names if not name.endswith('.meta') and f'{name}.meta' not in names]
    check.equal(halves, [], 'files under uploads/ that nothing will remove')


def judge(server, ledger, make_registry=Registry.of, check_pending=check_uploads):
    """`server` ended; whatever way, this must hold of its directory."""
    if os.path.isdir(server.data) and os.path.exists(os.path.join(server.data, 'format')):
        server.check_is_clean()
    server.start()
    registry = make_registry(server)
    check_facts(registry, ledger)
    check_nothing_dangles(registry, ledger)
    check_pending(registry, ledger)
    check_no_halves(server)
    # And it takes writes again.
    registry.push('after', AFTER, 'after')
    registry.check_holds('after', 'after')
    server.check_is_clean()
    server.stop()
    server.check_is_clean()
