#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Real clients against the server: each client tries each case of tests/support/clients/client.py.

With TIDEMARK_CLIENTS_MD=path the results are written there as docs/CLIENTS.md. Arguments are the
names of the clients to try; without any, all are.
"""

import os
import sys
import tempfile

import clients_report
import mounts
from clients.buildah import Buildah
from clients.client import CASES, Ground
from clients.crane import Crane
from clients.curl import Curl
from clients.docker import Docker
from clients.oras import Oras
from clients.podman import Podman
from clients.regctl import Regctl
from clients.skopeo import Skopeo
from server import Server
from tap import NotRun, Suite

CLIENTS = (Docker, Podman, Skopeo, Buildah, Crane, Oras, Regctl, Curl)


class Trial:
    """One client: its cases in a suite, its row of the table."""

    def __init__(self, client):
        self.client = client
        self.version = ''
        self.remarks = {}
        self._missing = None

    def case_name(self, case):
        return f'{self.client.name}: {case.replace("_", "-")}'

    def add_to(self, suite):
        suite.add(f'{self.client.name}: is here and starts', self._start)
        for case in CASES:
            if case not in self.client.not_applicable:
                suite.add(self.case_name(case), self._try, case)
        suite.add(f'{self.client.name}: stops', self._stop)

    def row(self, outcomes):
        cells = {}
        for case in CASES:
            outcome = outcomes.get(self.case_name(case), 'n/a')
            remark = self.client.not_applicable.get(case) or self.remarks.get(case)
            cells[case] = (outcome, remark)
        return clients_report.Row(self.client.name, self.version, cells)

    def _start(self):
        try:
            self.version = self.client.version()
            self.client.start()
        except NotRun as why:
            self._missing = str(why)
            raise
        except Exception as error:
            self._missing = f'{self.client.name} does not start: {error}'
            raise

    def _try(self, case):
        try:
            self._need_client()
            self.remarks[case] = getattr(self.client, case)()
        except NotRun as why:
            self.remarks[case] = str(why)
            raise

    def _stop(self):
        self.client.stop()
        self._need_client()

    def _need_client(self):
        if self._missing is not None:
            raise NotRun(self._missing)


def main(names):
    suite = Suite()
    server = Server()
    with tempfile.TemporaryDirectory(prefix='tidemark-clients-') as directory:
        try:
            server.start()
            ground = Ground(server, directory)
            trials = [Trial(client(ground)) for client in CLIENTS
                      if not names or client.name in names]
            for trial in trials:
                trial.add_to(suite)
            suite.add('after all of that fsck finds nothing wrong', server.check_is_clean)
            suite.add('the server ends cleanly', server.stop)
            status = suite.run()
        finally:
            server.remove()
            mounts.leave_none_below(directory)
    path = os.environ.get('TIDEMARK_CLIENTS_MD')
    if path:
        clients_report.write(path, [trial.row(suite.outcomes) for trial in trials])
    return status


sys.exit(main(sys.argv[1:]))
