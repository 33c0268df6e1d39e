# SPDX-License-Identifier: Apache-2.0
import check
import image
from clients.client import Client


class Buildah(Client):
    name = 'buildah'
    program = 'buildah'
    not_applicable = {
        'list': 'has no command for it',
        'delete': 'has no command for it',
        'referrers': 'has no command for it',
        'resume': 'starts a cut transfer anew',
    }

    def version(self):
        return self.run('--version').split()[2]

    def stop(self):
        self._buildah('rm', '--all')
        self._buildah('rmi', '--all', '--force')

    def _buildah(self, *arguments):
        return self.run('--root', self.path('root'), '--runroot', self.path('run'),
                        '--storage-driver', 'vfs', *arguments,
                        environment={'BUILDAH_ISOLATION': 'chroot'})

    def _build(self, name, reference, *options):
        """An image from nothing with one file."""
        added = self.path('added', name)
        with open(added, 'wb') as file:
            file.write(image.noise(20000, f'buildah {name}'))
        container = self._buildah('from', '--name', name, *options, 'scratch').strip()
        self._buildah('copy', container, added, '/added')
        self._buildah('config', '--cmd', '/added', container)
        self._buildah('commit', container, reference)

    def _push(self, reference):
        self._buildah('push', '--tls-verify=false', reference, f'docker://{reference}')

    def _pull(self, reference, *options):
        self._buildah('pull', '--tls-verify=false', *options, f'docker://{reference}')

    def push(self):
        self._build('push', self.reference('push'))
        self._push(self.reference('push'))
        manifest = self.registry.check_holds(self.repository('push'), 'latest')
        check.equal(len(manifest['layers']), 1, 'layers')
        return 'from scratch, copy, commit, push'

    def pull(self):
        one = image.small('buildah pull')
        self.registry.push(self.repository('pull'), one, 'latest')
        for tag in ('latest', one.digest):
            reference = self.reference('pull', tag)
            self._pull(reference)
            listed = self._buildah('images', '--no-trunc', '--format', '{{.ID}} {{.Digest}}')
            check.contains([line.split() for line in listed.splitlines()],
                           [image.digest_of(one.config), one.digest], 'images')
            self._buildah('rmi', '-f', image.digest_of(one.config).partition(':')[2])

    def multi_arch(self):
        self._buildah('manifest', 'create', 'multi')
        for architecture in ('amd64', 'arm64'):
            reference = f'localhost/multi-{architecture}:latest'
            self._build(f'multi-{architecture}', reference, '--arch', architecture)
            self._buildah('manifest', 'add', '--arch', architecture, 'multi', reference)
        self._buildah('manifest', 'push', '--all', '--tls-verify=false', 'multi',
                      f'docker://{self.reference("multi")}')
        index = self.registry.check_holds(self.repository('multi'), 'latest')
        check.equal([each['platform']['architecture'] for each in index['manifests']],
                    ['amd64', 'arm64'], 'platforms')
        return 'push'

    def mount(self):
        with self.ground.wire() as wire:
            first = self.reference('from', address=wire.address)
            second = self.reference('mount', address=wire.address)
            self._build('mount', first)
            self._push(first)
            self._buildah('tag', first, second)
            wire.clear()
            self._push(second)
            check.equal(len(wire.exchanges('POST .*mount=', 201)), 1, 'mounted layers')
        self.registry.check_holds(self.repository('mount'), 'latest')
