# SPDX-License-Identifier: Apache-2.0
"""Servers of one case's own, which must be well afterwards whatever the case did to them."""

import contextlib
import os
import resource
import socket
import struct

import check
import http1
from server import REPORTS, Server


@contextlib.contextmanager
def serving(config='', prepare=None, **options):
    """A started Server. In the end it stops cleanly and fsck finds nothing wrong.

    `prepare(server)` runs before the first start; what it returns, if anything, is called last.
    """
    server = Server(config=config, **options)
    finish = None
    try:
        if prepare is not None:
            finish = prepare(server)
        server.start()
        yield server
        if server.is_running():
            server.stop()
        is_sound(server)
    finally:
        if server.is_running():
            server.kill()
        if finish is not None:
            finish()
        server.remove()


def is_sound(server):
    """fsck has no complaint; of a running server it is asked while it serves."""
    result = server.fsck()
    output = result.stdout + result.stderr
    for report in REPORTS:
        check.true(report not in output, f'fsck ended with a report: {output[-4000:]}')
    check.true(result.returncode == 0, f'fsck: {output[-2000:]}')


def serves(server):
    """Whatever else happens, this works."""
    for target in ('/livez', '/readyz', '/v2/'):
        check.status(http1.request(server.address, 'GET', target), 200)


def files_under(server, folder):
    """Paths of the files below a folder of the data directory, without our own marks."""
    found = []
    for parent, _, names in os.walk(os.path.join(server.data, folder)):
        found += [os.path.relpath(os.path.join(parent, name), server.data) for name in names]
    return sorted(set(found) - {'blobs/ready'})


def uploads_are_gone(server):
    """Files are removed by a pool, soon after the answer."""
    check.eventually('no file under uploads/', lambda: files_under(server, 'uploads') == [])


def events(server, name):
    return [event for event in server.log_events() if event.get('event') == name]


def metric(server, name):
    """The value of a sample without labels."""
    text = check.status(http1.request(server.address, 'GET', '/metrics'), 200).body.decode()
    for line in text.splitlines():
        key, _, value = line.partition(' ')
        if key == name:
            return float(value)
    raise AssertionError(f'/metrics has no {name}')


def reset(connection):
    """Closes with a reset, as a killed client of a busy network does."""
    connection.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack('ii', 1, 0))
    connection.close()


def raise_descriptor_limit(wanted):
    """For this program and the servers it starts; returns what there is."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard < wanted:
        with contextlib.suppress(ValueError, OSError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, wanted))
            return wanted
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(wanted, hard), hard))
    return min(wanted, hard)
