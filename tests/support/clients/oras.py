# SPDX-License-Identifier: Apache-2.0
import json

import check
import image
from clients.client import Client


class Oras(Client):
    name = 'oras'
    program = 'oras'
    not_applicable = {'resume': 'starts a cut transfer anew'}

    def version(self):
        return self.run('version').splitlines()[0].split()[1]

    def _file(self, name, content):
        with open(self.path(name), 'wb') as file:
            file.write(content)
        return self.path(name)

    def _push(self, name, content, tag='latest'):
        folder = self.path(name, '')
        self._file(f'{name}/data.txt', content)
        self.run('push', '--plain-http', '--artifact-type', 'application/x-thing',
                 self.reference(name, tag), 'data.txt:text/plain', cwd=folder)
        return self.registry.digest(self.repository(name), tag)

    def push(self):
        self._push('push', b'pushed by oras')
        manifest = self.registry.check_holds(self.repository('push'), 'latest')
        check.equal(manifest['artifactType'], 'application/x-thing', 'artifactType')
        blob = self._file('blob', b'a blob by oras')
        digest = image.digest_of(b'a blob by oras')
        self.run('blob', 'push', '--plain-http', self.reference('push', digest), blob)
        check.true(self.registry.has_blob(self.repository('push'), digest), 'no blob after push')
        return 'files, blob'

    def pull(self):
        digest = self._push('pull', b'to be pulled')
        check.equal(self.run('resolve', '--plain-http', self.reference('pull')).strip(), digest)
        for number, tag in enumerate(('latest', digest)):
            folder = self.path('pull', f'pulled{number}', '')
            self.run('pull', '--plain-http', '-o', folder, self.reference('pull', tag))
            with open(f'{folder}/data.txt', 'rb') as file:
                check.equal(file.read(), b'to be pulled', 'the pulled file')
        fetched = self.path('fetched')
        self.run('blob', 'fetch', '--plain-http', '--output', fetched,
                 self.reference('pull', image.digest_of(b'to be pulled')))
        with open(fetched, 'rb') as file:
            check.equal(file.read(), b'to be pulled', 'the fetched blob')
        return 'pull, resolve, blob fetch'

    def multi_arch(self):
        both = image.multi_arch('oras multi')
        layout = self.path('multi', 'layout')
        image.write_layout(layout, {'latest': both})
        self.run('cp', '--from-oci-layout', f'{layout}:latest', '--to-plain-http',
                 self.reference('multi'))
        check.equal(self.registry.digest(self.repository('multi'), 'latest'), both.digest)
        self.registry.check_holds(self.repository('multi'), 'latest')
        found = self.run('resolve', '--plain-http', '--platform', 'linux/arm64',
                         self.reference('multi'))
        check.equal(found.strip(), both.images[1].digest, 'digest of linux/arm64')
        return 'cp, resolve'

    def list(self):
        self._push('list', b'one', 'b')
        self._push('list', b'two', 'a')
        repository = self.reference('list').rpartition(':')[0]
        check.equal(self.run('repo', 'tags', '--plain-http', repository).split(), ['a', 'b'])
        check.contains(self.run('repo', 'ls', '--plain-http', self.ground.server.address).split(),
                       self.repository('list'), 'repositories')
        return 'tags, repositories'

    def delete(self):
        digest = self._push('delete', b'to be deleted')
        self.run('manifest', 'delete', '--plain-http', '-f', self.reference('delete'))
        check.equal(self.registry.digest(self.repository('delete'), digest), None, 'manifest')
        blob = image.digest_of(b'to be deleted')
        self.run('blob', 'delete', '--plain-http', '-f', self.reference('delete', blob))
        check.true(not self.registry.has_blob(self.repository('delete'), blob), 'the blob is there')
        return 'manifest, blob'

    def referrers(self):
        subject = self._push('referrers', b'a subject')
        self._file('note.txt', b'a note')
        with self.ground.wire() as wire:
            self.run('attach', '--plain-http', '--artifact-type', 'application/x-note',
                     self.reference('referrers', address=wire.address), 'note.txt',
                     cwd=self.path(''))
            check.equal(wire.exchanges('/manifests/sha256-'), [], 'uses of the fallback tag')
        listed = self.registry.referrers(self.repository('referrers'), subject)
        check.equal([each['artifactType'] for each in listed], ['application/x-note'])
        found = self.run('discover', '--plain-http', '--format', 'json',
                         self.reference('referrers'))
        check.equal([each['digest'] for each in json.loads(found)['referrers']],
                    [listed[0]['digest']], 'what discover finds')
        self.run('cp', '-r', '--from-plain-http', '--to-plain-http', self.reference('referrers'),
                 self.reference('copied'))
        check.equal(self.registry.referrers(self.repository('copied'), subject), listed, 'after cp')
        return 'attach, discover, cp -r'

    def mount(self):
        one = image.small('oras mount')
        self.registry.push(self.repository('from'), one, 'latest')
        with self.ground.wire() as wire:
            self.run('cp', '--from-plain-http', '--to-plain-http',
                     self.reference('from', address=wire.address),
                     self.reference('mount', address=wire.address))
            check.equal(len(wire.exchanges('POST .*mount=', 201)), 3, 'mounted blobs')
        check.equal(self.registry.digest(self.repository('mount'), 'latest'), one.digest)
