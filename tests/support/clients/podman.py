# SPDX-License-Identifier: Apache-2.0
import json

import check
import image
from clients.client import Client


class Podman(Client):
    name = 'podman'
    program = 'podman'
    not_applicable = {
        'delete': 'has no command for it',
        'referrers': 'has no command for it',
        'resume': 'starts a cut transfer anew',
    }

    def version(self):
        return self.run('--version').split()[-1]

    def stop(self):
        self._podman('system', 'prune', '--all', '--force')

    def _podman(self, *arguments):
        return self.run('--root', self.path('root'), '--runroot', self.path('run'),
                        '--tmpdir', self.path('tmp'), '--storage-driver', 'vfs',
                        '--cgroup-manager', 'cgroupfs', '--events-backend', 'file', *arguments)

    def _load(self, what, reference):
        archive = self.path('archive.tar')
        image.write_docker_archive(archive, what, reference)
        self._podman('load', '-i', archive)

    def _push(self, reference):
        self._podman('push', '--tls-verify=false', reference)

    def _pull(self, reference, *options):
        self._podman('pull', '--tls-verify=false', *options, reference)

    def _inspect(self, reference, field):
        return self._podman('image', 'inspect', '--format', '{{.%s}}' % field, reference).strip()

    def push(self):
        one = image.small('podman push')
        self._load(one, self.reference('push'))
        self._push(self.reference('push'))
        manifest = self.registry.check_holds(self.repository('push'), 'latest')
        check.equal(manifest['config']['digest'], image.digest_of(one.config), 'config')
        check.equal(len(manifest['layers']), 2, 'layers')

    def pull(self):
        one = image.small('podman pull')
        self.registry.push(self.repository('pull'), one, 'latest')
        for tag in ('latest', one.digest):
            reference = self.reference('pull', tag)
            self._pull(reference)
            check.equal(self._inspect(reference, 'Digest'), one.digest, 'digest')
            check.equal(f'sha256:{self._inspect(reference, "Id")}', image.digest_of(one.config))
            self._podman('rmi', '-f', reference)

    def multi_arch(self):
        both = image.multi_arch('podman multi')
        self._podman('manifest', 'create', 'multi')
        for each in both.images:
            reference = f'localhost/multi-{each.architecture}:latest'
            self._load(each, reference)
            self._podman('manifest', 'add', '--arch', each.architecture, 'multi',
                         f'containers-storage:{reference}')
        self._podman('manifest', 'push', '--all', '--tls-verify=false', 'multi',
                     f'docker://{self.reference("multi")}')
        index = self.registry.check_holds(self.repository('multi'), 'latest')
        check.equal([each['platform']['architecture'] for each in index['manifests']],
                    ['amd64', 'arm64'], 'platforms')
        for each in both.images:
            self._podman('rmi', '-f', f'localhost/multi-{each.architecture}:latest')
        self._pull(self.reference('multi'), '--arch', 'arm64')
        check.equal(self._inspect(self.reference('multi'), 'Architecture'), 'arm64')
        return 'push and pull'

    def list(self):
        for tag in ('b', 'a'):
            self.registry.push(self.repository('list'), image.small('podman list'), tag)
        output = self._podman('search', '--list-tags', '--tls-verify=false', '--format', 'json',
                              self.reference('list').rpartition(':')[0])
        check.equal(json.loads(output)[0]['Tags'], ['a', 'b'], 'tags')
        return 'tags'

    def mount(self):
        one = image.small('podman mount')
        with self.ground.wire() as wire:
            first = self.reference('from', address=wire.address)
            second = self.reference('mount', address=wire.address)
            self._load(one, first)
            self._push(first)
            self._podman('tag', first, second)
            wire.clear()
            self._push(second)
            check.equal(len(wire.exchanges('POST .*mount=', 201)), 2, 'mounted layers')
        self.registry.check_holds(self.repository('mount'), 'latest')
