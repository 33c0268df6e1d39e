# SPDX-License-Identifier: Apache-2.0
"""Actors that change things, and leave the registry as they found it."""

import json

import check
import http1
from actor import Actor
from image import OCI_MANIFEST, Artifact, Image, digest_of, noise
from registry import OCTETS, with_query

EITHER = {202, 404}


class Pusher(Actor):
    """Images by upload and PUT; read back, tagged anew, deleted, gone."""

    def __init__(self, world, number):
        super().__init__(world, number)
        self.images = [Image([{'a': noise(20000, f'{number} {i}')}, {'b': noise(3000 * i, f'b {i}')}])
                       for i in range(6)]
        # This one's manifest is too large for the index.
        self.images.append(Image([{'c': b'c'}], annotations={'n': 'n' * 100000}))

    def clean(self):
        for image in self.images:
            self.delete_manifest(image.digest, EITHER)
            for blob in image.blobs():
                self.delete_blob(digest_of(blob), EITHER)

    def step(self):
        image = self.random.choice(self.images)
        blobs = {digest_of(blob): blob for blob in image.blobs()}
        for blob in blobs.values():
            self.push_blob(blob)
        self.put_manifest('first', image)
        self.put_manifest('second', image)
        self.ask(200, 'HEAD', self.manifest('second'))
        answer = self.ask(200, 'GET', self.manifest(image.digest))
        check.true(answer.body == image.body, 'another manifest')
        for digest, blob in blobs.items():
            answer = self.ask(200, 'GET', f'/v2/{self.repository}/blobs/{digest}')
            check.true(answer.body == blob, 'another blob')
            self.delete_blob(digest, 405)
        self.delete_manifest('first')
        self.delete_manifest(image.digest)
        self.ask(404, 'HEAD', self.manifest('second'))
        for digest in blobs:
            self.delete_blob(digest)
            self.ask(404, 'GET', f'/v2/{self.repository}/blobs/{digest}')


class Mounter(Actor):
    """Blobs of the images all pull, into a repository of its own."""

    def __init__(self, world, number, library):
        super().__init__(world, number)
        self.blobs = [digest_of(blob) for image in library.images for blob in image.blobs()]
        self.source = library.repository

    def clean(self):
        for digest in self.blobs:
            self.delete_blob(digest, EITHER)

    def _mount(self, digest, wanted):
        self.ask(wanted, 'POST', f'/v2/{self.repository}/blobs/uploads/?mount={digest}'
                 f'&from={self.source}', what='mounted' if wanted == 201 else 'not mounted')

    def step(self):
        digest = self.random.choice(self.blobs)
        self._mount(digest, 201)
        self._mount(digest, 201)
        self.ask(200, 'HEAD', f'/v2/{self.repository}/blobs/{digest}')
        self.delete_blob(digest)
        # What is nowhere becomes an upload, which nobody goes on with.
        self._mount(digest_of(b'nowhere'), 202)


class Resumer(Actor):
    """Uploads in pieces, cut in between, gone on with where the server says; or given up."""

    def __init__(self, world, number):
        super().__init__(world, number)
        self.contents = [noise(size, f'resumed {number} {size}') for size in (70000, 300000, 1200000)]

    def clean(self):
        for content in self.contents:
            for algorithm in ('sha256', 'sha512'):
                self.delete_blob(digest_of(content, algorithm), EITHER)

    def _offset(self, location):
        have = self.ask(204, 'GET', location, what='upload looked at').field('range')
        end = int(have.partition('-')[2])
        return 0 if end == 0 else end + 1

    def _patch(self, location, content, begin, end):
        self.ask(202, 'PATCH', location, {**OCTETS, 'Content-Range': f'{begin}-{end - 1}'},
                 content[begin:end], 'upload resumed')

    def _cut(self, location, content, begin):
        """Announces all of it and leaves after some. When the server sees that, and how much of it,
        is open: the range keeps it from being added anywhere else."""
        connection = self.connection()
        connection.send(http1.head(connection.host, 'PATCH', location, {
            **OCTETS, 'Content-Range': f'{begin}-{len(content) - 1}',
            'Content-Length': str(len(content) - begin)}))
        connection.send(content[begin:begin + 20000])
        self.hang_up()
        self.world.count('upload cut')

    def _go_on(self, location, content):
        """The next piece, from where the server says it is, however often the request that was cut
        comes in between. Returns the offset behind it."""
        def go_on():
            if self.ask({204, 409}, 'GET', location, what='upload looked at').status == 409:
                return None
            begin = self._offset(location)
            check.true(30000 <= begin <= 50000, f'the upload is at {begin}')
            fields = {**OCTETS, 'Content-Range': f'{begin}-{begin + 9999}'}
            answer = self.ask({202, 409, 416}, 'PATCH', location, fields,
                              content[begin:begin + 10000], 'upload resumed')
            return begin + 10000 if answer.status == 202 else None
        return check.eventually('the upload goes on', go_on, 60)

    def step(self):
        content = self.random.choice(self.contents)
        algorithm = self.random.choice(('sha256', 'sha512'))
        digest = digest_of(content, algorithm)
        # The algorithm is said at the beginning, so that it is hashed while it comes.
        location = self.ask(202, 'POST', f'/v2/{self.repository}/blobs/uploads/?digest-algorithm='
                            f'{algorithm}', what='upload begun').field('location')
        self._patch(location, content, 0, 30000)
        if self.random.random() < 0.5:
            self._cut(location, content, 30000)
        rest = content[self._go_on(location, content):]
        target = with_query(location, f'digest={digest}')
        check.eventually('the upload is finished', lambda: self.ask(
            {201, 409}, 'PUT', target, OCTETS, rest, 'blob pushed').status == 201, 60)
        answer = self.ask(200, 'GET', f'/v2/{self.repository}/blobs/{digest}')
        check.true(answer.body == content, 'another blob')
        self.delete_blob(digest)
        self._give_up(content)

    def _give_up(self, content):
        location = self.begin_upload()
        self._patch(location, content, 0, 5000)
        if self.random.random() < 0.3:
            self.ask(204, 'DELETE', location, what='upload cancelled')
        elif self.random.random() < 0.3:
            self.ask(400, 'PUT', with_query(location, f'digest={digest_of(b"other")}'), OCTETS,
                     content[5000:], 'wrong digest')
        else:
            self.world.count('upload abandoned')


