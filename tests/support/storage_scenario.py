# SPDX-License-Identifier: Apache-2.0
"""One of each thing the storage is asked for, in a fixed order: what the matrices of faults run."""

import os
import time

import check
import http1
from image import Artifact, Image, noise
from ledger import Client, Ledger
from scenario import files_under
from server import Server

# Nothing of the scenario may expire but what was made to look old.
CONFIG = '''\
server:
  workers: 1
  io_threads: 1
uploads:
  expire: 10m
'''


def numbered(name, **more):
    return Image([{name: noise(3000, name)}], **more)


OLD, NEW, DOOMED = numbered('old'), numbered('new'), numbered('doomed')
LARGE = Artifact('application/x.test', b'of a large one', annotations={'n': 'n' * 100000})
SHARED = noise(30000, 'shared')
RESUMED = noise(700000, 'resumed')
LEFT = noise(50000, 'left')


class Setting:
    """The directory every run begins with, and the ledger of it. Use as a context manager."""

    def __init__(self, server=None, ledger=None):
        self.server = server or Server(config=CONFIG)
        self.ledger = ledger or Ledger()

    def __enter__(self):
        try:
            self.prepare()
        except BaseException:
            self.server.remove()
            raise
        return self

    def __exit__(self, *_):
        self.server.remove()

    def prepare(self):
        """Makes the directory; the server is stopped then."""
        self.server.start()
        self._fill(Client(self.server, self.ledger))
        self.server.stop()
        self._age()

    def _fill(self, client):
        client.push('app', 'kept', OLD)
        client.put_manifest('app', 'moved', OLD)
        client.put_manifest('app', 'dropped', OLD)
        client.push('app', 'doomed', DOOMED)
        client.push_at_once('app', SHARED)
        client.push_at_once('app', SHARED, 'sha512')
        self.resumed = client.begin('app', RESUMED)
        client.patch(self.resumed, 300000)
        stale = client.begin('app', LEFT)
        client.patch(stale, 1000)
        # Nobody continues it: no promise, but it must go.
        del self.ledger.uploads[stale]
        self.stale = stale.partition('?')[0].rpartition('/')[2]

    def _age(self):
        old = time.time() - 3600
        names = [name for name in files_under(self.server, 'uploads') if self.stale in name]
        check.true(len(names) == 2, f'not the two files of the upload: {names}')
        for name in names:
            os.utime(os.path.join(self.server.data, name), (old, old))

    def run(self, server, ledger):
        """The scenario; raises one of GONE when the server dies."""
        client = Client(server, ledger)
        # Before anything else has brought the empty config, so that this does.
        client.put_file('files/app:one', 'a', b'one file')
        client.push('app', 'new', NEW)
        client.push('app', 'large', LARGE)
        client.put_manifest('app', 'moved', NEW)
        client.delete_tag('app', 'dropped')
        client.delete_manifest('app', DOOMED.digest, 'doomed')
        client.mount('other', 'app', SHARED)
        client.patch(self.resumed, 500000)
        client.finish('app', self.resumed)
        client.patch(client.begin('app', LEFT), 20000)
        client.publish('files/app:two', [('a', b'first'), ('b', b'second')])
        self._wait_for_sweep(server)

    def _wait_for_sweep(self, server):
        def is_over():
            if not server.is_running():
                raise http1.Closed('the server is gone')
            return not any(self.stale in name for name in files_under(server, 'uploads'))
        check.eventually('the stale upload is removed', is_over)
