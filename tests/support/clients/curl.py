# SPDX-License-Identifier: Apache-2.0
import json

import check
import image
from clients.client import Client
from registry import with_query


class Curl(Client):
    """The API by hand, as scripts use it."""

    name = 'curl'
    program = 'curl'

    def version(self):
        return self.run('--version').split()[1]

    def _url(self, target):
        return f'http://{self.ground.server.address}{target}'

    def _curl(self, target, *arguments):
        return self.run('-sS', '--fail-with-body', *arguments, self._url(target))

    def _fields(self, target, *arguments):
        """The status and the fields of an answer."""
        lines = self.run('-sS', '-o', '/dev/null', '-D', '-', *arguments,
                         self._url(target)).splitlines()
        # With 100-continue there is a head before the last.
        begin = max(i for i, line in enumerate(lines) if line.startswith('HTTP/'))
        fields = dict(line.lower().split(': ', 1) for line in lines[begin + 1:] if ': ' in line)
        return int(lines[begin].split()[1]), fields

    def _file(self, name, content):
        path = self.path(name)
        with open(path, 'wb') as file:
            file.write(content)
        return path

    def _begin(self, repository):
        status, fields = self._fields(f'/v2/{repository}/blobs/uploads/', '-X', 'POST')
        check.equal(status, 202, 'status of POST')
        return fields['location']

    def _push_blob(self, repository, content):
        location = with_query(self._begin(repository), f'digest={image.digest_of(content)}')
        self._curl(location, '-T', self._file('blob', content))

    def _push_manifest(self, repository, reference, manifest):
        self._curl(f'/v2/{repository}/manifests/{reference}', '-X', 'PUT', '-H',
                   f'Content-Type: {manifest.media_type}', '--data-binary',
                   f'@{self._file("manifest", manifest.body)}')

    def push(self):
        one = image.small('curl push')
        repository = self.repository('push')
        for blob in one.blobs():
            self._push_blob(repository, blob)
        self._push_manifest(repository, 'latest', one)
        check.equal(self.registry.digest(repository, 'latest'), one.digest)
        self.registry.check_holds(repository, 'latest')

    def pull(self):
        one = image.small('curl pull')
        repository = self.repository('pull')
        self.registry.push(repository, one, 'latest')
        for reference in ('latest', one.digest):
            self._curl(f'/v2/{repository}/manifests/{reference}', '-o', self.path('pulled'))
            check.equal(self._pulled(), one.body, 'manifest')
        for blob in one.blobs():
            self._curl(f'/v2/{repository}/blobs/{image.digest_of(blob)}', '-o', self.path('pulled'))
            check.equal(self._pulled(), blob, 'blob')
        self._curl(f'/v2/{repository}/blobs/{image.digest_of(one.config)}', '-r', '5-9', '-o',
                   self.path('pulled'))
        check.equal(self._pulled(), one.config[5:10], 'range of a blob')

    def _pulled(self):
        with open(self.path('pulled'), 'rb') as file:
            return file.read()

    def multi_arch(self):
        both = image.multi_arch('curl multi')
        repository = self.repository('multi')
        for blob in both.blobs():
            self._push_blob(repository, blob)
        for manifest in both.images:
            self._push_manifest(repository, manifest.digest, manifest)
        self._push_manifest(repository, 'latest', both)
        check.equal(self.registry.digest(repository, 'latest'), both.digest)
        self.registry.check_holds(repository, 'latest')

    def list(self):
        repository = self.repository('list')
        for tag in ('b', 'a', 'c'):
            self.registry.push(repository, image.small('curl list'), tag)
        check.equal(json.loads(self._curl(f'/v2/{repository}/tags/list?n=2')),
                    {'name': repository, 'tags': ['a', 'b']})
        _, fields = self._fields(f'/v2/{repository}/tags/list?n=2')
        check.contains(fields['link'], 'rel="next"', 'Link')
        following = fields['link'].partition('<')[2].partition('>')[0]
        check.equal(json.loads(self._curl(following)), {'name': repository, 'tags': ['c']})
        check.contains(self._curl('/v2/_catalog'), f'"{repository}"', 'catalog')
        return 'tags, repositories; paged'

    def delete(self):
        one = image.small('curl delete')
        repository = self.repository('delete')
        self.registry.push(repository, one, 'latest')
        self._curl(f'/v2/{repository}/manifests/latest', '-X', 'DELETE')
        check.equal(self.registry.digest(repository, 'latest'), None, 'deleted tag')
        self._curl(f'/v2/{repository}/manifests/{one.digest}', '-X', 'DELETE')
        check.equal(self.registry.digest(repository, one.digest), None, 'deleted manifest')
        self._curl(f'/v2/{repository}/blobs/{image.digest_of(one.layers[0])}', '-X', 'DELETE')
        check.true(not self.registry.has_blob(repository, image.digest_of(one.layers[0])),
                   'the deleted blob is there')
        return 'tag, manifest, blob'

    def referrers(self):
        one = image.small('curl referrers')
        note = image.Artifact('application/x-note', b'curl', one)
        repository = self.repository('referrers')
        self.registry.push(repository, one, 'latest')
        for blob in note.blobs():
            self._push_blob(repository, blob)
        self._push_manifest(repository, note.digest, note)
        check.contains(self._curl(f'/v2/{repository}/referrers/{one.digest}'), note.digest)

    def resume(self):
        content = image.noise(300000, 'curl resume')
        repository = self.repository('resume')
        location = self._begin(repository)
        half = self._file('half', content[:150000])
        # Chunked coding, because the length is not known of what comes from a pipe.
        with open(half, 'rb') as file:
            self.run('-sS', '--fail-with-body', '-X', 'PATCH', '-T', '-', self._url(location),
                     stdin=file.read())
        status, fields = self._fields(location)
        check.equal((status, fields['range']), (204, '0-149999'), 'where it stopped')
        rest = self._file('rest', content[150000:])
        digest = image.digest_of(content)
        self._curl(with_query(location, f'digest={digest}'), '-H',
                   'Content-Range: 150000-299999', '-T', rest)
        check.equal(self.registry.get_blob(repository, digest).body, content, 'blob')
        target = f'/v2/{repository}/blobs/{digest}'
        with open(self.path('download'), 'wb') as file:
            file.write(content[:1000])
        self._curl(target, '-C', '-', '-o', self.path('download'))
        with open(self.path('download'), 'rb') as file:
            check.equal(file.read() == content, True, 'the continued download is the blob')
        return 'upload by offset, download by range'

    def mount(self):
        content = image.noise(5000, 'curl mount')
        digest = self.registry.push_blob(self.repository('from'), content)
        repository = self.repository('mount')
        status, _ = self._fields(f'/v2/{repository}/blobs/uploads/?mount={digest}'
                                 f'&from={self.repository("from")}', '-X', 'POST')
        check.equal(status, 201, 'status of POST')
        check.equal(self.registry.get_blob(repository, digest).body, content, 'blob')
