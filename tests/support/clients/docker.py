# SPDX-License-Identifier: Apache-2.0
import os
import subprocess

import check
import command
import image
from clients.client import Client
from tap import NotRun


class Docker(Client):
    """docker with a daemon of its own, whose data and socket are in the temporary directory."""

    name = 'docker'
    program = 'docker'
    not_applicable = {
        'list': 'has no command for it',
        'delete': 'has no command for it',
        'referrers': 'has no command for it',
    }

    def __init__(self, ground):
        super().__init__(ground)
        self._daemon = None
        self._socket = f'unix://{self.path("docker.sock")}'

    def version(self):
        command.find('dockerd')
        client = self.run('version', '--format', '{{.Client.Version}}', fails=None)
        daemon = command.run('dockerd', '--version').split()[2].rstrip(',')
        return f'{client.split()[0]}, dockerd {daemon}'

    def start(self):
        if os.geteuid() != 0:
            raise NotRun('dockerd needs root')
        with open(self.path('dockerd.log'), 'wb') as log:
            self._daemon = subprocess.Popen(
                [command.find('dockerd'), '--data-root', self.path('data'), '--exec-root',
                 self.path('exec'), '-H', self._socket, '--pidfile', self.path('dockerd.pid'),
                 '--config-file', self._configuration(), '--iptables=false', '--ip-masq=false',
                 '--bridge=none', '--storage-driver=vfs'],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        check.eventually('dockerd answers', self._answers, 60)

    def _configuration(self):
        """An empty one: that of the machine is not ours."""
        with open(self.path('daemon.json'), 'w', encoding='ascii') as file:
            file.write('{}')
        return self.path('daemon.json')

    def _answers(self):
        if self._daemon.poll() is not None:
            with open(self.path('dockerd.log'), encoding='utf-8', errors='replace') as log:
                raise AssertionError(f'dockerd ended: {log.read()[-2000:]}')
        try:
            return self._docker('version')
        except AssertionError:
            return None

    def stop(self):
        if self._daemon is not None:
            self._daemon.terminate()
            self._daemon.wait(60)

    def _docker(self, *arguments):
        return self.run('-H', self._socket, *arguments)

    def _load(self, what, reference):
        archive = self.path('archive.tar')
        image.write_docker_archive(archive, what, reference)
        self._docker('load', '-i', archive)

    def _forget(self, *references):
        self._docker('rmi', '-f', *references)

    def _inspect(self, reference, field):
        return self._docker('image', 'inspect', '--format', '{{.%s}}' % field, reference).strip()

    def push(self):
        one = image.small('docker push')
        reference = self.reference('push')
        self._load(one, reference)
        output = self._docker('push', reference)
        digest = self.registry.digest(self.repository('push'), 'latest')
        check.contains(output, digest, 'what docker push says')
        manifest = self.registry.check_holds(self.repository('push'), 'latest')
        check.equal(manifest['config']['digest'], image.digest_of(one.config), 'config')
        check.equal(len(manifest['layers']), 2, 'layers')

    def pull(self):
        one = image.small('docker pull', docker=True)
        self.registry.push(self.repository('pull'), one, 'latest')
        for tag in ('latest', one.digest):
            reference = self.reference('pull', tag)
            check.contains(self._docker('pull', reference), one.digest, 'what docker pull says')
            check.equal(self._inspect(reference, 'Id'), image.digest_of(one.config), 'image id')
            self._forget(reference)

    def multi_arch(self):
        for kind, docker in (('oci', False), ('list', True)):
            both = image.multi_arch(f'docker multi {kind}', docker)
            self.registry.push(self.repository(kind), both, 'latest')
            for each in both.images:
                reference = self.reference(kind)
                self._docker('pull', '--platform', f'linux/{each.architecture}', reference)
                check.equal(self._inspect(reference, 'Id'), image.digest_of(each.config))
                check.equal(self._inspect(reference, 'Architecture'), each.architecture)
                self._forget(reference)
        return 'pull: OCI index and manifest list'

    def resume(self):
        one = image.Image([{'noise': image.noise(3 << 20, 'docker resume')}])
        self.registry.push(self.repository('resume'), one, 'latest')
        layer = f'GET .*/blobs/{image.digest_of(one.layers[0])}'
        with self.ground.wire() as wire:
            wire.cut(layer, 1 << 20, 'answer')
            reference = self.reference('resume', address=wire.address)
            self._docker('pull', reference)
            check.contains(wire.exchanges(layer)[-1].head, 'range: bytes=', 'the second GET')
            check.equal(len(wire.exchanges(layer, 206)), 1, 'answers with a part')
        check.equal(self._inspect(reference, 'Id'), image.digest_of(one.config), 'image id')
        return 'download by range'

    def mount(self):
        one = image.small('docker mount')
        with self.ground.wire() as wire:
            first = self.reference('from', address=wire.address)
            second = self.reference('mount', address=wire.address)
            self._load(one, first)
            self._docker('push', first)
            self._docker('tag', first, second)
            wire.clear()
            self._docker('push', second)
            check.equal(len(wire.exchanges('POST .*mount=', 201)), 2, 'mounted layers')
        self.registry.check_holds(self.repository('mount'), 'latest')
