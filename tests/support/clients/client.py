# SPDX-License-Identifier: Apache-2.0
"""What every client of the matrix has in common: the cases, and the ground they are tried on."""

import os

import command
from registry import Registry
from wire import Wire

# The columns of docs/CLIENTS.md: a method of each client, and what it shows when it passes.
CASES = {
    'push': 'an image made here is pushed; the registry then holds its manifest and every blob, '
            'each hashing to its digest',
    'pull': 'an image is pulled, by tag and by digest; the client then has the very bytes',
    'multi_arch': 'an image of two platforms is pushed or pulled, and one platform chosen from it',
    'list': 'tags (and repositories where there is a command) are listed',
    'delete': 'a tag or manifest is deleted and is gone',
    'referrers': 'an artifact is attached to an image and found by the referrers API',
    'resume': 'a transfer whose connection is cut goes on where it was cut, seen on the wire',
    'mount': 'a blob goes from one repository to another without its bytes, seen on the wire',
}


class Ground:
    """Where cases are tried: a server, and a wire before it for each case."""

    def __init__(self, server, directory):
        self.server = server
        self.directory = directory
        self.registry = Registry.of(server)

    def wire(self):
        return Wire(self.server.address)

    def path(self, *parts):
        path = os.path.join(self.directory, *parts)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        return path


class Client:
    """A client has a method for each case it can do, and words for those it cannot.

    A method returns a remark for the table, or None; it raises when the case fails.
    """

    name = ''
    program = ''
    # Cases this client has no command for.
    not_applicable = {}

    def __init__(self, ground):
        self.ground = ground
        self.registry = ground.registry

    def version(self):
        """Also what finds out that the client is missing: NotRun."""
        raise NotImplementedError

    def start(self):
        """What must run before the cases."""

    def stop(self):
        """The opposite of start; also called when that failed."""

    def run(self, *arguments, **options):
        # Nothing of whoever runs the tests: no credentials, no settings, no caches.
        home = self._home()
        environment = {'HOME': home, 'DOCKER_CONFIG': home, 'XDG_CONFIG_HOME': home,
                       'XDG_CACHE_HOME': home, **options.pop('environment', {})}
        return command.run(self.program, *arguments, environment=environment, **options)

    def _home(self):
        home = self.path('home', '')
        with open(os.path.join(home, 'config.json'), 'w', encoding='ascii') as file:
            file.write('{}')
        return home

    def repository(self, name):
        return f'{self.name}/{name}'

    def path(self, *parts):
        return self.ground.path(self.name, *parts)

    def reference(self, name, tag='latest', address=None):
        """address/client/name:tag, or with @ for a digest."""
        sign = '@' if ':' in tag else ':'
        return f'{address or self.ground.server.address}/{self.repository(name)}{sign}{tag}'
