# SPDX-License-Identifier: Apache-2.0
import json

import check
import image
from clients.client import Client


class Regctl(Client):
    name = 'regctl'
    program = 'regctl'

    def version(self):
        return self.run('version', '--format', '{{.VCSTag}}').strip()

    def _regctl(self, *arguments, address=None, **options):
        return self.run('--host', f'reg={address or self.ground.server.address},tls=disabled',
                        *arguments, environment={'REGCTL_CONFIG': self.path('config.json')},
                        **options)

    def _layout(self, name, what):
        path = self.path(name, 'layout')
        image.write_layout(path, {'latest': what})
        return f'ocidir://{path}:latest'

    def push(self):
        one = image.small('regctl push')
        self._regctl('image', 'copy', self._layout('push', one), self.reference('push'))
        check.equal(self.registry.digest(self.repository('push'), 'latest'), one.digest)
        self.registry.check_holds(self.repository('push'), 'latest')
        content = b'a blob by regctl'
        self._regctl('blob', 'put', self.reference('push').rpartition(':')[0], stdin=content)
        check.equal(self.registry.get_blob(self.repository('push'), image.digest_of(content)).body,
                    content, 'blob')
        return 'image copy, blob put'

    def pull(self):
        one = image.small('regctl pull')
        self.registry.push(self.repository('pull'), one, 'latest')
        for number, tag in enumerate(('latest', one.digest)):
            path = self.path('pull', f'pulled{number}')
            self._regctl('image', 'copy', self.reference('pull', tag), f'ocidir://{path}:latest')
            check.equal(image.read_layout(path), image.contents(one), 'the pulled layout')
        check.equal(self._regctl('image', 'digest', self.reference('pull')).strip(), one.digest)
        repository = self.reference('pull').rpartition(':')[0]
        config = image.digest_of(one.config)
        check.equal(self._regctl('blob', 'get', repository, config), one.config.decode(), 'blob')
        self._regctl('blob', 'head', repository, config)
        return 'image copy, digest, blob get, blob head'

    def multi_arch(self):
        both = image.multi_arch('regctl multi')
        self._regctl('image', 'copy', self._layout('multi', both), self.reference('multi'))
        check.equal(self.registry.digest(self.repository('multi'), 'latest'), both.digest)
        self.registry.check_holds(self.repository('multi'), 'latest')
        found = self._regctl('image', 'digest', '--platform', 'linux/arm64',
                             self.reference('multi'))
        check.equal(found.strip(), both.images[1].digest, 'digest of linux/arm64')

    def list(self):
        for tag in ('b', 'a'):
            self.registry.push(self.repository('list'), image.small('regctl list'), tag)
        repository = self.reference('list').rpartition(':')[0]
        check.equal(self._regctl('tag', 'ls', repository).split(), ['a', 'b'], 'tags')
        check.contains(self._regctl('repo', 'ls', self.ground.server.address).split(),
                       self.repository('list'), 'repositories')
        return 'tags, repositories'

    def delete(self):
        one = image.small('regctl delete')
        self.registry.push(self.repository('delete'), one, 'latest')
        self._regctl('tag', 'rm', self.reference('delete'))
        check.equal(self.registry.digest(self.repository('delete'), 'latest'), None, 'tag')
        check.equal(self.registry.digest(self.repository('delete'), one.digest), one.digest,
                    'the manifest of a deleted tag')
        self._regctl('manifest', 'delete', self.reference('delete', one.digest))
        check.equal(self.registry.digest(self.repository('delete'), one.digest), None, 'manifest')
        self._regctl('blob', 'delete', self.reference('delete').rpartition(':')[0],
                     image.digest_of(one.config))
        check.true(not self.registry.has_blob(self.repository('delete'),
                                              image.digest_of(one.config)), 'the blob is there')
        return 'tag, manifest, blob'

    def referrers(self):
        one = image.small('regctl referrers')
        self.registry.push(self.repository('referrers'), one, 'latest')
        with self.ground.wire() as wire:
            self._regctl('artifact', 'put', '--artifact-type', 'application/x-note', '--subject',
                         self.reference('referrers', address=wire.address), stdin=b'a note',
                         address=wire.address)
            check.equal(wire.exchanges('PUT .*/manifests/sha256-'), [], 'uses of the fallback tag')
        listed = self.registry.referrers(self.repository('referrers'), one.digest)
        check.equal([each['artifactType'] for each in listed], ['application/x-note'])
        found = json.loads(self._regctl('artifact', 'list', '--format', '{{jsonPretty .}}',
                                        self.reference('referrers')))
        check.equal([each['digest'] for each in found['descriptors']], [listed[0]['digest']],
                    'what artifact list finds')
        check.equal(self._regctl('artifact', 'get', '--subject', self.reference('referrers')),
                    'a note', 'what artifact get gets')
        return 'artifact put, list, get'

    def resume(self):
        # From standard input it sends chunks of 1 MiB.
        content = image.noise(3 << 20, 'regctl resume')
        with self.ground.wire() as wire:
            repository = self.reference('resume', address=wire.address).rpartition(':')[0]
            wire.cut('PATCH ', 600000, 'request')
            self._regctl('blob', 'put', repository, stdin=content, address=wire.address)
            check.equal(len(wire.exchanges('PATCH ', 416)), 1, 'chunks sent again from their start')
            check.equal(len(wire.exchanges('POST .*/uploads/')), 1, 'uploads begun')
        stored = self.registry.get_blob(self.repository('resume'), image.digest_of(content)).body
        check.true(stored == content, 'the blob is not what was sent')
        return 'upload by offset'

    def mount(self):
        one = image.small('regctl mount')
        self.registry.push(self.repository('from'), one, 'latest')
        with self.ground.wire() as wire:
            self._regctl('image', 'copy', self.reference('from', address=wire.address),
                         self.reference('mount', address=wire.address), address=wire.address)
            check.equal(len(wire.exchanges('POST .*mount=', 201)), 3, 'mounted blobs')
        check.equal(self.registry.digest(self.repository('mount'), 'latest'), one.digest)
