#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Real clients log in, push, pull and are refused: by tokens, and by Basic where that is all they
are offered."""

import json
import os
import sys
import tempfile

import check
import command
import image
from access import PASSWORD, AccessServer
from clients.client import Ground
from clients.docker import Docker
from tap import NotRun, Suite

POLICY = {
    'roles': {'developer': ['pull', 'push'], 'owner': ['pull', 'push', 'move-tag'],
              'reader': ['pull'], 'admin': ['admin', 'audit']},
    'bindings': [
        {'role': 'developer', 'to': ['user:dev'], 'repositories': ['team/**']},
        {'role': 'reader', 'to': ['user:dev'], 'repositories': ['shared/**']},
        {'role': 'owner', 'to': ['user:owner'], 'repositories': ['**']},
        {'role': 'reader', 'to': ['anonymous'], 'repositories': ['public/**']},
        {'role': 'admin', 'to': ['user:root'], 'repositories': ['**']},
    ],
}
USERS = ['dev', 'owner', 'root']


class Tool:
    """A client with a home of its own, so that what it keeps of a login is seen and used again."""

    def __init__(self, server, directory, challenge):
        self.server = server
        self.directory = os.path.join(directory, f'{self.program}-{challenge}')
        os.makedirs(self.directory)
        self.challenge = challenge

    @property
    def name(self):
        return f'{self.program} ({self.challenge})'

    def start(self):
        command.find(self.program)

    def stop(self):
        """What start began ends."""

    def path(self, *parts):
        return os.path.join(self.directory, *parts)

    def run(self, *arguments, **options):
        environment = {'HOME': self.directory, 'DOCKER_CONFIG': self.directory,
                       'XDG_CONFIG_HOME': self.directory, 'XDG_CACHE_HOME': self.directory,
                       'XDG_RUNTIME_DIR': self.directory,
                       'REGISTRY_AUTH_FILE': self.path('auth.json'),
                       'REGCTL_CONFIG': self.path('regctl.json')}
        return command.run(self.program, *arguments, environment=environment, **options)

    def reference(self, repository):
        return f'{self.server.address}/{repository}:latest'

    def layout(self, what):
        path = self.path('layout')
        if not os.path.exists(path):
            image.write_layout(path, {'latest': what})
        return path


class Podman(Tool):
    program = 'podman'

    def _podman(self, *arguments, **options):
        return self.run('--root', self.path('root'), '--runroot', self.path('run'), '--tmpdir',
                        self.path('tmp'), '--storage-driver', 'vfs', '--cgroup-manager',
                        'cgroupfs', '--events-backend', 'file', *arguments, **options)

    def login(self, user, password, **options):
        return self._podman('login', '--tls-verify=false', '-u', user, '--password-stdin',
                            self.server.address, stdin=password.encode(), **options)

    def push(self, what, repository, **options):
        image.write_docker_archive(self.path('archive.tar'), what, self.reference(repository))
        self._podman('load', '-i', self.path('archive.tar'))
        return self._podman('push', '--tls-verify=false', self.reference(repository), **options)

    def pull(self, repository, **options):
        self._podman('rmi', '-f', '-i', self.reference(repository))
        return self._podman('pull', '--tls-verify=false', self.reference(repository), **options)

    def logout(self):
        self._podman('logout', self.server.address)

    def stop(self):
        self._podman('system', 'prune', '--all', '--force')


class DockerTool(Tool):
    """The daemon of the other tests, with this home."""

    program = 'docker'

    def start(self):
        self._client = Docker(Ground(self.server, self.directory))
        self._client.version()
        self._client.start()
        self._client.run = lambda *arguments, **options: Tool.run(self, *arguments, **options)

    def stop(self):
        self._client.stop()

    def _docker(self, *arguments, **options):
        return self._client.run('-H', self._client._socket, *arguments, **options)

    def login(self, user, password, **options):
        return self._docker('login', '-u', user, '--password-stdin', self.server.address,
                            stdin=password.encode(), **options)

    def push(self, what, repository, **options):
        image.write_docker_archive(self.path('archive.tar'), what, self.reference(repository))
        self._docker('load', '-i', self.path('archive.tar'))
        return self._docker('push', self.reference(repository), **options)

    def pull(self, repository, **options):
        self._docker('rmi', '-f', self.reference(repository), fails=None)
        return self._docker('pull', self.reference(repository), **options)

    def logout(self):
        self._docker('logout', self.server.address)


class Skopeo(Tool):
    program = 'skopeo'

    def login(self, user, password, **options):
        return self.run('login', '--tls-verify=false', '-u', user, '--password-stdin',
                        self.server.address, stdin=password.encode(), **options)

    def push(self, what, repository, **options):
        return self.run('--insecure-policy', 'copy', '--dest-tls-verify=false',
                        f'oci:{self.layout(what)}:latest', f'docker://{self.reference(repository)}',
                        **options)

    def pull(self, repository, **options):
        folder = tempfile.mkdtemp(dir=self.directory)
        return self.run('--insecure-policy', 'copy', '--src-tls-verify=false',
                        f'docker://{self.reference(repository)}', f'dir:{folder}', **options)

    def logout(self):
        self.run('logout', self.server.address)


class Crane(Tool):
    program = 'crane'

    def login(self, user, password, **options):
        # crane asks nobody at a login: the next command does.
        self.run('auth', 'login', '-u', user, '--password-stdin', self.server.address,
                 stdin=password.encode())
        return self.run('catalog', '--insecure', self.server.address, **options)

    def push(self, what, repository, **options):
        return self.run('push', self.layout(what), self.reference(repository), **options)

    def pull(self, repository, **options):
        return self.run('pull', self.reference(repository), self.path('pulled.tar'), **options)

    def logout(self):
        self.run('auth', 'logout', self.server.address)


class Oras(Tool):
    program = 'oras'

    def login(self, user, password, **options):
        return self.run('login', '--plain-http', '-u', user, '--password-stdin',
                        self.server.address, stdin=password.encode(), **options)

    def push(self, what, repository, **options):
        return self.run('cp', '--from-oci-layout', f'{self.layout(what)}:latest',
                        '--to-plain-http', self.reference(repository), **options)

    def pull(self, repository, **options):
        folder = tempfile.mkdtemp(dir=self.directory)
        return self.run('cp', '--from-plain-http', self.reference(repository), '--to-oci-layout',
                        f'{folder}:latest', **options)

    def logout(self):
        self.run('logout', self.server.address)


class Regctl(Tool):
    program = 'regctl'

    def _regctl(self, *arguments, **options):
        return self.run(*arguments, **options)

    def login(self, user, password, **options):
        self._regctl('registry', 'set', '--tls', 'disabled', '--skip-check', self.server.address)
        return self._regctl('registry', 'login', '-u', user, '--pass-stdin', self.server.address,
                            stdin=password.encode(), **options)

    def push(self, what, repository, **options):
        return self._regctl('image', 'copy', f'ocidir://{self.layout(what)}:latest',
                            self.reference(repository), **options)

    def pull(self, repository, **options):
        folder = tempfile.mkdtemp(dir=self.directory)
        return self._regctl('image', 'copy', self.reference(repository),
                            f'ocidir://{folder}:latest', **options)

    def logout(self):
        self._regctl('registry', 'logout', self.server.address)


TOOLS = (DockerTool, Podman, Skopeo, Crane, Oras, Regctl)


class Trial:
    """The cases of one client."""

    def __init__(self, tool):
        self.tool = tool
        self.repository = f'team/{tool.program}-{tool.challenge}'
        self.what = image.small(f'auth {tool.name}')

    def add_to(self, suite):
        for name, case in (('starts', self.tool.start),
                           ('a wrong password is refused', self.wrong),
                           ('logs in', self.login),
                           ('pushes what it may', self.push),
                           ('pulls what it may', self.pull),
                           ('is refused what it may not', self.refused),
                           ('mounts or copies from where it may read', self.shared),
                           ('logged out, it reads what is public and nothing else', self.public),
                           ('stops', self.tool.stop)):
            suite.add(f'{self.tool.name}: {name}', lambda _, case=case: case())

    def wrong(self):
        # Each as somebody else: after a few the right password has to wait, too.
        self.tool.login(f'no-{self.tool.program}', 'wrong', fails=True)

    def login(self):
        self.tool.login('dev', PASSWORD)

    def push(self):
        self.tool.push(self.what, self.repository)
        self.tool.server.registry('dev').check_holds(self.repository, 'latest')

    def pull(self):
        self.tool.pull(self.repository)

    def refused(self):
        errors = self.tool.push(self.what, f'hidden/{self.tool.program}', fails=True)
        check.true('denied' in errors.lower() or 'dev may not' in errors or '403' in errors,
                   f'the refusal says not why: {errors[-600:]}')
        self.tool.server.registry('owner').push('hidden/there', self.what, 'latest')
        self.tool.pull('hidden/there', fails=True)
        self.tool.push(self.what, 'shared/no', fails=True)

    def shared(self):
        self.tool.server.registry('owner').push('shared/app', self.what, 'latest')
        self.tool.pull('shared/app')
        self.tool.push(self.what, f'{self.repository}-2')
        self.tool.server.registry('dev').check_holds(f'{self.repository}-2', 'latest')

    def public(self):
        self.tool.server.registry('owner').push('public/app', self.what, 'latest')
        self.tool.logout()
        # docker needs something to show where Basic is all it is offered.
        is_docker_basic = self.tool.name == 'docker (basic)'
        self.tool.pull('public/app', fails=is_docker_basic)
        self.tool.pull(self.repository, fails=True)
        self.tool.push(self.what, f'public/{self.tool.program}', fails=True)


def check_refresh(server, directory):
    """What docker login leaves behind is a refresh token, and good for as long as it is not
    revoked."""
    with open(os.path.join(directory, 'docker-token', 'config.json'), encoding='utf-8') as file:
        check.equal(json.load(file).get('auths', {}), {}, 'credentials after docker logout')
    answer = server.registry('root').request('GET', '/api/v1/events?n=1000&types=token.created')
    events = json.loads(check.status(answer, 200).body)['events']
    check.true(any(each['actor'] == 'dev' for each in events), 'docker login left no refresh token')


def main():
    wanted = sys.argv[1:]
    suite = Suite()
    with tempfile.TemporaryDirectory(prefix='tidemark-auth-') as directory:
        servers = []
        try:
            for challenge in ('token', 'basic'):
                server = AccessServer(POLICY, USERS, f'  challenge: {challenge}\n')
                servers.append(server)
                server.start()
                for tool in TOOLS:
                    if not wanted or tool.program in wanted:
                        Trial(tool(server, directory, challenge)).add_to(suite)
            if not wanted or 'docker' in wanted:
                suite.add('docker (token): kept a refresh token',
                          lambda _: check_refresh(servers[0], directory))
            for server in servers:
                suite.add('the server ends cleanly', lambda _, server=server: server.stop())
            return suite.run(None)
        finally:
            for server in servers:
                server.remove()


if __name__ == '__main__':
    sys.exit(main())
