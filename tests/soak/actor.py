# SPDX-License-Identifier: Apache-2.0
"""What every actor of a soak is: a thread that does the same small thing over and over."""

import random
import threading
import time
import traceback

import check
import http1
from image import digest_of
from registry import OCTETS, with_query

GONE = (OSError, http1.Closed, AssertionError)


class Actor(threading.Thread):
    """Subclasses have step(), and clean() for what an interrupted step may have left.

    Everything an actor writes is in repositories of its own, and all of it comes from a fixed set
    of contents: what nothing needs any more keeps its place until a reaper comes, so only things
    that come back leave the size as it is.
    """

    pause_seconds = 0.05

    def __init__(self, world, number=0):
        self.label = f'{type(self).__name__.lower()}{number}'
        super().__init__(name=self.label, daemon=True)
        self.world = world
        self.repository = f'soak/{self.label}'
        self.random = random.Random(self.label)
        self._connection = None

    def run(self):
        is_clean = False
        while not self.world.is_over:
            with self.world.at_work(self.hang_up):
                if self.world.is_over:
                    break
                is_clean = self._try(self.step if is_clean else self.clean)
            time.sleep(self.random.uniform(0, self.pause_seconds))
        self.hang_up()

    def step(self):
        raise NotImplementedError

    def clean(self):
        """Whatever was left half is put in order; every answer may be one or the other here."""

    def _try(self, function):
        """True when the actor knows what it left behind."""
        epoch = self.world.epoch()
        try:
            function()
            return True
        except GONE:
            self.hang_up()
            if self.world.was_disturbed(epoch):
                self.world.count('interrupted')
            else:
                self.world.fault(f'{self.label}: {traceback.format_exc()}')
            time.sleep(0.1)
            return False

    # ---- Requests

    def hang_up(self):
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def connection(self):
        if self._connection is None:
            self._connection = http1.Connection(self.world.address(), 90)
        return self._connection

    def ask(self, wanted, method, target, fields=None, body=None, what=None):
        """One request; `wanted` is a status or a set of them. Counted as `what`."""
        connection = self.connection()
        answer = check.status(connection.request(method, target, fields, body), wanted)
        if (answer.field('connection') or '').lower() == 'close':
            self.hang_up()
        self.world.count(what or method.lower())
        return answer

    # ---- What several need

    def begin_upload(self):
        return self.ask(202, 'POST', f'/v2/{self.repository}/blobs/uploads/',
                        what='upload begun').field('location')

    def push_blob(self, content):
        digest = digest_of(content)
        self.ask(201, 'PUT', with_query(self.begin_upload(), f'digest={digest}'), OCTETS, content,
                 'blob pushed')
        return digest

    def delete_blob(self, digest, wanted=202):
        self.ask(wanted, 'DELETE', f'/v2/{self.repository}/blobs/{digest}', what='blob deleted')

    def manifest(self, reference):
        return f'/v2/{self.repository}/manifests/{reference}'

    def put_manifest(self, reference, image):
        self.ask(201, 'PUT', self.manifest(reference), {'Content-Type': image.media_type}, image.body,
                 'manifest pushed')

    def delete_manifest(self, reference, wanted=202):
        what = 'manifest deleted' if ':' in reference else 'tag deleted'
        self.ask(wanted, 'DELETE', self.manifest(reference), what=what)