class Filer(Actor):
    """Files one by one and as drafts, published, thrown away or forgotten."""

    NAMES = ('a', 'docs/b', 'c.tar')

    def __init__(self, world, number):
        super().__init__(world, number)
        self.contents = {name: noise(5000, f'{number} {name}') for name in self.NAMES}
        self.manifests = []

    def clean(self):
        # Which manifests there were is what the deletion of their blobs says.
        for tag in ('one', 'draft'):
            self.delete_manifest(tag, EITHER)
            self.ask({204, 404}, 'DELETE', f'/files/{self.repository}:{tag}/?draft',
                     what='draft discarded')
        for digest in self.manifests:
            self.delete_manifest(digest, EITHER)
        self.manifests = []

    def _put(self, tag, name, query='', wanted=201):
        answer = self.ask(wanted, 'PUT', f'/files/{self.repository}:{tag}/{name}{query}', OCTETS,
                          self.contents[name], 'file in a draft' if query else 'file stored')
        return json.loads(answer.body)

    def _remember(self, document):
        if document['manifest'] not in self.manifests:
            self.manifests.append(document['manifest'])

    def step(self):
        self.random.choice((self._one_by_one, self._publish, self._discard, self._forget))()
        self.clean()
        self.hang_up()

    def _one_by_one(self):
        for name in self.NAMES:
            self._remember(self._put('one', name))
        self._look('one')

    def _publish(self):
        for name in self.NAMES:
            self._put('draft', name, '?draft', 202)
        answer = self.ask(201, 'POST', f'/files/{self.repository}:draft/?publish',
                          what='draft published')
        self._remember(json.loads(answer.body))
        self._look('draft')

    def _discard(self):
        self._put('draft', 'a', '?draft', 202)
        self.ask(204, 'DELETE', f'/files/{self.repository}:draft/?draft', what='draft discarded')

    def _forget(self):
        self._put('forgotten', self.random.choice(self.NAMES), '?draft', 202)
        self.world.count('draft abandoned')

    def _look(self, tag):
        answer = self.ask(200, 'GET', f'/files/{self.repository}:{tag}/', what='files listed')
        paths = sorted(file['path'] for file in json.loads(answer.body)['files'])
        check.equal(paths, sorted(self.NAMES), 'files')
        name = self.random.choice(self.NAMES)
        target, content = f'/files/{self.repository}:{tag}/{name}', self.contents[name]
        answer = self.ask(200, 'GET', target, what='file fetched')
        check.true(answer.body == content, 'another file')
        self.ask(304, 'GET', target, {'If-None-Match': answer.field('etag')}, what='304')
        answer = self.ask(206, 'GET', target, {'Range': 'bytes=100-299'}, what='range')
        check.true(answer.body == content[100:300], 'another part')


class Referrer(Actor):
    """Things that refer to an image, and the list of them."""

    def __init__(self, world, number):
        super().__init__(world, number)
        self.subject = Image([{'subject': self.label.encode()}])
        self.artifacts = [Artifact(f'application/x.{i}', b'%d' % i, self.subject) for i in range(5)]

    def clean(self):
        for blob in self.subject.blobs():
            self.push_blob(blob)
        self.put_manifest('subject', self.subject)
        for artifact in self.artifacts:
            self.delete_manifest(artifact.digest, EITHER)

    def _listed(self):
        answer = self.ask(200, 'GET', f'/v2/{self.repository}/referrers/{self.subject.digest}',
                          what='referrers')
        return [each['digest'] for each in json.loads(answer.body)['manifests']]

    def step(self):
        artifact = self.random.choice(self.artifacts)
        check.equal(self._listed(), [], 'referrers')
        for blob in artifact.blobs():
            self.push_blob(blob)
        self.put_manifest(artifact.digest, artifact)
        check.equal(self._listed(), [artifact.digest], 'referrers')
        self.ask(200, 'GET', f'/api/v1/repos/{self.repository}/-/manifests/subject/referrers?depth=3')
        self.delete_manifest(artifact.digest)


class Retagger(Actor):
    """One of several that move and delete the same tags."""

    pause_seconds = 0.03

    def __init__(self, world, number, library):
        super().__init__(world, number)
        self.repository = 'soak/shared'
        self.images = library.images

    def clean(self):
        for image in self.images:
            for blob in image.blobs():
                self.push_blob(blob)

    def step(self):
        tag, image = f'hot{self.random.randrange(3)}', self.random.choice(self.images)
        bodies = {each.digest: each.body for each in self.images}
        what = self.random.randrange(4)
        if what == 0:
            self.delete_manifest(tag, EITHER)
        elif what == 1:
            self.ask({201, 412}, 'PUT', self.manifest(tag), {
                'Content-Type': OCI_MANIFEST, 'If-None-Match': '*'}, image.body, 'manifest pushed')
        elif what == 2:
            self.put_manifest(f'{tag}', image)
        answer = self.ask({200, 404}, 'GET', self.manifest(tag))
        if answer.status == 200:
            check.true(answer.body == bodies[answer.field('docker-content-digest')],
                       'another manifest')
