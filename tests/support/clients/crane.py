# SPDX-License-Identifier: Apache-2.0
import check
import image
from clients.client import Client


class Crane(Client):
    name = 'crane'
    program = 'crane'
    not_applicable = {
        'referrers': 'has no command for it',
        'resume': 'starts a cut upload anew',
    }

    def version(self):
        return self.run('version').strip()

    def _push(self, name, what, address=None):
        layout = self.path(name, 'layout')
        image.write_layout(layout, {'latest': what})
        self.run('push', *(['--index'] if isinstance(what, image.Index) else []), layout,
                 self.reference(name, address=address))

    def push(self):
        one = image.small('crane push')
        self._push('push', one)
        check.equal(self.registry.digest(self.repository('push'), 'latest'), one.digest)
        self.registry.check_holds(self.repository('push'), 'latest')
        added = self.path('added.tar')
        with open(added, 'wb') as file:
            file.write(image.tar_of({'added': b'by crane append'}))
        self.run('append', '-f', added, '-b', self.reference('push'), '-t',
                 self.reference('push', 'appended'))
        manifest = self.registry.check_holds(self.repository('push'), 'appended')
        check.equal(len(manifest['layers']), 3, 'layers after append')
        return 'push, append'

    def pull(self):
        one = image.small('crane pull')
        self.registry.push(self.repository('pull'), one, 'latest')
        check.equal(self.run('digest', self.reference('pull')).strip(), one.digest)
        check.equal(self.run('manifest', self.reference('pull')).strip(), one.body.decode())
        for number, tag in enumerate(('latest', one.digest)):
            layout = self.path('pull', f'pulled{number}')
            self.run('pull', '--format', 'oci', self.reference('pull', tag), layout)
            check.equal(image.read_layout(layout), image.contents(one), 'the pulled layout')

    def multi_arch(self):
        both = image.multi_arch('crane multi')
        self._push('multi', both)
        # What it pushes is the index.json of the layout, an index with the index.
        outer = self.registry.check_holds(self.repository('multi'), 'latest')
        check.equal([each['digest'] for each in outer['manifests']], [both.digest], 'children')
        inner = self.reference('multi', both.digest)
        check.equal(self.run('digest', '--platform', 'linux/arm64', inner).strip(),
                    both.images[1].digest, 'digest of linux/arm64')
        layout = self.path('multi', 'pulled')
        self.run('pull', '--format', 'oci', inner, layout)
        check.equal(image.read_layout(layout), image.contents(both), 'the pulled layout')
        return 'push and pull'

    def list(self):
        for tag in ('b', 'a'):
            self.registry.push(self.repository('list'), image.small('crane list'), tag)
        check.equal(self.run('ls', self.reference('list').rpartition(':')[0]).split(), ['a', 'b'])
        check.contains(self.run('catalog', self.ground.server.address).split(),
                       self.repository('list'), 'catalog')
        return 'tags, repositories'

    def delete(self):
        one = image.small('crane delete')
        self.registry.push(self.repository('delete'), one, 'latest')
        self.run('delete', self.reference('delete'))
        check.equal(self.registry.digest(self.repository('delete'), 'latest'), None, 'deleted tag')
        self.run('delete', self.reference('delete', one.digest))
        check.equal(self.registry.digest(self.repository('delete'), one.digest), None,
                    'deleted manifest')
        return 'tag, manifest'

    def mount(self):
        one = image.small('crane mount')
        self.registry.push(self.repository('from'), one, 'latest')
        with self.ground.wire() as wire:
            self.run('copy', self.reference('from', address=wire.address),
                     self.reference('mount', address=wire.address))
            check.equal(len(wire.exchanges('POST .*mount=', 201)), 3, 'mounted blobs')
            check.equal(wire.exchanges('PATCH'), [], 'uploads')
        check.equal(self.registry.digest(self.repository('mount'), 'latest'), one.digest)
