# SPDX-License-Identifier: Apache-2.0
import json

import check
import image
from clients.client import Client


class Skopeo(Client):
    name = 'skopeo'
    program = 'skopeo'
    not_applicable = {
        'referrers': 'has no command for it',
        'resume': 'starts a cut transfer anew',
    }

    def version(self):
        return self.run('--version').split()[2]

    def _layout(self, name, what):
        path = self.path(name, 'layout')
        image.write_layout(path, {'latest': what})
        return f'oci:{path}:latest'

    def _copy(self, source, target, *options):
        self.run('copy', '--src-tls-verify=false', '--dest-tls-verify=false', *options, source,
                 target)

    def _remote(self, *arguments, **more):
        return f'docker://{self.reference(*arguments, **more)}'

    def push(self):
        one = image.small('skopeo push')
        self._copy(self._layout('push', one), self._remote('push'))
        check.equal(self.registry.digest(self.repository('push'), 'latest'), one.digest)
        self.registry.check_holds(self.repository('push'), 'latest')
        self._copy(self._remote('push'), self._remote('push', 'v2s2'), '--format', 'v2s2')
        self.registry.check_holds(self.repository('push'), 'v2s2')
        check.equal(self.registry.get_manifest(self.repository('push'), 'v2s2')
                    .field('content-type'), image.DOCKER_MANIFEST)
        return 'OCI and Docker schema 2'

    def pull(self):
        one = image.small('skopeo pull')
        self.registry.push(self.repository('pull'), one, 'latest')
        for number, tag in enumerate(('latest', one.digest)):
            path = self.path('pull', f'pulled{number}')
            self._copy(self._remote('pull', tag), f'oci:{path}:latest')
            check.equal(image.read_layout(path), image.contents(one), 'the pulled layout')
        found = json.loads(self.run('inspect', '--tls-verify=false', self._remote('pull')))
        check.equal(found['Digest'], one.digest, 'digest in inspect')
        check.equal(found['RepoTags'], ['latest'], 'tags in inspect')
        return 'copy, inspect'

    def multi_arch(self):
        both = image.multi_arch('skopeo multi')
        self._copy(self._layout('multi', both), self._remote('multi'), '--all')
        check.equal(self.registry.digest(self.repository('multi'), 'latest'), both.digest)
        self.registry.check_holds(self.repository('multi'), 'latest')
        path = self.path('multi', 'pulled')
        self._copy(self._remote('multi'), f'oci:{path}:latest', '--all')
        check.equal(image.read_layout(path), image.contents(both), 'the pulled layout')
        found = json.loads(self.run('--override-arch', 'arm64', 'inspect', '--tls-verify=false',
                                    self._remote('multi')))
        check.equal(found['Architecture'], 'arm64')
        return 'push and pull'

    def list(self):
        for tag in ('b', 'a'):
            self.registry.push(self.repository('list'), image.small('skopeo list'), tag)
        found = json.loads(self.run('list-tags', '--tls-verify=false',
                                    self._remote('list').rpartition(':')[0]))
        check.equal(found['Tags'], ['a', 'b'], 'tags')
        return 'tags'

    def delete(self):
        one = image.small('skopeo delete')
        self.registry.push(self.repository('delete'), one, 'latest')
        self.run('delete', '--tls-verify=false', self._remote('delete'))
        check.equal(self.registry.digest(self.repository('delete'), 'latest'), None, 'tag')
        check.equal(self.registry.digest(self.repository('delete'), one.digest), None, 'manifest')
        return 'manifest with its tags'

    def mount(self):
        one = image.small('skopeo mount')
        source = self._layout('mount', one)
        with self.ground.wire() as wire:
            self._copy(source, self._remote('from', address=wire.address))
            wire.clear()
            self._copy(source, self._remote('mount', address=wire.address))
            check.equal(len(wire.exchanges('POST .*mount=', 201)), 2, 'mounted layers')
        self.registry.check_holds(self.repository('mount'), 'latest')
